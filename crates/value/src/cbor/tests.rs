//! The byte form against an independent implementation, against itself, and against broken bytes.

use proptest::prelude::*;

use super::*;
use crate::test_support::{any_value, native_value};
use crate::{Value, ValueError};
use bytes::Bytes;
use num_bigint::BigInt;

fn hex(text: &str) -> Bytes {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect::<Vec<_>>()
        .into()
}

fn read(text: &str) -> Result<Value, ValueError> {
    decode(&hex(text), Limits::default())
}

fn written(value: &Value, style: Style) -> String {
    encode(value, style)
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn native_forms() {
    for (value, bytes) in [
        (Value::Undefined, "f7"),
        (Value::from(23), "17"),
        (Value::from(24), "1818"),
        (Value::from(4_294_967_295_i64), "1affffffff"),
        (Value::from(4_294_967_296_i64), "fb41f0000000000000"),
        (Value::from(-4_294_967_296_i64), "3affffffff"),
        (Value::from(-4_294_967_297_i64), "fbc1f0000000100000"),
        (Value::from(1.5), "fb3ff8000000000000"),
        (Value::BigInt(5.into()), "1b0000000000000005"),
        (Value::BigInt((-5).into()), "3b0000000000000004"),
        (Value::BigInt(u64::MAX.into()), "1bffffffffffffffff"),
        (Value::BigInt(BigInt::from(u64::MAX) + 1), "c249010000000000000000"),
        (Value::BigInt(-1 - BigInt::from(u64::MAX) - 1), "c349010000000000000000"),
        (Value::Bytes(Bytes::from_static(&[9, 8])), "d840420908"),
        (Value::Date(1000.0), "c101"),
        (Value::Date(1500.0), "c1fb3ff8000000000000"),
        (Value::Date(-1000.0), "c1fbbff0000000000000"),
        (Value::Set(vec![Value::from(1)]), "d901028101"),
        (Value::Map(vec![(Value::from(1), Value::from(2))]), "d90103a10102"),
        (Value::object([("a", 1)]), "a1616101"),
    ] {
        assert_eq!(written(&value, Style::Native), bytes, "{value:?}");
        assert_eq!(read(bytes), Ok(value), "{bytes}");
    }
}

#[test]
fn compat_forms() {
    let bytes = Bytes::from_static(&[9, 8]);
    for (value, compat, escaped) in [
        (Value::Undefined, "826a24556e646566696e656400", "f7"),
        (Value::BigInt(5.into()), "826724426967496e746135", "1b0000000000000005"),
        (
            Value::Bytes(bytes.clone()),
            "826b2455696e74384172726179644351673d",
            "d840420908",
        ),
        (
            Value::ArrayBuffer(bytes),
            "826c244172726179427566666572644351673d",
            "420908",
        ),
        (Value::Set(vec![]), "82642453657480", "d9010280"),
        (Value::Date(1000.0), "c101", "c101"),
        (
            Value::from(vec![Value::from("$x"), Value::from(1)]),
            "8263242478",
            "8263242478",
        ),
        (Value::from(vec!["$x"]), "81622478", "81622478"),
    ] {
        let pad = |text: &str| {
            if text == "8263242478" {
                format!("{text}01")
            } else {
                text.to_owned()
            }
        };
        assert_eq!(written(&value, Style::Compat), pad(compat), "{value:?}");
        assert_eq!(written(&value, Style::Escaped), pad(escaped), "{value:?}");
    }
}

#[test]
fn other_widths_are_read() {
    assert_eq!(read("1800"), Ok(Value::from(0)));
    assert_eq!(read("b90001616101"), Ok(Value::object([("a", 1)])));
    assert_eq!(read("f93c00"), Ok(Value::from(1)));
    assert_eq!(read("f90001"), Ok(Value::Float(2_f64.powi(-24))));
    assert_eq!(read("f97c00"), Ok(Value::Float(f64::INFINITY)));
    assert_eq!(read("fa3f000000"), Ok(Value::from(0.5)));
    assert_eq!(read("a10102"), Ok(Value::object([("1", 2)])));
    assert_eq!(read("420908"), Ok(Value::Bytes(Bytes::from_static(&[9, 8]))));
    assert_eq!(read("c10a"), Ok(Value::Date(10_000.0)));
}

#[test]
fn broken_bytes_are_refused() {
    for (bytes, error) in [
        ("", ValueError::Truncated),
        ("18", ValueError::Truncated),
        ("62c3", ValueError::Truncated),
        ("9bffffffffffffffff", ValueError::Truncated),
        ("9a7fffffff", ValueError::Truncated),
        ("bb7fffffffffffffff00", ValueError::Truncated),
        ("5bffffffffffffffff", ValueError::Truncated),
        ("0000", ValueError::Trailing(1)),
        ("9fff", ValueError::Malformed("indefinite or reserved length")),
        ("5f4100ff", ValueError::Malformed("indefinite or reserved length")),
        ("1c", ValueError::Malformed("indefinite or reserved length")),
        ("61ff", ValueError::Malformed("text is not UTF-8")),
        ("f8ff", ValueError::Malformed("unknown simple value")),
        ("c000", ValueError::Malformed("unknown tag")),
        ("d84000", ValueError::Malformed("tag 64 without a byte string")),
        ("a2616101616102", ValueError::DuplicateKey),
        ("d90103a201010102", ValueError::DuplicateKey),
        ("d90103a20101180102", ValueError::DuplicateKey),
    ] {
        assert_eq!(read(bytes), Err(error), "{bytes}");
    }
}

#[test]
fn many_members_with_one_name_twice_are_refused() {
    let mut bytes = vec![0xb8, 33];
    (0..32).for_each(|name| bytes.extend_from_slice(&[0x18, 100 + name, 0]));
    bytes.extend_from_slice(&[0x18, 100, 0]);
    assert_eq!(decode(&bytes.into(), Limits::default()), Err(ValueError::DuplicateKey));
}

#[test]
fn depth_and_number_are_capped() {
    let nested = |levels: usize| Bytes::from([vec![0x81; levels], vec![0]].concat());
    assert!(decode(&nested(64), Limits::default()).is_ok());
    assert_eq!(
        decode(&nested(65), Limits::default()),
        Err(ValueError::TooDeep { cap: 64 })
    );
    let three = Bytes::from_static(&[0x83, 0, 0, 0]);
    let limits = Limits {
        values: 3,
        ..Limits::default()
    };
    assert_eq!(decode(&three, limits), Err(ValueError::TooMany { cap: 3 }));
    let deep = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    assert_eq!(
        encode(&deep, Style::Native),
        Err(ValueError::TooDeep { cap: MAX_ENCODE_DEPTH })
    );
}

#[test]
fn unsafe_integers_are_not_written() {
    assert!(matches!(
        encode(&Value::Int(i64::MAX), Style::Native),
        Err(ValueError::UnsafeInteger(_))
    ));
}

#[test]
fn large_byte_strings_share_the_input() {
    let input = Bytes::from(encode(&Value::Bytes(vec![7; 100_000].into()), Style::Native).unwrap());
    let Value::Bytes(bytes) = decode(&input, Limits::default()).unwrap() else {
        panic!("not bytes")
    };
    assert!(input.as_ptr_range().contains(&bytes.as_ptr()));
}

proptest! {
    #[test]
    fn every_value_survives(value in native_value()) {
        let bytes = Bytes::from(encode(&value, Style::Native).unwrap());
        prop_assert_eq!(decode(&bytes, Limits::default()).unwrap(), value);
    }

    #[test]
    fn an_independent_parser_agrees_on_where_items_end(value in any_value()) {
        for style in [Style::Native, Style::Escaped, Style::Compat] {
            let bytes = encode(&value, style).unwrap();
            let mut other = minicbor::Decoder::new(&bytes);
            other.skip().unwrap();
            prop_assert_eq!(other.position(), bytes.len());
        }
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = decode(&bytes.into(), Limits::default()) {
            encode(&value, Style::Native).unwrap();
        }
    }
}
