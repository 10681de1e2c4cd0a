//! The words that `xargs` reads.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use agentos_tools_base::io::{BLOCK, os, reason};

use super::options::Options;

/// A word of the input.
pub(super) struct Word {
    pub(super) text: OsString,
    /// The line ends after it.
    pub(super) ends_line: bool,
}

/// How the input becomes words.
enum Mode {
    /// At this byte and nowhere else.
    Delimiter(u8),
    /// Lines without leading blanks, for `-I`.
    Lines,
    /// Blanks and newlines, with quotes and backslashes.
    Words,
}

pub(super) struct Input {
    reader: Box<dyn BufRead>,
    mode: Mode,
    end: Option<OsString>,
    done: bool,
}

impl Input {
    pub(super) fn open(options: &Options) -> io::Result<Self> {
        let reader: Box<dyn BufRead> = match &options.file {
            Some(name) => Box::new(BufReader::with_capacity(BLOCK, File::open(name)?)),
            None => Box::new(BufReader::with_capacity(BLOCK, io::stdin().lock())),
        };
        let mode = match (options.delimiter, &options.replace) {
            (Some(byte), _) => Mode::Delimiter(byte),
            (None, Some(_)) => Mode::Lines,
            (None, None) => Mode::Words,
        };
        Ok(Self {
            reader,
            mode,
            end: options.end.clone().filter(|_| options.delimiter.is_none()),
            done: false,
        })
    }

    /// The next word; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Word>, String> {
        if self.done {
            return Ok(None);
        }
        let word = match self.mode {
            Mode::Delimiter(byte) => self.delimited(byte)?,
            Mode::Lines => self.quoted(false)?,
            Mode::Words => self.quoted(true)?,
        };
        self.done = word.is_none() || (self.end.is_some() && word.as_ref().map(|word| &word.text) == self.end.as_ref());
        Ok(word.filter(|_| !self.done))
    }

    fn delimited(&mut self, byte: u8) -> Result<Option<Word>, String> {
        let mut text = Vec::new();
        let read = self
            .reader
            .read_until(byte, &mut text)
            .map_err(|error| reason(&error))?;
        if read == 0 {
            return Ok(None);
        }
        if text.last() == Some(&byte) {
            text.pop();
        }
        Ok(Some(Word {
            text: os(text),
            ends_line: true,
        }))
    }

    fn peek(&mut self) -> Result<Option<u8>, String> {
        loop {
            match self.reader.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(reason(&error)),
            }
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, String> {
        let byte = self.peek()?;
        self.reader.consume(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// A word with quotes and backslashes taken off. It ends at a newline and, with `blanks`, at a blank.
    fn quoted(&mut self, blanks: bool) -> Result<Option<Word>, String> {
        let mut text = Vec::new();
        let mut started = false;
        loop {
            let Some(byte) = self.byte()? else {
                return Ok(started.then(|| Word {
                    text: os(text),
                    ends_line: true,
                }));
            };
            match byte {
                b'\n' if started => {
                    return Ok(Some(Word {
                        text: os(text),
                        ends_line: true,
                    }));
                }
                b'\n' => {}
                b' ' | b'\t' if !started => {}
                b' ' | b'\t' if blanks => {
                    let ends_line = self.line_ends()?;
                    return Ok(Some(Word {
                        text: os(text),
                        ends_line,
                    }));
                }
                b'\'' | b'"' => {
                    started = true;
                    self.until(byte, &mut text)?;
                }
                b'\\' => {
                    started = true;
                    text.extend(self.byte()?);
                }
                byte => {
                    started = true;
                    text.push(byte);
                }
            }
        }
    }

    /// A trailing blank continues the line: `-L` counts it to the next.
    fn line_ends(&mut self) -> Result<bool, String> {
        while let Some(b' ' | b'\t') = self.peek()? {
            self.byte()?;
        }
        Ok(false)
    }

    fn until(&mut self, quote: u8, text: &mut Vec<u8>) -> Result<(), String> {
        loop {
            match self.byte()? {
                Some(byte) if byte == quote => return Ok(()),
                Some(b'\n') | None => {
                    let name = if quote == b'"' { "double" } else { "single" };
                    return Err(format!(
                        "unmatched {name} quote; by default quotes are special to xargs unless you use the -0 option"
                    ));
                }
                Some(byte) => text.push(byte),
            }
        }
    }
}
