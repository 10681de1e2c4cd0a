//! One JavaScript value.
//!
//! Numbers come in two variants, because clients tell them apart on the wire: [`Value::Int`] for integers that a double
//! holds exactly, [`Value::Float`] for the rest. [`Value::BigInt`] is only what JavaScript calls a BigInt; a Rust integer
//! beyond 2^53 is refused rather than rounded or silently changed into one.

use std::fmt;

use bytes::Bytes;
use num_bigint::BigInt;

use crate::Object;

/// The largest integer that JavaScript's numbers hold exactly, `Number.MAX_SAFE_INTEGER`.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A JavaScript value that can travel between an actor and its clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `undefined`.
    Undefined,
    /// `null`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A number that is an integer of at most [`MAX_SAFE_INTEGER`] in magnitude. Use [`Value::int`] to check.
    Int(i64),
    /// Any other number. Integers that fit are never kept here by decoders; use [`Value::number`].
    Float(f64),
    /// A `BigInt`.
    BigInt(BigInt),
    /// A string.
    Text(String),
    /// A `Uint8Array`.
    Bytes(Bytes),
    /// An `ArrayBuffer`.
    ArrayBuffer(Bytes),
    /// A `Date`: whole milliseconds since 1970, or NaN for an invalid date.
    Date(f64),
    /// An array.
    Array(Vec<Value>),
    /// A plain object.
    Object(Object),
    /// A `Set`, in insertion order.
    Set(Vec<Value>),
    /// A `Map`, in insertion order.
    Map(Vec<(Value, Value)>),
}

/// Why a value could not be made or read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// An integer that JavaScript's numbers cannot hold exactly.
    #[error("the integer {0} is beyond 2^53 and would be rounded; send it as text or as a BigInt")]
    UnsafeInteger(String),
    /// Nested deeper than the cap.
    #[error("nested deeper than {cap} levels")]
    TooDeep {
        /// The cap in force.
        cap: usize,
    },
    /// More items than the cap; counted are all values, those inside others included.
    #[error("more than {cap} values")]
    TooMany {
        /// The cap in force.
        cap: usize,
    },
    /// The bytes end before the value does, or claim a length that they do not have.
    #[error("input ends within a value")]
    Truncated,
    /// Bytes follow the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    /// Not a form that clients send.
    #[error("{0}")]
    Malformed(&'static str),
    /// A member of an object, or a key of a map, occurs twice.
    #[error("a member name occurs twice")]
    DuplicateKey,
    /// A Rust type asked for something else, or refused to be written.
    #[error("{0}")]
    Mismatch(String),
}

impl Value {
    /// An integer, if JavaScript's numbers hold it exactly.
    ///
    /// # Errors
    /// [`ValueError::UnsafeInteger`] beyond 2^53.
    pub fn int(integer: impl TryInto<i64> + Copy + fmt::Display) -> Result<Self, ValueError> {
        match integer.try_into() {
            Ok(small) if is_safe(small) => Ok(Self::Int(small)),
            _ => Err(ValueError::UnsafeInteger(integer.to_string())),
        }
    }

    /// A number in its normal form: [`Value::Int`] where that holds it (`-0` becomes 0), else [`Value::Float`].
    pub fn number(number: f64) -> Self {
        if number.fract() == 0.0 && number.abs() <= MAX_SAFE_INTEGER as f64 {
            return Self::Int(number as i64); // in range and integral: exact
        }
        Self::Float(number)
    }

