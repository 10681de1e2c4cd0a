//! `wc` with `-l`, `-w`, `-c` and `-m`; the rest needs the complete tool.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use agentos_tools_base::cli::{Arg, Parser};
use agentos_tools_base::io::{BLOCK, complain_file, count, shown};
use agentos_tools_base::platform::MetadataExt;

use crate::write;

const OPTIONS: &[&str] = &[
    "l,lines",
    "w,words",
    "c,bytes",
    "m,chars",
    "L,max-line-length",
    "total=",
    "files0-from=",
    "help",
    "version",
];

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    chars: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Default)]
struct Wanted {
    lines: bool,
    words: bool,
    chars: bool,
    bytes: bool,
}

impl Wanted {
    fn number(self) -> usize {
        [self.lines, self.words, self.chars, self.bytes]
            .iter()
            .filter(|w| **w)
            .count()
    }
}

pub(super) fn wc(args: &[OsString]) -> Option<i32> {
    let mut parser = Parser::new(args.to_vec(), OPTIONS);
    let mut wanted = Wanted::default();
    let mut names = Vec::new();
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("lines", _))) => wanted.lines = true,
            Ok(Some(Arg::Opt("words", _))) => wanted.words = true,
            Ok(Some(Arg::Opt("chars", _))) => wanted.chars = true,
            Ok(Some(Arg::Opt("bytes", _))) => wanted.bytes = true,
            Ok(Some(Arg::Opt(..))) => return None,
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Some(crate::usage("wc", message, 1)),
        }
    }
    if wanted.number() == 0 {
        wanted = Wanted {
            lines: true,
            words: true,
            chars: false,
            bytes: true,
        };
    }
    Some(run(&names, wanted))
}

fn run(names: &[OsString], wanted: Wanted) -> i32 {
    let width = width(names, wanted);
    let mut out = String::new();
    let mut total = Counts::default();
    let mut status = 0;
    for name in names {
        match count_file(name, wanted) {
            Ok(counts) => {
                out.push_str(&line(counts, wanted, width, Some(&shown(name))));
                total.lines += counts.lines;
                total.words += counts.words;
                total.chars += counts.chars;
                total.bytes += counts.bytes;
            }
            Err(error) => {
                // What was counted so far stands before the message.
                let _ = write::raw(out.as_bytes());
                out.clear();
                complain_file("wc", name, &error);
                if error.kind() == io::ErrorKind::IsADirectory {
                    out.push_str(&line(Counts::default(), wanted, width, Some(&shown(name))));
                }
                status = 1;
            }
        }
    }
    if names.is_empty() {
        match count_input(&mut io::stdin().lock(), wanted) {
            Ok(counts) => out.push_str(&line(counts, wanted, width, None)),
            Err(error) => {
                complain_file("wc", "standard input".as_ref(), &error);
                status = 1;
            }
        }
    }
    if names.len() > 1 {
        out.push_str(&line(total, wanted, width, Some("total")));
    }
    let written = write::all("wc", out.as_bytes());
    if written != 0 { written } else { status }
}

/// Digits of a column: those of the size of all regular files, at least 7 when there are others, 1 for a single number.
fn width(names: &[OsString], wanted: Wanted) -> usize {
    if names.len() <= 1 && wanted.number() == 1 {
        return 1;
    }
    let (mut least, mut total) = (1, 0_u64);
    let input = [OsString::from("-")];
    for name in if names.is_empty() { &input } else { names } {
        let meta = if name == "-" {
            input_metadata()
        } else {
            std::fs::metadata(name)
        };
        match meta {
            Ok(meta) if meta.is_file() => total = total.saturating_add(meta.size()),
            Ok(_) => least = 7,
            Err(_) => {}
        }
    }
    total.to_string().len().max(least)
}

fn input_metadata() -> io::Result<std::fs::Metadata> {
    File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()
}

fn line(counts: Counts, wanted: Wanted, width: usize, name: Option<&str>) -> String {
    let columns = [
        (wanted.lines, counts.lines),
        (wanted.words, counts.words),
        (wanted.chars, counts.chars),
        (wanted.bytes, counts.bytes),
    ];
    let shown: Vec<String> = columns
        .iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, value)| format!("{value:>width$}"))
        .collect();
    match name {
        Some(name) => format!("{} {name}\n", shown.join(" ")),
        None => format!("{}\n", shown.join(" ")),
    }
}

fn count_file(name: &OsString, wanted: Wanted) -> io::Result<Counts> {
    if name == "-" {
        return count_input(&mut io::stdin().lock(), wanted);
    }
    let mut file = File::open(name)?;
    if wanted.bytes && wanted.number() == 1 {
        let meta = file.metadata()?;
        // Files of the kernel say 0 and hold text all the same.
        if meta.is_file() && meta.len() > 0 {
            return Ok(Counts {
                bytes: meta.len(),
                ..Counts::default()
            });
        }
    }
    count_input(&mut file, wanted)
}

fn count_input(input: &mut dyn Read, wanted: Wanted) -> io::Result<Counts> {
    let mut block = vec![0; BLOCK];
    let mut counts = Counts::default();
    let mut in_word = false;
    loop {
        let n = match input.read(&mut block) {
            Ok(0) => return Ok(counts),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = &block[..n];
        counts.bytes += n as u64;
        if wanted.lines {
            counts.lines += count(b'\n', read);
        }
        if wanted.chars {
            counts.chars += read.iter().filter(|b| **b & 0xc0 != 0x80).count() as u64;
        }
        if wanted.words {
            for byte in read {
                let space = matches!(byte, b' ' | b'\t'..=b'\r');
                counts.words += u64::from(!in_word && !space);
                in_word = !space;
            }
        }
    }
}
