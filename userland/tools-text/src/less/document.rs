//! A file as lines, read as far as somebody looks.

use std::io::BufRead;

/// Most bytes kept of a line; the rest is not shown.
const LINE_LIMIT: usize = 1 << 20;

/// A file as lines.
pub struct Document {
    /// Its name.
    pub name: String,
    source: Option<Box<dyn BufRead>>,
    lines: Vec<Vec<u8>>,
}

impl Document {
    /// A document read from `source`.
    pub fn new(name: &str, source: Box<dyn BufRead>) -> Self {
        Self {
            name: name.to_owned(),
            source: Some(source),
            lines: Vec::new(),
        }
    }

    /// A line without its newline; `None` beyond the end.
    pub fn line(&mut self, index: usize) -> Option<&[u8]> {
        while self.lines.len() <= index && self.read_line() {}
        self.lines.get(index).map(Vec::as_slice)
    }

    /// Number of lines, after reading everything.
    pub fn count(&mut self) -> usize {
        while self.read_line() {}
        self.lines.len()
    }

    /// Number of lines, if everything was read already.
    pub fn known_count(&self) -> Option<usize> {
        self.source.is_none().then_some(self.lines.len())
    }

    fn read_line(&mut self) -> bool {
        let Some(source) = &mut self.source else { return false };
        let mut line = Vec::new();
        match source.read_until(b'\n', &mut line) {
            Ok(count) if count > 0 => {
                if line.ends_with(b"\n") {
                    line.pop();
                }
                if line.ends_with(b"\r") {
                    line.pop();
                }
                line.truncate(LINE_LIMIT);
                line.shrink_to_fit();
                self.lines.push(line);
                true
            }
            _ => {
                self.source = None;
                false
            }
        }
    }
}
