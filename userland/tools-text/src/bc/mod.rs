//! `bc`: a calculator language with decimal numbers of any precision, as POSIX has it, with GNU's additions.

mod math;
mod number;
mod parse;
mod run;

use crate::cli::{self, Arg, Parser as Options};
use crate::io::{complain, read_all, reason, shown, stdout};
use parse::Parser;
use run::{Machine, Stop};
use std::ffi::OsString;
use std::io::{self, BufRead, Write};

const SPECS: &[&str] = &[
    "l,mathlib",
    "q,quiet",
    "s,standard",
    "w,warn",
    "i,interactive",
    "e,expression=",
    "f,file=",
    "h,help",
    "v,version",
];

const HELP: &str = "\
usage: bc [options] [file ...]
  -l  --mathlib   use the predefined math routines
  -e  --expression=EXPR  calculate EXPR
  -q  --quiet     don't print initial banner
  -s  --standard  non-standard bc constructs are errors (ignored)
";

/// The applet.
pub fn bc(args: Vec<OsString>) -> i32 {
    let mut math = false;
    let mut texts: Vec<Result<OsString, String>> = Vec::new();
    let mut only_expressions = false;
    let mut options = Options::new(args, SPECS);
    loop {
        match options.next() {
            Err(message) => {
                complain("bc", message);
                eprint!("{HELP}");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => texts.push(Ok(file)),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("bc"),
            Ok(Some(Arg::Opt(key, value))) => match key {
                "mathlib" => math = true,
                "expression" => {
                    texts.push(Err(shown(&value.unwrap_or_default()) + "\n"));
                    only_expressions = true;
                }
                "file" => texts.extend(value.map(Ok)),
                _ => {}
            },
        }
    }
    let mut machine = Machine::new(math, stdout());
    for text in texts {
        let (name, text) = match text {
            Err(expression) => ("(expression)".to_owned(), expression),
            Ok(file) => match read_all(&file) {
                Ok(bytes) => (shown(&file), String::from_utf8_lossy(&bytes).into_owned()),
                Err(_) => {
                    eprintln!("File {} is unavailable.", shown(&file));
                    return 1;
                }
            },
        };
        if let Ended::Quit = feed(&mut machine, &name, &text, 0) {
            return finish(machine);
        }
    }
    if !only_expressions {
        interact(&mut machine);
    }
    finish(machine)
}

fn finish(mut machine: Machine<crate::io::Out>) -> i32 {
    match machine.out.flush() {
        Err(error) if !crate::io::is_closed_pipe(&error) => {
            complain("bc", reason(&error));
            1
        }
        _ => 0,
    }
}

enum Ended {
    Done,
    Quit,
}

/// Runs all lines of a text; errors are reported and the next line goes on.
fn feed(machine: &mut Machine<crate::io::Out>, name: &str, text: &str, first_line: usize) -> Ended {
    let tokens = match parse::tokens(text) {
        Ok(tokens) => tokens,
        Err((line, message)) => {
            let _ = machine.out.flush();
            eprintln!("{name} {}: {message}", line + first_line);
            return Ended::Done;
        }
    };
    let mut parser = Parser::new(tokens);
    while let Some(line) = parser.next_line() {
        let outcome = match line {
            Ok(statements) => machine.run(&statements),
            Err((line, message)) => {
                let _ = machine.out.flush();
                eprintln!("{name} {}: {message}", line + first_line);
                continue;
            }
        };
        match outcome {
            Ok(()) => {}
            Err(Stop::Quit) => return Ended::Quit,
            Err(Stop::Error(message)) => {
                let _ = machine.out.flush();
                eprintln!("Runtime error (func=(main), adr=0): {message}");
            }
        }
    }
    Ended::Done
}

/// Reads standard input as far as statements are complete, so that results come at once.
fn interact(machine: &mut Machine<crate::io::Out>) {
    let mut input = io::stdin().lock();
    let mut pending = String::new();
    let mut line_number = 0;
    let mut start = 0;
    loop {
        let mut bytes = Vec::new();
        match input.read_until(b'\n', &mut bytes) {
            Ok(count) if count > 0 => {}
            _ => break,
        }
        if pending.is_empty() {
            start = line_number;
        }
        line_number += 1;
        pending.push_str(&String::from_utf8_lossy(&bytes));
        if is_open(&pending) {
            continue;
        }
        // `read()` takes its line from the same input.
        drop(input);
        let text = std::mem::take(&mut pending);
        if let Ended::Quit = feed(machine, "(standard_in)", &text, start) {
            return;
        }
        let _ = machine.out.flush();
        input = io::stdin().lock();
    }
    if !pending.is_empty() {
        feed(machine, "(standard_in)", &pending, start);
    }
}

/// Whether a text ends inside braces, a string, a comment, a continued line, or where a body must follow.
fn is_open(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0i64);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'(' => depth += 1,
            b'}' | b')' => depth -= 1,
            b'"' => match text[at + 1..].find('"') {
                Some(end) => at += end + 1,
                None => return true,
            },
            b'/' if bytes.get(at + 1) == Some(&b'*') => match text[at..].find("*/") {
                Some(end) => at += end + 1,
                None => return true,
            },
            b'#' => at += text[at..].find('\n').unwrap_or(0),
            _ => {}
        }
        at += 1;
    }
    let trimmed = text.trim_end();
    let heads = ["if", "while", "for", "define"];
    let first = trimmed.rsplit('\n').next().unwrap_or("").trim_start();
    let bodiless = trimmed.ends_with(')')
        && heads
            .iter()
            .any(|head| first.starts_with(head) && !first[head.len()..].starts_with(|c: char| c.is_alphanumeric()));
    depth > 0 || text.ends_with("\\\n") || bodiless
}
