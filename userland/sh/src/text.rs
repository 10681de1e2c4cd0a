//! Text inside the shell.
//!
//! Everything the shell handles is bytes, nearly always UTF-8. Inside it is a `String`: a byte that is not UTF-8 becomes
//! one private character (U+10FF00 plus the byte) on the way in and the byte again on the way out, so that counting,
//! slicing and matching work on characters while no byte is ever lost.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

/// Stands for the byte 0 of an undecodable byte.
const BASE: u32 = 0x0010_FF00;

/// Bytes from outside, as text.
pub fn decode(bytes: Vec<u8>) -> String {
    if bytes.windows(2).any(|w| w == [0xf4, 0x8f]) {
        return decode_slowly(&bytes);
    }
    String::from_utf8(bytes).unwrap_or_else(|error| decode_slowly(error.as_bytes()))
}

fn decode_slowly(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if (c as u32) >= BASE + 0x80 {
                let mut buf = [0; 4];
                c.encode_utf8(&mut buf).bytes().for_each(|b| out.push(escaped(b)));
            } else {
                out.push(c);
            }
        }
        chunk.invalid().iter().for_each(|b| out.push(escaped(*b)));
    }
    out
}

/// The character for one byte of a multi-byte or broken sequence.
pub fn escaped(byte: u8) -> char {
    if byte < 0x80 {
        return char::from(byte);
    }
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Text as the bytes it stands for.
pub fn encode(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&0xf4) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        push_bytes(&mut out, c);
    }
    Cow::Owned(out)
}

/// Appends the bytes a character stands for.
pub fn push_bytes(out: &mut Vec<u8>, c: char) {
    let code = c as u32;
    if code >= BASE + 0x80 {
        out.push((code - BASE) as u8);
    } else {
        let mut buf = [0; 4];
        out.extend_from_slice(c.encode_utf8(&mut buf).as_bytes());
    }
}

/// Text from the operating system.
pub fn from_os(text: OsString) -> String {
    decode(text.into_encoded_bytes())
}

/// Text for the operating system.
pub fn to_os(text: &str) -> Cow<'_, OsStr> {
    match encode(text) {
        Cow::Borrowed(_) => Cow::Borrowed(OsStr::new(text)),
        Cow::Owned(bytes) => Cow::Owned(os_string(bytes)),
    }
}

fn os_string(bytes: Vec<u8>) -> OsString {
    #[cfg(unix)]
    use std::os::unix::ffi::OsStringExt;
    #[cfg(target_os = "wasi")]
    use std::os::wasi::ffi::OsStringExt;
    OsString::from_vec(bytes)
}

/// Whether `text` is a variable name.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// Whether a byte can continue a name.
pub fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() && (c as u32) < BASE || "_-./:=+@%^,".contains(c)
}

fn is_control(c: char) -> bool {
    c.is_control() || (c as u32) >= BASE + 0x80
}

