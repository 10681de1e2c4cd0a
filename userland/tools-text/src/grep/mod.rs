//! `grep`, `egrep`, `fgrep`: GNU's options over a line searcher that skips what cannot match.
//!
//! ```text
//!   options --> patterns --> LineMatcher (which lines)   --> Printer (context, colours, counts)
//!                       \--> Regex (which part of a line)  /
//! ```
//!
//! Files are read whole up to a limit and searched in memory; standard input and larger files stream. A file with a NUL
//! byte, or a selected line that is not UTF-8, makes the file binary: one line says that it matches, as GNU grep does.

mod colors;
mod files;
mod matcher;
mod options;
mod printer;

use crate::cli;
use crate::io::{complain, stdout};
use options::{Options, Parsed};
use std::ffi::OsString;
use std::io::Write;

/// The applet.
pub fn grep(args: Vec<OsString>) -> i32 {
    let options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Help => return cli::help(options::HELP),
        Parsed::Version => return cli::version("grep"),
        Parsed::Wrong(message) => {
            if !message.is_empty() {
                complain("grep", message);
            }
            eprintln!("Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.");
            return 2;
        }
        Parsed::Fatal(message) => {
            complain("grep", message);
            return 2;
        }
    };
    run(&options)
}

/// `egrep`: `grep -E`.
pub fn egrep(args: Vec<OsString>) -> i32 {
    grep(with_option(args, "-E"))
}

/// `fgrep`: `grep -F`.
pub fn fgrep(args: Vec<OsString>) -> i32 {
    grep(with_option(args, "-F"))
}

fn with_option(mut args: Vec<OsString>, option: &str) -> Vec<OsString> {
    args.insert(1.min(args.len()), option.into());
    args
}

fn run(options: &Options) -> i32 {
    let matcher = match matcher::build(options) {
        Ok(matcher) => matcher,
        Err(message) => {
            complain("grep", message);
            return 2;
        }
    };
    let mut search = files::Search::new(options, &matcher, stdout());
    let outcome = search.run();
    let flushed = search.printer.out.flush();
    match (outcome, flushed) {
        (Err(error), _) | (Ok(_), Err(error)) if !crate::io::is_closed_pipe(&error) => {
            complain("grep", format_args!("write error: {}", crate::io::reason(&error)));
            2
        }
        _ if search.matched && (options.quiet || !search.failed) => 0,
        _ if search.failed => 2,
        _ => i32::from(!search.matched),
    }
}
