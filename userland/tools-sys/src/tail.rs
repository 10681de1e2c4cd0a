//! `tail` and `tac`.

mod follow;
mod tac;

pub(crate) use tac::tac;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{BLOCK, bytes_of, complain, reason, shown};

use crate::{duration, human, usage, write};

const SPECS: &[&str] = &[
    "c,bytes=",
    "f",
    "follow=?",
    "F",
    "n,lines=",
    "max-unchanged-stats=",
    "pid=",
    "q,silent,quiet",
    "retry",
    "s,sleep-interval=",
    "v,verbose",
    "z,zero-terminated",
    "help",
    "version",
];

const HELP: &str = "Usage: tail [OPTION]... [FILE]...
Print the last 10 lines of each FILE to standard output.

  -c, --bytes=[+]NUM       output the last NUM bytes; or use -c +NUM to start with byte NUM
  -f, --follow[=HOW]       output appended data as the file grows: descriptor or name
  -F                       same as --follow=name --retry
  -n, --lines=[+]NUM       output the last NUM lines; or use -n +NUM to start with line NUM
      --pid=PID            with -f, terminate after process ID, PID dies
  -q, --quiet, --silent    never output headers giving file names
      --retry              keep trying to open a file if it is inaccessible
  -s, --sleep-interval=N   with -f, sleep for approximately N seconds between iterations
  -v, --verbose            always output headers giving file names
  -z, --zero-terminated    line delimiter is NUL, not newline
";

#[derive(Debug, Clone, Copy)]
struct Amount {
    count: u64,
    from_start: bool,
    bytes: bool,
}

struct Options {
    amount: Amount,
    follow: bool,
    by_name: bool,
    retry: bool,
    pid: Option<i32>,
    interval: std::time::Duration,
    headers: Option<bool>,
    end: u8,
}

pub(crate) fn tail(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        amount: Amount {
            count: 10,
            from_start: false,
            bytes: false,
        },
        follow: false,
        by_name: false,
        retry: false,
        pid: None,
        interval: std::time::Duration::from_secs(1),
        headers: None,
        end: b'\n',
    };
    let mut names = Vec::new();
    let mut parser = Parser::new(obsolete(args), SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("tail"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.set(key, value.as_deref()) {
                    return usage("tail", message, 1);
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("tail", message, 1),
        }
    }
    if names.is_empty() {
        names.push("-".into());
    }
    options.run(&names)
}

/// The old forms `-5`, `-5f`, `+5`.
fn obsolete(mut args: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = args.get(1).map(|arg| bytes_of(arg).to_vec()) else {
        return args;
    };
    let digits = first.iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
    let suffix = first.get(1 + digits..).unwrap_or_default();
    let (number, rest) = (
        String::from_utf8_lossy(first.get(1..1 + digits).unwrap_or_default()).into_owned(),
        suffix,
    );
    if digits == 0 || !rest.iter().all(|b| b"clf".contains(b)) || (first[0] == b'+' && args.len() > 3) {
        return args;
    }
    let sign = match first[0] {
        b'-' => "",
        b'+' => "+",
        _ => return args,
    };
    let option = if rest.contains(&b'c') { "-c" } else { "-n" };
    let mut new = vec![OsString::from(option), OsString::from(format!("{sign}{number}"))];
    if rest.contains(&b'f') {
        new.push("-f".into());
    }
    args.splice(1..2, new);
    args
}

impl Options {
    fn set(&mut self, key: &str, value: Option<&OsStr>) -> Result<(), String> {
        let text = value.map(shown).unwrap_or_default();
        match key {
            "bytes" | "lines" => {
                let what = if key == "bytes" { "bytes" } else { "lines" };
                self.amount =
                    amount(&text, key == "bytes").ok_or_else(|| format!("invalid number of {what}: '{text}'"))?;
            }
            "f" => self.follow = true,
            "follow" => {
                self.follow = true;
                self.by_name = match text.as_str() {
                    "" | "descriptor" => false,
                    "name" => true,
                    other => return Err(format!("invalid argument '{other}' for '--follow'")),
                };
            }
            "F" => (self.follow, self.by_name, self.retry) = (true, true, true),
            "pid" => self.pid = Some(text.parse().map_err(|_| format!("invalid PID: '{text}'"))?),
            "quiet" => self.headers = Some(false),
            "verbose" => self.headers = Some(true),
            "retry" => self.retry = true,
            "sleep-interval" => {
                let interval = value.and_then(duration::parse);
                self.interval = interval.ok_or_else(|| format!("invalid number of seconds: '{text}'"))?;
            }
            "zero-terminated" => self.end = 0,
            _ => {}
        }
        Ok(())
    }

    fn run(&self, names: &[OsString]) -> i32 {
        let headers = self.headers.unwrap_or(names.len() > 1);
        let mut status = 0;
        let mut followed = Vec::new();
        let mut first = true;
        for name in names {
            match self.one(name, headers, &mut first) {
                Ok(file) => followed.push(follow::Followed::new(name.clone(), file)),
                Err(error) => {
                    complain("tail", error);
                    status = 1;
                    if self.follow && self.retry {
                        followed.push(follow::Followed::new(name.clone(), None));
                    }
                }
            }
        }
        if self.follow && !followed.is_empty() {
            return follow::follow(self, followed, headers).max(status);
        }
        status
    }

