//! The command line.

use crate::io::{print, shown};
use crate::modes::{Mode, Settings};
use std::ffi::OsString;

const HELP: &str = "\
Usage: sqlite3 [OPTIONS] [FILENAME [SQL]]
FILENAME is the name of an SQLite database. A new database is created
if the file does not previously exist.
OPTIONS include:
   -ascii, -box, -column, -csv, -html, -json, -line, -list, -markdown, -quote, -table, -tabs   output modes
   -bail                stop after hitting an error
   -batch, -interactive force batch I/O, interactive I/O
   -cmd COMMAND         run \"COMMAND\" before reading stdin
   -echo                print inputs before execution
   -init FILENAME       read/process named file
   -[no]header          turn headers on or off
   -newline SEP, -separator SEP, -nullvalue TEXT
   -readonly            open the database read-only
   -version             show SQLite version
";

/// What to do.
#[derive(Default)]
pub struct Options {
    pub database: Option<String>,
    pub statements: Vec<String>,
    pub before: Vec<String>,
    pub init: Option<String>,
    pub settings: Settings,
    pub bail: bool,
    pub echo: bool,
    pub read_only: bool,
    pub interactive: Option<bool>,
}

/// The outcome of parsing.
pub enum Parsed {
    Run(Box<Options>),
    Done(i32),
}

/// Parses the command line.
pub fn parse(args: Vec<OsString>) -> Parsed {
    let mut o = Options::default();
    let mut words = args.iter().skip(1).map(|arg| shown(arg));
    let mut only_operands = false;
    while let Some(word) = words.next() {
        if only_operands || !word.starts_with('-') || word == "-" {
            match &o.database {
                None => o.database = Some(word),
                Some(_) => o.statements.push(word),
            }
            continue;
        }
        let name = word.trim_start_matches('-');
        if name.is_empty() {
            only_operands = true;
            continue;
        }
        if let Some(mode) = Mode::parse(name).filter(|_| name != "insert") {
            o.settings.set_mode(mode);
            continue;
        }
        let mut value = || words.next();
        let missing = match name {
            "header" => {
                let _: () = o.settings.headers = Some(true);
                Some(())
            }
            "noheader" => {
                let _: () = o.settings.headers = Some(false);
                Some(())
            }
            "bail" => {
                let _: () = o.bail = true;
                Some(())
            }
            "echo" => {
                let _: () = o.echo = true;
                Some(())
            }
            "batch" => {
                let _: () = o.interactive = Some(false);
                Some(())
            }
            "interactive" => {
                let _: () = o.interactive = Some(true);
                Some(())
            }
            "readonly" => {
                let _: () = o.read_only = true;
                Some(())
            }
            "cmd" => value().map(|value| o.before.push(value)),
            "init" => value().map(|value| o.init = Some(value)),
            "separator" => value().map(|value| o.settings.separator = unescape(&value)),
            "newline" => value().map(|value| o.settings.newline = unescape(&value)),
            "nullvalue" => value().map(|value| o.settings.null = value),
            "safe" | "memtrace" | "stats" | "nofollow" | "deserialize" | "append" | "unsafe-testing" => Some(()),
            "lookaside" | "pagecache" | "heap" | "mmap" | "maxsize" | "vfs" | "sorterref" | "nonce" => {
                value().map(|_| ())
            }
            "version" => {
                print(format!("{}\n", rusqlite::version()).as_bytes());
                return Parsed::Done(0);
            }
            "help" => {
                print(HELP.as_bytes());
                return Parsed::Done(0);
            }
            _ => {
                eprintln!("sqlite3: Error: unknown option: {word}\nUse -help for a list of options.");
                return Parsed::Done(1);
            }
        };
        if missing.is_none() {
            eprintln!("sqlite3: Error: missing argument to {word}");
            return Parsed::Done(1);
        }
    }
    Parsed::Run(Box::new(o))
}

/// Carries out `\n`, `\t`, `\\` and octal escapes.
pub fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(digit @ '0'..='7') => {
                let mut code = digit.to_digit(8).unwrap_or(0);
                while let Some(next) = chars.peek().and_then(|c| c.to_digit(8)).filter(|_| code < 32) {
                    code = code * 8 + next;
                    chars.next();
                }
                out.extend(char::from_u32(code));
            }
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}
