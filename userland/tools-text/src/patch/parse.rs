//! Reading patches: unified, context and normal differences, with what surrounds them.

/// What a line of a hunk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Context,
    Remove,
    Add,
}

/// A run of lines to find and what replaces it.
#[derive(Clone, Debug, Default)]
pub struct Hunk {
    /// First line in the old and in the new file, from 1.
    pub old_start: usize,
    pub new_start: usize,
    /// Lines with their newlines.
    pub lines: Vec<(Kind, Vec<u8>)>,
}

impl Hunk {
    /// The lines looked for, or with `new` those put in their place.
    pub fn side(&self, new: bool) -> Vec<&[u8]> {
        let other = if new { Kind::Remove } else { Kind::Add };
        self.lines
            .iter()
            .filter(|(kind, _)| *kind != other)
            .map(|(_, line)| line.as_slice())
            .collect()
    }

    /// The same backwards.
    pub fn reversed(&self) -> Self {
        let turn = |kind: Kind| match kind {
            Kind::Context => Kind::Context,
            Kind::Remove => Kind::Add,
            Kind::Add => Kind::Remove,
        };
        let mut lines: Vec<(Kind, Vec<u8>)> = self
            .lines
            .iter()
            .map(|(kind, line)| (turn(*kind), line.clone()))
            .collect();
        // Removals come before additions within a change.
        let mut at = 0;
        while at < lines.len() {
            let end = lines[at..]
                .iter()
                .position(|(kind, _)| *kind == Kind::Context)
                .map_or(lines.len(), |n| at + n);
            lines[at..end].sort_by_key(|(kind, _)| *kind == Kind::Add);
            at = end + 1;
        }
        Self {
            old_start: self.new_start,
            new_start: self.old_start,
            lines,
        }
    }

    /// Lines of context before the first and behind the last change.
    pub fn context(&self) -> (usize, usize) {
        let is_context = |entry: &&(Kind, Vec<u8>)| entry.0 == Kind::Context;
        let prefix = self.lines.iter().take_while(is_context).count();
        if prefix == self.lines.len() {
            return (prefix, 0);
        }
        (prefix, self.lines.iter().rev().take_while(is_context).count())
    }
}

/// The changes of one file.
#[derive(Clone, Debug, Default)]
pub struct FilePatch {
    /// Names from the headers, as written.
    pub old_name: Option<Vec<u8>>,
    pub new_name: Option<Vec<u8>>,
    pub index_name: Option<Vec<u8>>,
    /// What git says beside the lines.
    pub rename: Option<(Vec<u8>, Vec<u8>)>,
    pub new_mode: Option<u32>,
    pub deletes: bool,
    pub creates: bool,
    pub git: bool,
    pub hunks: Vec<Hunk>,
    /// Lines before the first hunk, for messages, and the line number of the first hunk.
    pub leading: Vec<Vec<u8>>,
    pub at_line: usize,
    /// Printed as a context difference when rejected.
    pub is_context: bool,
}

/// Why a patch cannot be read.
#[derive(Debug)]
pub struct Malformed {
    /// Line, from 1.
    pub line: usize,
    /// The line itself.
    pub text: Vec<u8>,
}

/// Reads all patches in `text`.
///
/// # Errors
///
/// The first line that breaks a hunk.
pub fn parse(text: &[u8]) -> Result<Vec<FilePatch>, Malformed> {
    let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
    let mut parser = Parser {
        lines,
        at: 0,
        out: Vec::new(),
        pending: FilePatch::default(),
    };
    parser.run()?;
    Ok(parser.out)
}

struct Parser<'a> {
    lines: Vec<&'a [u8]>,
    at: usize,
    out: Vec<FilePatch>,
    pending: FilePatch,
}

impl<'a> Parser<'a> {
    fn line(&self, ahead: usize) -> &'a [u8] {
        self.lines.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn malformed<T>(&self) -> Result<T, Malformed> {
        Err(Malformed {
            line: self.at + 1,
            text: chomp(self.line(0)).to_vec(),
        })
    }

