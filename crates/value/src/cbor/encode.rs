//! Writing values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::{BigInt, Sign};

use super::{TAG_BIG, TAG_BIG_NEGATIVE, TAG_BYTES, TAG_DATE, TAG_MAP, TAG_SET, major};
use crate::value::is_safe;
use crate::{Value, ValueError};

/// Levels of nesting that are written. More than decoders accept, since an answer may wrap what a client sent.
pub const MAX_ENCODE_DEPTH: usize = 128;

/// How values that JSON lacks are written.
///
/// Compat tags are arrays of two whose first item starts with `$`, such as `["$Uint8Array", "CQg="]`; an array that looks
/// like one is escaped by a second `$`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// By CBOR's own types and tags.
    Native,
    /// Natively, but with `$` arrays escaped: for a reader that revives tags wherever it sees them.
    Escaped,
    /// By compat tags; dates and maps have none and stay native.
    Compat,
}

/// The bytes of a value.
///
/// # Errors
/// [`ValueError::TooDeep`] beyond [`MAX_ENCODE_DEPTH`], [`ValueError::UnsafeInteger`] for a [`Value::Int`] out of range.
pub fn encode(value: &Value, style: Style) -> Result<Vec<u8>, ValueError> {
    let mut out = Vec::with_capacity(64);
    encode_into(value, style, &mut out)?;
    Ok(out)
}

/// Appends the bytes of a value. After an error `out` holds a part of them.
///
/// # Errors
/// As [`encode`].
pub fn encode_into(value: &Value, style: Style, out: &mut Vec<u8>) -> Result<(), ValueError> {
    Encoder { style, out, depth: 0 }.value(value)
}

/// Appends the bytes of an array of these values, never taken for a compat tag.
///
/// # Errors
/// As [`encode`].
pub fn encode_array(items: &[Value], style: Style, out: &mut Vec<u8>) -> Result<(), ValueError> {
    Encoder { style, out, depth: 0 }.sequence(items)
}

/// Appends the head of a map of `members` members, which must follow: each a name and a value.
pub fn map_head(members: usize, out: &mut Vec<u8>) {
    head(major::MAP, members as u64, out);
}

