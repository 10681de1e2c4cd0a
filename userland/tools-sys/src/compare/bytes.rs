//! `cmp`: compares byte by byte.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{BLOCK, complain, reason, shown};

use crate::{human, usage, write};

const HELP: &str = "Usage: cmp [OPTION]... FILE1 [FILE2 [SKIP1 [SKIP2]]]
Compare two files byte by byte.

  -b, --print-bytes         print differing bytes
  -i, --ignore-initial=S[:S]  skip first bytes of both inputs
  -l, --verbose             output byte numbers and differing byte values
  -n, --bytes=LIMIT         compare at most LIMIT bytes
  -s, --quiet, --silent     suppress all normal output
";

const TROUBLE: i32 = 2;

#[derive(Default)]
struct Options {
    print: bool,
    verbose: bool,
    silent: bool,
    limit: Option<u64>,
    skip: (u64, u64),
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits]
        .parse::<u64>()
        .ok()?
        .checked_mul(human::factor(&text[digits..])?)
}

pub(crate) fn cmp(args: Vec<OsString>) -> i32 {
    const SPECS: &[&str] = &[
        "b,print-bytes",
        "i,ignore-initial=",
        "l,verbose",
        "n,bytes=",
        "s,silent,quiet",
        "help",
        "v,version",
    ];
    let mut options = Options::default();
    let mut names = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_deref().map(shown).unwrap_or_default();
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version("cmp"),
                    "print-bytes" => options.print = true,
                    "verbose" => options.verbose = true,
                    "quiet" => options.silent = true,
                    "bytes" => match number(&text) {
                        Some(limit) => options.limit = Some(limit),
                        None => return usage("cmp", format_args!("invalid --bytes value '{text}'"), TROUBLE),
                    },
                    _ => {
                        let (a, b) = text.split_once(':').unwrap_or((&text, &text));
                        match number(a).zip(number(b)) {
                            Some(skip) => options.skip = skip,
                            None => {
                                return usage("cmp", format_args!("invalid --ignore-initial value '{text}'"), TROUBLE);
                            }
                        }
                    }
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("cmp", message, TROUBLE),
        }
    }
    if names.is_empty() {
        return usage("cmp", "missing operand after 'cmp'", TROUBLE);
    }
    if options.verbose && options.silent {
        return usage("cmp", "options -l and -s are incompatible", TROUBLE);
    }
    let to = names.get(1).cloned().unwrap_or_else(|| "-".into());
    for (at, skip) in [(2, &mut options.skip.0), (3, &mut options.skip.1)] {
        if let Some(text) = names.get(at).map(|name| shown(name)) {
            match number(&text) {
                Some(bytes) => *skip = bytes,
                None => return usage("cmp", format_args!("invalid SKIP value '{text}'"), TROUBLE),
            }
        }
    }
    if let Some(extra) = names.get(4) {
        return usage("cmp", format_args!("extra operand '{}'", shown(extra)), TROUBLE);
    }
    options.run(&names[0], &to)
}

fn open(name: &OsStr, skip: u64) -> io::Result<Box<dyn Read>> {
    let mut input: Box<dyn Read> = if name == "-" {
        Box::new(BufReader::with_capacity(BLOCK, io::stdin().lock()))
    } else {
        Box::new(BufReader::with_capacity(BLOCK, File::open(name)?))
    };
    io::copy(&mut input.by_ref().take(skip), &mut io::sink())?;
    Ok(input)
}

