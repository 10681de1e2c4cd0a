//! Input in records.

use super::regexes::Compiled;
use std::io::{self, Read};
use std::rc::Rc;

/// What ends a record.
#[derive(Clone)]
pub enum Separator {
    /// One byte.
    Byte(u8),
    /// Empty lines.
    Paragraph,
    /// A match of an expression.
    Regex(Rc<Compiled>),
}

/// Bytes asked for at a time.
const BLOCK: usize = 128 * 1024;

/// A source of records with its own buffer.
pub struct Reader {
    source: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    finished: bool,
}

impl Reader {
    /// A reader over `source`.
    pub fn new(source: Box<dyn Read>) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            finished: false,
        }
    }

    /// Whether the next record may need to wait for input.
    pub fn may_wait(&self) -> bool {
        !self.finished && memchr::memchr(b'\n', &self.buffer[self.start..self.end]).is_none()
    }

    /// Appends the next record to `record` and what ended it to `terminator`; false at the end.
    ///
    /// # Errors
    ///
    /// What reading says.
    pub fn read(&mut self, separator: &Separator, record: &mut Vec<u8>, terminator: &mut Vec<u8>) -> io::Result<bool> {
        terminator.clear();
        match separator {
            Separator::Byte(byte) => self.until_byte(*byte, record, terminator),
            Separator::Paragraph => self.paragraph(record, terminator),
            Separator::Regex(regex) => self.until_match(regex, record, terminator),
        }
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads more behind what is there; false at the end of input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.finished {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < BLOCK / 2 {
            let wanted = (self.end + BLOCK).max(self.end * 2);
            self.buffer.resize(wanted, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.finished = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.finished = true;
                    return Err(error);
                }
            }
        }
    }

    fn until_byte(&mut self, byte: u8, record: &mut Vec<u8>, terminator: &mut Vec<u8>) -> io::Result<bool> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr::memchr(byte, &self.available()[seen..]) {
                record.extend_from_slice(&self.available()[..seen + at]);
                terminator.push(byte);
                self.start += seen + at + 1;
                return Ok(true);
            }
            seen = self.end - self.start;
            if !self.fill()? {
                return Ok(self.take_rest(record));
            }
        }
    }

    fn take_rest(&mut self, record: &mut Vec<u8>) -> bool {
        let rest = self.end > self.start;
        record.extend_from_slice(&self.buffer[self.start..self.end]);
        self.start = self.end;
        rest
    }

    fn paragraph(&mut self, record: &mut Vec<u8>, terminator: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let newlines = self.available().iter().take_while(|&&b| b == b'\n').count();
            self.start += newlines;
            if self.end > self.start {
                break;
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
        let mut seen = 0;
        loop {
            let found = memchr::memmem::find(&self.available()[seen..], b"\n\n").map(|at| at + seen);
            if let Some(at) = found {
                let run = self.available()[at..].iter().take_while(|&&b| b == b'\n').count();
                if at + run < self.end - self.start || self.finished {
                    record.extend_from_slice(&self.available()[..at]);
                    terminator.resize(run, b'\n');
                    self.start += at + run;
                    return Ok(true);
                }
                // The run may go on; a terminal should not wait for that, so what is there is enough.
                record.extend_from_slice(&self.available()[..at]);
                terminator.resize(run, b'\n');
                self.start += at + run;
                return Ok(true);
            }
            seen = (self.end - self.start).saturating_sub(1);
            if !self.fill()? {
                let rest = self.take_rest(record);
                if record.last() == Some(&b'\n') {
                    record.pop();
                    terminator.push(b'\n');
                }
                return Ok(rest);
            }
        }
    }

    fn until_match(&mut self, regex: &Compiled, record: &mut Vec<u8>, terminator: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let mut from = 0;
            while let Some((start, end)) = regex.regex.find_at(self.available(), from) {
                if end == start {
                    from = end + 1;
                    continue;
                }
                // A match that touches the end of what was read might be longer in truth.
                if end < self.available().len() || self.finished {
                    record.extend_from_slice(&self.available()[..start]);
                    terminator.extend_from_slice(&self.available()[start..end]);
                    self.start += end;
                    return Ok(true);
                }
                break;
            }
            if !self.fill()? {
                if regex
                    .regex
                    .find_at(self.available(), 0)
                    .is_some_and(|(start, end)| end > start)
                {
                    continue;
                }
                let rest = self.take_rest(record);
                // The newline that ends a file is no part of its last record.
                return Ok(rest);
            }
        }
    }
}
