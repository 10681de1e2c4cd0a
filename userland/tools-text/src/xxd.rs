//! `xxd`: hexadecimal dumps, and back.

use crate::io::{bytes_of, complain, open, reason, shown};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Read, Seek, SeekFrom, Write};

const HELP: &str = "\
Usage:
       xxd [options] [infile [outfile]]
    or
       xxd -r [-s [-]offset] [-c cols] [-ps] [infile [outfile]]
Options:
    -b          binary digit dump
    -c cols     format <cols> octets per line. Default 16 (-i: 12, -ps: 30)
    -e          little-endian dump
    -g bytes    number of octets per group. Default 2
    -h          print this summary
    -i          output in C include file style
    -l len      stop after <len> octets
    -n name     set the variable name used in C include output
    -o off      add <off> to the displayed file position
    -ps         output in plain hexdump style
    -r          reverse operation: convert hexdump into binary
    -s seek     start at <seek> bytes
    -u          use upper case hex letters
    -d          show offset in decimal
    -C          capitalize variable names in C include file style
";

#[derive(Default)]
struct Options {
    bits: bool,
    plain: bool,
    include: bool,
    reverse: bool,
    little: bool,
    upper: bool,
    decimal: bool,
    capitals: bool,
    autoskip: bool,
    columns: Option<usize>,
    group: Option<usize>,
    length: Option<u64>,
    offset: u64,
    seek: i64,
    name: Option<String>,
}

/// The applet.
pub fn xxd(args: Vec<OsString>) -> i32 {
    let (options, files) = match parse(args) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let mut files = files.into_iter();
    let input = files.next().unwrap_or_else(|| "-".into());
    let output = files.next();
    match run(&options, &input, output.as_ref()) {
        Ok(()) => 0,
        Err(error) if crate::io::is_closed_pipe(&error) => 1,
        Err(error) => {
            complain("xxd", format_args!("{}: {}", shown(&input), reason(&error)));
            2
        }
    }
}

fn parse(args: Vec<OsString>) -> Result<(Options, Vec<OsString>), i32> {
    let mut o = Options::default();
    let mut files = Vec::new();
    let mut args: VecDeque<OsString> = args.into();
    args.pop_front();
    let wrong = || {
        eprint!("{HELP}");
        1
    };
    while let Some(arg) = args.pop_front() {
        let bytes = bytes_of(&arg).to_vec();
        if bytes == b"--" {
            files.extend(args.drain(..));
            break;
        }
        if bytes.len() < 2 || bytes[0] != b'-' {
            files.push(arg);
            continue;
        }
        let name = bytes.strip_prefix(b"--").unwrap_or(&bytes[1..]);
        let mut value = |attached: &[u8]| -> Result<i64, i32> {
            let text = if attached.is_empty() {
                args.pop_front().map(|value| shown(&value)).ok_or_else(wrong)?
            } else {
                String::from_utf8_lossy(attached).into_owned()
            };
            number(&text).ok_or_else(wrong)
        };
        match name {
            b"h" | b"help" => {
                crate::io::print(HELP.as_bytes());
                return Err(0);
            }
            b"v" | b"version" => {
                crate::io::print(b"xxd (agentOS)\n");
                return Err(0);
            }
            b"b" | b"bits" => o.bits = true,
            b"p" | b"ps" | b"postscript" | b"plain" => o.plain = true,
            b"i" | b"include" => o.include = true,
            b"r" | b"revert" => o.reverse = true,
            b"e" => o.little = true,
            b"u" | b"uppercase" => o.upper = true,
            b"d" => o.decimal = true,
            b"a" | b"autoskip" => o.autoskip = true,
            b"C" | b"capitalize" => o.capitals = true,
            b"n" | b"name" => o.name = args.pop_front().map(|name| shown(&name)),
            b"cols" => o.columns = Some(value(b"")?.max(0) as usize),
            b"len" => o.length = Some(value(b"")?.max(0) as u64),
            [b'c', rest @ ..] => o.columns = Some(value(rest)?.max(0) as usize),
            [b'g', rest @ ..] => o.group = Some(value(rest)?.max(0) as usize),
            [b'l', rest @ ..] => o.length = Some(value(rest)?.max(0) as u64),
            [b'o', rest @ ..] => o.offset = value(rest)?.max(0) as u64,
            [b's', rest @ ..] => o.seek = value(rest)?,
            letters if letters.iter().all(|b| b"rpiubeda".contains(b)) => {
                for letter in letters.iter().copied() {
                    match letter {
                        b'r' => o.reverse = true,
                        b'p' => o.plain = true,
                        b'i' => o.include = true,
                        b'u' => o.upper = true,
                        b'b' => o.bits = true,
                        b'e' => o.little = true,
                        b'd' => o.decimal = true,
                        _ => o.autoskip = true,
                    }
                }
            }
            _ => return Err(wrong()),
        }
    }
    if o.columns.is_some_and(|columns| columns > 256 && !o.plain && !o.include) {
        complain("xxd", "invalid number of columns (max. 256).");
        return Err(1);
    }
    Ok((o, files))
}

fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

fn run(o: &Options, input: &OsString, output: Option<&OsString>) -> io::Result<()> {
    let to_file = output.filter(|name| *name != "-");
    if o.reverse {
        let mut input = open(input)?;
        if let Some(name) = to_file {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(name)?;
            let mut sink = Sink::File(BufWriter::new(file));
            revert(o, &mut *input, &mut sink)?;
            return sink.flush();
        }
        let mut sink = Sink::Stream {
            out: crate::io::stdout(),
            at: 0,
        };
        revert(o, &mut *input, &mut sink)?;
        return sink.flush();
    }
    let mut out: Box<dyn Write> = match to_file {
        Some(name) => Box::new(BufWriter::new(File::create(name)?)),
        None => Box::new(crate::io::stdout()),
    };
    let mut source: Box<dyn Read> = Box::new(open(input)?);
    let mut start = 0u64;
    if o.seek != 0 && input != "-" {
        let mut file = File::open(input)?;
        let from = if o.seek < 0 {
            SeekFrom::End(o.seek)
        } else {
            SeekFrom::Start(o.seek as u64)
        };
        start = file.seek(from)?;
        source = Box::new(io::BufReader::with_capacity(crate::io::BLOCK, file));
    } else if o.seek > 0 {
        start = io::copy(&mut source.by_ref().take(o.seek as u64), &mut io::sink())?;
    }
    let mut source = source.take(o.length.unwrap_or(u64::MAX));
    if o.include {
        include(o, &mut source, input, &mut out)?;
    } else if o.plain {
        plain(o, &mut source, &mut out)?;
    } else {
        dump(o, &mut source, start, &mut out)?;
    }
    out.flush()
}

fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn dump(o: &Options, source: &mut dyn Read, start: u64, out: &mut dyn Write) -> io::Result<()> {
    let columns = o.columns.filter(|&n| n > 0).unwrap_or(if o.bits { 6 } else { 16 });
    let group = o.group.unwrap_or(if o.little {
        4
    } else if o.bits {
        1
    } else {
        2
    });
    let group = if group == 0 || group > columns { columns } else { group };
    let digits = if o.bits { 8 } else { 2 };
    let groups = columns.div_ceil(group);
    let width = columns * digits + groups;
    let mut buffer = vec![0; columns];
    let mut at = start + o.offset;
    let mut line = Vec::new();
    let mut zeros = 0;
    let mut pending: Option<Vec<u8>> = None;
    loop {
        let count = read_full(source, &mut buffer)?;
        if count == 0 {
            break;
        }
        line.clear();
        let address = if o.decimal {
            format!("{at:08}: ")
        } else {
            format!("{at:08x}: ")
        };
        line.extend_from_slice(address.as_bytes());
        let body = line.len();
        for first in (0..columns).step_by(group) {
            for offset in 0..group.min(columns - first) {
                let index = if o.little {
                    first + group - 1 - offset
                } else {
                    first + offset
                };
                match buffer[..count].get(index) {
                    Some(byte) => push_digits(&mut line, *byte, o),
                    None if o.little => line.extend(std::iter::repeat_n(b' ', digits)),
                    None => {}
                }
            }
            line.push(b' ');
        }
        line.resize((body + width).max(line.len().min(body + width)), b' ');
        line.truncate(body + width);
        line.push(b' ');
        line.extend(
            buffer[..count]
                .iter()
                .map(|&b| if (b' '..=b'~').contains(&b) { b } else { b'.' }),
        );
        line.push(b'\n');
        at += count as u64;
        if o.autoskip {
            zeros = if buffer[..count].iter().all(|&b| b == 0) && count == columns {
                zeros + 1
            } else {
                0
            };
            if zeros == 2 {
                pending = Some(line.clone());
                continue;
            } else if zeros > 2 {
                if zeros == 3 {
                    out.write_all(b"*\n")?;
                }
                pending = Some(line.clone());
                continue;
            } else if let Some(last) = pending.take()
                && zeros == 0
                && !last.is_empty()
            {
                // A single repeated line is printed, not skipped.
            }
        }
        out.write_all(&line)?;
    }
    match pending {
        Some(last) if zeros >= 2 => out.write_all(&last),
        _ => Ok(()),
    }
}

