//! Finding where hunks go, and putting the result together.

use super::parse::Hunk;

/// A file being patched.
pub struct Patching<'a> {
    lines: Vec<&'a [u8]>,
    /// Lines of the input that are in the output already.
    done: usize,
    out: Vec<u8>,
    /// How far the last hunk was from where it said.
    offset: isize,
    /// Output lines minus input lines so far.
    grown: isize,
    ignore_blanks: bool,
}

/// Where a hunk was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line of the input, from 1.
    pub line: usize,
    /// Line of the output, from 1.
    pub output_line: usize,
    /// Distance from where the hunk said.
    pub offset: isize,
    /// Lines of context that were not compared.
    pub fuzz: usize,
}

impl<'a> Patching<'a> {
    /// Starts on `text`.
    pub fn new(text: &'a [u8], ignore_blanks: bool) -> Self {
        let lines = text.split_inclusive(|&b| b == b'\n').collect();
        Self {
            lines,
            done: 0,
            out: Vec::with_capacity(text.len()),
            offset: 0,
            grown: 0,
            ignore_blanks,
        }
    }

    /// Looks for a hunk, comparing all but `fuzz` lines of its outer context.
    pub fn locate(&self, hunk: &Hunk, fuzz: usize) -> Option<Place> {
        let pattern = hunk.side(false);
        let (prefix, suffix) = hunk.context();
        let context = prefix.max(suffix);
        let guess = hunk.old_start.max(1) as isize + self.offset;
        let found = |line: isize| {
            let said = hunk.old_start.max(1) as isize;
            let line = line.max(1);
            let output_line = (line + self.grown).max(1) as usize;
            Place {
                line: line as usize,
                output_line,
                offset: line - said,
                fuzz,
            }
        };
        if pattern.is_empty() {
            let line = guess.clamp(self.done as isize + 1, self.lines.len() as isize + 1);
            return Some(found(line));
        }
        let prefix_fuzz = fuzz as isize + prefix as isize - context as isize;
        let suffix_fuzz = fuzz as isize + suffix as isize - context as isize;
        let length = pattern.len() as isize;
        let total = self.lines.len() as isize;
        let matches =
            |line: isize, before: isize, after: isize| self.matches(&pattern, line, before.max(0), after.max(0));
        if prefix_fuzz < 0 {
            // Less context before than behind: this is the beginning of the file.
            let whole = suffix_fuzz < 0 && length != total;
            return (!whole && self.done <= prefix && matches(1, 0, suffix_fuzz)).then(|| found(1));
        }
        if suffix_fuzz < 0 {
            let line = total - length + 1;
            return (line > self.done as isize && matches(line, prefix_fuzz, 0)).then(|| found(line));
        }
        let last = total - (length - suffix_fuzz) + 1;
        let first = self.done as isize + 1 - prefix_fuzz.min(prefix as isize);
        let reach = (last - guess).max(guess - first).max(0);
        for distance in 0..=reach {
            for line in [guess + distance, guess - distance] {
                if line >= first.max(1) && line <= last && matches(line, prefix_fuzz, suffix_fuzz) {
                    return Some(found(line));
                }
            }
        }
        None
    }

    fn matches(&self, pattern: &[&[u8]], line: isize, before: isize, after: isize) -> bool {
        let compared = before as usize..pattern.len().saturating_sub(after as usize);
        compared.into_iter().all(|index| {
            let at = line - 1 + index as isize;
            let found = usize::try_from(at)
                .ok()
                .filter(|&at| at >= self.done)
                .and_then(|at| self.lines.get(at));
            found.is_some_and(|found| self.equal(found, pattern[index]))
        })
    }

    fn equal(&self, a: &[u8], b: &[u8]) -> bool {
        if a == b {
            return true;
        }
        if !self.ignore_blanks {
            return false;
        }
        let words = |line: &[u8]| -> Vec<Vec<u8>> {
            let parts = line.split(|b| b.is_ascii_whitespace());
            parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
        };
        words(a) == words(b)
    }

    /// Carries out a hunk at its place. Context stays as the file has it.
    pub fn apply(&mut self, hunk: &Hunk, place: Place) {
        use super::parse::Kind;
        self.copy_to(place.line - 1);
        let mut at = place.line - 1;
        for (kind, line) in &hunk.lines {
            match kind {
                Kind::Add => self.out.extend_from_slice(line),
                Kind::Remove => {
                    at += 1;
                    self.done = self.done.max(at);
                }
                Kind::Context => {
                    at += 1;
                    self.copy_to(at);
                }
            }
        }
        let count = |new| hunk.side(new).len() as isize;
        self.grown += count(true) - count(false);
        self.offset = place.offset;
    }

    fn copy_to(&mut self, end: usize) {
        let end = end.min(self.lines.len());
        while self.done < end {
            self.out.extend_from_slice(self.lines[self.done]);
            self.done += 1;
        }
    }

    /// The patched text.
    pub fn finish(mut self) -> Vec<u8> {
        self.copy_to(self.lines.len());
        self.out
    }
}
