//! The command line of `xargs`.

use std::ffi::{OsStr, OsString};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, os, shown};

use crate::usage;

pub(super) struct Options {
    pub(super) command: Vec<OsString>,
    pub(super) file: Option<OsString>,
    /// Words end here and nowhere else; quotes and blanks mean nothing then.
    pub(super) delimiter: Option<u8>,
    pub(super) end: Option<OsString>,
    pub(super) replace: Option<OsString>,
    pub(super) most_words: usize,
    pub(super) most_lines: usize,
    pub(super) most_bytes: usize,
    pub(super) parallel: usize,
    pub(super) no_run_if_empty: bool,
    pub(super) verbose: bool,
    pub(super) prompt: bool,
    pub(super) open_tty: bool,
    pub(super) exit: bool,
}

pub(super) enum Parsed {
    Run(Box<Options>),
    Done(i32),
}

/// Bytes of a command unless told otherwise, as GNU has it.
const DEFAULT_BYTES: usize = 128 * 1024;
/// Most bytes of a command.
const MOST_BYTES: usize = 2 * 1024 * 1024 - 2048;

const SPECS: &[&str] = &[
    "0,null",
    "a,arg-file=",
    "d,delimiter=",
    "E=",
    "e,eof=?",
    "I=",
    "i,replace=?",
    "L=",
    "l,max-lines=?",
    "n,max-args=",
    "P,max-procs=",
    "p,interactive",
    "process-slot-var=",
    "r,no-run-if-empty",
    "s,max-chars=",
    "show-limits",
    "t,verbose",
    "x,exit",
    "o,open-tty",
    "help",
    "version",
];

const HELP: &str = "Usage: xargs [OPTION]... COMMAND [INITIAL-ARGS]...
Run COMMAND with arguments INITIAL-ARGS and more arguments read from input.

  -0, --null                   items are separated by a null, not whitespace
  -a, --arg-file=FILE          read arguments from FILE, not standard input
  -d, --delimiter=CHARACTER    items in input stream are separated by CHARACTER
  -E END                       set logical EOF string
  -I R                         replace R in INITIAL-ARGS with names read from input
  -L, --max-lines=MAX          use at most MAX non-blank input lines per command line
  -n, --max-args=MAX           use at most MAX arguments per command line
  -o, --open-tty               reopen standard input as /dev/tty in the child
  -P, --max-procs=MAX          run at most MAX processes at a time
  -p, --interactive            prompt before running commands
  -r, --no-run-if-empty        if there are no arguments, do not run COMMAND
  -s, --max-chars=MAX          limit length of command line to MAX
  -t, --verbose                print commands before executing them
  -x, --exit                   exit if the size (see -s) is exceeded
";

/// Reads the command line.
pub(super) fn parse(args: Vec<OsString>) -> Parsed {
    let mut options = Options {
        command: Vec::new(),
        file: None,
        delimiter: None,
        end: None,
        replace: None,
        most_words: usize::MAX,
        most_lines: usize::MAX,
        most_bytes: DEFAULT_BYTES,
        parallel: 1,
        no_run_if_empty: false,
        verbose: false,
        prompt: false,
        open_tty: false,
        exit: false,
    };
    let mut parser = Parser::new(args, SPECS).in_order();
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Done(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Done(cli::version("xargs")),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.set(key, value) {
                    return Parsed::Done(usage("xargs", message, 1));
                }
            }
            Ok(Some(Arg::Operand(word))) => options.command.push(word),
            Err(message) => return Parsed::Done(usage("xargs", message, 1)),
        }
    }
    if options.command.is_empty() {
        options.command.push("echo".into());
    }
    Parsed::Run(Box::new(options))
}

impl Options {
    fn set(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        match key {
            "null" => self.delimiter = Some(0),
            "arg-file" => self.file = value.filter(|name| name != "-"),
            "delimiter" => self.delimiter = Some(delimiter(&value.unwrap_or_default())?),
            "E" | "eof" => self.end = value.filter(|end| !end.is_empty()),
            "I" => self.replaces(value.unwrap_or_default()),
            "replace" => self.replaces(value.unwrap_or_else(|| "{}".into())),
            "L" | "max-lines" => {
                self.most_lines = value.map_or(Ok(1), |text| number(&text, key, 1))?;
                (self.most_words, self.replace) = (usize::MAX, None);
            }
            "max-args" => {
                self.most_words = number(&value.unwrap_or_default(), key, 1)?;
                self.most_lines = usize::MAX;
                // `-I R -n 1` is `-I R`.
                if self.most_words > 1 {
                    self.replace = None;
                }
            }
            "max-procs" => {
                let most = number(&value.unwrap_or_default(), key, 0)?;
                self.parallel = if most == 0 { usize::MAX } else { most };
            }
            "max-chars" => self.most_bytes = number(&value.unwrap_or_default(), key, 1)?.min(MOST_BYTES),
            "no-run-if-empty" => self.no_run_if_empty = true,
            "verbose" => self.verbose = true,
            "interactive" => (self.prompt, self.verbose) = (true, true),
            "open-tty" => self.open_tty = true,
            "exit" => self.exit = true,
            _ => {}
        }
        Ok(())
    }

    fn replaces(&mut self, mark: OsString) {
        self.replace = Some(mark);
        (self.most_words, self.most_lines, self.exit) = (usize::MAX, usize::MAX, true);
    }
}

fn number(text: &OsStr, key: &str, least: usize) -> Result<usize, String> {
    let option = match key {
        "max-args" => "n",
        "max-procs" => "P",
        "max-chars" => "s",
        _ => "L",
    };
    let value: usize = shown(text)
        .parse()
        .map_err(|_| format!("invalid number \"{}\" for -{option} option", shown(text)))?;
    if value < least {
        return Err(format!("value {value} for -{option} option should be >= {least}"));
    }
    Ok(value)
}

fn delimiter(text: &OsStr) -> Result<u8, String> {
    let bytes = bytes_of(text);
    match bytes {
        [byte] => Ok(*byte),
        [b'\\', rest @ ..] if !rest.is_empty() => {
            let (found, taken) = crate::small::unescape(rest);
            if taken == rest.len() && found.len() == 1 {
                return Ok(found[0]);
            }
            Err(format!(
                "Invalid escape sequence {} in input delimiter specification.",
                shown(text)
            ))
        }
        _ => Err(format!(
            "Invalid input delimiter specification {}: the delimiter must be either a single character or an escape \
             sequence starting with \\.",
            shown(text)
        )),
    }
}

/// The part with each mark replaced.
pub(super) fn replaced(part: &OsStr, mark: &OsStr, text: &OsStr) -> OsString {
    let (part, mark) = (bytes_of(part), bytes_of(mark));
    if mark.is_empty() {
        return os(part.to_vec());
    }
    let mut out = Vec::new();
    let mut at = 0;
    while at < part.len() {
        if part[at..].starts_with(mark) {
            out.extend_from_slice(bytes_of(text));
            at += mark.len();
        } else {
            out.push(part[at]);
            at += 1;
        }
    }
    os(out)
}

/// A word as a shell would read it, for `-t`.
pub(super) fn quoted(word: &OsStr) -> String {
    let text = crate::ls::quoted(bytes_of(word), crate::ls::Style::ShellEscape, false);
    String::from_utf8_lossy(&text).into_owned()
}