    /// An object from its members.
    pub fn object<N: Into<String>, V: Into<Value>>(members: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::Object(members.into_iter().collect())
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(integer) => Some(*integer),
            _ => None,
        }
    }

    /// The number as a double, if it is a number.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(integer) => Some(*integer as f64), // at most 2^53: exact
            Self::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The bytes of a `Uint8Array` or an `ArrayBuffer`.
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) | Self::ArrayBuffer(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The items, if it is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The member called `name`, if it is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }

    /// Whether it is `undefined` or `null`.
    pub const fn is_nullish(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    /// Levels of nesting: 1 for a scalar, 2 for an array of scalars.
    pub fn depth(&self) -> usize {
        1 + match self {
            Self::Array(items) | Self::Set(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(object) => object.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| key.depth().max(value.depth()))
                .max()
                .unwrap_or(0),
            _ => 0,
        }
    }

    /// Roughly the bytes that the value takes in memory and, within a small factor, on the wire. For budgets of queues.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Bytes(bytes) | Self::ArrayBuffer(bytes) => bytes.len(),
                Self::BigInt(big) => usize::try_from(big.bits() / 8 + 1).unwrap_or(usize::MAX),
                Self::Array(items) | Self::Set(items) => items.iter().map(Self::size).sum(),
                Self::Object(object) => object.iter().map(|(name, value)| name.len() + value.size()).sum(),
                Self::Map(entries) => entries.iter().map(|(key, value)| key.size() + value.size()).sum(),
                _ => 0,
            }
    }

    /// The bytes of all texts and byte strings within: what a buffer for the value needs at least.
    pub fn content_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) | Self::ArrayBuffer(bytes) => bytes.len(),
            Self::Array(items) | Self::Set(items) => items.iter().map(Self::content_len).sum(),
            Self::Object(object) => object
                .iter()
                .map(|(name, value)| name.len() + value.content_len())
                .sum(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| key.content_len() + value.content_len())
                .sum(),
            _ => 0,
        }
    }

    /// What kind of value it is, for error texts: `string`, `number`, `Uint8Array` and so on.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) => "number",
            Self::BigInt(_) => "bigint",
            Self::Text(_) => "string",
            Self::Bytes(_) => "Uint8Array",
            Self::ArrayBuffer(_) => "ArrayBuffer",
            Self::Date(_) => "Date",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Set(_) => "Set",
            Self::Map(_) => "Map",
        }
    }
}

/// Whether JavaScript's numbers hold this integer exactly.
pub(crate) const fn is_safe(integer: i64) -> bool {
    -MAX_SAFE_INTEGER <= integer && integer <= MAX_SAFE_INTEGER
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::number(value)
    }
}

/// Integers of at most 32 bits always fit. Literals become `i64`, which is clamped to nothing: beyond 2^53 it turns into
/// a [`Value::BigInt`], so that no digit is lost; use [`Value::int`] to refuse such numbers instead.
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::int(value).unwrap_or_else(|_| Self::BigInt(BigInt::from(value)))
    }
}

macro_rules! from_small_integers {
    ($($small:ty)*) => {$(
        impl From<$small> for Value {
            fn from(value: $small) -> Self {
                Self::Int(i64::from(value))
            }
        }
    )*};
}
from_small_integers!(u8 u16 u32 i8 i16 i32);

impl From<BigInt> for Value {
    fn from(value: BigInt) -> Self {
        Self::BigInt(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Bytes(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_2_to_the_53_are_never_rounded() {
        assert_eq!(Value::int(MAX_SAFE_INTEGER), Ok(Value::Int(MAX_SAFE_INTEGER)));
        assert!(matches!(
            Value::int(MAX_SAFE_INTEGER + 1),
            Err(ValueError::UnsafeInteger(_))
        ));
        assert!(
            matches!(Value::int(u64::MAX), Err(ValueError::UnsafeInteger(digits)) if digits == "18446744073709551615")
        );
        assert_eq!(Value::from(i64::MAX), Value::BigInt(BigInt::from(i64::MAX)));
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(Value::number(-0.0), Value::Int(0));
        assert_eq!(Value::number(1099511627776.0), Value::Int(1 << 40));
        assert_eq!(Value::number(0.5), Value::Float(0.5));
        assert!(matches!(Value::number(f64::NAN), Value::Float(_)));
        assert!(matches!(Value::number(1e300), Value::Float(_)));
    }

    #[test]
    fn depth_counts_levels() {
        assert_eq!(Value::Null.depth(), 1);
        assert_eq!(Value::from(vec![vec![1]]).depth(), 3);
    }
}
