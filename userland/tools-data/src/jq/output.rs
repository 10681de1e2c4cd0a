//! Outputs and errors, one after another.

use super::errors;
use super::filter::{Event, Next};
use super::inputs::Position;
use super::options::Options;
use crate::io::{Out, complain, is_closed_pipe, reason};
use crate::json;
use jaq_json::Val;
use std::io::{IsTerminal, Write};

/// Writes outputs and remembers what the exit status depends on.
pub struct Output<'a> {
    options: &'a Options,
    /// Standard output.
    pub writer: Out,
    line: Vec<u8>,
    at_once: bool,
    failed: i32,
    last: Option<bool>,
}

impl<'a> Output<'a> {
    /// An output as `options` ask for.
    pub fn new(options: &'a Options, writer: Out) -> Self {
        let at_once = options.unbuffered || std::io::stdout().is_terminal();
        Self {
            options,
            writer,
            line: Vec::new(),
            at_once,
            failed: 0,
            last: None,
        }
    }

    /// Takes what a filter yields.
    pub fn event(&mut self, event: Event, position: &Position) -> Next {
        match event {
            Event::Input => {
                self.failed = 0;
                Next::Continue
            }
            Event::Value(value) => self.value(&value),
            Event::Error(error) => {
                let (message, is_text) = errors::message(error);
                let _ = self.writer.flush();
                let kind = if is_text { "" } else { " (not a string)" };
                complain("jq", format_args!("error (at {}){kind}: {message}", position.shown()));
                self.failed = 5;
                Next::Continue
            }
            Event::BadInput(message) => {
                let _ = self.writer.flush();
                complain("jq", format_args!("parse error: {message}"));
                self.failed = 2;
                Next::Continue
            }
        }
    }

    fn value(&mut self, value: &Val) -> Next {
        self.last = Some(!matches!(value, Val::Null | Val::Bool(false)));
        self.line.clear();
        if self.options.seq {
            self.line.push(0x1e);
        }
        match value {
            Val::TStr(text) | Val::BStr(text) if self.options.raw_output && !self.options.style.ascii => {
                self.line.extend_from_slice(text);
            }
            Val::TStr(_) if self.options.raw_output => {
                let style = json::Style {
                    color: false,
                    ..self.options.style.clone()
                };
                json::write(&mut self.line, value, &style);
                self.line.remove(0);
                self.line.pop();
            }
            _ => json::write(&mut self.line, value, &self.options.style),
        }
        if self.options.nul {
            self.line.push(0);
        } else if !self.options.join {
            self.line.push(b'\n');
        }
        let mut written = self.writer.write_all(&self.line);
        if self.at_once {
            written = written.and_then(|()| self.writer.flush());
        }
        match written {
            Ok(()) => Next::Continue,
            Err(error) if is_closed_pipe(&error) => Next::Stop(2),
            Err(error) => {
                complain("jq", format_args!("error: writing output failed: {}", reason(&error)));
                Next::Stop(2)
            }
        }
    }

    /// The exit status.
    pub fn status(&self) -> i32 {
        if self.failed != 0 {
            return self.failed;
        }
        match self.last {
            _ if !self.options.exit_status => 0,
            Some(true) => 0,
            Some(false) => 1,
            None => 4,
        }
    }
}
