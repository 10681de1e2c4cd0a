//! `printf` with strings, characters and integers. Floating point and the rarer conversions need the complete tool.

use std::ffi::{OsStr, OsString};

use agentos_tools_base::io::{bytes_of, complain};

use super::escape::{self, Escape, Octal};
use crate::write;

pub(super) fn printf(args: &[OsString]) -> Option<i32> {
    let words = match args.get(1) {
        Some(first) if first == "--" => &args[2..],
        Some(first) if args.len() == 2 && (first == "--help" || first == "--version") => return None,
        Some(first) if bytes_of(first).starts_with(b"--") => return None,
        Some(_) => &args[1..],
        None => return Some(crate::usage("printf", "missing operand", 1)),
    };
    let Some((format, operands)) = words.split_first() else {
        return Some(crate::usage("printf", "missing operand", 1));
    };
    let pieces = parse(bytes_of(format))?;
    let mut writer = Writer {
        out: Vec::new(),
        operands,
        at: 0,
        status: 0,
    };
    loop {
        let before = writer.at;
        if !writer.once(&pieces) || writer.at >= operands.len() {
            break;
        }
        if writer.at == before {
            let extra = operands[writer.at].to_string_lossy();
            complain(
                "printf",
                format_args!("warning: ignoring excess arguments, starting with '{extra}'"),
            );
            break;
        }
    }
    let written = write::all("printf", &writer.out);
    Some(if written != 0 { written } else { writer.status })
}

enum Piece {
    Text(Vec<u8>),
    Stop,
    Conversion(Conversion),
}

#[derive(Clone, Copy)]
enum Size {
    None,
    Fixed(usize),
    Argument,
}

struct Conversion {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: Size,
    precision: Size,
    kind: u8,
}

/// The pieces of a format; `None` for a conversion that is not handled here.
fn parse(format: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut rest = format;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => {
                let (escape, taken) = escape::read(rest, Octal::Plain);
                rest = &rest[taken..];
                match escape {
                    Escape::Byte(byte) => text.push(byte),
                    Escape::Char(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    Escape::Stop => {
                        pieces.push(Piece::Text(text));
                        pieces.push(Piece::Stop);
                        return Some(pieces);
                    }
                    Escape::None => text.push(b'\\'),
                }
            }
            b'%' if rest.first() == Some(&b'%') => {
                text.push(b'%');
                rest = &rest[1..];
            }
            b'%' => {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                let (conversion, after) = conversion(rest)?;
                pieces.push(Piece::Conversion(conversion));
                rest = after;
            }
            _ => text.push(byte),
        }
    }
    pieces.push(Piece::Text(text));
    Some(pieces)
}

fn conversion(mut rest: &[u8]) -> Option<(Conversion, &[u8])> {
    let mut found = Conversion {
        left: false,
        zero: false,
        plus: false,
        space: false,
        alternate: false,
        width: Size::None,
        precision: Size::None,
        kind: 0,
    };
    loop {
        match rest.first()? {
            b'-' => found.left = true,
            b'0' => found.zero = true,
            b'+' => found.plus = true,
            b' ' => found.space = true,
            b'#' => found.alternate = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    (found.width, rest) = size(rest)?;
    if let Some(after) = rest.strip_prefix(b".") {
        (found.precision, rest) = size(after)?;
        if matches!(found.precision, Size::None) {
            found.precision = Size::Fixed(0);
        }
    }
    while let Some(after) = rest.strip_prefix(b"l").or(rest.strip_prefix(b"h")) {
        rest = after;
    }
    let (&kind, after) = rest.split_first()?;
    found.kind = kind;
    b"sbcdiuxXo".contains(&kind).then_some((found, after))
}

fn size(rest: &[u8]) -> Option<(Size, &[u8])> {
    if let Some(after) = rest.strip_prefix(b"*") {
        return Some((Size::Argument, after));
    }
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return Some((Size::None, rest));
    }
    // A width that no memory holds is left to the complete tool.
    let value: usize = std::str::from_utf8(&rest[..digits])
        .ok()?
        .parse()
        .ok()
        .filter(|n| *n < 1 << 20)?;
    Some((Size::Fixed(value), &rest[digits..]))
}

struct Writer<'a> {
    out: Vec<u8>,
    operands: &'a [OsString],
    at: usize,
    status: i32,
}

