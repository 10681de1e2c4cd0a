//! `awk`: the POSIX language with the extensions of GNU awk that scripts use.
//!
//! ```text
//!   text --lexer--> tokens --parser--> tree (names are slots, arrays are known) --interp--> records in, text out
//! ```
//!
//! The tree is walked; what makes it fast is what is not done. A record stays in the buffer it was read into and its
//! fields are extents of it; a number wanted from a field is read there; text is shared and appended in place; output
//! is written in large blocks. `for (k in a)` walks in the order of insertion unless `PROCINFO["sorted_in"]` says
//! otherwise. Not here: coprocesses (`|&`), arrays of arrays, `@include`, namespaces.

mod ast;
mod builtins;
mod compare;
mod eval;
mod expr_parser;
mod format;
mod height;
mod interp;
mod lexer;
mod matching;
mod number;
mod parser;
mod random;
mod reader;
mod record;
mod regexes;
mod resolve;
mod sorting;
mod splitting;
mod streams;
mod text;
mod time;
mod value;

use crate::cli::{self, Arg, Parser};
use crate::io::{bytes_of, read_all, reason, shown};
use ast::special;
use interp::{Interp, Stop};
use std::ffi::OsString;
use std::rc::Rc;
use value::{Cell, Key, Value};

const SPECS: &[&str] = &[
    "F,field-separator=",
    "v,assign=",
    "f,file=",
    "e,source=",
    "posix,P,traditional,c,re-interval,r,optimize,O,lint-old,t",
    "characters-as-bytes,b",
    "lint,L=?",
    "sandbox,S",
    "W=",
    "help,h",
    "version,V",
];

const HELP: &str = "\
Usage: awk [-F fs] [-v var=value]... 'program' [file | var=value]...
       awk [-F fs] [-v var=value]... -f progfile... [file | var=value]...

  -F FS        field separator (a character, or an extended regular expression)
  -v VAR=VAL   assign before the program begins
  -f FILE      read the program from a file
  -e TEXT      program text
";

/// The applet.
pub fn awk(args: Vec<OsString>) -> i32 {
    let mut settings = Settings::default();
    let name = args.first().cloned().unwrap_or_else(|| "awk".into());
    let mut parser = Parser::new(args, SPECS).in_order();
    let mut operands = Vec::new();
    loop {
        match parser.next() {
            Err(message) => {
                complain(&message);
                eprint!("{HELP}");
                return 2;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(operand))) => operands.push(operand),
            Ok(Some(Arg::Opt("h", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("V", _))) => return cli::version("awk"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = settings.apply(key, value.unwrap_or_default()) {
                    complain(&message);
                    return 2;
                }
            }
        }
    }
    let source = match settings.source.take() {
        Some(source) => source,
        None if operands.is_empty() => {
            eprint!("{HELP}");
            return 2;
        }
        None => bytes_of(&operands.remove(0)).to_vec(),
    };
    operands.insert(0, name);
    run(&source, &settings, &operands)
}

#[derive(Default)]
struct Settings {
    source: Option<Vec<u8>>,
    separator: Option<Vec<u8>>,
    assignments: Vec<(String, Vec<u8>)>,
}

impl Settings {
    fn apply(&mut self, key: &str, value: OsString) -> Result<(), String> {
        match key {
            "field-separator" => {
                self.separator = Some(lexer::unescape(bytes_of(&value)));
            }
            "assign" => match assignment(bytes_of(&value)) {
                Some(found) => self.assignments.push(found),
                None => {
                    return Err(format!(
                        "fatal: `{}' argument to `-v' not in `var=value' form",
                        shown(&value)
                    ));
                }
            },
            "file" => {
                let text = read_all(&value).map_err(|error| {
                    format!(
                        "fatal: cannot open source file `{}' for reading: {}",
                        shown(&value),
                        reason(&error)
                    )
                })?;
                self.add_source(&text);
            }
            "source" => self.add_source(bytes_of(&value)),
            _ => {}
        }
        Ok(())
    }

    fn add_source(&mut self, text: &[u8]) {
        let source = self.source.get_or_insert_with(Vec::new);
        source.extend_from_slice(text);
        source.push(b'\n');
    }
}

/// A number by one format of `printf`, for other tools.
pub fn format_number(pattern: &str, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    format::number(&mut out, pattern.as_bytes(), value);
    out
}

/// `name=value`, escapes carried out.
fn assignment(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = memchr::memchr(b'=', text)?;
    let name = std::str::from_utf8(&text[..at]).ok()?;
    let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let starts = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    (good && starts).then(|| (name.to_owned(), lexer::unescape(&text[at + 1..])))
}

/// Prints a message on standard error.
fn complain(message: &str) {
    crate::io::complain("awk", message);
}

fn run(source: &[u8], settings: &Settings, operands: &[OsString]) -> i32 {
    let program = match lexer::tokens(source).and_then(parser::parse) {
        Ok(program) => program,
        Err((0, message)) => {
            complain(&message);
            return 2;
        }
        Err((line, message)) => {
            complain(&format!("cmd. line:{line}: {message}"));
            return 1;
        }
    };
    let mut interp = Interp::new(&program);
    if let Err(Stop::Error(message)) = prepare(&mut interp, settings, operands) {
        complain(&message);
        return 2;
    }
    interp.run()
}

fn prepare(interp: &mut Interp<'_>, settings: &Settings, operands: &[OsString]) -> Result<(), Stop> {
    let key = |text: &[u8]| Key(Rc::new(text.to_vec()));
    let argv = interp.global_array(special::ARGV);
    for (index, operand) in operands.iter().enumerate() {
        argv.borrow_mut()
            .insert(key(index.to_string().as_bytes()), Value::input(bytes_of(operand)));
    }
    interp.globals[special::ARGC] = Cell::Scalar(Value::Number(operands.len() as f64));
    let environ = interp.global_array(special::ENVIRON);
    for (name, value) in std::env::vars_os() {
        environ
            .borrow_mut()
            .insert(key(bytes_of(&name)), Value::input(bytes_of(&value)));
    }
    let procinfo = interp.global_array(special::PROCINFO);
    procinfo.borrow_mut().insert(key(b"version"), Value::text("5.2.1"));
    procinfo
        .borrow_mut()
        .insert(key(b"pid"), Value::Number(f64::from(std::process::id())));
    if let Some(separator) = &settings.separator {
        interp.assign_by_name("FS", Value::text(separator.as_slice()))?;
    }
    for (name, value) in &settings.assignments {
        interp.assign_by_name(name, Value::input(value.as_slice()))?;
    }
    Ok(())
}
