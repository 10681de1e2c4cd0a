//! Rust types to values and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::as_bytes;
use crate::test_support::any_value;
use crate::{Object, Value, ValueError};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    exit_code: i32,
    #[serde(default)]
    label: Option<String>,
    #[serde(with = "as_bytes")]
    data: Vec<u8>,
    #[serde(default)]
    extra: Value,
    #[serde(default)]
    kind: Kind,
    env: BTreeMap<String, u16>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    #[default]
    Plain,
    Wrapped(u8),
    Pair(u8, u8),
    Named {
        x: f64,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Data(#[serde(with = "as_bytes")] Bytes),
    Text(String),
}

#[test]
fn structs_are_objects() {
    let options = Options {
        exit_code: -1,
        label: None,
        data: vec![9, 8],
        extra: Value::Date(5.0),
        kind: Kind::Named { x: 0.5 },
        env: [("A".to_owned(), 1)].into(),
    };
    let value = Value::from_serialize(&options).unwrap();
    assert_eq!(value.get("exitCode"), Some(&Value::Int(-1)));
    assert_eq!(value.get("label"), Some(&Value::Null));
    assert_eq!(value.get("data"), Some(&Value::Bytes(vec![9, 8].into())));
    assert_eq!(value.get("extra"), Some(&Value::Date(5.0)));
    assert_eq!(
        value.get("kind"),
        Some(&Value::object([("named", Value::object([("x", 0.5)]))]))
    );
    assert_eq!(value.deserialize::<Options>().unwrap(), options);
}

#[test]
fn undefined_members_are_missing() {
    let value = Value::object([
        ("exitCode", Value::from(3)),
        ("label", Value::Undefined),
        ("extra", Value::Undefined),
        ("kind", Value::Undefined),
        ("data", Value::ArrayBuffer(vec![1].into())),
        ("env", Value::Object(Object::new())),
        ("unknown", Value::Undefined),
    ]);
    let options: Options = value.deserialize().unwrap();
    assert_eq!(
        (options.label, options.extra, options.kind),
        (None, Value::Null, Kind::Plain)
    );
}

#[test]
fn variants_and_untagged_enums() {
    for kind in [Kind::Plain, Kind::Wrapped(1), Kind::Pair(1, 2), Kind::Named { x: 2.0 }] {
        let value = Value::from_serialize(&kind).unwrap();
        assert_eq!(value.deserialize::<Kind>().unwrap(), kind);
    }
    let data: Content = Value::Bytes(vec![1].into()).deserialize().unwrap();
    assert_eq!(data, Content::Data(vec![1].into()));
    assert_eq!(
        Value::from("x").deserialize::<Content>().unwrap(),
        Content::Text("x".into())
    );
}

#[test]
fn bytes_and_arrays_of_numbers_are_interchangeable_for_readers() {
    assert_eq!(Value::Bytes(vec![1, 2].into()).deserialize::<Vec<u8>>(), Ok(vec![1, 2]));
    let options = |data: Value| {
        let members = [
            ("exitCode", Value::from(0)),
            ("data", data),
            ("env", Value::Object(Object::new())),
        ];
        Value::object(members).deserialize::<Options>()
    };
    assert_eq!(options(Value::from(vec![1, 2])).unwrap().data, [1, 2]);
    assert!(options(Value::from(vec![256])).is_err());
}

#[test]
fn integers_are_exact_or_refused() {
    assert!(matches!(
        Value::from_serialize(&u64::MAX),
        Err(ValueError::UnsafeInteger(_))
    ));
    assert_eq!(Value::BigInt(u64::MAX.into()).deserialize::<u64>(), Ok(u64::MAX));
    assert_eq!(Value::BigInt((-7).into()).deserialize::<i32>(), Ok(-7));
    assert_eq!(Value::Int(5).deserialize::<f64>(), Ok(5.0));
    assert!(Value::Int(-1).deserialize::<u32>().is_err());
    assert!(Value::Float(1.5).deserialize::<u32>().is_err());
}

#[test]
fn mismatches_say_what_was_expected() {
    let error = Value::from("x").deserialize::<u8>().unwrap_err();
    assert_eq!(error.to_string(), "invalid type: string \"x\", expected u8");
    let error = Value::Bool(true).deserialize::<Kind>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a text or an object with one member, found boolean"
    );
    let error = Value::from(vec![1, 2, 3]).deserialize::<(u8, u8)>().unwrap_err();
    assert!(matches!(error, ValueError::Mismatch(_)));
}

#[test]
fn people_get_plain_json() {
    let value = Value::object([
        ("u", Value::Undefined),
        ("big", Value::BigInt(5.into())),
        ("set", Value::Set(vec![1.into()])),
        ("date", Value::Date(1.0)),
    ]);
    assert_eq!(
        serde_json::to_string(&value).unwrap(),
        r#"{"u":null,"big":"5","set":[1],"date":1.0}"#
    );
    let read: Value = serde_json::from_str(r#"{"a":[1,null,"x",0.5]}"#).unwrap();
    assert_eq!(read.get("a").unwrap().as_array().unwrap().len(), 4);
}

proptest! {
    #[test]
    fn values_pass_through_unchanged(value in any_value()) {
        prop_assert_eq!(&Value::from_serialize(&value).unwrap(), &value);
        prop_assert_eq!(&value.clone().deserialize::<Value>().unwrap(), &value);
    }
}