    fn run(&mut self) -> Result<(), Malformed> {
        while self.at < self.lines.len() {
            let line = self.line(0);
            if line.starts_with(b"diff --git ") {
                self.finish();
                self.pending.git = true;
                self.pending.leading.push(chomp(line).to_vec());
                self.at += 1;
            } else if line.starts_with(b"--- ") && self.line(1).starts_with(b"+++ ") {
                self.header(b"--- ", b"+++ ");
                if self.line(0).starts_with(b"@@ -") {
                    self.pending.at_line = self.at + 1;
                    self.unified()?;
                }
                self.finish();
            } else if line.starts_with(b"*** ")
                && self.line(1).starts_with(b"--- ")
                && self.line(2).starts_with(b"********")
            {
                self.header(b"*** ", b"--- ");
                self.pending.at_line = self.at + 1;
                self.pending.is_context = true;
                self.context()?;
                self.finish();
            } else if line.starts_with(b"@@ -") && unified_range(line).is_some() {
                self.pending.at_line = self.at + 1;
                self.unified()?;
                self.finish();
            } else if normal_range(line).is_some() && !self.pending.git && self.normal_follows() {
                self.pending.at_line = self.at + 1;
                self.normal()?;
                self.finish();
            } else {
                self.extended(line);
                self.at += 1;
            }
        }
        self.finish();
        Ok(())
    }

    /// Ends the patch of a file, if there is one.
    fn finish(&mut self) {
        let patch = std::mem::take(&mut self.pending);
        let meaningful = !patch.hunks.is_empty() || patch.rename.is_some() || patch.new_mode.is_some();
        if meaningful || (patch.git && (patch.creates || patch.deletes)) {
            self.out.push(patch);
        }
    }

    fn header(&mut self, old: &[u8], new: &[u8]) {
        for line in [self.line(0), self.line(1)] {
            self.pending.leading.push(chomp(line).to_vec());
        }
        self.pending.old_name = Some(name(&self.line(0)[old.len()..]));
        self.pending.new_name = Some(name(&self.line(1)[new.len()..]));
        self.at += 2;
    }

    /// A line outside of hunks: git's extended header, `Index:`, or text.
    fn extended(&mut self, line: &[u8]) {
        let text = chomp(line);
        self.pending.leading.push(text.to_vec());
        if let Some(rest) = text.strip_prefix(b"Index: ") {
            self.pending.index_name = Some(name(rest));
        }
        if !self.pending.git {
            return;
        }
        let octal = |rest: &[u8]| u32::from_str_radix(std::str::from_utf8(rest).ok()?.trim(), 8).ok();
        if let Some(rest) = text.strip_prefix(b"rename from ") {
            self.pending.rename = Some((rest.to_vec(), Vec::new()));
        } else if let Some(rest) = text.strip_prefix(b"rename to ") {
            if let Some(rename) = &mut self.pending.rename {
                rename.1 = rest.to_vec();
            }
        } else if let Some(rest) = text.strip_prefix(b"new file mode ") {
            self.pending.creates = true;
            self.pending.new_mode = octal(rest);
            self.git_names();
        } else if text.starts_with(b"deleted file mode ") {
            self.pending.deletes = true;
            self.git_names();
        } else if let Some(rest) = text.strip_prefix(b"new mode ") {
            self.pending.new_mode = octal(rest);
            self.git_names();
        }
    }

    /// The names of `diff --git a/x b/x`, which stand alone when a patch has no lines.
    fn git_names(&mut self) {
        let Some(first) = self
            .pending
            .leading
            .iter()
            .rev()
            .find(|line| line.starts_with(b"diff --git "))
        else {
            return;
        };
        let rest = &first[b"diff --git ".len()..];
        // Both names are equal but for their first component.
        let half = rest.len() / 2;
        if rest.len() % 2 == 1 && rest[half] == b' ' {
            self.pending.old_name.get_or_insert_with(|| rest[..half].to_vec());
            self.pending.new_name.get_or_insert_with(|| rest[half + 1..].to_vec());
        }
    }

