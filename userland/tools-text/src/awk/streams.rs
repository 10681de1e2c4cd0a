//! Files and commands that a program writes to or reads from, by name.

use super::ast::Redirect;
use super::reader::Reader;
use crate::io::{BLOCK, os, stdout};
use crate::platform::shell_status;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::process::{Child, Command, Stdio};

/// Most files and commands open at a time.
const STREAM_LIMIT: usize = 512;

struct Sink {
    writer: Box<dyn Write>,
    child: Option<Child>,
}

struct Input {
    reader: Reader,
    child: Option<Child>,
}

/// Everything open.
pub struct Streams {
    /// Standard output.
    pub out: crate::io::Out,
    sinks: HashMap<Vec<u8>, Sink>,
    inputs: HashMap<Vec<u8>, Input>,
}

fn shell(command: &[u8]) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(os(command.to_vec()));
    shell
}

impl Streams {
    /// Only standard output.
    pub fn new() -> Self {
        Self {
            out: stdout(),
            sinks: HashMap::new(),
            inputs: HashMap::new(),
        }
    }

    /// The writer of a redirection, opened at its first use.
    ///
    /// # Errors
    ///
    /// What opening says.
    pub fn writer(&mut self, kind: Redirect, name: &[u8]) -> io::Result<&mut dyn Write> {
        if kind != Redirect::Pipe && (name == b"/dev/stdout" || name == b"-") {
            return Ok(&mut self.out);
        }
        if !self.sinks.contains_key(name) {
            if self.sinks.len() + self.inputs.len() >= STREAM_LIMIT {
                return Err(io::Error::other("too many open files"));
            }
            let sink = self.open(kind, name)?;
            self.sinks.insert(name.to_vec(), sink);
        }
        match self.sinks.get_mut(name) {
            Some(sink) => Ok(&mut sink.writer),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open(&mut self, kind: Redirect, name: &[u8]) -> io::Result<Sink> {
        if kind == Redirect::Pipe {
            self.flush_all()?;
            let mut child = shell(name).stdin(Stdio::piped()).spawn()?;
            let Some(pipe) = child.stdin.take() else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            return Ok(Sink {
                writer: Box::new(BufWriter::with_capacity(BLOCK, pipe)),
                child: Some(child),
            });
        }
        if name == b"/dev/stderr" {
            return Ok(Sink {
                writer: Box::new(io::stderr()),
                child: None,
            });
        }
        let mut options = OpenOptions::new();
        options.create(true);
        if kind == Redirect::Append {
            options.append(true)
        } else {
            options.write(true).truncate(true)
        };
        let file = options.open(crate::io::path(name))?;
        Ok(Sink {
            writer: Box::new(BufWriter::with_capacity(BLOCK, file)),
            child: None,
        })
    }

    /// The reader of a file or a command, opened at its first use; `None` when it cannot be opened.
    pub fn reader(&mut self, name: &[u8], command: bool) -> Option<&mut Reader> {
        if !self.inputs.contains_key(name) {
            if self.sinks.len() + self.inputs.len() >= STREAM_LIMIT {
                return None;
            }
            let _ = self.flush_all();
            let input = if command {
                let mut child = shell(name).stdout(Stdio::piped()).spawn().ok()?;
                let source: Box<dyn Read> = Box::new(child.stdout.take()?);
                Input {
                    reader: Reader::new(source),
                    child: Some(child),
                }
            } else {
                let source: Box<dyn Read> = match name {
                    b"-" | b"/dev/stdin" => Box::new(io::stdin()),
                    _ => {
                        let file = File::open(crate::io::path(name)).ok()?;
                        if file.metadata().is_ok_and(|found| found.is_dir()) {
                            return None;
                        }
                        Box::new(file)
                    }
                };
                Input {
                    reader: Reader::new(source),
                    child: None,
                }
            };
            self.inputs.insert(name.to_vec(), input);
        }
        self.inputs.get_mut(name).map(|input| &mut input.reader)
    }

    /// Closes a file or command; its status, -1 when it was not open.
    pub fn close(&mut self, name: &[u8]) -> i32 {
        let sink = self.sinks.remove(name);
        let input = self.inputs.remove(name);
        if sink.is_none() && input.is_none() {
            return -1;
        }
        let mut status = 0;
        if let Some(sink) = sink {
            let _ = self.out.flush();
            status = finish_sink(sink);
        }
        if let Some(Input {
            reader,
            child: Some(mut child),
        }) = input
        {
            drop(reader);
            status = wait(&mut child);
        }
        status
    }

    /// Flushes one stream; false when it is not open.
    pub fn flush(&mut self, name: &[u8]) -> bool {
        match self.sinks.get_mut(name) {
            Some(sink) => sink.writer.flush().is_ok(),
            None if name == b"/dev/stdout" => self.out.flush().is_ok(),
            None => false,
        }
    }

    /// Flushes everything.
    ///
    /// # Errors
    ///
    /// What writing to standard output says; other streams report when they are closed.
    pub fn flush_all(&mut self) -> io::Result<()> {
        for sink in self.sinks.values_mut() {
            let _ = sink.writer.flush();
        }
        self.out.flush()
    }

    /// Runs a command in the shell; its status.
    pub fn system(&mut self, command: &[u8]) -> i32 {
        let _ = self.flush_all();
        match shell(command).status() {
            Ok(status) => match status.code() {
                Some(code) => code,
                None => 256 + shell_status(status) - 128,
            },
            Err(_) => 127,
        }
    }

    /// Closes everything.
    ///
    /// # Errors
    ///
    /// What writing to standard output says.
    pub fn finish(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        for (_, sink) in self.sinks.drain() {
            finish_sink(sink);
        }
        for (_, input) in self.inputs.drain() {
            drop(input.reader);
            if let Some(mut child) = input.child {
                wait(&mut child);
            }
        }
        flushed
    }
}

fn finish_sink(mut sink: Sink) -> i32 {
    let flushed = sink.writer.flush();
    drop(sink.writer);
    match sink.child {
        Some(mut child) => wait(&mut child),
        None => {
            if flushed.is_ok() {
                0
            } else {
                -1
            }
        }
    }
}

fn wait(child: &mut Child) -> i32 {
    match child.wait() {
        Ok(status) => status.code().unwrap_or_else(|| 256 + shell_status(status) - 128),
        Err(_) => -1,
    }
}
