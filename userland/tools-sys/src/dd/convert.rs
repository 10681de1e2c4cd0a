//! Conversions of `dd`.

use super::options::Options;

/// Converts data as it comes in.
pub(super) struct Converter {
    lower: bool,
    upper: bool,
    swap: bool,
    block: Option<usize>,
    unblock: Option<usize>,
    /// Column in the current record.
    column: usize,
    /// Blanks that are written only if something follows.
    blanks: usize,
    /// A byte that waits for its pair.
    odd: Option<u8>,
    truncated: u64,
}

impl Converter {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            lower: options.lower,
            upper: options.upper,
            swap: options.swap,
            block: options.block.then_some(options.cbs),
            unblock: options.unblock.then_some(options.cbs),
            column: 0,
            blanks: 0,
            odd: None,
            truncated: 0,
        }
    }

    /// Whether data goes through as it is.
    pub(super) fn is_plain(&self) -> bool {
        !(self.lower || self.upper || self.swap || self.block.is_some() || self.unblock.is_some())
    }

    /// Appends the converted data to `out`.
    pub(super) fn run(&mut self, data: &mut [u8], out: &mut Vec<u8>) {
        if self.lower {
            data.make_ascii_lowercase();
        } else if self.upper {
            data.make_ascii_uppercase();
        }
        if !self.swap {
            return self.records(data, out);
        }
        let mut swapped = Vec::with_capacity(data.len() + 1);
        for byte in data.iter() {
            match self.odd.take() {
                Some(first) => swapped.extend([*byte, first]),
                None => self.odd = Some(*byte),
            }
        }
        self.records(&swapped, out);
    }

    fn records(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if let Some(size) = self.block {
            for byte in data {
                if *byte == b'\n' {
                    out.resize(out.len() + size.saturating_sub(self.column), b' ');
                    self.column = 0;
                } else {
                    // A record that is too long is told of once.
                    self.truncated += u64::from(self.column == size);
                    if self.column < size {
                        out.push(*byte);
                    }
                    self.column += 1;
                }
            }
        } else if let Some(size) = self.unblock {
            for byte in data {
                if self.column == size {
                    out.push(b'\n');
                    (self.column, self.blanks) = (0, 0);
                }
                self.column += 1;
                if *byte == b' ' {
                    self.blanks += 1;
                } else {
                    out.resize(out.len() + std::mem::take(&mut self.blanks), b' ');
                    out.push(*byte);
                }
            }
        } else {
            out.extend_from_slice(data);
        }
    }

    /// Appends what was held back; returns how many records were cut.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> u64 {
        if let Some(byte) = self.odd.take() {
            self.records(&[byte], out);
        }
        match (self.block, self.unblock) {
            (Some(size), _) if self.column > 0 => out.resize(out.len() + size.saturating_sub(self.column), b' '),
            (_, Some(_)) if self.column > 0 => out.push(b'\n'),
            _ => {}
        }
        self.truncated
    }
}
