//! `ed`: the line editor, as POSIX has it, with GNU's words for errors.

mod address;
mod buffer;
mod change;
mod command;

use crate::cli::{self, Arg, Parser};
use crate::io::{complain, shown};
use command::{Editor, Outcome};
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal};

const SPECS: &[&str] = &[
    "E,r,extended-regexp",
    "G,traditional",
    "l,loose-exit-status",
    "p,prompt=",
    "s,q,quiet,silent",
    "v,verbose",
    "restricted",
    "strip-trailing-cr",
    "h,help",
    "V,version",
];

const HELP: &str = "\
Usage: ed [options] [file]

  -E            use extended regular expressions
  -l            exit with 0 status even if a command fails
  -p STRING     use STRING as an interactive prompt
  -s            suppress diagnostics, byte counts and '!' prompt
  -v            be verbose; equivalent to the 'H' command
";

/// The applet.
pub fn ed(args: Vec<OsString>) -> i32 {
    let mut editor = Editor::default();
    let mut loose = false;
    let mut file = None;
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("ed", message);
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(name))) => file = Some(name),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("ed"),
            Ok(Some(Arg::Opt(key, value))) => match key {
                "extended-regexp" => editor.extended = true,
                "loose-exit-status" => loose = true,
                "prompt" => {
                    editor.prompt = Some(shown(&value.unwrap_or_default()));
                    editor.prompting = true;
                }
                "silent" => editor.silent = true,
                "verbose" => editor.explains = true,
                _ => {}
            },
        }
    }
    if let Some(file) = file {
        editor.open(&file);
    }
    let status = run(&mut editor);
    if loose && status == 1 { 0 } else { status }
}

fn run(editor: &mut Editor) -> i32 {
    let mut input = Input { pending: Vec::new() };
    let mut failed = false;
    // Off a terminal an error ends the script's success, not the script.
    let terminal = io::stdin().is_terminal();
    loop {
        editor.show_prompt();
        let Some(line) = input.line() else {
            if editor.modified() && !editor.warned {
                editor.fail("Warning: buffer modified");
                editor.warned = true;
                if terminal {
                    continue;
                }
                return 2;
            }
            break;
        };
        match editor.execute(&line, &mut input) {
            Ok(Outcome::Continue) => {}
            Ok(Outcome::Quit) => break,
            Err(message) => {
                failed = true;
                editor.fail(&message);
            }
        }
    }
    i32::from(failed)
}

/// Where commands and text come from: standard input, and lists of global commands in front of it.
pub struct Input {
    pending: Vec<Vec<u8>>,
}

impl Input {
    /// The next line without its newline.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        if let Some(line) = self.pending.pop() {
            return Some(line);
        }
        let mut line = Vec::new();
        match io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(count) if count > 0 => {
                if line.ends_with(b"\n") {
                    line.pop();
                }
                Some(line)
            }
            _ => None,
        }
    }

    /// Lines for a command list, taken before standard input; returns what was there.
    pub fn replace(&mut self, lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        std::mem::replace(&mut self.pending, lines.into_iter().rev().collect())
    }

    /// Whether lines of a list are left.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Puts back what [`Input::replace`] returned.
    pub fn restore(&mut self, lines: Vec<Vec<u8>>) {
        self.pending = lines;
    }
}
