//! From values to Rust types.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::PASS_THROUGH;
use super::value::variant;
use crate::{Value, ValueError};

pub(super) struct ValueDeserializer(pub(super) Value);

impl<'de> IntoDeserializer<'de, ValueError> for ValueDeserializer {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl ValueDeserializer {
    fn unexpected(&self, expected: &str) -> ValueError {
        ValueError::Mismatch(format!("expected {expected}, found {}", self.0.kind()))
    }
}

impl<'de> Deserializer<'de> for ValueDeserializer {
    type Error = ValueError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Undefined | Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(integer) => visitor.visit_i64(integer),
            Value::Float(float) | Value::Date(float) => visitor.visit_f64(float),
            Value::BigInt(big) => match (u64::try_from(&big), i64::try_from(&big)) {
                (Ok(unsigned), _) => visitor.visit_u64(unsigned),
                (_, Ok(signed)) => visitor.visit_i64(signed),
                _ => visitor.visit_string(big.to_string()),
            },
            Value::Text(text) => visitor.visit_string(text),
            Value::Bytes(bytes) | Value::ArrayBuffer(bytes) => visitor.visit_byte_buf(bytes.into()),
            Value::Array(items) | Value::Set(items) => seq(items.into_iter().map(Self), visitor),
            Value::Object(object) => {
                // JavaScript spells a missing member as an undefined one.
                let present = object.into_iter().filter(|(_, value)| *value != Value::Undefined);
                map(present, visitor)
            }
            Value::Map(entries) => map(entries.into_iter().map(|(key, value)| (Self(key), value)), visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.0.is_nullish() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name != PASS_THROUGH {
            return visitor.visit_newtype_struct(self);
        }
        match Special::of(self.0) {
            Ok(special) => visitor.visit_enum(special),
            Err(Value::Object(object)) => map(object.into_iter(), visitor),
            Err(plain) => Self(plain).deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Bytes(bytes) | Value::ArrayBuffer(bytes) => seq(bytes.into_iter(), visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Text(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(object) if object.len() == 1 => {
                let mut members = object.into_iter();
                let (name, content) = members.next().ok_or(ValueError::Truncated)?; // it has one
                visitor.visit_enum(Variant {
                    name,
                    content: Some(content),
                })
            }
            other => Err(Self(other).unexpected("a text or an object with one member")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct tuple_struct map struct identifier
    }
}

fn seq<'de, I, V>(items: I, visitor: V) -> Result<V::Value, ValueError>
where
    I: ExactSizeIterator,
    I::Item: IntoDeserializer<'de, ValueError>,
    V: Visitor<'de>,
{
    let mut items = SeqDeserializer::new(items);
    let visited = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(visited)
}

fn map<'de, K, V>(entries: impl Iterator<Item = (K, Value)>, visitor: V) -> Result<V::Value, ValueError>
where
    K: IntoDeserializer<'de, ValueError>,
    V: Visitor<'de>,
{
    let mut members = MapDeserializer::new(entries.map(|(key, value)| (key, ValueDeserializer(value))));
    let visited = visitor.visit_map(&mut members)?;
    members.end()?;
    Ok(visited)
}

/// A variant of an enum, with its content if it has any.
struct Variant {
    name: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ValueError;
    type Variant = Content;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content), ValueError> {
        let name: serde::de::value::StringDeserializer<ValueError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content(Option<Value>);

impl Content {
    fn required(self) -> Result<ValueDeserializer, ValueError> {
        let content = self
            .0
            .ok_or_else(|| ValueError::invalid_type(Unexpected::UnitVariant, &"a variant with content"))?;
        Ok(ValueDeserializer(content))
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        match self.0 {
            None => Ok(()),
            Some(content) if content.is_nullish() => Ok(()),
            Some(content) => Err(ValueDeserializer(content).unexpected("a variant without content")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ValueError> {
        seed.deserialize(self.required()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.required()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ValueError> {
        self.required()?.deserialize_any(visitor)
    }
}

/// A value of a kind that serde lacks, on its way to a [`Value`].
struct Special {
    kind: &'static str,
    content: Value,
}

impl Special {
    /// Such a value, or the value given when serde has its kind.
    fn of(value: Value) -> Result<Variant, Value> {
        let special = match value {
            Value::Undefined => Self {
                kind: variant::UNDEFINED,
                content: Value::Null,
            },
            Value::BigInt(big) => Self {
                kind: variant::BIG_INT,
                content: Value::Text(big.to_string()),
            },
            Value::ArrayBuffer(bytes) => Self {
                kind: variant::ARRAY_BUFFER,
                content: Value::Bytes(bytes),
            },
            Value::Date(ms) => Self {
                kind: variant::DATE,
                content: Value::Float(ms),
            },
            Value::Set(items) => Self {
                kind: variant::SET,
                content: Value::Array(items),
            },
            Value::Map(entries) => Self {
                kind: variant::MAP,
                content: Value::Array(
                    entries
                        .into_iter()
                        .map(|(key, value)| Value::Array(vec![key, value]))
                        .collect(),
                ),
            },
            plain => return Err(plain),
        };
        Ok(Variant {
            name: special.kind.to_owned(),
            content: Some(special.content),
        })
    }
}
