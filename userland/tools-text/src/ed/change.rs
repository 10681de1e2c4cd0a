//! Substitution and global commands.

use super::Input;
use super::address::{Cursor, Range};
use super::command::{Editor, Outcome, Run};
use crate::regex::{Groups, Regex};

impl Editor {
    pub(super) fn substitute(&mut self, range: &Range, cursor: &mut Cursor<'_>, input: &mut Input) -> Run<()> {
        let (from, to) = self.lines(range, false)?;
        let delimiter = cursor.peek();
        let (regex, which, flags) = match delimiter {
            Some(delimiter) if !delimiter.is_ascii_alphanumeric() && delimiter != b' ' && delimiter != b'\n' => {
                cursor.at += 1;
                let (pattern, _) = cursor.until(delimiter);
                let mut replacement = self.replacement_text(cursor, delimiter, input);
                if replacement.0 == b"%" {
                    replacement.0 = self.replacement.clone();
                }
                let (which, mut flags) = substitute_flags(cursor)?;
                if !replacement.1 {
                    // Without its last delimiter a substitution prints.
                    flags.1 = Some(b'p');
                }
                let regex = self.compile(&pattern, flags.0)?;
                self.replacement = replacement.0;
                (regex, which, flags)
            }
            // The last substitution again.
            _ => {
                let (which, flags) = substitute_flags(cursor)?;
                (self.regex.clone().ok_or("No previous substitution")?, which, flags)
            }
        };
        let replacement = self.replacement.clone();
        let mut changed: Option<usize> = None;
        let mut line = from;
        let mut end = to;
        let mut saved = false;
        while line <= end {
            if let Some(text) = replace(&regex, self.buffer.text(line), &replacement, which) {
                if !saved {
                    self.save_undo();
                    saved = true;
                }
                let mut lines: Vec<Vec<u8>> = text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
                let added = lines.len() - 1;
                self.buffer.set(line, lines.remove(0));
                if added > 0 {
                    self.buffer.insert(line, lines);
                }
                line += added;
                end += added;
                changed = Some(line);
            }
            line += 1;
        }
        match changed {
            Some(line) => self.buffer.current = line,
            None if self.in_global => return Ok(()),
            None => return Err("No match".into()),
        }
        self.print_suffix(flags.1);
        Ok(())
    }

    /// The replacement up to the delimiter, over lines that end in a backslash; and whether the delimiter was there.
    fn replacement_text(&mut self, cursor: &mut Cursor<'_>, delimiter: u8, input: &mut Input) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        while let Some(byte) = cursor.next() {
            if byte == delimiter {
                return (out, true);
            }
            if byte != b'\\' {
                out.push(byte);
                continue;
            }
            match cursor.next() {
                Some(next) if next == delimiter && next != b'&' => out.push(next),
                Some(next) => out.extend_from_slice(&[b'\\', next]),
                None => {
                    // A line break in the replacement, and what follows it.
                    out.extend_from_slice(b"\\\n");
                    while let Some(line) = input.line() {
                        let (rest, flags, ended) = split_replacement(&line, delimiter);
                        out.extend_from_slice(&rest);
                        if ended {
                            self.pending_flags(cursor, flags);
                            return (out, true);
                        }
                        if !line.ends_with(b"\\") {
                            return (out, false);
                        }
                    }
                    return (out, true);
                }
            }
        }
        (out, false)
    }

    /// Flags that stood on a later line than the command.
    fn pending_flags(&mut self, cursor: &mut Cursor<'_>, flags: Vec<u8>) {
        // The cursor is at the end of its line; letters that are known are taken over.
        cursor.text = match flags.as_slice() {
            b"g" => b"g",
            b"p" => b"p",
            b"gp" | b"pg" => b"gp",
            _ => b"",
        };
        cursor.at = 0;
    }

    pub(super) fn global(
        &mut self,
        inverted: bool,
        range: &Range,
        cursor: &mut Cursor<'_>,
        input: &mut Input,
    ) -> Run<Outcome> {
        if self.in_global {
            return Err("Cannot nest global commands".into());
        }
        let (from, to) = match range.count {
            0 => (1.min(self.buffer.last()), self.buffer.last()),
            1 => (range.to, range.to),
            _ => (range.from, range.to),
        };
        self.check(from, to, false)?;
        let delimiter = cursor
            .next()
            .filter(|b| *b != b' ')
            .ok_or("Invalid pattern delimiter")?;
        let (pattern, _) = cursor.until(delimiter);
        let ignore_case = cursor.peek() == Some(b'I');
        cursor.at += usize::from(ignore_case);
        let regex = self.compile(&pattern, ignore_case)?;
        // The command list goes on over lines that end in a backslash.
        let mut list = vec![cursor.rest().to_vec()];
        while list.last().is_some_and(|line| line.ends_with(b"\\")) {
            if let Some(line) = list.last_mut() {
                line.pop();
            }
            match input.line() {
                Some(line) => list.push(line),
                None => break,
            }
        }
        if list.len() == 1 && list[0].is_empty() {
            list = vec![b"p".to_vec()];
        }
        let chosen: Vec<u64> = (from..=to)
            .filter(|&line| regex.is_match(self.buffer.text(line)) != inverted)
            .filter_map(|line| self.buffer.id(line))
            .collect();
        if chosen.is_empty() {
            return Ok(Outcome::Continue);
        }
        let before = self.buffer.clone();
        self.in_global = true;
        let outcome = self.run_list(&chosen, &list, input);
        self.in_global = false;
        self.undo = Some(before);
        outcome
    }

    fn run_list(&mut self, chosen: &[u64], list: &[Vec<u8>], input: &mut Input) -> Run<Outcome> {
        for id in chosen {
            let Some(line) = self.buffer.find(*id) else { continue };
            self.buffer.current = line;
            let outer = input.replace(list.to_vec());
            let mut outcome = Ok(Outcome::Continue);
            while input.has_pending() {
                let Some(line) = input.line() else { break };
                outcome = self.execute(&line, input);
                if !matches!(outcome, Ok(Outcome::Continue)) {
                    break;
                }
            }
            input.restore(outer);
            if !matches!(outcome, Ok(Outcome::Continue)) {
                return outcome;
            }
        }
        Ok(Outcome::Continue)
    }
}

