//! Random values for tests.

use num_bigint::BigInt;
use proptest::prelude::*;

use crate::{MAX_SAFE_INTEGER, Value};

/// Any value.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let buffer = prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::ArrayBuffer(bytes.into()));
    nested(prop_oneof![native_leaf(), buffer].boxed())
}

/// Any value that native CBOR keeps.
pub(crate) fn native_value() -> impl Strategy<Value = Value> {
    nested(native_leaf())
}

fn native_leaf() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Undefined),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).prop_map(Value::Int),
        any::<i32>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("NaN equals nothing", |f| !f.is_nan())
            .prop_map(Value::number),
        any::<i128>().prop_map(|big| Value::BigInt(BigInt::from(big))),
        any::<i64>().prop_map(|big| Value::BigInt(BigInt::from(big))),
        r"(\$)?[a-z\PC]{0,8}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Bytes(bytes.into())),
        (-8_640_000_000_000_i64..8_640_000_000_000).prop_map(|ms| Value::Date(ms as f64)),
    ]
    .boxed()
}

fn nested(leaf: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            ("[$a-z]{1,4}", inner.clone()).prop_map(|(tag, value)| Value::Array(vec![Value::Text(tag), value])),
            prop::collection::vec(("[a-z$]{0,5}", inner.clone()), 0..5).prop_map(Value::object),
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Set),
            prop::collection::btree_map("[a-z]{0,5}", inner, 0..5)
                .prop_map(|map| Value::Map(map.into_iter().map(|(key, value)| (Value::Text(key), value)).collect())),
        ]
    })
}
