//! Addresses: which lines a command is for.

use super::command::{Editor, Run};
use crate::regex::{Escapes, Options as RegexOptions, Regex, Syntax};
use std::rc::Rc;

/// A command line being read.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl Cursor<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    pub(super) fn number(&mut self) -> Option<usize> {
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let found = std::str::from_utf8(&self.rest()[..digits]).ok()?.parse().ok();
        self.at += digits;
        found
    }

    /// Text up to a delimiter, which may be missing at the end of the line.
    pub(super) fn until(&mut self, delimiter: u8) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut in_bracket = false;
        while let Some(byte) = self.next() {
            if byte == delimiter && !in_bracket {
                return (out, true);
            }
            match byte {
                b'[' if !in_bracket => in_bracket = self.rest().contains(&b']'),
                b']' => in_bracket = false,
                b'\\' if !in_bracket => {
                    let Some(next) = self.next() else { break };
                    if next != delimiter {
                        out.push(b'\\');
                    }
                    out.push(next);
                    continue;
                }
                _ => {}
            }
            out.push(byte);
        }
        (out, false)
    }
}

/// What a command was given: how many addresses, and the last two.
pub(super) struct Range {
    pub(super) count: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Editor {
    pub(super) fn check(&self, from: usize, to: usize, zero: bool) -> Run<()> {
        let good = from <= to && to <= self.buffer.last() && (from > 0 || zero);
        if good { Ok(()) } else { Err("Invalid address".into()) }
    }

    /// The lines a command works on: the current one by itself.
    pub(super) fn lines(&self, range: &Range, zero: bool) -> Run<(usize, usize)> {
        let (from, to) = match range.count {
            0 => (self.buffer.current, self.buffer.current),
            1 => (range.to, range.to),
            _ => (range.from, range.to),
        };
        self.check(from, to, zero)?;
        Ok((from, to))
    }

    pub(super) fn addresses(&mut self, cursor: &mut Cursor<'_>) -> Run<Range> {
        let mut range = Range {
            count: 0,
            from: self.buffer.current,
            to: self.buffer.current,
        };
        let before = self.buffer.current;
        loop {
            cursor.skip_blanks();
            let found = self.address(cursor)?;
            cursor.skip_blanks();
            let separator = cursor.peek().filter(|byte| matches!(byte, b',' | b';' | b'%'));
            match (found, separator) {
                (Some(line), _) => {
                    range.from = if range.count == 0 { line } else { range.to };
                    range.to = line;
                    range.count = (range.count + 1).min(2);
                }
                // A separator without an address before it means everything, or everything from here on.
                (None, Some(byte)) if range.count == 0 => {
                    range.from = if byte == b';' {
                        self.buffer.current
                    } else {
                        1.min(self.buffer.last())
                    };
                    range.to = self.buffer.last();
                    cursor.at += 1;
                    let from = range.from;
                    if byte == b';' {
                        self.buffer.current = from;
                    }
                    cursor.skip_blanks();
                    if let Some(to) = self.address(cursor)? {
                        range.to = to;
                    }
                    range.count = 2;
                    self.buffer.current = before;
                    continue_if_more(cursor)?;
                    return Ok(range);
                }
                (None, _) => {
                    self.buffer.current = before;
                    return Ok(range);
                }
            }
            match separator {
                Some(b',') => cursor.at += 1,
                Some(b';') => {
                    cursor.at += 1;
                    self.buffer.current = range.to;
                }
                _ => {
                    self.buffer.current = before;
                    return Ok(range);
                }
            }
            // An address left out behind a separator is the one before it.
            cursor.skip_blanks();
            let follows = cursor
                .peek()
                .is_some_and(|b| b.is_ascii_digit() || b".$'/?+-".contains(&b));
            if !follows {
                range.from = range.to;
                range.count = 2;
            }
        }
    }

    pub(super) fn address(&mut self, cursor: &mut Cursor<'_>) -> Run<Option<usize>> {
        let mut line: Option<i64> = match cursor.peek() {
            Some(b'.') => {
                cursor.at += 1;
                Some(self.buffer.current as i64)
            }
            Some(b'$') => {
                cursor.at += 1;
                Some(self.buffer.last() as i64)
            }
            Some(b'0'..=b'9') => Some(cursor.number().ok_or("Invalid address")? as i64),
            Some(b'\'') => {
                cursor.at += 1;
                let name = cursor
                    .next()
                    .filter(u8::is_ascii_lowercase)
                    .ok_or("Invalid mark character")?;
                Some(self.buffer.marked(name).ok_or("Invalid address")? as i64)
            }
            Some(delimiter @ (b'/' | b'?')) => {
                cursor.at += 1;
                let (pattern, _) = cursor.until(delimiter);
                let regex = self.compile(&pattern, false)?;
                Some(self.search(&regex, delimiter == b'/').ok_or("No match")? as i64)
            }
            _ => None,
        };
        loop {
            cursor.skip_blanks();
            let sign = match cursor.peek() {
                Some(b'+') => 1,
                Some(b'-' | b'^') => -1,
                Some(b'0'..=b'9') if line.is_some() => 0,
                _ => break,
            };
            if sign != 0 {
                cursor.at += 1;
            }
            let count = cursor
                .number()
                .map_or(1, |count| i64::try_from(count).unwrap_or(i64::MAX));
            let base = line.unwrap_or(self.buffer.current as i64);
            line = Some(base.saturating_add(if sign < 0 { -count } else { count }));
        }
        match line {
            None => Ok(None),
            Some(line) => match usize::try_from(line) {
                Ok(line) if line <= self.buffer.last() => Ok(Some(line)),
                _ => Err("Invalid address".into()),
            },
        }
    }

    pub(super) fn compile(&mut self, pattern: &[u8], ignore_case: bool) -> Run<Rc<Regex>> {
        if pattern.is_empty() {
            return self.regex.clone().ok_or_else(|| "No previous pattern".to_owned());
        }
        let syntax = if self.extended { Syntax::Extended } else { Syntax::Basic };
        let options = RegexOptions {
            ignore_case,
            escapes: Escapes::None,
            ..RegexOptions::new(syntax)
        };
        let regex = Rc::new(Regex::new(pattern, &options).map_err(|error| error.to_string())?);
        self.regex = Some(Rc::clone(&regex));
        Ok(regex)
    }

    /// The next line that matches, around the end.
    pub(super) fn search(&self, regex: &Regex, forward: bool) -> Option<usize> {
        let last = self.buffer.last();
        let mut line = self.buffer.current;
        for _ in 0..last {
            line = if forward {
                if line >= last { 1 } else { line + 1 }
            } else if line <= 1 {
                last
            } else {
                line - 1
            };
            if regex.is_match(self.buffer.text(line)) {
                return Some(line);
            }
        }
        None
    }
}

fn continue_if_more(cursor: &mut Cursor<'_>) -> Run<()> {
    cursor.skip_blanks();
    if cursor.peek() == Some(b',') {
        Err("Invalid address".into())
    } else {
        Ok(())
    }
}
