//! From Rust types to values.

use serde::Serialize;
use serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::PASS_THROUGH;
use super::value::variant;
use crate::{Object, Value, ValueError};

pub(super) struct ValueSerializer;

type Written = Result<Value, ValueError>;

impl Serializer for ValueSerializer {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Written {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Written {
        Ok(value.into())
    }

    fn serialize_i16(self, value: i16) -> Written {
        Ok(value.into())
    }

    fn serialize_i32(self, value: i32) -> Written {
        Ok(value.into())
    }

    fn serialize_i64(self, value: i64) -> Written {
        Value::int(value)
    }

    fn serialize_i128(self, value: i128) -> Written {
        Value::int(value)
    }

    fn serialize_u8(self, value: u8) -> Written {
        Ok(value.into())
    }

    fn serialize_u16(self, value: u16) -> Written {
        Ok(value.into())
    }

    fn serialize_u32(self, value: u32) -> Written {
        Ok(value.into())
    }

    fn serialize_u64(self, value: u64) -> Written {
        Value::int(value)
    }

    fn serialize_u128(self, value: u128) -> Written {
        Value::int(value)
    }

    fn serialize_f32(self, value: f32) -> Written {
        Ok(f64::from(value).into())
    }

    fn serialize_f64(self, value: f64) -> Written {
        Ok(value.into())
    }

    fn serialize_char(self, value: char) -> Written {
        Ok(Value::Text(value.into()))
    }

    fn serialize_str(self, value: &str) -> Written {
        Ok(value.into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        Ok(Value::Bytes(value.to_vec().into()))
    }

    fn serialize_none(self) -> Written {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Written {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, name: &'static str, _index: u32, variant: &'static str) -> Written {
        if name == PASS_THROUGH {
            return Ok(Value::Undefined);
        }
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        let value = value.serialize(self)?;
        if name == PASS_THROUGH {
            special(variant, value)
        } else {
            Ok(Value::object([(variant, value)]))
        }
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, ValueError> {
        Ok(Items {
            variant: None,
            items: Vec::with_capacity(length.unwrap_or(0)),
        })
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, ValueError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Items, ValueError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items, ValueError> {
        Ok(Items {
            variant: Some(variant),
            items: Vec::with_capacity(length),
        })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Members, ValueError> {
        Ok(Members {
            variant: None,
            name: None,
            object: Object::with_capacity(length.unwrap_or(0)),
        })
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Members, ValueError> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Members, ValueError> {
        Ok(Members {
            variant: Some(variant),
            name: None,
            object: Object::with_capacity(length),
        })
    }
}

/// A kind that serde lacks, from its content.
fn special(kind: &str, content: Value) -> Written {
    match (kind, content) {
        (variant::BIG_INT, Value::Text(digits)) => digits
            .parse()
            .map(Value::BigInt)
            .map_err(|_| ValueError::Malformed("a BigInt that is no number")),
        (variant::ARRAY_BUFFER, Value::Bytes(bytes)) => Ok(Value::ArrayBuffer(bytes)),
        (variant::SET, Value::Array(items)) => Ok(Value::Set(items)),
        (variant::MAP, Value::Array(pairs)) => {
            let entries = pairs.into_iter().map(|pair| match pair {
                Value::Array(pair) => <[Value; 2]>::try_from(pair).ok().map(|[key, value]| (key, value)),
                _ => None,
            });
            entries
                .collect::<Option<_>>()
                .map(Value::Map)
                .ok_or(ValueError::Malformed("a map that is no list of pairs"))
        }
        (variant::DATE, number) => number
            .as_f64()
            .map(Value::Date)
            .ok_or(ValueError::Malformed("a date that is no number")),
        _ => Err(ValueError::Malformed("unknown kind of value")),
    }
}

/// A value, or an object with it as the content of a variant.
fn wrapped(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::object([(variant, value)]),
        None => value,
    }
}

pub(super) struct Items {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.items.push(value.serialize(ValueSerializer)?);
        Ok(())
    }

    fn finish(self) -> Written {
        Ok(wrapped(self.variant, Value::Array(self.items)))
    }
}

/// The four traits of serde that collect items differ in the name of the method alone.
macro_rules! collect_items {
    ($($collector:ident $method:ident;)*) => {$(
        impl $collector for Items {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.push(value)
            }

            fn end(self) -> Written {
                self.finish()
            }
        }
    )*};
}
collect_items! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

pub(super) struct Members {
    variant: Option<&'static str>,
    name: Option<String>,
    object: Object,
}

impl Members {
    fn finish(self) -> Written {
        Ok(wrapped(self.variant, Value::Object(self.object)))
    }
}

impl SerializeMap for Members {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), ValueError> {
        self.name = Some(name.serialize(NameSerializer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let name = self
            .name
            .take()
            .ok_or(ValueError::Malformed("a member without a name"))?;
        self.object.insert(name, value.serialize(ValueSerializer)?);
        Ok(())
    }

    fn end(self) -> Written {
        self.finish()
    }
}

macro_rules! collect_fields {
    ($($collector:ident)*) => {$(
        impl $collector for Members {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ValueError> {
                self.object.insert(name, value.serialize(ValueSerializer)?);
                Ok(())
            }

            fn end(self) -> Written {
                self.finish()
            }
        }
    )*};
}
collect_fields!(SerializeStruct SerializeStructVariant);

/// The keys of maps: texts, and what has an obvious text.
struct NameSerializer;

macro_rules! name_of {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<String, ValueError> {
            Ok(value.to_string())
        }
    )*};
}

const NAME: ValueError = ValueError::Malformed("the key of a map is no text");

impl Serializer for NameSerializer {
    type Ok = String;
    type Error = ValueError;
    type SerializeSeq = Impossible<String, ValueError>;
    type SerializeTuple = Impossible<String, ValueError>;
    type SerializeTupleStruct = Impossible<String, ValueError>;
    type SerializeTupleVariant = Impossible<String, ValueError>;
    type SerializeMap = Impossible<String, ValueError>;
    type SerializeStruct = Impossible<String, ValueError>;
    type SerializeStructVariant = Impossible<String, ValueError>;

    name_of! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_char char;
        serialize_str &str;
    }

    fn serialize_f32(self, _: f32) -> Result<String, ValueError> {
        Err(NAME)
    }

    fn serialize_f64(self, _: f64) -> Result<String, ValueError> {
        Err(NAME)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String, ValueError> {
        Err(NAME)
    }

    fn serialize_none(self) -> Result<String, ValueError> {
        Err(NAME)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<String, ValueError> {
        Err(NAME)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String, ValueError> {
        Err(NAME)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, ValueError> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, ValueError> {
        Err(NAME)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, ValueError> {
        Err(NAME)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, ValueError> {
        Err(NAME)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, ValueError> {
        Err(NAME)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ValueError> {
        Err(NAME)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, ValueError> {
        Err(NAME)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, ValueError> {
        Err(NAME)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ValueError> {
        Err(NAME)
    }
}
