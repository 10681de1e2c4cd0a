//! What `grep` prints about the lines the searcher hands it.

use super::colors::Colors;
use super::matcher::find_any;
use super::options::{Binary, Options, Output};
use crate::io::Out;
use crate::regex::Regex;
use grep::searcher::{Searcher, Sink, SinkContext, SinkMatch};
use std::io::{self, Write};

/// Prints selected lines of one file after the other.
pub struct Printer<'a> {
    options: &'a Options,
    parts: &'a [Regex],
    colors: Colors,
    with_names: bool,
    line: Vec<u8>,
    /// Name of the current file, as printed.
    pub name: Vec<u8>,
    /// The current file holds a NUL byte.
    pub binary: bool,
    /// Selected lines of the current file.
    pub count: u64,
    reported: bool,
    printed_any: bool,
    pending_break: bool,
    /// Where it goes.
    pub out: Out,
}

impl<'a> Printer<'a> {
    /// A printer; `with_names` puts file names before lines.
    pub fn new(options: &'a Options, parts: &'a [Regex], with_names: bool, out: Out) -> Self {
        Self {
            options,
            parts,
            colors: Colors::new(options.color),
            with_names,
            line: Vec::new(),
            name: Vec::new(),
            binary: false,
            count: 0,
            reported: false,
            printed_any: false,
            pending_break: false,
            out,
        }
    }

    /// Starts a file.
    pub fn start(&mut self, name: Vec<u8>, binary: bool) {
        self.name = name;
        self.binary = binary;
        self.count = 0;
        self.reported = false;
        self.pending_break = self.printed_any;
    }

    /// Ends a file: prints its count or name where that was asked for.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.options.quiet {
            return Ok(());
        }
        let listed = match self.options.output {
            Output::Names => self.count > 0,
            Output::NamesWithout => self.count == 0,
            Output::Count => return self.print_count(),
            Output::Lines | Output::Parts => return Ok(()),
        };
        if listed {
            self.line.clear();
            self.colors.paint(&mut self.line, &self.colors.name, &self.name);
            self.line.push(if self.options.null_names { 0 } else { b'\n' });
            self.out.write_all(&self.line)?;
        }
        self.flush_line()
    }

    fn print_count(&mut self) -> io::Result<()> {
        self.line.clear();
        if self.with_names {
            self.push_name(b':');
        }
        self.line.extend_from_slice(self.count.to_string().as_bytes());
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        self.flush_line()
    }

    fn flush_line(&mut self) -> io::Result<()> {
        if self.options.line_buffered {
            self.out.flush()
        } else {
            Ok(())
        }
    }

    fn push_name(&mut self, separator: u8) {
        self.colors.paint(&mut self.line, &self.colors.name, &self.name);
        if self.options.null_names {
            self.line.push(0);
        } else {
            self.colors.paint(&mut self.line, &self.colors.separator, &[separator]);
        }
    }

    /// Starts an output line with name, number and offset.
    fn head(&mut self, separator: u8, number: Option<u64>, offset: u64) {
        self.line.clear();
        if self.with_names {
            self.push_name(separator);
        }
        let tab = self.options.initial_tab;
        if let (true, Some(number)) = (self.options.line_numbers, number) {
            let text = number.to_string();
            self.colors.paint(&mut self.line, &self.colors.line, text.as_bytes());
            self.colors.paint(&mut self.line, &self.colors.separator, &[separator]);
        }
        if self.options.byte_offsets {
            let text = offset.to_string();
            self.colors.paint(&mut self.line, &self.colors.offset, text.as_bytes());
            self.colors.paint(&mut self.line, &self.colors.separator, &[separator]);
        }
        if tab && (self.with_names || self.options.line_numbers || self.options.byte_offsets) {
            self.line.push(b'\t');
        }
    }

    /// Prints a selected or context line. Returns false when the file proves to be binary and printing ends.
    fn print_line(&mut self, separator: u8, text: &[u8], number: Option<u64>, offset: u64) -> io::Result<bool> {
        if self.options.binary == Binary::Report && (self.binary || std::str::from_utf8(text).is_err()) {
            return self.report_binary();
        }
        self.separate()?;
        let delimiter = self.options.delimiter;
        let body = text.strip_suffix(&[delimiter]).unwrap_or(text);
        if self.options.output == Output::Parts {
            if separator == b':' && !self.options.invert {
                self.print_parts(body, number, offset)?;
            }
            self.flush_line()?;
            return Ok(true);
        }
        if !self.options.color && !self.with_names && !self.options.line_numbers && !self.options.byte_offsets {
            self.out.write_all(body)?;
            self.out.write_all(&[delimiter])?;
        } else {
            self.head(separator, number, offset);
            self.push_body(body, separator == b':');
            self.line.push(delimiter);
            self.out.write_all(&self.line)?;
        }
        self.printed_any = true;
        self.flush_line()?;
        Ok(true)
    }

    fn report_binary(&mut self) -> io::Result<bool> {
        if !self.reported {
            self.reported = true;
            self.out.flush()?;
            let name = String::from_utf8_lossy(&self.name);
            crate::io::complain("grep", format_args!("{name}: binary file matches"));
        }
        Ok(false)
    }

    fn separate(&mut self) -> io::Result<()> {
        let wanted = self.pending_break && (self.options.before > 0 || self.options.after > 0);
        self.pending_break = false;
        if let (true, Some(separator)) = (wanted, &self.options.separator) {
            self.line.clear();
            self.colors.paint(&mut self.line, &self.colors.separator, separator);
            self.line.push(b'\n');
            self.out.write_all(&self.line)?;
        }
        Ok(())
    }

    /// Appends the line with its matching parts in colour. With `-v` the parts that match are those of context lines.
    fn push_body(&mut self, body: &[u8], selected: bool) {
        if !self.options.color || selected == self.options.invert {
            self.line.extend_from_slice(body);
            return;
        }
        let mut shown = 0;
        let mut from = 0;
        while let Some((start, end)) = find_any(self.parts, body, from) {
            if start == end {
                from = end + 1;
                continue;
            }
            self.line.extend_from_slice(&body[shown..start]);
            self.colors
                .paint(&mut self.line, &self.colors.matched, &body[start..end]);
            shown = end;
            from = end;
        }
        self.line.extend_from_slice(&body[shown..]);
    }

    fn print_parts(&mut self, body: &[u8], number: Option<u64>, offset: u64) -> io::Result<()> {
        let mut from = 0;
        while let Some((start, end)) = find_any(self.parts, body, from) {
            if start == end {
                from = end + 1;
                continue;
            }
            self.head(b':', number, offset + start as u64);
            self.colors
                .paint(&mut self.line, &self.colors.matched, &body[start..end]);
            self.line.push(self.options.delimiter);
            self.out.write_all(&self.line)?;
            self.printed_any = true;
            from = end;
        }
        Ok(())
    }
}

impl Sink for Printer<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        self.count += 1;
        if self.options.quiet {
            return Ok(false);
        }
        match self.options.output {
            Output::Count => Ok(true),
            Output::Names | Output::NamesWithout => Ok(false),
            Output::Lines | Output::Parts => {
                self.print_line(b':', found.bytes(), found.line_number(), found.absolute_byte_offset())
            }
        }
    }

    fn context(&mut self, _: &Searcher, found: &SinkContext<'_>) -> io::Result<bool> {
        if self.options.quiet {
            return Ok(true);
        }
        self.print_line(b'-', found.bytes(), found.line_number(), found.absolute_byte_offset())
    }

    fn context_break(&mut self, _: &Searcher) -> io::Result<bool> {
        self.pending_break = true;
        Ok(true)
    }
}