/// Which match to replace (0: all), whether case is ignored, and how to print.
fn substitute_flags(cursor: &mut Cursor<'_>) -> Run<(usize, (bool, Option<u8>))> {
    let (mut which, mut fold, mut how) = (1, false, None);
    loop {
        match cursor.peek() {
            None => return Ok((which, (fold, how))),
            Some(b'g') => which = 0,
            Some(b'i' | b'I') => fold = true,
            Some(letter @ (b'p' | b'n' | b'l')) => how = Some(letter),
            Some(b'0'..=b'9') => {
                which = cursor
                    .number()
                    .filter(|&number| number > 0)
                    .ok_or("Invalid command suffix")?;
                continue;
            }
            Some(_) => return Err("Invalid command suffix".into()),
        }
        cursor.at += 1;
    }
}

/// A line of a replacement: its text, the flags behind the delimiter, and whether the delimiter was there.
fn split_replacement(line: &[u8], delimiter: u8) -> (Vec<u8>, Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            byte if byte == delimiter => return (out, line[at + 1..].to_vec(), true),
            b'\\' => {
                out.push(b'\\');
                out.push(line.get(at + 1).copied().unwrap_or(b'\n'));
                at += 2;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    (out, Vec::new(), false)
}

/// The line with matches replaced; `None` when there is none to replace.
fn replace(regex: &Regex, text: &[u8], replacement: &[u8], which: usize) -> Option<Vec<u8>> {
    let mut groups = Groups::new();
    let mut out = Vec::new();
    let (mut from, mut copied, mut seen, mut done) = (0, 0, 0, 0);
    while from <= text.len() && regex.captures_at(text, from, &mut groups) {
        let (start, end) = groups.first().copied().flatten()?;
        seen += 1;
        if which == 0 || seen == which {
            out.extend_from_slice(&text[copied..start]);
            expand(&mut out, replacement, text, &groups);
            copied = end;
            done += 1;
            if which != 0 {
                break;
            }
        }
        from = if end > start { end } else { end + 1 };
    }
    if done == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

fn expand(out: &mut Vec<u8>, replacement: &[u8], text: &[u8], groups: &Groups) {
    let group = |out: &mut Vec<u8>, number: usize| {
        if let Some((start, end)) = groups.get(number).copied().flatten() {
            out.extend_from_slice(&text[start..end]);
        }
    };
    let mut bytes = replacement.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'&' => group(out, 0),
            b'\\' => match bytes.next() {
                Some(digit @ b'1'..=b'9') => group(out, usize::from(digit - b'0')),
                Some(other) => out.push(*other),
                None => {}
            },
            _ => out.push(byte),
        }
    }
}
