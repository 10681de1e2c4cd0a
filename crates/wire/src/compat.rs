//! Compat tags, read: `["$Uint8Array", "CQg="]` and its like become what they stand for.
//!
//! Arrays that look like a tag and are none stay as they are, so that no call is lost: an unknown tag, or a known one with
//! content of another kind. An array whose first item starts with `$$` loses one `$`.

use std::mem::take;

use agentos_value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;

/// Decimal digits of a BigInt that are read, those of 1024 bytes; time grows with their square.
const MAX_DIGITS: usize = 2467;

/// Revives the tags within a value, and the value itself.
pub(crate) fn revive(value: &mut Value) {
    match value {
        Value::Array(items) => {
            match items.as_mut_slice() {
                // What a set has is no array that could be a tag itself.
                [Value::Text(tag), Value::Array(content)] if tag == "$Set" => content.iter_mut().for_each(revive),
                items => items.iter_mut().for_each(revive),
            }
            if let Some(revived) = revive_array(items) {
                *value = revived;
            }
        }
        Value::Set(items) => items.iter_mut().for_each(revive),
        Value::Object(object) => object.values_mut().for_each(revive),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            revive(key);
            revive(value);
        }),
        _ => {}
    }
}

fn revive_array(items: &mut [Value]) -> Option<Value> {
    let [Value::Text(tag), content] = items else {
        return None;
    };
    if tag.starts_with("$$") {
        tag.remove(0);
        return None;
    }
    match (tag.as_str(), content) {
        ("$Undefined", _) => Some(Value::Undefined),
        ("$BigInt", Value::Text(digits)) => big_integer(digits).map(Value::BigInt),
        ("$Uint8Array", Value::Text(text)) => STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
        ("$ArrayBuffer", Value::Text(text)) => STANDARD.decode(text).ok().map(|bytes| Value::ArrayBuffer(bytes.into())),
        ("$Set", Value::Array(items)) => Some(Value::Set(take(items))),
        _ => None,
    }
}

fn big_integer(digits: &str) -> Option<BigInt> {
    let magnitude = digits.strip_prefix('-').unwrap_or(digits);
    let decimal = (1..=MAX_DIGITS).contains(&magnitude.len()) && magnitude.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(tag: &str, content: impl Into<Value>) -> Value {
        Value::Array(vec![Value::from(tag), content.into()])
    }

    fn revived(mut value: Value) -> Value {
        revive(&mut value);
        value
    }

    #[test]
    fn known_tags_are_revived_and_others_kept() {
        assert_eq!(revived(pair("$Undefined", 0)), Value::Undefined);
        assert_eq!(revived(pair("$BigInt", "-5")), Value::BigInt((-5).into()));
        assert_eq!(revived(pair("$Uint8Array", "CQg=")), Value::Bytes(vec![9, 8].into()));
        assert_eq!(
            revived(pair("$ArrayBuffer", "CQg=")),
            Value::ArrayBuffer(vec![9, 8].into())
        );
        assert_eq!(
            revived(pair("$Set", vec![pair("$BigInt", "1")])),
            Value::Set(vec![Value::BigInt(1.into())])
        );
        for items in [["$BigInt", "1"], ["$$x", "1"], ["$Undefined", "0"]] {
            let items = items.map(Value::from).to_vec();
            assert_eq!(revived(pair("$Set", items.clone())), Value::Set(items));
        }
        let nested = Value::Set(vec!["$$".into(), Value::Undefined]);
        let written = pair("$Set", vec![pair("$Set", vec!["$$".into(), pair("$Undefined", 0)])]);
        assert_eq!(revived(written), Value::Set(vec![nested]));
        assert_eq!(revived(pair("$$x", 1)), pair("$x", 1));
        assert_eq!(revived(pair("$$BigInt", "1")), pair("$BigInt", "1"));
        for kept in [
            pair("$x", 1),
            pair("$BigInt", "1x"),
            pair("$BigInt", ""),
            pair("$BigInt", "-"),
            pair("$BigInt", "9".repeat(3000)),
            pair("$Uint8Array", "?"),
            pair("$Set", 1),
            Value::Array(vec!["$BigInt".into(), "1".into(), "2".into()]),
            Value::Array(vec!["$$x".into()]),
        ] {
            assert_eq!(revived(kept.clone()), kept);
        }
    }
}
