//! `hexdump` and `hd`: the fixed formats and formats of one's own.

use crate::cli::{self, Arg, Parser};
use crate::io::{bytes_of, complain, open, read_all, reason, shown, stdout};
use std::ffi::OsString;
use std::io::{self, Read, Write};

const SPECS: &[&str] = &[
    "b,one-byte-octal",
    "c,one-byte-char",
    "C,canonical",
    "d,two-bytes-decimal",
    "e,format=",
    "f,format-file=",
    "L,color=?",
    "n,length=",
    "o,two-bytes-octal",
    "s,skip=",
    "v,no-squeezing",
    "x,two-bytes-hex",
    "X,one-byte-hex",
    "h,help",
    "V,version",
];

const HELP: &str = "\
Usage: hexdump [options] <file>...

  -b, -c, -C       one-byte octal, one-byte character, canonical hex+ASCII display
  -d, -o, -x       two-byte decimal, octal, hexadecimal display
  -e FORMAT, -f FILE  formats of your own
  -n LENGTH, -s OFFSET, -v  interpret LENGTH bytes, skip OFFSET bytes, no squeezing of equal lines
";

/// A unit of a format: how often, over how many bytes, printed how.
struct Unit {
    repeat: usize,
    size: usize,
    parts: Vec<Part>,
}

