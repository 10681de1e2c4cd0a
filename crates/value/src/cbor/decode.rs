//! Reading values.

use std::collections::HashSet;

use bytes::Bytes;
use num_bigint::{BigInt, Sign};

use super::{Style, TAG_BIG, TAG_BIG_NEGATIVE, TAG_BYTES, TAG_DATE, TAG_MAP, TAG_SET, encode, major};
use crate::{Object, Value, ValueError};

/// Bounds of a decoder, besides the length of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting.
    pub depth: usize,
    /// Values, those inside others included.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            values: 1 << 20,
        }
    }
}

/// Reads one value that takes all of `input`. `$` arrays stay as they are.
///
/// # Errors
/// Whatever is wrong with the first bad byte.
pub fn decode(input: &Bytes, limits: Limits) -> Result<Value, ValueError> {
    let mut decoder = Decoder {
        input,
        at: 0,
        limits,
        depth: 0,
        values: 0,
    };
    let value = decoder.value()?;
    match decoder.remaining() {
        0 => Ok(value),
        trailing => Err(ValueError::Trailing(trailing)),
    }
}

/// Byte strings of at least this length, and of at least an eighth of the input, share its memory.
const SHARE_FROM: usize = 4096;
/// Bytes of a big integer: turning one into decimal digits takes time that grows with the square of its length.
const MAX_BIG_BYTES: u64 = 1024;
/// Members of an object up to which names are compared one by one.
const SCAN_MEMBERS: usize = 16;

struct Decoder<'a> {
    input: &'a Bytes,
    at: usize,
    limits: Limits,
    depth: usize,
    values: usize,
}

/// The first byte of an item and the argument that follows it.
struct Head {
    major: u8,
    /// The low bits of the first byte: the width of the argument, or a small argument itself.
    info: u8,
    argument: u64,
}