impl Options {
    fn run(&self, from: &OsStr, to: &OsStr) -> i32 {
        if from == to && self.skip.0 == self.skip.1 {
            return 0;
        }
        let trouble = |name: &OsStr, error: &io::Error| {
            if !(self.silent && error.kind() == io::ErrorKind::NotFound) {
                complain("cmp", format_args!("{}: {}", shown(name), reason(error)));
            }
            TROUBLE
        };
        let (mut a, mut b) = match (open(from, self.skip.0), open(to, self.skip.1)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(error), _) => return trouble(from, &error),
            (_, Err(error)) => return trouble(to, &error),
        };
        let (mut offset, mut line, mut status) = (0_u64, 1_u64, 0);
        let (mut left, mut right) = (vec![0; BLOCK], vec![0; BLOCK]);
        let mut out = String::new();
        let width = self.width(from, to);
        let mut last = b'\n';
        loop {
            let most = self.limit.map_or(BLOCK, |limit| {
                usize::try_from(limit - offset).unwrap_or(BLOCK).min(BLOCK)
            });
            let n = match fill(a.as_mut(), &mut left[..most]) {
                Ok(n) => n,
                Err(error) => return trouble(from, &error),
            };
            let m = match fill(b.as_mut(), &mut right[..most]) {
                Ok(m) => m,
                Err(error) => return trouble(to, &error),
            };
            let both = n.min(m);
            for at in 0..both {
                let (x, y) = (left[at], right[at]);
                if x != y {
                    status = 1;
                    if self.silent {
                        return 1;
                    }
                    let place = offset + at as u64 + 1;
                    if !self.verbose {
                        return self.first(from, to, place, line, x, y);
                    }
                    out.push_str(&self.difference(place, x, y, width));
                }
                line += u64::from(x == b'\n');
                last = x;
            }
            if out.len() > BLOCK && write::all("cmp", std::mem::take(&mut out).as_bytes()) != 0 {
                return TROUBLE;
            }
            offset += both as u64;
            if n != m {
                let _ = write::all("cmp", out.as_bytes());
                self.short(if n < m { from } else { to }, offset, line, last);
                return 1;
            }
            if n < most || most == 0 {
                return write::all("cmp", out.as_bytes()).max(status);
            }
        }
    }

    fn width(&self, from: &OsStr, to: &OsStr) -> usize {
        let size = |name: &OsStr| std::fs::metadata(name).map_or(u64::MAX, |meta| meta.len());
        size(from)
            .min(size(to))
            .min(self.limit.unwrap_or(u64::MAX))
            .to_string()
            .len()
    }

    fn first(&self, from: &OsStr, to: &OsStr, place: u64, line: u64, x: u8, y: u8) -> i32 {
        let names = format!("{} {}", shown(from), shown(to));
        let text = if self.print {
            format!(
                "{names} differ: byte {place}, line {line} is {x:3o} {} {y:3o} {}\n",
                visible(x),
                visible(y)
            )
        } else {
            format!("{names} differ: byte {place}, line {line}\n")
        };
        write::all("cmp", text.as_bytes()).max(1)
    }

    fn difference(&self, place: u64, x: u8, y: u8, width: usize) -> String {
        if self.print {
            format!("{place:>width$} {x:>3o} {:<4} {y:>3o} {}\n", visible(x), visible(y))
        } else {
            format!("{place:>width$} {x:>3o} {y:>3o}\n")
        }
    }

    fn short(&self, name: &OsStr, offset: u64, line: u64, last: u8) {
        if self.silent {
            return;
        }
        let name = shown(name);
        if offset == 0 {
            complain("cmp", format_args!("EOF on {name} which is empty"));
        } else if self.verbose {
            complain("cmp", format_args!("EOF on {name} after byte {offset}"));
        } else if last == b'\n' {
            complain(
                "cmp",
                format_args!("EOF on {name} after byte {offset}, line {}", line - 1),
            );
        } else {
            complain("cmp", format_args!("EOF on {name} after byte {offset}, in line {line}"));
        }
    }
}

fn fill(input: &mut dyn Read, block: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < block.len() {
        match input.read(&mut block[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}

/// A byte as `cat -v` shows it.
fn visible(byte: u8) -> String {
    let (lead, low) = if byte >= 128 { ("M-", byte - 128) } else { ("", byte) };
    match low {
        127 => format!("{lead}^?"),
        low if low < 32 => format!("{lead}^{}", char::from(low + 64)),
        low => format!("{lead}{}", char::from(low)),
    }
}
