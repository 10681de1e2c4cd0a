//! Reading JSON straight into values, bounded in depth and number.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use agentos_value::{Object, Value};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use crate::{Limits, WireError};

/// Members of an object up to which names are compared one by one.
const SCAN_MEMBERS: usize = 16;

/// The value of a JSON text. `$` arrays stay as they are.
///
/// # Errors
/// [`WireError::Json`] for anything but one JSON value within `limits`, and for an object with a member twice.
pub fn parse(text: &[u8], limits: &Limits) -> Result<Value, WireError> {
    let left = Cell::new(limits.values);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Node {
        depth: limits.depth,
        left: &left,
    }
    .deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| WireError::Json(error.to_string()))
}

/// A value to be read: the levels it may have, and the values that the message may still have.
#[derive(Clone, Copy)]
struct Node<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Node<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self
            .left
            .get()
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    /// Integers beyond 2^53 are doubles, as they are to JavaScript, which writes them in more digits than it means.
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::int(value).unwrap_or(Value::Float(value as f64)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::int(value).unwrap_or(Value::Float(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Object::new();
        let mut names: Option<HashSet<String>> = None;
        while let Some(name) = members.next_key::<String>()? {
            if object.len() == SCAN_MEMBERS {
                names = Some(object.iter().map(|(name, _)| name.to_owned()).collect());
            }
            let taken = match &mut names {
                Some(names) => !names.insert(name.clone()),
                None => object.get(&name).is_some(),
            };
            if taken {
                return Err(A::Error::custom("a member name occurs twice"));
            }
            object.push_new(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, WireError> {
        parse(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn json_becomes_values() {
        assert_eq!(read("-0"), Ok(Value::Int(0)));
        assert_eq!(read("1.0"), Ok(Value::Int(1)));
        assert_eq!(read("9007199254740991"), Ok(Value::Int(9_007_199_254_740_991)));
        assert_eq!(
            read("1152921504606847000"),
            Ok(Value::Float(1_152_921_504_606_846_976.0))
        );
        assert_eq!(
            read(r#" {"a":[null,true,"x"]} "#),
            Ok(Value::object([("a", read("[null,true,\"x\"]").unwrap())]))
        );
    }

    #[test]
    fn doubles_keep_their_last_bit() {
        assert_eq!(read("-2.95333383771016e-107"), Ok(Value::Float(-2.95333383771016e-107)));
    }

    #[test]
    fn bad_json_is_refused() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&deep(64)).is_ok());
        let many = (0..40)
            .map(|name| format!("\"{}\":1", name % 39))
            .collect::<Vec<_>>()
            .join(",");
        for bad in [
            "",
            "1 2",
            "{",
            "nul",
            r#"{"a":1,"a":2}"#,
            "\u{1}",
            &deep(65),
            &deep(10_000),
            &format!("{{{many}}}"),
        ] {
            assert!(matches!(read(bad), Err(WireError::Json(_))), "{bad}");
        }
        assert!(
            parse(
                b"[1,2]",
                &Limits {
                    values: 2,
                    ..Limits::default()
                }
            )
            .is_err()
        );
        assert!(parse(b"\"\xff\"", &Limits::default()).is_err());
    }
}