/// Quoted for reuse as `printf %q` and `${x@Q}`'s kin do it: backslashes, or `$'..'` when there are control characters.
pub fn quote_backslash(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if text.chars().any(is_control) {
        return quote_ansi(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for (i, c) in text.chars().enumerate() {
        let special = match c {
            '~' => i == 0,
            '#' => i == 0,
            '=' => false,
            c if c.is_ascii() => !(is_plain(c) || c == '~' || c == '#') || c == '^' || c == ',',
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Quoted in single quotes always, as `${x@Q}` and `alias` print it.
pub fn quote_single(text: &str) -> String {
    if text.chars().any(is_control) {
        return quote_ansi(text);
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Quoted only when needed, in single quotes, as `set` and `xtrace` print it.
pub fn quote_if_needed(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if text.chars().any(is_control) {
        return quote_ansi(text);
    }
    let safe = |(i, c): (usize, char)| is_plain(c) && c != '^' || c == '#' && i > 0 || c == '~' && i > 0;
    if text.chars().enumerate().all(safe) {
        text.to_owned()
    } else {
        quote_single(text)
    }
}

/// As [`quote_if_needed`], but nothing for nothing, as `xtrace` prints assigned values.
pub fn quote_if_needed_value(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        quote_if_needed(text)
    }
}

/// Quoted as `declare -p` prints values: in double quotes.
pub fn quote_double(text: &str) -> String {
    if text.chars().any(is_control) {
        return quote_ansi(text);
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Quoted as `$'..'`.
pub fn quote_ansi(text: &str) -> String {
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\E"),
            '\'' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if is_control(c) => {
                let mut bytes = Vec::new();
                push_bytes(&mut bytes, c);
                bytes.iter().for_each(|b| out.push_str(&format!("\\{b:03o}")));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Where escapes are read: the dialects differ in octal and in what ends the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `$'..'`: `\nnn`, `\cx`, `\'`.
    Ansi,
    /// `echo -e` and `printf %b`: `\0nnn`, `\c` ends all output.
    Echo,
    /// A `printf` format: `\nnn`.
    Format,
}

/// Expands backslash escapes. The flag says that `\c` asked to stop (dialect [`Dialect::Echo`] only).
pub fn unescape(text: &str, dialect: Dialect) -> (String, bool) {
    if !text.contains('\\') {
        return (text.to_owned(), false);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&encode(&rest[..at]));
        rest = &rest[at + 1..];
        match escape(rest, dialect, &mut bytes) {
            Some(used) => rest = &rest[used..],
            None => return (decode(bytes), true),
        }
    }
    bytes.extend_from_slice(&encode(rest));
    (decode(bytes), false)
}

/// One escape after its backslash: pushes what it means and returns how many bytes it took; `None` for `\c` of echo.
fn escape(rest: &str, dialect: Dialect, out: &mut Vec<u8>) -> Option<usize> {
    let Some(c) = rest.chars().next() else {
        out.push(b'\\');
        return Some(0);
    };
    let simple = match c {
        'a' => 7,
        'b' => 8,
        'e' | 'E' => 0x1b,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '\'' | '"' | '?' if dialect != Dialect::Echo => c as u8,
        _ => 0,
    };
    if simple != 0 {
        out.push(simple);
        return Some(1);
    }
    match c {
        'x' => Some(1 + radix(&rest[1..], 16, 2, out, "\\x")),
        'u' => Some(1 + unicode(&rest[1..], 4, out, "\\u")),
        'U' => Some(1 + unicode(&rest[1..], 8, out, "\\U")),
        'c' if dialect == Dialect::Ansi => Some(control(&rest[1..], out)),
        'c' if dialect == Dialect::Echo => None,
        '0' if dialect == Dialect::Echo => Some(1 + radix(&rest[1..], 8, 3, out, "\0")),
        '0'..='7' => Some(radix(rest, 8, 3, out, "\\")),
        _ => {
            out.push(b'\\');
            push_bytes(out, c);
            Some(c.len_utf8())
        }
    }
}

fn digits(text: &str, base: u32, max: usize) -> usize {
    text.bytes()
        .take(max)
        .take_while(|b| char::from(*b).is_digit(base))
        .count()
}

fn radix(text: &str, base: u32, max: usize, out: &mut Vec<u8>, otherwise: &str) -> usize {
    let n = digits(text, base, max);
    if n == 0 {
        out.extend_from_slice(otherwise.as_bytes());
    } else {
        out.push(u32::from_str_radix(&text[..n], base).unwrap_or(0) as u8);
    }
    n
}

fn unicode(text: &str, max: usize, out: &mut Vec<u8>, otherwise: &str) -> usize {
    let n = digits(text, 16, max);
    match u32::from_str_radix(&text[..n], 16).ok().and_then(char::from_u32) {
        Some(c) => {
            let mut buf = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut buf).as_bytes());
        }
        None => out.extend_from_slice(otherwise.as_bytes()),
    }
    n
}

fn control(text: &str, out: &mut Vec<u8>) -> usize {
    match text.bytes().next() {
        Some(b) if b.is_ascii() => {
            out.push(if b == b'?' { 0x7f } else { b & 0x1f });
            2
        }
        _ => {
            out.extend_from_slice(b"\\c");
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_string_survives() {
        for bytes in [
            &b"plain"[..],
            b"\xff\xfe a",
            "\u{10ff80}\u{e4}".as_bytes(),
            b"\xf4\x8f\xbe",
            b"\xc3",
        ] {
            assert_eq!(encode(&decode(bytes.to_vec())).as_ref(), bytes);
        }
        assert_eq!(decode(b"\xff\xfe".to_vec()).chars().count(), 2);
    }

    #[test]
    fn escapes_differ_by_dialect() {
        assert_eq!(unescape("a\\tb\\x41\\101", Dialect::Ansi).0, "a\tbAA");
        assert_eq!(unescape("a\\0101\\cb", Dialect::Echo), ("aA".to_owned(), true));
        assert_eq!(unescape("\\u00e4", Dialect::Format).0, "ä");
    }

    #[test]
    fn quoting_styles() {
        assert_eq!(quote_backslash("a b"), "a\\ b");
        assert_eq!(quote_if_needed("a b"), "'a b'");
        assert_eq!(quote_single("it's"), "'it'\\''s'");
        assert_eq!(quote_ansi("a\nb"), "$'a\\nb'");
    }
}
