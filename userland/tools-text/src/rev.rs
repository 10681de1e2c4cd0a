//! `rev`: reverses each line by characters.

use crate::cli::{self, Arg, Parser};
use crate::io::{complain, complain_file, open, read_record, stdout};
use crate::regex::literal_at;
use std::ffi::OsString;
use std::io::{self, Write};

const HELP: &str = "Usage: rev [options] [<file> ...]\n\nReverse lines characterwise.\n";

/// The applet.
pub fn rev(args: Vec<OsString>) -> i32 {
    let mut files = Vec::new();
    let mut parser = Parser::new(args, &["0,zero", "h,help", "V,version"]);
    let mut delimiter = b'\n';
    loop {
        match parser.next() {
            Err(message) => {
                complain("rev", message);
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => files.push(file),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("rev"),
            Ok(Some(Arg::Opt(..))) => delimiter = 0,
        }
    }
    if files.is_empty() {
        files.push("-".into());
    }
    let mut out = stdout();
    let mut status = 0;
    for file in files {
        let outcome = open(&file).and_then(|mut input| reverse(&mut *input, &mut out, delimiter));
        if let Err(error) = outcome {
            complain_file("rev", &file, &error);
            status = 1;
        }
    }
    if out.flush().is_err() { 1 } else { status }
}

fn reverse(input: &mut dyn io::BufRead, out: &mut dyn Write, delimiter: u8) -> io::Result<()> {
    let mut line = Vec::new();
    while read_record(input, delimiter, &mut line)? {
        let ended = line.last() == Some(&delimiter);
        if ended {
            line.pop();
        }
        if line.is_ascii() {
            line.reverse();
            out.write_all(&line)?;
        } else {
            let mut units = Vec::new();
            let mut at = 0;
            while at < line.len() {
                let length = literal_at(&line[at..]).1;
                units.push(at..at + length);
                at += length;
            }
            for unit in units.into_iter().rev() {
                out.write_all(&line[unit])?;
            }
        }
        if ended {
            out.write_all(&[delimiter])?;
        }
    }
    Ok(())
}
