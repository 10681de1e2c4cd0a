//! Files as lines.

use std::collections::HashMap;
use std::ffi::OsStr;

use agentos_tools_base::io::read_all;

use super::options::{Ignore, Options};

/// A file of a comparison.
pub(super) struct Text {
    bytes: Vec<u8>,
    /// Where each line begins, and the end of the last.
    starts: Vec<usize>,
}

impl Text {
    /// A file that is not there.
    pub(super) fn empty() -> Self {
        Self::new(Vec::new())
    }

    /// Reads a file; `-` is standard input.
    pub(super) fn read(name: &OsStr, options: &Options) -> std::io::Result<Self> {
        let mut bytes = read_all(name)?;
        if options.strip_cr {
            strip_cr(&mut bytes);
        }
        Ok(Self::new(bytes))
    }

    fn new(bytes: Vec<u8>) -> Self {
        let mut starts = vec![0];
        starts.extend(
            bytes
                .iter()
                .enumerate()
                .filter(|(_, b)| **b == b'\n')
                .map(|(at, _)| at + 1),
        );
        if starts.last() != Some(&bytes.len()) {
            starts.push(bytes.len());
        }
        Self { bytes, starts }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of lines.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// A line, with its newline if it has one.
    pub(super) fn line(&self, at: usize) -> &[u8] {
        &self.bytes[self.starts[at]..self.starts[at + 1]]
    }

    /// Whether it looks like something else than text.
    pub(super) fn is_binary(&self) -> bool {
        self.bytes.iter().take(32 * 1024).any(|b| *b == 0)
    }
}

fn strip_cr(bytes: &mut Vec<u8>) {
    let mut kept = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if !(*byte == b'\r' && bytes.get(at + 1) == Some(&b'\n')) {
            kept.push(*byte);
        }
    }
    *bytes = kept;
}

/// Numbers for the lines of both sides, equal where the lines count as equal.
pub(super) fn numbers(from: &Text, to: &Text, ignore: &Ignore) -> (Vec<u32>, Vec<u32>) {
    let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut side = |text: &Text| -> Vec<u32> {
        (0..text.len())
            .map(|at| {
                let key = key(text.line(at), ignore);
                let next = known.len() as u32;
                *known.entry(key).or_insert(next)
            })
            .collect()
    };
    (side(from), side(to))
}

/// What of a line counts.
fn key(line: &[u8], ignore: &Ignore) -> Vec<u8> {
    let mut text = line.to_vec();
    if ignore.tabs {
        text = expanded(&text, 8);
    }
    if ignore.all_space {
        text.retain(|b| !is_space(*b));
    } else if ignore.amount {
        let mut kept = Vec::with_capacity(text.len());
        for byte in text {
            if !is_space(byte) {
                kept.push(byte);
            } else if kept.last().is_none_or(|last| *last != b' ') {
                kept.push(b' ');
            }
        }
        while kept.last().is_some_and(|b| is_space(*b)) {
            kept.pop();
        }
        text = kept;
    } else if ignore.trailing {
        while text.last().is_some_and(|b| is_space(*b)) {
            text.pop();
        }
    }
    if ignore.case {
        text = match String::from_utf8(text) {
            Ok(text) => text.to_lowercase().into_bytes(),
            Err(error) => error.into_bytes().to_ascii_lowercase(),
        };
    }
    text
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// With tabs as blanks.
pub(super) fn expanded(line: &[u8], tab: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut column = 0;
    for byte in line {
        match byte {
            b'\t' => {
                let fill = tab - column % tab;
                out.resize(out.len() + fill, b' ');
                column += fill;
            }
            byte => {
                out.push(*byte);
                column += usize::from(byte & 0xc0 != 0x80);
            }
        }
    }
    out
}
