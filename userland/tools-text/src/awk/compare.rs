//! Order of values.

use super::value::Value;
use std::cmp::Ordering;

/// Compares as numbers when both sides are, else as text.
pub fn ordering(left: &Value, right: &Value, convfmt: &[u8]) -> Ordering {
    if let (Some(a), Some(b)) = (left.as_numeric(), right.as_numeric()) {
        return numbers(a, b);
    }
    match (left, right) {
        (Value::Text(a) | Value::Input(a), Value::Text(b) | Value::Input(b)) => a.as_slice().cmp(b.as_slice()),
        _ => left.to_text(convfmt).as_slice().cmp(right.to_text(convfmt).as_slice()),
    }
}

/// Order of numbers; not-a-number comes last and equals itself.
pub fn numbers(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