    fn unified(&mut self) -> Result<(), Malformed> {
        while self.line(0).starts_with(b"@@ -") {
            let Some((old_start, old_count, new_start, new_count)) = unified_range(self.line(0)) else {
                return self.malformed();
            };
            self.at += 1;
            let mut hunk = Hunk {
                old_start,
                new_start,
                lines: Vec::new(),
            };
            let (mut old_left, mut new_left) = (old_count, new_count);
            while old_left > 0 || new_left > 0 || self.line(0).starts_with(b"\\") {
                if self.at >= self.lines.len() {
                    return self.malformed();
                }
                let line = self.line(0);
                let kind = match line[0] {
                    b' ' | b'\t' | b'\n' => Kind::Context,
                    b'-' => Kind::Remove,
                    b'+' => Kind::Add,
                    b'\\' => {
                        drop_newline(&mut hunk.lines);
                        self.at += 1;
                        continue;
                    }
                    _ => return self.malformed(),
                };
                let takes = (usize::from(kind != Kind::Add), usize::from(kind != Kind::Remove));
                if takes.0 > old_left || takes.1 > new_left {
                    return self.malformed();
                }
                old_left -= takes.0;
                new_left -= takes.1;
                // A blank line of context may have lost its blank.
                let body = if line[0] == b'\n' || line[0] == b'\t' {
                    line
                } else {
                    &line[1..]
                };
                hunk.lines.push((kind, with_newline(body)));
                self.at += 1;
            }
            self.pending.hunks.push(hunk);
        }
        Ok(())
    }

    fn context(&mut self) -> Result<(), Malformed> {
        while self.line(0).starts_with(b"***************") {
            self.at += 1;
            let Some((old_start, _)) = context_range(self.line(0), b"*** ", b" ****") else {
                return self.malformed();
            };
            self.at += 1;
            let old = self.context_block(b'-')?;
            let Some((new_start, _)) = context_range(self.line(0), b"--- ", b" ----") else {
                return self.malformed();
            };
            self.at += 1;
            let new = self.context_block(b'+')?;
            self.pending.hunks.push(Hunk {
                old_start,
                new_start,
                lines: merge(old, new),
            });
        }
        Ok(())
    }

    /// The lines of one side: true for those that change.
    fn context_block(&mut self, sign: u8) -> Result<Vec<(bool, Vec<u8>)>, Malformed> {
        let mut out: Vec<(bool, Vec<u8>)> = Vec::new();
        loop {
            let line = self.line(0);
            match line {
                [b'\\', ..] => {
                    if let Some((_, last)) = out.last_mut() {
                        last.pop();
                    }
                }
                [first, b' ', body @ ..] if *first == b' ' || *first == b'!' || *first == sign => {
                    if line.starts_with(b"--- ") && line.ends_with(b" ----\n") {
                        return Ok(out);
                    }
                    out.push((*first != b' ', with_newline(body)));
                }
                _ => return Ok(out),
            }
            self.at += 1;
        }
    }

    fn normal_follows(&self) -> bool {
        let next = self.line(1);
        next.starts_with(b"< ") || next.starts_with(b"> ")
    }

    fn normal(&mut self) -> Result<(), Malformed> {
        while let Some((old_start, command, new_start)) = normal_range(self.line(0)) {
            self.at += 1;
            let mut hunk = Hunk {
                old_start,
                new_start,
                lines: Vec::new(),
            };
            // An addition names the line it goes behind.
            hunk.old_start += usize::from(command == b'a');
            hunk.new_start += usize::from(command == b'd');
            loop {
                let line = self.line(0);
                match line {
                    [b'<', b' ', body @ ..] => hunk.lines.push((Kind::Remove, with_newline(body))),
                    [b'>', b' ', body @ ..] => hunk.lines.push((Kind::Add, with_newline(body))),
                    [b'-', b'-', b'-', ..] => {}
                    [b'\\', ..] => drop_newline(&mut hunk.lines),
                    _ => break,
                }
                self.at += 1;
            }
            self.pending.hunks.push(hunk);
        }
        Ok(())
    }
}

