//! `Serialize` and `Deserialize` of [`Value`] itself.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::PASS_THROUGH;
use super::as_bytes::{self, BytesVisitor};
use crate::{Object, Value};

/// The kinds that serde's data model lacks, as variants of the reserved enum.
pub(super) mod variant {
    pub(in crate::bridge) const UNDEFINED: &str = "Undefined";
    pub(in crate::bridge) const BIG_INT: &str = "BigInt";
    pub(in crate::bridge) const ARRAY_BUFFER: &str = "ArrayBuffer";
    pub(in crate::bridge) const DATE: &str = "Date";
    pub(in crate::bridge) const SET: &str = "Set";
    pub(in crate::bridge) const MAP: &str = "Map";
}

/// Bytes that serde sees as bytes.
struct Raw<'a>(&'a Bytes);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_bytes::serialize(self.0, serializer)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = serializer.is_human_readable();
        match self {
            Self::Undefined if plain => serializer.serialize_unit(),
            Self::Undefined => serializer.serialize_unit_variant(PASS_THROUGH, 0, variant::UNDEFINED),
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(integer) => serializer.serialize_i64(*integer),
            Self::Float(float) => serializer.serialize_f64(*float),
            Self::BigInt(big) if plain => serializer.collect_str(big),
            Self::BigInt(big) => {
                serializer.serialize_newtype_variant(PASS_THROUGH, 0, variant::BIG_INT, &big.to_string())
            }
            Self::Text(text) => serializer.serialize_str(text),
            Self::ArrayBuffer(bytes) if !plain => {
                serializer.serialize_newtype_variant(PASS_THROUGH, 0, variant::ARRAY_BUFFER, &Raw(bytes))
            }
            Self::Bytes(bytes) | Self::ArrayBuffer(bytes) => serializer.serialize_bytes(bytes),
            Self::Date(ms) if plain => serializer.serialize_f64(*ms),
            Self::Date(ms) => serializer.serialize_newtype_variant(PASS_THROUGH, 0, variant::DATE, ms),
            Self::Set(items) if !plain => serializer.serialize_newtype_variant(PASS_THROUGH, 0, variant::SET, items),
            Self::Array(items) | Self::Set(items) => serializer.collect_seq(items),
            Self::Object(object) => serializer.collect_map(object.iter()),
            Self::Map(entries) if plain => serializer.collect_seq(entries),
            Self::Map(entries) => serializer.serialize_newtype_variant(PASS_THROUGH, 0, variant::MAP, entries),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(PASS_THROUGH, ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    /// From a format that takes the reserved name for a wrapper.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    /// From the bridge.
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let (name, content) = access.variant::<String>()?;
        match name.as_str() {
            variant::UNDEFINED => content.unit_variant().map(|()| Value::Undefined),
            variant::BIG_INT => {
                let digits = content.newtype_variant::<String>()?;
                digits.parse().map(Value::BigInt).map_err(A::Error::custom)
            }
            variant::ARRAY_BUFFER => content
                .newtype_variant::<RawOwned>()
                .map(|raw| Value::ArrayBuffer(raw.0)),
            variant::DATE => content.newtype_variant().map(Value::Date),
            variant::SET => content.newtype_variant().map(Value::Set),
            variant::MAP => content.newtype_variant().map(Value::Map),
            _ => Err(A::Error::custom("unknown kind of value")),
        }
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        <Value as Deserialize>::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<Value, E> {
        Value::int(integer).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<Value, E> {
        Value::int(integer).map_err(E::custom)
    }

    fn visit_f64<E>(self, float: f64) -> Result<Value, E> {
        Ok(Value::number(float))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        BytesVisitor.visit_bytes(bytes).map(Value::Bytes)
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// Bytes read as bytes.
struct RawOwned(Bytes);

impl<'de> Deserialize<'de> for RawOwned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor).map(Self)
    }
}