enum Part {
    Literal(Vec<u8>),
    /// Flags, width and precision as written, conversion, bytes taken.
    Convert(String, Conversion, usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Conversion {
    Integer(u8),
    Float(u8),
    Character,
    Printable,
    Name,
    Text,
    Address(u8, bool),
}

struct Options {
    formats: Vec<Vec<Unit>>,
    length: u64,
    skip: u64,
    squeeze: bool,
}

/// The applet.
pub fn hexdump(args: Vec<OsString>) -> i32 {
    let canonical = args.first().is_some_and(|name| bytes_of(name).ends_with(b"hd"));
    let mut o = Options {
        formats: Vec::new(),
        length: u64::MAX,
        skip: 0,
        squeeze: true,
    };
    let mut files = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    if canonical {
        push_canonical(&mut o);
    }
    loop {
        let (key, value) = match parser.next() {
            Err(message) => {
                complain("hexdump", message);
                eprintln!("Try 'hexdump --help' for more information.");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => {
                files.push(file);
                continue;
            }
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("hexdump"),
            Ok(Some(Arg::Opt(key, value))) => (key, value.unwrap_or_default()),
        };
        if let Err(message) = apply(&mut o, key, &value) {
            complain("hexdump", message);
            return 1;
        }
    }
    if o.formats.is_empty() {
        push_fixed(&mut o, b"\"%07.7_Ax\n\"", b"\"%07.7_ax \" 8/2 \"%04x \" \"\n\"");
    }
    if files.is_empty() {
        files.push("-".into());
    }
    let mut status = 0;
    let mut sources: Vec<Box<dyn Read>> = Vec::new();
    for file in &files {
        match open(file) {
            Ok(source) => sources.push(Box::new(source)),
            Err(error) => {
                complain("hexdump", format_args!("{}: {}", shown(file), reason(&error)));
                status = 1;
            }
        }
    }
    if sources.is_empty() {
        return status;
    }
    let mut out = stdout();
    let outcome = dump(&o, sources, &mut out).and_then(|()| out.flush());
    match outcome {
        Ok(()) => status,
        Err(error) if crate::io::is_closed_pipe(&error) => 1,
        Err(error) => {
            complain("hexdump", reason(&error));
            1
        }
    }
}

fn push_fixed(o: &mut Options, address: &[u8], line: &[u8]) {
    for text in [address, line] {
        // These are well formed.
        o.formats.extend(parse_format(text).ok());
    }
}

fn push_canonical(o: &mut Options) {
    push_fixed(
        o,
        b"\"%08.8_Ax\n\"",
        b"\"%08.8_ax  \" 8/1 \"%02x \" \"  \" 8/1 \"%02x \" ",
    );
    o.formats.extend(parse_format(b"\"  |\" 16/1 \"%_p\" \"|\n\"").ok());
}

fn apply(o: &mut Options, key: &str, value: &OsString) -> Result<(), String> {
    let size = || cli::number(value, true).or_else(|| hex(&shown(value)));
    match key {
        "one-byte-octal" => push_fixed(o, b"\"%07.7_Ax\n\"", b"\"%07.7_ax \" 16/1 \"%03o \" \"\n\""),
        "one-byte-char" => push_fixed(o, b"\"%07.7_Ax\n\"", b"\"%07.7_ax \" 16/1 \"%3_c \" \"\n\""),
        "canonical" => push_canonical(o),
        "two-bytes-decimal" => push_fixed(o, b"\"%07.7_Ax\n\"", b"\"%07.7_ax \" 8/2 \"  %05u \" \"\n\""),
        "two-bytes-octal" => push_fixed(o, b"\"%07.7_Ax\n\"", b"\"%07.7_ax \" 8/2 \" %06o \" \"\n\""),
        "two-bytes-hex" => push_fixed(o, b"\"%07.7_Ax\n\"", b"\"%07.7_ax \" 8/2 \"   %04x \" \"\n\""),
        "one-byte-hex" => push_fixed(o, b"\"%07.7_Ax\n\"", b"\"%07.7_ax \" 16/1 \" %02x \" \"\n\""),
        "format" => o.formats.push(parse_format(bytes_of(value))?),
        "format-file" => {
            let text = read_all(value).map_err(|error| format!("{}: {}", shown(value), reason(&error)))?;
            let lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
            for line in lines.filter(|line| !line.is_empty() && line[0] != b'#') {
                o.formats.push(parse_format(line)?);
            }
        }
        "length" => o.length = size().ok_or_else(|| "failed to parse length".to_owned())?,
        "skip" => o.skip = size().ok_or_else(|| "failed to parse offset".to_owned())?,
        "no-squeezing" => o.squeeze = false,
        _ => {}
    }
    Ok(())
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// Reads `repeat/size "format"` units.
fn parse_format(text: &[u8]) -> Result<Vec<Unit>, String> {
    let bad = || format!("bad format {{{}}}", String::from_utf8_lossy(text));
    let mut units = Vec::new();
    let mut at = 0;
    let skip = |at: &mut usize| {
        while text.get(*at).is_some_and(u8::is_ascii_whitespace) {
            *at += 1;
        }
    };
    let number = |at: &mut usize| -> Option<usize> {
        let digits = text[*at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let found = std::str::from_utf8(&text[*at..*at + digits]).ok()?.parse().ok();
        *at += digits;
        found
    };
    loop {
        skip(&mut at);
        if at >= text.len() {
            return Ok(units);
        }
        let mut repeat = None;
        let mut size = None;
        if text[at].is_ascii_digit() {
            repeat = number(&mut at);
            skip(&mut at);
        }
        if text.get(at) == Some(&b'/') {
            at += 1;
            skip(&mut at);
            size = number(&mut at);
            skip(&mut at);
        }
        if text.get(at) != Some(&b'"') {
            return Err(bad());
        }
        let end = at + 1 + closing(&text[at + 1..]).ok_or_else(bad)?;
        let parts = parse_parts(&text[at + 1..end], size).map_err(|what| format!("{what}: {}", bad()))?;
        at = end + 1;
        let taken: usize = parts
            .iter()
            .map(|part| if let Part::Convert(_, _, size) = part { *size } else { 0 })
            .sum();
        let repeat = repeat.unwrap_or(1);
        if repeat > 1 << 16 || taken > 1 << 10 {
            return Err(bad());
        }
        units.push(Unit {
            repeat,
            size: taken,
            parts,
        });
    }
}

fn closing(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

fn parse_parts(text: &[u8], size: Option<usize>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' && at + 1 < text.len() {
            literal.push(match text[at + 1] {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                b'0' => 0,
                other => other,
            });
            at += 2;
        } else if text[at] == b'%' && text.get(at + 1) == Some(&b'%') {
            literal.push(b'%');
            at += 2;
        } else if text[at] == b'%' {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            at += 1;
            let start = at;
            while text.get(at).is_some_and(|b| b"#+- 0123456789.".contains(b)) {
                at += 1;
            }
            let spec = String::from_utf8_lossy(&text[start..at]).into_owned();
            let (conversion, length) = conversion(&text[at..]).ok_or("bad conversion character")?;
            at += length;
            let taken = match conversion {
                Conversion::Address(..) => 0,
                Conversion::Character | Conversion::Printable | Conversion::Name => 1,
                Conversion::Integer(_) => size.unwrap_or(4),
                Conversion::Float(_) => size.unwrap_or(8),
                Conversion::Text => spec
                    .rsplit('.')
                    .next()
                    .and_then(|n| n.parse().ok())
                    .or(size)
                    .unwrap_or(1),
            };
            if matches!(conversion, Conversion::Integer(_)) && !matches!(taken, 1 | 2 | 4 | 8) {
                return Err(format!(
                    "bad byte count for conversion character {}",
                    char::from(text[at - 1])
                ));
            }
            if matches!(conversion, Conversion::Float(_)) && !matches!(taken, 4 | 8) {
                return Err("bad byte count for conversion character".to_owned());
            }
            parts.push(Part::Convert(spec, conversion, taken));
        } else {
            literal.push(text[at]);
            at += 1;
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

fn conversion(text: &[u8]) -> Option<(Conversion, usize)> {
    Some(match text {
        [b'_', b'a', radix @ (b'd' | b'o' | b'x'), ..] => (Conversion::Address(*radix, false), 3),
        [b'_', b'A', radix @ (b'd' | b'o' | b'x'), ..] => (Conversion::Address(*radix, true), 3),
        [b'_', b'c', ..] => (Conversion::Character, 2),
        [b'_', b'p', ..] => (Conversion::Printable, 2),
        [b'_', b'u', ..] => (Conversion::Name, 2),
        [b'd' | b'i' | b'o' | b'u' | b'x' | b'X', ..] => (Conversion::Integer(text[0]), 1),
        [b'e' | b'E' | b'f' | b'g' | b'G', ..] => (Conversion::Float(text[0]), 1),
        [b'c', ..] => (Conversion::Printable, 1),
        [b's', ..] => (Conversion::Text, 1),
        _ => return None,
    })
}

fn dump(o: &Options, sources: Vec<Box<dyn Read>>, out: &mut dyn Write) -> io::Result<()> {
    let mut source: Box<dyn Read> = Box::new(io::empty());
    for next in sources {
        source = Box::new(source.chain(next));
    }
    io::copy(&mut source.by_ref().take(o.skip), &mut io::sink())?;
    let mut source = source.take(o.length);
    let length = |format: &[Unit]| format.iter().map(|unit| unit.repeat * unit.size).sum::<usize>();
    let block = o.formats.iter().map(|format| length(format)).max().unwrap_or(16).max(1);
    let mut buffer = vec![0; block];
    let mut last: Option<Vec<u8>> = None;
    let mut squeezing = false;
    let mut at = o.skip;
    loop {
        let mut count = 0;
        while count < block {
            match source.read(&mut buffer[count..])? {
                0 => break,
                n => count += n,
            }
        }
        if count == 0 {
            break;
        }
        if o.squeeze && count == block && last.as_deref() == Some(buffer.as_slice()) {
            if !squeezing {
                out.write_all(b"*\n")?;
            }
            squeezing = true;
            at += count as u64;
            continue;
        }
        squeezing = false;
        last = Some(buffer.clone());
        for format in &o.formats {
            line(format, &buffer[..count], at, block, out)?;
        }
        at += count as u64;
        if count < block {
            break;
        }
    }
    // The address of the end, for formats that want it.
    if at == o.skip {
        return Ok(());
    }
    for part in o.formats.iter().flatten().flat_map(|unit| &unit.parts) {
        if let Part::Convert(spec, Conversion::Address(radix, true), _) = part {
            out.write_all(&number_text(spec, *radix, u128::from(at), false))?;
            out.write_all(b"\n")?;
            break;
        }
    }
    Ok(())
}

/// Prints one block by one format; what lies beyond the data is blanks.
fn line(format: &[Unit], data: &[u8], address: u64, block: usize, out: &mut dyn Write) -> io::Result<()> {
    let is_end = |part: &Part| matches!(part, Part::Convert(_, Conversion::Address(_, true), _));
    if format.iter().flat_map(|unit| &unit.parts).any(is_end) {
        return Ok(());
    }
    let mut text = Vec::new();
    let mut at = 0;
    let total: usize = format.iter().map(|unit| unit.repeat * unit.size).sum();
    for unit in format {
        // A unit that prints data repeats to fill the block when it is the last that does.
        let extra = if unit.size > 0 && total < block && total > 0 && std::ptr::eq(unit, last_data(format)) {
            (block - total) / unit.size
        } else {
            0
        };
        let repeat = unit.repeat + extra;
        for round in 0..repeat {
            for (index, part) in unit.parts.iter().enumerate() {
                match part {
                    Part::Literal(literal) => {
                        // Blanks at the end are left out behind the last repetition.
                        let last = round + 1 == repeat && index + 1 == unit.parts.len() && repeat > 1;
                        let literal = if last { literal.trim_ascii_end() } else { literal };
                        text.extend_from_slice(literal);
                    }
                    Part::Convert(spec, Conversion::Address(radix, _), _) => {
                        text.extend_from_slice(&number_text(spec, *radix, u128::from(address + at as u64), false));
                    }
                    Part::Convert(spec, conversion, size) => {
                        let bytes = data.get(at..(at + size).min(data.len())).unwrap_or_default();
                        text.extend_from_slice(&converted(spec, *conversion, *size, bytes));
                        at += size;
                    }
                }
            }
        }
    }
    out.write_all(&text)
}

fn last_data(format: &[Unit]) -> &Unit {
    format.iter().rfind(|unit| unit.size > 0).unwrap_or(&format[0])
}

fn converted(spec: &str, conversion: Conversion, size: usize, bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        // As wide as a value would have been.
        let sample = vec![0u8; size];
        let width = converted(spec, conversion, size, &sample).len();
        let none = matches!(conversion, Conversion::Printable | Conversion::Text);
        return vec![b' '; if none { 0 } else { width }];
    }
    let mut padded = bytes.to_vec();
    padded.resize(size, 0);
    let value = padded
        .iter()
        .rev()
        .fold(0u128, |sum, &byte| sum << 8 | u128::from(byte));
    match conversion {
        Conversion::Integer(kind) => {
            let bits = size * 8;
            let negative = matches!(kind, b'd' | b'i') && value >> (bits - 1) & 1 == 1;
            let magnitude = if negative { (1u128 << bits) - value } else { value };
            number_text(spec, kind, magnitude, negative)
        }
        Conversion::Float(kind) => {
            let number = match <[u8; 8]>::try_from(padded.as_slice()) {
                Ok(eight) => f64::from_le_bytes(eight),
                Err(_) => f64::from(f32::from_le_bytes([padded[0], padded[1], padded[2], padded[3]])),
            };
            crate::awk::format_number(&format!("%{spec}{}", char::from(kind)), number)
        }
        Conversion::Character => pad(spec, &escape(bytes[0])),
        Conversion::Name => pad(spec, &name(bytes[0])),
        Conversion::Printable => pad(
            spec,
            &[if (b' '..=b'~').contains(&bytes[0]) {
                bytes[0]
            } else {
                b'.'
            }],
        ),
        Conversion::Text => {
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
            pad(spec.split('.').next().unwrap_or_default(), &bytes[..end])
        }
        Conversion::Address(..) => Vec::new(),
    }
}

fn escape(byte: u8) -> Vec<u8> {
    match byte {
        0 => b"\\0".to_vec(),
        7 => b"\\a".to_vec(),
        8 => b"\\b".to_vec(),
        9 => b"\\t".to_vec(),
        10 => b"\\n".to_vec(),
        11 => b"\\v".to_vec(),
        12 => b"\\f".to_vec(),
        13 => b"\\r".to_vec(),
        b' '..=b'~' => vec![byte],
        _ => format!("{byte:03o}").into_bytes(),
    }
}

fn name(byte: u8) -> Vec<u8> {
    const NAMES: &str = "nul soh stx etx eot enq ack bel bs ht lf vt ff cr so si dle dcl dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us";
    match byte {
        0..=0x1f => NAMES
            .split(' ')
            .nth(usize::from(byte))
            .unwrap_or("")
            .as_bytes()
            .to_vec(),
        b' '..=b'~' => vec![byte],
        0x7f => b"del".to_vec(),
        _ => format!("{byte:02x}").into_bytes(),
    }
}

fn pad(spec: &str, text: &[u8]) -> Vec<u8> {
    let left = spec.starts_with('-');
    let width: usize = spec
        .trim_start_matches('-')
        .split('.')
        .next()
        .unwrap_or("")
        .parse()
        .unwrap_or(0);
    let fill = width.min(1 << 12).saturating_sub(text.len());
    let blanks = vec![b' '; fill];
    if left {
        [text, &blanks].concat()
    } else {
        [&blanks, text].concat()
    }
}

fn number_text(spec: &str, kind: u8, value: u128, negative: bool) -> Vec<u8> {
    let digits = match kind {
        b'x' => format!("{value:x}"),
        b'X' => format!("{value:X}"),
        b'o' => format!("{value:o}"),
        _ => value.to_string(),
    };
    let flags: String = spec.chars().take_while(|c| "#+- 0".contains(*c)).collect();
    let rest = &spec[flags.len()..];
    let (width, precision) = rest
        .split_once('.')
        .map_or((rest, None), |(width, precision)| (width, Some(precision)));
    let width: usize = width.parse::<usize>().unwrap_or(0).min(1 << 12);
    let least: usize = precision.and_then(|text| text.parse().ok()).unwrap_or(0).min(1 << 12);
    let mut body = "0".repeat(least.saturating_sub(digits.len()));
    if flags.contains('#') && matches!(kind, b'x' | b'X') && value != 0 {
        body.insert_str(0, if kind == b'x' { "0x" } else { "0X" });
    }
    body.push_str(&digits);
    let sign = if negative {
        "-"
    } else if flags.contains('+') && matches!(kind, b'd' | b'i') {
        "+"
    } else {
        ""
    };
    let fill = width.saturating_sub(sign.len() + body.len());
    let text = if flags.contains('-') {
        format!("{sign}{body}{}", " ".repeat(fill))
    } else if flags.contains('0') && precision.is_none() {
        format!("{sign}{}{body}", "0".repeat(fill))
    } else {
        format!("{}{sign}{body}", " ".repeat(fill))
    };
    text.into_bytes()
}