/// Appends a text.
pub fn text(text: &str, out: &mut Vec<u8>) {
    head(major::TEXT, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends an integer of 8 bytes, which JavaScript reads as a BigInt, however small it is.
pub fn big_integer(integer: u64, out: &mut Vec<u8>) {
    out.push(0x1b);
    out.extend_from_slice(&integer.to_be_bytes());
}

struct Encoder<'a> {
    style: Style,
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value) -> Result<(), ValueError> {
        match value {
            Value::Undefined if self.compat() => self.tagged("$Undefined", |e| e.head(major::UNSIGNED, 0)),
            Value::Undefined => self.out.push(0xf7),
            Value::Null => self.out.push(0xf6),
            Value::Bool(value) => self.out.push(if *value { 0xf5 } else { 0xf4 }),
            Value::Int(integer) => self.integer(*integer)?,
            Value::Float(float) => self.float(*float),
            Value::BigInt(big) if self.compat() => self.tagged("$BigInt", |e| e.text(&big.to_string())),
            Value::BigInt(big) => self.big(big),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) if self.compat() => self.tagged("$Uint8Array", |e| e.text(&STANDARD.encode(bytes))),
            Value::Bytes(bytes) => {
                self.head(major::TAG, TAG_BYTES);
                self.bytes(bytes);
            }
            Value::ArrayBuffer(bytes) if self.compat() => {
                self.tagged("$ArrayBuffer", |e| e.text(&STANDARD.encode(bytes)));
            }
            Value::ArrayBuffer(bytes) => self.bytes(bytes),
            Value::Date(ms) => self.date(*ms),
            Value::Array(items) => self.array(items)?,
            Value::Object(object) => {
                self.head(major::MAP, object.len() as u64);
                self.nested(|e| {
                    object.iter().try_for_each(|(name, value)| {
                        e.text(name);
                        e.value(value)
                    })
                })?;
            }
            Value::Set(items) if self.compat() => {
                self.head(major::ARRAY, 2);
                self.text("$Set");
                self.sequence(items)?;
            }
            Value::Set(items) => {
                self.head(major::TAG, TAG_SET);
                self.sequence(items)?;
            }
            Value::Map(entries) => {
                self.head(major::TAG, TAG_MAP);
                self.head(major::MAP, entries.len() as u64);
                self.nested(|e| {
                    entries.iter().try_for_each(|(key, value)| {
                        e.value(key)?;
                        e.value(value)
                    })
                })?;
            }
        }
        Ok(())
    }

    fn compat(&self) -> bool {
        self.style == Style::Compat
    }

    fn nested(&mut self, members: impl FnOnce(&mut Self) -> Result<(), ValueError>) -> Result<(), ValueError> {
        if self.depth >= MAX_ENCODE_DEPTH {
            return Err(ValueError::TooDeep { cap: MAX_ENCODE_DEPTH });
        }
        self.depth += 1;
        members(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn sequence(&mut self, items: &[Value]) -> Result<(), ValueError> {
        self.head(major::ARRAY, items.len() as u64);
        self.nested(|e| items.iter().try_for_each(|item| e.value(item)))
    }

    /// An array; one that a reader would take for a compat tag is escaped.
    fn array(&mut self, items: &[Value]) -> Result<(), ValueError> {
        match items {
            [Value::Text(tag), second] if self.style != Style::Native && tag.starts_with('$') => {
                self.head(major::ARRAY, 2);
                self.head(major::TEXT, tag.len() as u64 + 1);
                self.out.push(b'$');
                self.out.extend_from_slice(tag.as_bytes());
                self.nested(|e| e.value(second))
            }
            _ => self.sequence(items),
        }
    }

    fn tagged(&mut self, tag: &str, content: impl FnOnce(&mut Self)) {
        self.head(major::ARRAY, 2);
        self.text(tag);
        content(self);
    }

    /// Up to 32 bits as CBOR integer, beyond as double: readers take an 8-byte integer for a BigInt.
    fn integer(&mut self, integer: i64) -> Result<(), ValueError> {
        if !is_safe(integer) {
            return Err(ValueError::UnsafeInteger(integer.to_string()));
        }
        match u32::try_from(integer) {
            Ok(small) => self.head(major::UNSIGNED, u64::from(small)),
            Err(_) => match u32::try_from(-1 - integer) {
                Ok(small) => self.head(major::NEGATIVE, u64::from(small)),
                Err(_) => self.float(integer as f64), // safe, hence exact
            },
        }
        Ok(())
    }

    fn float(&mut self, float: f64) {
        self.out.push(0xfb);
        self.out.extend_from_slice(&float.to_be_bytes());
    }

    /// 8-byte integers where those hold it, tagged byte strings beyond.
    fn big(&mut self, big: &BigInt) {
        let negative = big.sign() == Sign::Minus;
        // CBOR writes a negative number as -1 minus its argument.
        let argument = if negative { -1 - big } else { big.clone() };
        let (_, digits) = argument.to_bytes_be();
        let mut word = [0; 8];
        match word.len().checked_sub(digits.len()) {
            Some(padding) => {
                word[padding..].copy_from_slice(&digits);
                self.out.push(if negative { 0x3b } else { 0x1b });
                self.out.extend_from_slice(&word);
            }
            None => {
                self.head(major::TAG, if negative { TAG_BIG_NEGATIVE } else { TAG_BIG });
                self.bytes(&digits);
            }
        }
    }

    /// Whole seconds as integer, others as double.
    fn date(&mut self, ms: f64) {
        self.head(major::TAG, TAG_DATE);
        let seconds = ms / 1000.0;
        if seconds.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&seconds) {
            self.head(major::UNSIGNED, seconds as u64); // in range and integral
        } else {
            self.float(seconds);
        }
    }

    fn text(&mut self, content: &str) {
        text(content, self.out);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.head(major::BYTES, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn head(&mut self, major: u8, argument: u64) {
        head(major, argument, self.out);
    }
}

/// A major type with its argument in the fewest bytes.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let high = major << 5;
    if argument < 24 {
        out.push(high | argument as u8); // below 24
    } else if let Ok(byte) = u8::try_from(argument) {
        out.extend_from_slice(&[high | 24, byte]);
    } else if let Ok(word) = u16::try_from(argument) {
        out.push(high | 25);
        out.extend_from_slice(&word.to_be_bytes());
    } else if let Ok(word) = u32::try_from(argument) {
        out.push(high | 26);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(high | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}