fn push_digits(line: &mut Vec<u8>, byte: u8, o: &Options) {
    let text = match (o.bits, o.upper) {
        (true, _) => format!("{byte:08b}"),
        (false, true) => format!("{byte:02X}"),
        (false, false) => format!("{byte:02x}"),
    };
    line.extend_from_slice(text.as_bytes());
}

fn plain(o: &Options, source: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let columns = o.columns.unwrap_or(30);
    let mut buffer = vec![0; if columns == 0 { 4096 } else { columns }];
    let mut any = false;
    loop {
        let count = read_full(source, &mut buffer)?;
        if count == 0 {
            break;
        }
        any = true;
        let mut line = Vec::with_capacity(count * 2 + 1);
        for &byte in &buffer[..count] {
            push_digits(&mut line, byte, o);
        }
        if columns > 0 {
            line.push(b'\n');
        }
        out.write_all(&line)?;
    }
    if columns == 0 && any {
        out.write_all(b"\n")
    } else {
        Ok(())
    }
}

fn include(o: &Options, source: &mut dyn Read, input: &OsString, out: &mut dyn Write) -> io::Result<()> {
    let columns = o.columns.filter(|&n| n > 0).unwrap_or(12);
    let name = match &o.name {
        Some(name) => Some(name.clone()),
        None => (input != "-").then(|| shown(input)),
    };
    let name = name.map(|name| {
        let mut clean: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if clean.starts_with(|c: char| c.is_ascii_digit()) {
            clean.insert_str(0, "__");
        }
        if o.capitals { clean.to_uppercase() } else { clean }
    });
    if let Some(name) = &name {
        writeln!(out, "unsigned char {name}[] = {{")?;
    }
    let mut buffer = vec![0; columns];
    let mut total = 0;
    loop {
        let count = read_full(source, &mut buffer)?;
        if count == 0 {
            break;
        }
        out.write_all(if total == 0 { b"  " } else { b",\n  " })?;
        for (index, byte) in buffer[..count].iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match o.upper {
                true => write!(out, "{separator}0X{byte:02X}")?,
                false => write!(out, "{separator}0x{byte:02x}")?,
            }
        }
        total += count;
    }
    if total > 0 {
        out.write_all(b"\n")?;
    }
    if let Some(name) = &name {
        let suffix = if o.capitals { "_LEN" } else { "_len" };
        writeln!(out, "}};\nunsigned int {name}{suffix} = {total};")?;
    }
    Ok(())
}

/// Where reverted bytes go: a file that is patched, or a stream in which gaps are zeros.
enum Sink {
    File(BufWriter<File>),
    Stream { out: crate::io::Out, at: u64 },
}

impl Sink {
    fn goto(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.seek(SeekFrom::Start(offset)).map(|_| ()),
            Self::Stream { out, at } => {
                if offset < *at {
                    return Err(io::Error::other("Sorry, cannot seek backwards."));
                }
                io::copy(&mut io::repeat(0).take(offset - *at), out)?;
                *at = offset;
                Ok(())
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Stream { out, at } => {
                *at += bytes.len() as u64;
                out.write_all(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream { out, .. } => out.flush(),
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn revert(o: &Options, input: &mut dyn BufRead, sink: &mut Sink) -> io::Result<()> {
    let columns = o.columns.filter(|&n| n > 0).unwrap_or(16);
    let mut line = Vec::new();
    let mut half: Option<u8> = None;
    while crate::io::read_record(input, b'\n', &mut line)? {
        if o.plain {
            let mut bytes = Vec::with_capacity(line.len() / 2);
            for value in line.iter().filter_map(|&b| digit(b)) {
                match half.take() {
                    Some(high) => bytes.push(high << 4 | value),
                    None => half = Some(value),
                }
            }
            sink.put(&bytes)?;
            continue;
        }
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            continue;
        };
        let address = std::str::from_utf8(&line[..colon])
            .ok()
            .and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
        let Some(address) = address else { continue };
        let mut bytes = Vec::new();
        let mut blanks = 0;
        let mut high = None;
        for &byte in line[colon + 1..].iter().skip_while(|&&b| b == b' ') {
            match digit(byte) {
                Some(value) => {
                    blanks = 0;
                    match high.take() {
                        Some(high) => bytes.push(high << 4 | value),
                        None => high = Some(value),
                    }
                }
                None if byte == b' ' => {
                    blanks += 1;
                    // Two blanks separate the digits from the text.
                    if blanks > 1 {
                        break;
                    }
                }
                None => break,
            }
            if bytes.len() >= columns {
                break;
            }
        }
        let target = i128::from(address) + i128::from(o.seek);
        let target = u64::try_from(target).map_err(|_| io::Error::other("Sorry, cannot seek."))?;
        sink.goto(target)?;
        sink.put(&bytes)?;
    }
    Ok(())
}
