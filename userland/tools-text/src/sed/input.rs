//! The lines of all input files, with one line of look-ahead.

use super::Settings;
use crate::io::{BLOCK, complain, complain_file, reason, shown};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Reads lines across files.
pub struct Input {
    files: VecDeque<OsString>,
    current: Option<Box<dyn BufRead>>,
    delimiter: u8,
    separate: bool,
    /// Name of the file that the current line came from.
    pub name: OsString,
    /// Number of the current line.
    pub line: u64,
    /// A file could not be read.
    pub failed: bool,
    /// A file was opened since the flag was last cleared; its name is `name`.
    pub opened: bool,
}

impl Input {
    /// Lines of `files`, or of standard input if there are none.
    pub fn new(files: Vec<OsString>, settings: &Settings) -> Self {
        let files = if files.is_empty() {
            vec![OsString::from("-")]
        } else {
            files
        };
        Self {
            files: files.into(),
            current: None,
            delimiter: settings.delimiter,
            separate: settings.separate,
            name: OsString::from("-"),
            line: 0,
            failed: false,
            opened: false,
        }
    }

    /// Reads the next line, without its delimiter; `None` at the end. The flag says whether a delimiter was there.
    ///
    /// # Errors
    ///
    /// None today: what cannot be read is reported and skipped.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
        loop {
            if self.current.is_none() && !self.open_next() {
                return Ok(None);
            }
            let Some(reader) = &mut self.current else { continue };
            let start = line.len();
            match reader.read_until(self.delimiter, line) {
                Ok(0) => self.current = None,
                Ok(_) => {
                    self.line += 1;
                    let ended = line.len() > start && line.last() == Some(&self.delimiter);
                    if ended {
                        line.pop();
                    }
                    return Ok(Some(ended));
                }
                Err(error) => {
                    let name = shown(&self.name);
                    let verb = if Path::new(&self.name).is_dir() {
                        "couldn't edit"
                    } else {
                        "read error on"
                    };
                    if verb == "couldn't edit" && self.separate {
                        complain("sed", format_args!("couldn't edit {name}: not a regular file"));
                    } else {
                        complain("sed", format_args!("read error on {name}: {}", reason(&error)));
                    }
                    self.failed = true;
                    self.current = None;
                }
            }
        }
    }

    /// Whether the current line is the last one.
    pub fn at_end(&mut self) -> bool {
        loop {
            if let Some(reader) = &mut self.current {
                match reader.fill_buf() {
                    Ok(rest) if !rest.is_empty() => return false,
                    _ if self.separate => return true,
                    _ => self.current = None,
                }
            }
            if self.separate {
                return true;
            }
            if !self.open_next() {
                return true;
            }
        }
    }

    /// Whether no line at all is left, in any file.
    pub fn exhausted(&mut self) -> bool {
        if let Some(reader) = &mut self.current
            && matches!(reader.fill_buf(), Ok(rest) if !rest.is_empty())
        {
            return false;
        }
        !self
            .files
            .iter()
            .any(|file| file == "-" || std::fs::metadata(file).is_ok_and(|found| found.len() > 0))
    }

    fn open_next(&mut self) -> bool {
        while let Some(file) = self.files.pop_front() {
            if file == "-" {
                self.name = file;
                self.current = Some(Box::new(BufReader::with_capacity(BLOCK, io::stdin().lock())));
                return true;
            }
            match File::open(&file) {
                Ok(opened) => {
                    if self.separate {
                        self.line = 0;
                    }
                    self.name = file;
                    self.opened = true;
                    self.current = Some(Box::new(BufReader::with_capacity(BLOCK, opened)));
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    complain("sed", format_args!("can't read {}: {}", shown(&file), reason(&error)));
                }
                Err(error) => complain_file("sed", &file, &error),
            }
            self.failed = true;
        }
        false
    }
}