impl<'a> Decoder<'a> {
    fn value(&mut self) -> Result<Value, ValueError> {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(ValueError::TooMany {
                cap: self.limits.values,
            });
        }
        let head = self.head()?;
        match head.major {
            major::UNSIGNED if head.info == 27 => Ok(Value::BigInt(head.argument.into())),
            major::UNSIGNED => Value::int(head.argument),
            major::NEGATIVE if head.info == 27 => Ok(Value::BigInt(-1 - BigInt::from(head.argument))),
            major::NEGATIVE => Value::int(-1 - i128::from(head.argument)),
            major::BYTES => Ok(Value::Bytes(self.bytes(head.argument)?)),
            major::TEXT => Ok(Value::Text(self.text(head.argument)?.to_owned())),
            major::ARRAY => Ok(Value::Array(self.items(head.argument)?)),
            major::MAP => self.object(head.argument),
            major::TAG => self.tagged(head.argument),
            _ => self.simple(&head),
        }
    }

    fn remaining(&self) -> usize {
        self.input.len() - self.at // `at` only grows by what `take` has checked
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], ValueError> {
        let count = usize::try_from(count).map_err(|_| ValueError::Truncated)?;
        let taken = self.input[self.at..].get(..count).ok_or(ValueError::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self, width: u64) -> Result<u64, ValueError> {
        Ok(self
            .take(width)?
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn head(&mut self) -> Result<Head, ValueError> {
        let first = self.number(1)? as u8; // one byte
        let info = first & 0x1f;
        let argument = match info {
            0..24 => u64::from(info),
            24..28 => self.number(1 << (info - 24))?,
            _ => return Err(ValueError::Malformed("indefinite or reserved length")),
        };
        Ok(Head {
            major: first >> 5,
            info,
            argument,
        })
    }

    fn text(&mut self, length: u64) -> Result<&'a str, ValueError> {
        std::str::from_utf8(self.take(length)?).map_err(|_| ValueError::Malformed("text is not UTF-8"))
    }

    fn bytes(&mut self, length: u64) -> Result<Bytes, ValueError> {
        let start = self.at;
        let taken = self.take(length)?;
        if taken.len() >= SHARE_FROM && taken.len() >= self.input.len() / 8 {
            return Ok(self.input.slice(start..self.at));
        }
        Ok(Bytes::copy_from_slice(taken))
    }

    /// A number of members, each of which takes `bytes_each` bytes or more, and one level of nesting.
    fn enter(&mut self, members: u64, bytes_each: usize) -> Result<usize, ValueError> {
        if self.depth >= self.limits.depth {
            return Err(ValueError::TooDeep { cap: self.limits.depth });
        }
        let members = usize::try_from(members).map_err(|_| ValueError::Truncated)?;
        if members > self.remaining() / bytes_each {
            return Err(ValueError::Truncated);
        }
        if members > self.limits.values - self.values {
            return Err(ValueError::TooMany {
                cap: self.limits.values,
            });
        }
        self.depth += 1;
        Ok(members)
    }

    fn items(&mut self, count: u64) -> Result<Vec<Value>, ValueError> {
        let count = self.enter(count, 1)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.value()?);
        }
        self.depth -= 1;
        Ok(items)
    }

    fn object(&mut self, count: u64) -> Result<Value, ValueError> {
        let count = self.enter(count, 2)?;
        let mut object = Object::with_capacity(count);
        let mut names = (count > SCAN_MEMBERS).then(HashSet::new);
        for _ in 0..count {
            let name = self.name()?;
            let taken = match &mut names {
                Some(names) => !names.insert(name.clone()),
                None => object.get(&name).is_some(),
            };
            if taken {
                return Err(ValueError::DuplicateKey);
            }
            let value = self.value()?;
            object.push_new(name, value);
        }
        self.depth -= 1;
        Ok(Value::Object(object))
    }

    /// A member's name. JavaScript makes text of whatever else is used as one.
    fn name(&mut self) -> Result<String, ValueError> {
        let head = self.head()?;
        match head.major {
            major::TEXT => Ok(self.text(head.argument)?.to_owned()),
            major::UNSIGNED => Ok(head.argument.to_string()),
            major::NEGATIVE => Ok((-1 - i128::from(head.argument)).to_string()),
            _ => Err(ValueError::Malformed("a member's name is neither text nor integer")),
        }
    }

    fn map(&mut self) -> Result<Value, ValueError> {
        let head = self.head()?;
        if head.major != major::MAP {
            return Err(ValueError::Malformed("tag 259 without a map"));
        }
        let count = self.enter(head.argument, 2)?;
        let mut entries = Vec::with_capacity(count);
        let mut keys = HashSet::new();
        for _ in 0..count {
            let key = self.value()?;
            // In one form, so that two spellings of a key are one key. What was just read is not too deep to be written.
            if !keys.insert(encode(&key, Style::Native)?) {
                return Err(ValueError::DuplicateKey);
            }
            entries.push((key, self.value()?));
        }
        self.depth -= 1;
        Ok(Value::Map(entries))
    }

    fn tagged(&mut self, tag: u64) -> Result<Value, ValueError> {
        match tag {
            TAG_DATE => self.date(),
            TAG_BIG => Ok(Value::BigInt(self.magnitude()?)),
            TAG_BIG_NEGATIVE => Ok(Value::BigInt(-1 - self.magnitude()?)),
            TAG_BYTES => {
                let length = self.expect(major::BYTES, "tag 64 without a byte string")?;
                Ok(Value::Bytes(self.bytes(length)?))
            }
            TAG_SET => {
                let count = self.expect(major::ARRAY, "tag 258 without an array")?;
                Ok(Value::Set(self.items(count)?))
            }
            TAG_MAP => self.map(),
            _ => Err(ValueError::Malformed("unknown tag")),
        }
    }

    fn expect(&mut self, major: u8, otherwise: &'static str) -> Result<u64, ValueError> {
        let head = self.head()?;
        if head.major == major {
            Ok(head.argument)
        } else {
            Err(ValueError::Malformed(otherwise))
        }
    }

    fn magnitude(&mut self) -> Result<BigInt, ValueError> {
        let length = self.expect(major::BYTES, "a big integer without a byte string")?;
        if length > MAX_BIG_BYTES {
            return Err(ValueError::Malformed("a big integer of more than 1024 bytes"));
        }
        Ok(BigInt::from_bytes_be(Sign::Plus, self.take(length)?))
    }

    fn date(&mut self) -> Result<Value, ValueError> {
        let head = self.head()?;
        let seconds = match head.major {
            major::UNSIGNED => head.argument as f64, // beyond 2^53 no date is valid, so rounding is harmless
            major::NEGATIVE => -1.0 - head.argument as f64,
            major::SIMPLE => float(&head).ok_or(ValueError::Malformed("a date that is no number"))?,
            _ => return Err(ValueError::Malformed("a date that is no number")),
        };
        Ok(Value::Date((seconds * 1000.0).round()))
    }

    fn simple(&mut self, head: &Head) -> Result<Value, ValueError> {
        if let Some(float) = float(head) {
            return Ok(Value::number(float));
        }
        match head.info {
            20 => Ok(Value::Bool(false)),
            21 => Ok(Value::Bool(true)),
            22 => Ok(Value::Null),
            23 => Ok(Value::Undefined),
            _ => Err(ValueError::Malformed("unknown simple value")),
        }
    }
}

/// The floating-point number of a head of major type 7, if it is one. The truncations keep just the argument's width.
fn float(head: &Head) -> Option<f64> {
    match head.info {
        25 => Some(half(head.argument as u16)),
        26 => Some(f64::from(f32::from_bits(head.argument as u32))),
        27 => Some(f64::from_bits(head.argument)),
        _ => None,
    }
}

/// A double of the same value as a half-precision number.
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}
