//! `head` with plain counts; negative counts and multipliers need the complete tool.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use agentos_tools_base::cli::{Arg, Parser};
use agentos_tools_base::io::{BLOCK, bytes_of, complain, reason, shown};

use crate::write;

const OPTIONS: &[&str] = &[
    "n,lines=",
    "c,bytes=",
    "q,silent,quiet",
    "v,verbose",
    "z,zero-terminated",
    "help",
    "version",
];

#[derive(Clone, Copy)]
enum Count {
    Lines(u64),
    Bytes(u64),
}

pub(super) fn head(args: &[OsString]) -> Option<i32> {
    let mut args = args.to_vec();
    // The old form `head -5`.
    if let Some(first) = args.get(1)
        && let Some(digits) = bytes_of(first).strip_prefix(b"-")
        && !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
    {
        let number = String::from_utf8_lossy(digits).into_owned();
        args.splice(1..2, [OsString::from("-n"), OsString::from(number)]);
    }
    let mut parser = Parser::new(args, OPTIONS);
    let (mut count, mut headers, mut end, mut names) = (Count::Lines(10), None, b'\n', Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("lines", Some(value)))) => count = Count::Lines(plain(&value)?),
            Ok(Some(Arg::Opt("bytes", Some(value)))) => count = Count::Bytes(plain(&value)?),
            Ok(Some(Arg::Opt("quiet", _))) => headers = Some(false),
            Ok(Some(Arg::Opt("verbose", _))) => headers = Some(true),
            Ok(Some(Arg::Opt("zero-terminated", _))) => end = 0,
            Ok(Some(Arg::Opt(..))) => return None,
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Some(crate::usage("head", message, 1)),
        }
    }
    if names.is_empty() {
        names.push("-".into());
    }
    let headers = headers.unwrap_or(names.len() > 1);
    Some(files(&names, count, headers, end))
}

fn plain(text: &OsStr) -> Option<u64> {
    let text = text.to_str()?;
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().unwrap_or(u64::MAX))
}

fn files(names: &[OsString], count: Count, headers: bool, end: u8) -> i32 {
    let mut status = 0;
    let mut first = true;
    for name in names {
        let mut input: Box<dyn Read> = if name == "-" {
            standard_input()
        } else {
            match File::open(name) {
                Ok(file) => Box::new(file),
                Err(error) => {
                    let why = reason(&error);
                    complain("head", format_args!("cannot open '{}' for reading: {why}", shown(name)));
                    status = 1;
                    continue;
                }
            }
        };
        if headers {
            let title = if name == "-" {
                "standard input".to_owned()
            } else {
                shown(name)
            };
            let line = format!("{}==> {title} <==\n", if first { "" } else { "\n" });
            if write::all("head", line.as_bytes()) != 0 {
                return 1;
            }
        }
        first = false;
        match copy(input.as_mut(), count, end) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return write::done("head", Err(error)),
            Err(error) => {
                complain(
                    "head",
                    format_args!("error reading '{}': {}", shown(name), reason(&error)),
                );
                status = 1;
            }
        }
    }
    status
}

/// Standard input without a buffer, which would take more from a pipe than is asked for: what comes after the head belongs to
/// the next program.
fn standard_input() -> Box<dyn Read> {
    match io::stdin().as_fd().try_clone_to_owned() {
        Ok(fd) => Box::new(File::from(fd)),
        Err(_) => Box::new(io::stdin().lock()),
    }
}

/// Copies the head of `input`: the outer error is of reading, the inner of writing.
fn copy(input: &mut dyn Read, count: Count, end: u8) -> io::Result<io::Result<()>> {
    // A short head needs no large block, and reads less of a pipe.
    let (mut bytes, mut lines) = match count {
        Count::Lines(n) => (u64::MAX, n),
        Count::Bytes(n) => (n, u64::MAX),
    };
    let mut block = vec![0; BLOCK.min(usize::try_from(bytes).unwrap_or(BLOCK))];
    while bytes > 0 && lines > 0 {
        let room = block.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        let n = match input.read(&mut block[..room]) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut take = n;
        if lines != u64::MAX {
            for (at, _) in block[..n].iter().enumerate().filter(|(_, b)| **b == end) {
                lines -= 1;
                if lines == 0 {
                    take = at + 1;
                    break;
                }
            }
        }
        if let Err(error) = write::raw(&block[..take]) {
            return Ok(Err(error));
        }
        bytes -= (take as u64).min(bytes);
    }
    Ok(Ok(()))
}
