//! `tac`: records in reverse order.

use std::ffi::OsString;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, read_all, reason, shown};

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

use crate::{emacs, usage, write};

const HELP: &str = "Usage: tac [OPTION]... [FILE]...
Write each FILE to standard output, last line first.

  -b, --before             attach the separator before instead of after
  -r, --regex              interpret the separator as a regular expression
  -s, --separator=STRING   use STRING as the separator instead of newline
";

pub(crate) fn tac(args: Vec<OsString>) -> i32 {
    let mut parser = Parser::new(args, &["b,before", "r,regex", "s,separator=", "help", "version"]);
    let (mut before, mut regex, mut separator, mut names) = (false, false, b"\n".to_vec(), Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("tac"),
            Ok(Some(Arg::Opt("before", _))) => before = true,
            Ok(Some(Arg::Opt("regex", _))) => regex = true,
            Ok(Some(Arg::Opt(_, value))) => separator = bytes_of(&value.unwrap_or_default()).to_vec(),
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("tac", message, 1),
        }
    }
    if separator.is_empty() {
        separator.push(0);
    }
    let engine = if regex {
        match emacs::separator(&String::from_utf8_lossy(&separator)) {
            Ok(engine) => Some(engine),
            Err(message) => {
                complain("tac", message);
                return 1;
            }
        }
    } else {
        None
    };
    if names.is_empty() {
        names.push("-".into());
    }
    let mut status = 0;
    for name in &names {
        let text = match read_all(name) {
            Ok(text) => text,
            Err(error) => {
                let what = if error.kind() == std::io::ErrorKind::IsADirectory {
                    "read error"
                } else {
                    "open"
                };
                let name = shown(name);
                match what {
                    "open" => complain(
                        "tac",
                        format_args!("failed to open '{name}' for reading: {}", reason(&error)),
                    ),
                    _ => complain("tac", format_args!("{name}: read error: {}", reason(&error))),
                }
                status = 1;
                continue;
            }
        };
        let separators: Vec<(usize, usize)> = match &engine {
            Some(engine) => matched(&text, engine),
            None => plain(&text, &separator),
        };
        if write::all("tac", &reversed(&text, &separators, before)) != 0 {
            return 1;
        }
    }
    status
}

/// Places of a regular expression. Each is looked for from the end on, as the original does: it begins as late as it can
/// and ends before the one found last.
fn matched(text: &[u8], engine: &Regex) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut end = text.len();
    let mut start = end;
    while start > 0 {
        start -= 1;
        let input = Input::new(text).span(start..end).anchored(Anchored::Yes);
        if let Some(place) = engine.find(input).filter(|place| !place.is_empty()) {
            found.push((place.start(), place.end()));
            end = start;
        }
    }
    found.reverse();
    found
}

/// Places of a separator. They are found from the end, as overlapping ones would have it.
fn plain(text: &[u8], separator: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut end = text.len();
    while end >= separator.len() {
        if text[..end].ends_with(separator) {
            found.push((end - separator.len(), end));
            end -= separator.len();
        } else {
            end -= 1;
        }
    }
    found.reverse();
    found
}

fn reversed(text: &[u8], separators: &[(usize, usize)], before: bool) -> Vec<u8> {
    let mut cuts: Vec<usize> = separators
        .iter()
        .map(|(start, end)| if before { *start } else { *end })
        .collect();
    cuts.insert(0, 0);
    cuts.push(text.len());
    let mut out = Vec::with_capacity(text.len());
    for pair in cuts.windows(2).rev() {
        out.extend_from_slice(&text[pair[0]..pair[1].max(pair[0])]);
    }
    out
}