impl Writer<'_> {
    /// Writes the format once; false once `\c` ended the output.
    fn once(&mut self, pieces: &[Piece]) -> bool {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.out.extend_from_slice(text),
                Piece::Stop => return false,
                Piece::Conversion(conversion) => {
                    if !self.convert(conversion) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn next(&mut self) -> Option<OsString> {
        let next = self.operands.get(self.at).cloned();
        self.at += usize::from(next.is_some());
        next
    }

    /// A width or precision, and whether it was negative.
    fn size(&mut self, size: Size) -> (Option<usize>, bool) {
        match size {
            Size::None => (None, false),
            Size::Fixed(n) => (Some(n), false),
            Size::Argument => {
                let value = self.next().map_or(0, |text| self.signed(&text));
                (
                    Some(usize::try_from(value.unsigned_abs()).unwrap_or(0).min(1 << 20)),
                    value < 0,
                )
            }
        }
    }

    fn convert(&mut self, how: &Conversion) -> bool {
        let (width, negative) = self.size(how.width);
        let left = how.left || negative;
        let (precision, none) = self.size(how.precision);
        let precision = precision.filter(|_| !none);
        let operand = self.next();
        let mut open = true;
        let (text, zero) = match how.kind {
            b's' => {
                let text = bytes_of(operand.as_deref().unwrap_or_default());
                (text[..text.len().min(precision.unwrap_or(usize::MAX))].to_vec(), false)
            }
            b'b' => {
                let mut text = Vec::new();
                open = escape::expand(
                    bytes_of(operand.as_deref().unwrap_or_default()),
                    Octal::Leading,
                    &mut text,
                );
                text.truncate(precision.unwrap_or(usize::MAX));
                (text, false)
            }
            b'c' => (
                bytes_of(operand.as_deref().unwrap_or_default())
                    .iter()
                    .take(1)
                    .copied()
                    .collect(),
                false,
            ),
            b'd' | b'i' => {
                let value = operand.map_or(0, |text| self.signed(&text));
                (self::signed(value, how, precision), how.zero && precision.is_none())
            }
            _ => {
                let value = operand.map_or(0, |text| self.unsigned(&text));
                (self::unsigned(value, how, precision), how.zero && precision.is_none())
            }
        };
        self.pad(&text, width.unwrap_or(0), left, zero);
        open
    }

    fn pad(&mut self, text: &[u8], width: usize, left: bool, zero: bool) {
        let fill = width.saturating_sub(text.len());
        if left {
            self.out.extend_from_slice(text);
            self.out.resize(self.out.len() + fill, b' ');
        } else if zero {
            let sign = text.iter().take_while(|b| b"+- ".contains(b)).count();
            let sign = if text[sign..].starts_with(b"0x") || text[sign..].starts_with(b"0X") {
                sign + 2
            } else {
                sign
            };
            self.out.extend_from_slice(&text[..sign]);
            self.out.resize(self.out.len() + fill, b'0');
            self.out.extend_from_slice(&text[sign..]);
        } else {
            self.out.resize(self.out.len() + fill, b' ');
            self.out.extend_from_slice(text);
        }
    }

    fn signed(&mut self, text: &OsStr) -> i64 {
        let (negative, magnitude) = self.number(text);
        let limit = i64::MAX as u128 + u128::from(negative);
        if magnitude > limit {
            self.fail(text, "Numerical result out of range");
        }
        let value = magnitude.min(limit) as i128;
        (if negative { -value } else { value }) as i64
    }

    fn unsigned(&mut self, text: &OsStr) -> u64 {
        let (negative, magnitude) = self.number(text);
        if magnitude > u128::from(u64::MAX) {
            self.fail(text, "Numerical result out of range");
            return u64::MAX;
        }
        if negative {
            (magnitude as u64).wrapping_neg()
        } else {
            magnitude as u64
        }
    }

    /// Sign and magnitude of a C integer constant or of a character after a quote.
    fn number(&mut self, text: &OsStr) -> (bool, u128) {
        let bytes = bytes_of(text);
        if let [b'\'' | b'"', first, rest @ ..] = bytes {
            let c = String::from_utf8_lossy(&bytes[1..])
                .chars()
                .next()
                .filter(|c| *c != '\u{fffd}');
            let length = c.map_or(1, char::len_utf8);
            if rest.len() + 1 > length {
                let more = String::from_utf8_lossy(&bytes[1 + length..]).into_owned();
                let note = "character(s) following character constant have been ignored";
                complain("printf", format_args!("warning: {more}: {note}"));
            }
            return (false, c.map_or(u128::from(*first), |c| u128::from(u32::from(c))));
        }
        let lead = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let (negative, rest) = match bytes[lead..].split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, &bytes[lead..]),
        };
        let (base, digits) = match rest {
            [b'0', b'x' | b'X', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => (16, digits),
            [b'0', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => (8, digits),
            _ => (10, rest),
        };
        let mut value = 0_u128;
        let mut taken = 0;
        for digit in digits.iter().map_while(|b| char::from(*b).to_digit(base)) {
            value = value
                .saturating_mul(u128::from(base))
                .saturating_add(u128::from(digit))
                .min(1 << 100);
            taken += 1;
        }
        // An argument that is not there is zero; one that is empty is none.
        if taken == 0 && !(bytes.is_empty() && self.operands.is_empty()) {
            self.fail(text, "expected a numeric value");
        } else if taken < digits.len() {
            self.fail(text, "value not completely converted");
        }
        (negative, value)
    }

    fn fail(&mut self, text: &OsStr, what: &str) {
        complain("printf", format_args!("'{}': {what}", text.to_string_lossy()));
        self.status = 1;
    }
}

fn signed(value: i64, how: &Conversion, precision: Option<usize>) -> Vec<u8> {
    let sign = match value {
        ..=-1 => "-",
        _ if how.plus => "+",
        _ if how.space => " ",
        _ => "",
    };
    let digits = at_least(value.unsigned_abs().to_string(), precision);
    [sign.as_bytes(), digits.as_bytes()].concat()
}

fn unsigned(value: u64, how: &Conversion, precision: Option<usize>) -> Vec<u8> {
    let digits = match how.kind {
        b'x' => format!("{value:x}"),
        b'X' => format!("{value:X}"),
        b'o' => format!("{value:o}"),
        _ => value.to_string(),
    };
    let digits = at_least(digits, precision);
    let prefix = match how.kind {
        b'x' if how.alternate && value != 0 => "0x",
        b'X' if how.alternate && value != 0 => "0X",
        b'o' if how.alternate && !digits.starts_with('0') => "0",
        _ => "",
    };
    [prefix.as_bytes(), digits.as_bytes()].concat()
}

fn at_least(digits: String, precision: Option<usize>) -> String {
    match precision {
        Some(0) if digits == "0" => String::new(),
        Some(n) => format!("{digits:0>n$}"),
        None => digits,
    }
}