fn chomp(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn with_newline(body: &[u8]) -> Vec<u8> {
    let mut line = body.to_vec();
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    line
}

fn drop_newline(lines: &mut [(Kind, Vec<u8>)]) {
    if let Some((_, last)) = lines.last_mut()
        && last.ends_with(b"\n")
    {
        last.pop();
    }
}

/// A file name up to its time stamp; names in double quotes have their escapes carried out.
fn name(text: &[u8]) -> Vec<u8> {
    let text = chomp(text);
    if let Some(quoted) = text.strip_prefix(b"\"") {
        return unquote(quoted);
    }
    let end = text.iter().position(|&b| b == b'\t').unwrap_or(text.len());
    let name = &text[..end];
    // Without a tab, a time stamp may follow behind blanks.
    let stamp = name
        .windows(3)
        .position(|part| part[0] == b' ' && part[1].is_ascii_digit() && part[2].is_ascii_digit());
    let name = match stamp {
        Some(at) if end == text.len() && text[at..].contains(&b':') => &name[..at],
        _ => name,
    };
    name.trim_ascii_end().to_vec()
}

fn unquote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() && text[at] != b'"' {
        if text[at] != b'\\' || at + 1 >= text.len() {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let digits = text[at + 1..]
            .iter()
            .take(3)
            .take_while(|b| (b'0'..=b'7').contains(b))
            .count();
        if digits > 0 {
            let code = text[at + 1..=at + digits]
                .iter()
                .fold(0u32, |sum, d| sum * 8 + u32::from(d - b'0'));
            out.push((code & 0xff) as u8);
            at += 1 + digits;
            continue;
        }
        out.push(match text[at + 1] {
            b'n' => b'\n',
            b't' => b'\t',
            other => other,
        });
        at += 2;
    }
    out
}

fn number(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Old start and count, new start and count of `@@ -a,b +c,d @@`.
fn unified_range(line: &[u8]) -> Option<(usize, usize, usize, usize)> {
    let rest = line.strip_prefix(b"@@ -")?;
    let mut words = rest.split(|&b| b == b' ');
    let range = |text: &[u8]| -> Option<(usize, usize)> {
        let mut parts = text.splitn(2, |&b| b == b',');
        let start = number(parts.next()?)?;
        let count = parts.next().map_or(Some(1), number)?;
        // An empty range names the line before it.
        Some((if count == 0 { start + 1 } else { start }, count))
    };
    let old = range(words.next()?)?;
    let new = range(words.next()?.strip_prefix(b"+")?)?;
    words.next()?.starts_with(b"@@").then_some((old.0, old.1, new.0, new.1))
}

fn context_range(line: &[u8], before: &[u8], after: &[u8]) -> Option<(usize, usize)> {
    let body = chomp(line).strip_prefix(before)?.strip_suffix(after)?;
    let mut parts = body.splitn(2, |&b| b == b',');
    let first = number(parts.next()?)?;
    let last = parts.next().map_or(Some(first), number)?;
    Some((if last == 0 || first > last { first + 1 } else { first }, last))
}

/// Old line, command and new line of `1,2c3,4`.
fn normal_range(line: &[u8]) -> Option<(usize, u8, usize)> {
    let line = chomp(line);
    let at = line.iter().position(|b| matches!(b, b'a' | b'c' | b'd'))?;
    let start = |text: &[u8]| -> Option<usize> {
        let mut parts = text.splitn(2, |&b| b == b',');
        let first = number(parts.next()?)?;
        parts.next().map_or(Some(0), number)?;
        Some(first)
    };
    Some((start(&line[..at])?, line[at], start(&line[at + 1..])?))
}

/// Both sides of a context difference as one list; a side that is left out has the other's context.
fn merge(old: Vec<(bool, Vec<u8>)>, new: Vec<(bool, Vec<u8>)>) -> Vec<(Kind, Vec<u8>)> {
    let side = |lines: Vec<(bool, Vec<u8>)>, kind: Kind| -> Vec<(Kind, Vec<u8>)> {
        lines
            .into_iter()
            .map(|(changed, line)| (if changed { kind } else { Kind::Context }, line))
            .collect()
    };
    if new.is_empty() {
        return side(old, Kind::Remove);
    }
    if old.is_empty() {
        return side(new, Kind::Add);
    }
    let mut out = Vec::new();
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        if let Some((_, line)) = old.next_if(|(changed, _)| *changed) {
            out.push((Kind::Remove, line));
        } else if let Some((_, line)) = new.next_if(|(changed, _)| *changed) {
            out.push((Kind::Add, line));
        } else {
            match (old.next(), new.next()) {
                (None, None) => return out,
                (Some((_, line)), _) | (None, Some((_, line))) => out.push((Kind::Context, line)),
            }
        }
    }
}