    fn one(&self, name: &OsStr, headers: bool, first: &mut bool) -> Result<Option<File>, String> {
        let title = if name == "-" {
            "standard input".to_owned()
        } else {
            shown(name)
        };
        let open = || -> io::Result<File> {
            use std::os::fd::AsFd;
            if name == "-" {
                Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
            } else {
                File::open(name)
            }
        };
        let mut file = open().map_err(|error| format!("cannot open '{title}' for reading: {}", reason(&error)))?;
        if headers {
            let line = format!("{}==> {title} <==\n", if *first { "" } else { "\n" });
            write::raw(line.as_bytes()).map_err(|error| format!("write error: {}", reason(&error)))?;
        }
        *first = false;
        self.amount
            .print(&mut file, self.end)
            .map_err(|error| format!("error reading '{title}': {}", reason(&error)))?;
        Ok(Some(file))
    }
}

/// Reads `[+|-]N` with a multiplier.
fn amount(text: &str, bytes: bool) -> Option<Amount> {
    let (from_start, digits) = match text.as_bytes().first()? {
        b'+' => (true, &text[1..]),
        b'-' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 {
        return None;
    }
    let number: u64 = digits[..end].parse().unwrap_or(u64::MAX);
    let count = number.saturating_mul(human::factor(&digits[end..])?);
    Some(Amount {
        count,
        from_start,
        bytes,
    })
}

impl Amount {
    /// Prints the end of a file, or all from a place on. The file is left at its end.
    fn print(self, file: &mut File, end: u8) -> io::Result<()> {
        match (self.from_start, self.bytes) {
            (true, true) => from_byte(file, self.count),
            (true, false) => from_line(file, self.count, end),
            (false, true) => last_bytes(file, self.count),
            (false, false) => last_lines(file, self.count, end),
        }
    }
}

/// Passes on what is left of a file.
fn rest(file: &mut dyn Read) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => write::raw(&block[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn from_byte(file: &mut File, number: u64) -> io::Result<()> {
    let skip = number.saturating_sub(1);
    if !file.metadata()?.is_file()
        || file
            .seek(SeekFrom::Current(i64::try_from(skip).unwrap_or(i64::MAX)))
            .is_err()
    {
        io::copy(&mut file.by_ref().take(skip), &mut io::sink())?;
    }
    rest(file)
}

fn from_line(file: &mut File, number: u64, end: u8) -> io::Result<()> {
    let mut skip = number.saturating_sub(1);
    let mut block = vec![0; BLOCK];
    while skip > 0 {
        let n = file.read(&mut block)?;
        if n == 0 {
            return Ok(());
        }
        for (at, _) in block[..n].iter().enumerate().filter(|(_, b)| **b == end) {
            skip -= 1;
            if skip == 0 {
                write::raw(&block[at + 1..n])?;
                break;
            }
        }
    }
    rest(file)
}

/// Size of a regular file that can be read from its end.
fn seekable(file: &mut File) -> Option<(u64, u64)> {
    let meta = file.metadata().ok().filter(|meta| meta.is_file() && meta.len() > 0)?;
    let start = file.stream_position().ok()?;
    (meta.len() > start).then_some((start, meta.len()))
}

fn last_bytes(file: &mut File, count: u64) -> io::Result<()> {
    if let Some((start, size)) = seekable(file) {
        file.seek(SeekFrom::Start(start.max(size.saturating_sub(count))))?;
        return rest(file);
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut kept: VecDeque<u8> = VecDeque::new();
    let mut block = vec![0; BLOCK];
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            return write::raw(kept.make_contiguous());
        }
        kept.extend(&block[..n]);
        let extra = kept.len().saturating_sub(count);
        kept.drain(..extra);
    }
}

fn last_lines(file: &mut File, count: u64, end: u8) -> io::Result<()> {
    if let Some((start, size)) = seekable(file) {
        let from = line_start(file, start, size, count, end)?;
        file.seek(SeekFrom::Start(from))?;
        return rest(file);
    }
    // Whole blocks are dropped as soon as those after them hold enough lines.
    let mut blocks: VecDeque<(Vec<u8>, u64)> = VecDeque::new();
    let mut total = 0;
    loop {
        let mut block = vec![0; BLOCK];
        let n = file.read(&mut block)?;
        if n == 0 {
            break;
        }
        block.truncate(n);
        let lines = agentos_tools_base::io::count(end, &block);
        total += lines;
        blocks.push_back((block, lines));
        while blocks.front().is_some_and(|(_, lines)| total - lines > count) {
            total -= blocks.pop_front().map_or(0, |(_, lines)| lines);
        }
    }
    let all: Vec<u8> = blocks.into_iter().flat_map(|(block, _)| block).collect();
    write::raw(&all[within(&all, count, end)..])
}

/// Where the last `count` lines of a text begin.
fn within(text: &[u8], count: u64, end: u8) -> usize {
    if count == 0 {
        return text.len();
    }
    // A newline at the very end closes the last line and begins none.
    let body = text.strip_suffix(&[end]).unwrap_or(text);
    let found = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, b)| **b == end)
        .nth(usize::try_from(count - 1).unwrap_or(usize::MAX));
    found.map_or(0, |(at, _)| at + 1)
}

fn line_start(file: &mut File, start: u64, size: u64, count: u64, end: u8) -> io::Result<u64> {
    if count == 0 {
        return Ok(size);
    }
    let mut left = count;
    let mut position = size;
    let mut block = vec![0; BLOCK];
    while position > start {
        let length = (BLOCK as u64).min(position - start);
        position -= length;
        file.seek(SeekFrom::Start(position))?;
        let piece = &mut block[..length as usize];
        file.read_exact(piece)?;
        let last = if position + length == size {
            piece.len() - 1
        } else {
            piece.len()
        };
        for (at, _) in piece[..last].iter().enumerate().rev().filter(|(_, b)| **b == end) {
            left -= 1;
            if left == 0 {
                return Ok(position + at as u64 + 1);
            }
        }
    }
    Ok(start)
}
