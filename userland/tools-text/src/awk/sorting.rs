//! The orders of `PROCINFO["sorted_in"]`, `asort` and `asorti`.

use super::compare::{numbers, ordering};
use super::value::{Array, Text, Value};
use std::cmp::Ordering;
use std::rc::Rc;

/// The keys of `array` in the named order; an unknown name leaves them as they are.
pub fn keys(array: &Array, order: &[u8]) -> Vec<Text> {
    let mut pairs: Vec<(Text, Value)> = array
        .iter()
        .map(|(key, value)| (Rc::clone(&key.0), value.clone()))
        .collect();
    sort(&mut pairs, order);
    pairs.into_iter().map(|(key, _)| key).collect()
}

/// Sorts pairs of key and value by the named order.
pub fn sort(pairs: &mut [(Text, Value)], order: &[u8]) {
    let Some(rest) = order.strip_prefix(b"@") else { return };
    let descending = rest.ends_with(b"_desc");
    let compare: fn(&(Text, Value), &(Text, Value)) -> Ordering = match rest.get(..7) {
        Some(b"ind_str") => |a, b| a.0.cmp(&b.0),
        Some(b"ind_num") => {
            |a, b| numbers(super::number::value(&a.0), super::number::value(&b.0)).then_with(|| a.0.cmp(&b.0))
        }
        Some(b"val_str") => |a, b| text(&a.1).cmp(&text(&b.1)).then_with(|| by_index(a, b)),
        Some(b"val_num") => |a, b| numbers(a.1.number(), b.1.number()).then_with(|| by_index(a, b)),
        Some(b"val_typ") => |a, b| by_type(&a.1, &b.1).then_with(|| by_index(a, b)),
        _ => return,
    };
    pairs.sort_by(|a, b| if descending { compare(b, a) } else { compare(a, b) });
}

fn by_index(a: &(Text, Value), b: &(Text, Value)) -> Ordering {
    ordering(&Value::Input(Rc::clone(&a.0)), &Value::Input(Rc::clone(&b.0)), b"%.6g")
}

fn text(value: &Value) -> Text {
    value.to_text(b"%.6g")
}

/// Numbers before text.
pub fn by_type(a: &Value, b: &Value) -> Ordering {
    match (a.as_numeric(), b.as_numeric()) {
        (Some(a), Some(b)) => numbers(a, b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => text(a).cmp(&text(b)),
    }
}
