//! `strings`: runs of printable characters in binary files.

use crate::cli::{self, Arg, Parser};
use crate::io::{bytes_of, complain, open, reason, shown, stdout};
use std::ffi::OsString;
use std::io::{self, BufRead, Write};

const SPECS: &[&str] = &[
    "a,all",
    "d,data",
    "f,print-file-name",
    "n,bytes=",
    "t,radix=",
    "o",
    "w,include-all-whitespace",
    "e,encoding=",
    "s,output-separator=",
    "U,unicode=",
    "T,target=",
    "h,H,help",
    "v,V,version",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "0",
];

const HELP: &str = "\
Usage: strings [option(s)] [file(s)]
 Display printable strings in [file(s)] (stdin by default)

  -n NUMBER   at least NUMBER characters (4)
  -t {o,d,x}  print the offset of each string
  -f          print the name of the file before each string
  -e {s,S,l,b}  7-bit, 8-bit, 16-bit little-endian, 16-bit big-endian characters
  -s STRING   separator of strings; -w: newlines belong to strings
";

struct Options {
    least: usize,
    radix: Option<u8>,
    names: bool,
    whitespace: bool,
    high: bool,
    /// Bytes of a character, and where the low one stands.
    width: usize,
    low: usize,
    separator: Vec<u8>,
}

/// The applet.
pub fn strings(args: Vec<OsString>) -> i32 {
    let separator = b"\n".to_vec();
    let mut o = Options {
        least: 4,
        radix: None,
        names: false,
        whitespace: false,
        high: false,
        width: 1,
        low: 0,
        separator,
    };
    let mut files = Vec::new();
    let mut digits = String::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        let (key, value) = match parser.next() {
            Err(message) => {
                complain("strings", message);
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => {
                files.push(file);
                continue;
            }
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("strings"),
            Ok(Some(Arg::Opt(key, value))) => (key, value.unwrap_or_default()),
        };
        match key {
            "print-file-name" => o.names = true,
            "include-all-whitespace" => o.whitespace = true,
            "o" => o.radix = Some(b'o'),
            "output-separator" => o.separator = bytes_of(&value).to_vec(),
            "bytes" => match shown(&value).parse() {
                Ok(least) if least > 0 => o.least = least,
                _ => {
                    complain(
                        "strings",
                        format_args!("invalid minimum string length {}", shown(&value)),
                    );
                    return 1;
                }
            },
            "radix" => match bytes_of(&value) {
                [radix @ (b'o' | b'd' | b'x')] => o.radix = Some(*radix),
                _ => {
                    eprint!("{HELP}");
                    return 1;
                }
            },
            "encoding" => match bytes_of(&value) {
                b"s" => {}
                b"S" => o.high = true,
                b"l" => (o.width, o.low) = (2, 0),
                b"b" => (o.width, o.low) = (2, 1),
                b"L" => (o.width, o.low) = (4, 0),
                b"B" => (o.width, o.low) = (4, 3),
                _ => {
                    eprint!("{HELP}");
                    return 1;
                }
            },
            digit if digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit() => {
                digits.push_str(digit);
                o.least = digits.parse().unwrap_or(4).max(1);
            }
            _ => {}
        }
    }
    if files.is_empty() {
        files.push("-".into());
    }
    let mut out = stdout();
    let mut status = 0;
    for file in &files {
        let label = if file == "-" {
            "{standard input}".to_owned()
        } else {
            shown(file)
        };
        let found = open(file);
        let outcome = found.and_then(|mut input| scan(&mut *input, &o, &label, &mut out));
        if let Err(error) = outcome {
            let _ = out.flush();
            let text = match error.kind() {
                io::ErrorKind::NotFound => format!("'{label}': No such file"),
                io::ErrorKind::IsADirectory => format!("Warning: '{label}' is a directory"),
                _ => format!("{label}: {}", reason(&error)),
            };
            complain("strings", text);
            status = 1;
        }
    }
    if out.flush().is_err() { 1 } else { status }
}

fn scan(input: &mut dyn BufRead, o: &Options, label: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut run: Vec<u8> = Vec::new();
    let mut start = 0u64;
    let mut offset = 0u64;
    let mut character: Vec<u8> = Vec::with_capacity(4);
    loop {
        let block = input.fill_buf()?;
        if block.is_empty() {
            break;
        }
        let length = block.len();
        for &byte in block {
            offset += 1;
            character.push(byte);
            if character.len() < o.width {
                continue;
            }
            let low = character[o.low];
            let wide = character.iter().enumerate().any(|(at, &b)| at != o.low && b != 0);
            character.clear();
            let printable = !wide
                && (matches!(low, b' '..=b'~' | b'\t')
                    || (o.high && low >= 0x80)
                    || (o.whitespace && low.is_ascii_whitespace()));
            if printable {
                if run.is_empty() {
                    start = offset - o.width as u64;
                }
                // A run longer than this is printed in parts only for the memory's sake.
                run.push(low);
                if run.len() >= 1 << 20 {
                    emit(o, label, start, &run, out)?;
                    run.clear();
                }
                continue;
            }
            if run.len() >= o.least {
                emit(o, label, start, &run, out)?;
            }
            run.clear();
        }
        input.consume(length);
    }
    if run.len() >= o.least {
        emit(o, label, start, &run, out)?;
    }
    Ok(())
}

fn emit(o: &Options, label: &str, start: u64, run: &[u8], out: &mut dyn Write) -> io::Result<()> {
    if o.names {
        write!(out, "{label}: ")?;
    }
    match o.radix {
        Some(b'o') => write!(out, "{start:7o} ")?,
        Some(b'd') => write!(out, "{start:7} ")?,
        Some(_) => write!(out, "{start:7x} ")?,
        None => {}
    }
    out.write_all(run)?;
    out.write_all(&o.separator)
}
