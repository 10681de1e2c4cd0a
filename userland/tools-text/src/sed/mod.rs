//! `sed`, with the commands and options of GNU sed except `e`.
//!
//! A script is parsed into a flat list of commands whose branches and blocks are indices ([`script`]), and run by a small
//! machine over lines ([`machine`]). [`input`] joins the files into lines with one line of look-ahead, which `$` needs.

mod input;
mod machine;
mod parse;
mod replace;
mod script;

use crate::cli::{self, Arg, Parser};
use crate::io::{bytes_of, complain, read_all, reason, shown};
use std::ffi::OsString;

const SPECS: &[&str] = &[
    "n,quiet,silent",
    "debug",
    "e,expression=",
    "f,file=",
    "follow-symlinks",
    "i,in-place=?",
    "l,line-length=",
    "posix",
    "b,binary",
    "E,r,regexp-extended",
    "s,separate",
    "sandbox",
    "u,unbuffered",
    "z,null-data",
    "help",
    "version",
];

const HELP: &str = "\
Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...

  -n, --quiet, --silent      print only what the script prints
  -e SCRIPT, -f FILE         add a script from the command line or a file
  -E, -r                     extended regular expressions
  -i[SUFFIX], --in-place     edit files in place (with a backup if SUFFIX is given)
  -s, --separate             treat files as separate instead of as one long stream
  -l N, -u, -z, -b           line length of 'l'; unbuffered; NUL-separated lines; binary (ignored)
  --sandbox                  refuse the r, w and W commands
  --posix, --debug, --follow-symlinks, --help, --version
";

/// Options that the machine needs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    quiet: bool,
    extended: bool,
    in_place: Option<Vec<u8>>,
    separate: bool,
    unbuffered: bool,
    sandbox: bool,
    posix: bool,
    delimiter: u8,
    line_length: usize,
}

/// The applet.
pub fn sed(args: Vec<OsString>) -> i32 {
    let mut settings = Settings {
        delimiter: b'\n',
        line_length: 70,
        ..Settings::default()
    };
    let mut source: Option<Vec<u8>> = None;
    let mut files = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("sed", message);
                eprint!("{HELP}");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => files.push(file),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("sed"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = apply(&mut settings, &mut source, key, value.unwrap_or_default()) {
                    complain("sed", message);
                    return 1;
                }
            }
        }
    }
    let source = match source {
        Some(source) => source,
        None if files.is_empty() => {
            eprint!("{HELP}");
            return 1;
        }
        None => bytes_of(&files.remove(0)).to_vec(),
    };
    run(settings, &source, files)
}

fn apply(
    settings: &mut Settings,
    source: &mut Option<Vec<u8>>,
    key: &'static str,
    value: OsString,
) -> Result<(), String> {
    match key {
        "silent" => settings.quiet = true,
        "expression" => add(source, bytes_of(&value)),
        "file" => {
            let text = read_all(&value)
                .map_err(|error| format!("couldn't open file {}: {}", shown(&value), reason(&error)))?;
            add(source, text.strip_suffix(b"\n").unwrap_or(&text));
        }
        "in-place" => {
            settings.in_place = Some(bytes_of(&value).to_vec());
            settings.separate = true;
        }
        "line-length" => {
            let length = cli::number(&value, false).and_then(|n| usize::try_from(n).ok());
            settings.line_length = length.ok_or_else(|| format!("invalid line length: {}", shown(&value)))?;
        }
        "regexp-extended" => settings.extended = true,
        "separate" => settings.separate = true,
        "sandbox" => settings.sandbox = true,
        "unbuffered" => settings.unbuffered = true,
        "null-data" => settings.delimiter = 0,
        "posix" => settings.posix = true,
        _ => {}
    }
    Ok(())
}

fn add(source: &mut Option<Vec<u8>>, text: &[u8]) {
    let source = match source {
        Some(source) => {
            source.push(b'\n');
            source
        }
        None => source.insert(Vec::new()),
    };
    source.extend_from_slice(text);
}

fn run(mut settings: Settings, source: &[u8], files: Vec<OsString>) -> i32 {
    if source == b"#n" || source.starts_with(b"#n\n") {
        settings.quiet = true;
    }
    let script = match parse::parse(source, &settings) {
        Ok(script) => script,
        Err(error) if error.at == parse::NO_POSITION => {
            complain("sed", error.message);
            return 1;
        }
        Err(error) => {
            complain(
                "sed",
                format_args!("-e expression #1, char {}: {}", error.at, error.message),
            );
            return 1;
        }
    };
    match machine::Machine::new(&settings, script, files).and_then(machine::Machine::run) {
        Ok(status) => status,
        Err(error) if crate::io::is_closed_pipe(&error) => 4,
        Err(error) => {
            complain("sed", reason(&error));
            4
        }
    }
}
