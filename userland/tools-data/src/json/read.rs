//! A stream of JSON values, read as it arrives.

use super::DEPTH_LIMIT;
use jaq_json::{Map, Num, Val};
use std::io::Read;

/// Bytes read at a time.
const BLOCK: usize = 64 * 1024;

/// Longest integer kept exactly: arithmetic on longer ones would take more than linear time.
const EXACT_DIGITS: usize = 1000;

/// Reads values one after another.
pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    lines: usize,
    column: usize,
    failed: bool,
}

/// A container that is not complete.
enum Open {
    Array(Vec<Val>),
    /// With the key whose value is next.
    Object(Map, Option<Val>),
}

/// What the parser expects.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Value,
    /// A value, or the end of a container that is still empty.
    ValueOrEnd,
    /// A key, or the end of an object that is still empty.
    KeyOrEnd,
    Key,
    /// A comma or the end of the container.
    CommaOrEnd,
}

type Parsed<T> = Result<T, String>;

impl<R: Read> Reader<R> {
    /// A reader over `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; BLOCK],
            at: 0,
            end: 0,
            lines: 0,
            column: 0,
            failed: false,
        }
    }

    /// The next value, `None` at the end; after an error there is nothing more.
    pub fn next_value(&mut self) -> Option<Parsed<Val>> {
        if self.failed {
            return None;
        }
        let outcome = self.skip_blanks().and_then(|next| match next {
            None => Ok(None),
            Some(_) => self.value().map(Some),
        });
        self.failed = outcome.is_err();
        outcome.transpose()
    }

    /// Newlines up to the end of the line that the last value stands on, as far as that line was read.
    pub fn lines_fed(&self) -> usize {
        self.lines + usize::from(self.buffer[self.at..self.end].contains(&b'\n'))
    }

    fn fill(&mut self) -> Parsed<bool> {
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(count) => {
                    self.at = 0;
                    self.end = count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(crate::io::reason(&error)),
            }
        }
    }

    fn peek(&mut self) -> Parsed<Option<u8>> {
        if self.at == self.end && !self.fill()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.at]))
    }

    fn advance(&mut self) {
        if self.buffer[self.at] == b'\n' {
            self.lines += 1;
            self.column = 0;
        } else {
            self.column += 1;
        }
        self.at += 1;
    }

    fn skip_blanks(&mut self) -> Parsed<Option<u8>> {
        if let Some(&next) = self.buffer[self.at..self.end].first()
            && next > b' '
            && next < 0x80
        {
            return Ok(Some(next));
        }
        loop {
            match self.peek()? {
                Some(b' ' | b'\t' | b'\n' | b'\r' | 0x1e) => self.advance(),
                Some(0xef) if self.lines == 0 && self.column == 0 => self.byte_order_mark()?,
                next => return Ok(next),
            }
        }
    }

    fn byte_order_mark(&mut self) -> Parsed<()> {
        for expected in [0xef, 0xbb, 0xbf] {
            match self.peek()? {
                Some(byte) if byte == expected => self.at += 1,
                _ => return self.error("Malformed BOM"),
            }
        }
        Ok(())
    }

    fn error<T>(&self, message: &str) -> Parsed<T> {
        Err(format!("{message} at line {}, column {}", self.lines + 1, self.column))
    }

    fn unfinished<T>(&self) -> Parsed<T> {
        Err(format!(
            "Unfinished JSON term at EOF at line {}, column {}",
            self.lines + 1,
            self.column
        ))
    }

    fn value(&mut self) -> Parsed<Val> {
        let mut stack: Vec<Open> = Vec::new();
        let mut expect = Expect::Value;
        loop {
            let Some(byte) = self.skip_blanks()? else {
                return self.unfinished();
            };
            let mut done = None;
            match (byte, expect) {
                (b'[', Expect::Value | Expect::ValueOrEnd) => {
                    self.open(&mut stack, Open::Array(Vec::new()))?;
                    expect = Expect::ValueOrEnd;
                }
                (b'{', Expect::Value | Expect::ValueOrEnd) => {
                    self.open(&mut stack, Open::Object(Map::default(), None))?;
                    expect = Expect::KeyOrEnd;
                }
                (b']', Expect::ValueOrEnd | Expect::CommaOrEnd) | (b'}', Expect::KeyOrEnd | Expect::CommaOrEnd) => {
                    self.advance();
                    done = Some(match (stack.pop(), byte) {
                        (Some(Open::Array(items)), b']') => items.into_iter().collect(),
                        (Some(Open::Object(map, None)), b'}') => Val::obj(map),
                        (_, b']') => return self.error("Unmatched ']'"),
                        _ => return self.error("Unmatched '}'"),
                    });
                }
                (b',', Expect::CommaOrEnd) => {
                    self.advance();
                    expect = if matches!(stack.last(), Some(Open::Object(..))) {
                        Expect::Key
                    } else {
                        Expect::Value
                    };
                }
                (b'"', Expect::Key | Expect::KeyOrEnd) => {
                    let name = Val::utf8_str(self.string()?);
                    if self.skip_blanks()? != Some(b':') {
                        return self.error("Objects must consist of key:value pairs");
                    }
                    self.advance();
                    if let Some(Open::Object(_, key)) = stack.last_mut() {
                        *key = Some(name);
                    }
                    expect = Expect::Value;
                }
                (_, Expect::Key | Expect::KeyOrEnd) => return self.error("Object keys must be strings"),
                (_, Expect::Value | Expect::ValueOrEnd) => done = Some(self.scalar(byte)?),
                _ => return self.error("Expected separator between values"),
            }
            if let Some(value) = done {
                match stack.last_mut() {
                    None => return Ok(value),
                    Some(Open::Array(items)) => items.push(value),
                    Some(Open::Object(map, key)) => {
                        if let Some(key) = key.take() {
                            map.insert(key, value);
                        }
                    }
                }
                expect = Expect::CommaOrEnd;
            }
        }
    }

    fn open(&mut self, stack: &mut Vec<Open>, what: Open) -> Parsed<()> {
        if stack.len() >= DEPTH_LIMIT {
            return self.error("Exceeds depth limit for parsing");
        }
        self.advance();
        stack.push(what);
        Ok(())
    }

    fn scalar(&mut self, first: u8) -> Parsed<Val> {
        if first == b'"' {
            return Ok(Val::utf8_str(self.string()?));
        }
        let rest = &self.buffer[self.at..self.end];
        let length = rest.iter().position(|&byte| !in_word(byte)).unwrap_or(rest.len());
        if length < rest.len() && length <= 17 {
            // A short word that ends in the buffer.
            let mut word = [0; 17];
            word[..length].copy_from_slice(&rest[..length]);
            self.at += length;
            self.column += length;
            return self.word(&word[..length]);
        }
        let mut word = Vec::new();
        while let Some(byte) = self.peek()? {
            if !in_word(byte) {
                break;
            }
            word.push(byte);
            self.advance();
            if word.len() > 1 << 20 {
                return self.error("Invalid numeric literal");
            }
        }
        self.word(&word)
    }

    /// A literal or a number.
    fn word(&mut self, word: &[u8]) -> Parsed<Val> {
        match word {
            b"null" => return Ok(Val::Null),
            b"true" => return Ok(Val::Bool(true)),
            b"false" => return Ok(Val::Bool(false)),
            b"nan" | b"NaN" => return Ok(Val::Num(Num::Float(f64::NAN))),
            b"" => self.advance(),
            _ => {}
        }
        match number(word) {
            Some(number) => Ok(Val::Num(number)),
            None => match self.peek()? {
                Some(b'\n') | None => {
                    // The error is noticed behind the line, as the original does.
                    self.lines += 1;
                    self.column = 0;
                    self.error("Invalid numeric literal")
                }
                Some(_) => {
                    self.column += 1;
                    self.error("Invalid numeric literal")
                }
            },
        }
    }

    fn string(&mut self) -> Parsed<Vec<u8>> {
        self.advance();
        // Most strings are plain and lie in the buffer as a whole: they are copied once, into just enough room.
        let rest = &self.buffer[self.at..self.end];
        if let Some(length) = memchr::memchr3(b'"', b'\\', b'\n', rest).filter(|&length| rest[length] == b'"') {
            let text = &rest[..length];
            if std::str::from_utf8(text).is_ok() {
                let out = text.to_vec();
                self.at += length + 1;
                self.column += length + 1;
                return Ok(out);
            }
        }
        let mut out = Vec::new();
        loop {
            if self.peek()?.is_none() {
                return self.unfinished_string();
            }
            let rest = &self.buffer[self.at..self.end];
            let plain = memchr::memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            self.column += plain;
            match self.peek()? {
                None => return self.unfinished_string(),
                Some(b'"') => {
                    self.advance();
                    break;
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(b'\n') => {
                    out.push(b'\n');
                    self.advance();
                }
                Some(_) => {}
            }
        }
        Ok(match String::from_utf8(out) {
            Ok(valid) => valid.into_bytes(),
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes(),
        })
    }

    fn unfinished_string<T>(&self) -> Parsed<T> {
        Err(format!(
            "Unfinished string at EOF at line {}, column {}",
            self.lines + 1,
            self.column
        ))
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Parsed<()> {
        self.advance();
        let Some(letter) = self.peek()? else {
            return self.unfinished_string();
        };
        self.advance();
        let byte = match letter {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => letter,
            b'u' => {
                let character = self.unicode_escape()?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return self.error("Invalid escape"),
        };
        out.push(byte);
        Ok(())
    }

    /// Four digits, and the second half of a pair where one belongs; half a pair is the replacement character.
    fn unicode_escape(&mut self) -> Parsed<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or('\u{fffd}'));
        }
        if self.peek()? != Some(b'\\') {
            return Ok('\u{fffd}');
        }
        self.advance();
        if self.peek()? != Some(b'u') {
            return self.error("Invalid escape");
        }
        self.advance();
        let second = self.four_digits()?;
        let code = 0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
        Ok(if (0xdc00..0xe000).contains(&second) {
            char::from_u32(code).unwrap_or('\u{fffd}')
        } else {
            '\u{fffd}'
        })
    }

    fn four_digits(&mut self) -> Parsed<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek()? else {
                return self.unfinished_string();
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return self.error("Invalid escape");
            };
            code = code * 16 + digit;
            self.advance();
        }
        Ok(code)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Parsed<Val>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_value()
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_')
}

/// A number; integers are exact, others keep their value as a double.
fn number(word: &[u8]) -> Option<Num> {
    let text = std::str::from_utf8(word).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty()
        || !digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) && digits != "0" && digits.len() <= EXACT_DIGITS {
        return Num::from_str_radix(text, 10);
    }
    if text == "0" {
        return Some(Num::Int(0));
    }
    text.parse()
        .ok()
        .map(|value: f64| Num::Float(value.clamp(f64::MIN, f64::MAX)))
}
