//! Writing values as JSON with compat tags.

use std::io::Write as _;

use agentos_value::cbor::MAX_ENCODE_DEPTH;
use agentos_value::{MAX_SAFE_INTEGER, Value, ValueError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends a value. `modern` readers know `$Undefined` and `$Set`; for others an undefined member is left out, an
/// undefined item is null, and a set is an array. Dates are ISO 8601 texts and maps are `{}`, as everywhere in JSON.
pub(crate) fn write(value: &Value, modern: bool, out: &mut Vec<u8>) -> Result<(), ValueError> {
    Writer { modern, out, depth: 0 }.value(value)
}

/// Appends an array of these values, never taken for a compat tag.
pub(crate) fn write_array(items: &[Value], modern: bool, out: &mut Vec<u8>) -> Result<(), ValueError> {
    Writer { modern, out, depth: 0 }.sequence(items)
}

/// Appends a string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    // Neither a string nor a vector has a way to fail.
    let _ = serde_json::to_writer(out, text);
}

struct Writer<'a> {
    modern: bool,
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) -> Result<(), ValueError> {
        match value {
            Value::Undefined if self.modern => self.raw("[\"$Undefined\",0]"),
            Value::Undefined | Value::Null => self.raw("null"),
            Value::Bool(value) => self.raw(if *value { "true" } else { "false" }),
            Value::Int(integer) if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(integer) => {
                let _ = write!(self.out, "{integer}"); // a vector does not fail
            }
            Value::Int(integer) => return Err(ValueError::UnsafeInteger(integer.to_string())),
            Value::Float(float) if float.is_finite() => {
                let _ = serde_json::to_writer(&mut *self.out, float);
            }
            Value::Float(_) => self.raw("null"),
            Value::BigInt(big) => self.tagged("$BigInt", &big.to_string()),
            Value::Text(text) => string(text, self.out),
            Value::Bytes(bytes) => self.base64("$Uint8Array", bytes),
            Value::ArrayBuffer(bytes) => self.base64("$ArrayBuffer", bytes),
            Value::Date(ms) => match iso_8601(*ms) {
                Some(text) => string(&text, self.out),
                None => self.raw("null"),
            },
            Value::Array(items) => self.array(items)?,
            Value::Set(items) if self.modern => {
                self.raw("[\"$Set\",");
                self.sequence(items)?;
                self.raw("]");
            }
            Value::Set(items) => self.sequence(items)?,
            Value::Map(_) => self.raw("{}"),
            Value::Object(object) => {
                let modern = self.modern;
                let shown = object.iter().filter(|(_, value)| modern || **value != Value::Undefined);
                self.list("{", shown, "}", |writer, (name, value)| {
                    string(name, writer.out);
                    writer.raw(":");
                    writer.value(value)
                })?;
            }
        }
        Ok(())
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn tagged(&mut self, tag: &str, content: &str) {
        // Neither tags nor digits need escapes.
        let _ = write!(self.out, "[\"{tag}\",\"{content}\"]");
    }

    fn base64(&mut self, tag: &str, bytes: &[u8]) {
        let _ = write!(self.out, "[\"{tag}\",\"");
        let start = self.out.len();
        // Four characters for every three bytes, the last ones padded.
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let written = STANDARD.encode_slice(bytes, &mut self.out[start..]).unwrap_or(0);
        self.out.truncate(start + written);
        self.raw("\"]");
    }

    fn array(&mut self, items: &[Value]) -> Result<(), ValueError> {
        match items {
            [Value::Text(tag), second] if tag.starts_with('$') => {
                let escaped = Value::Text(format!("${tag}"));
                self.list("[", [&escaped, second], "]", Self::value)
            }
            _ => self.sequence(items),
        }
    }

    fn sequence(&mut self, items: &[Value]) -> Result<(), ValueError> {
        self.list("[", items, "]", Self::value)
    }

    fn list<T>(
        &mut self,
        open: &str,
        members: impl IntoIterator<Item = T>,
        close: &str,
        mut write: impl FnMut(&mut Self, T) -> Result<(), ValueError>,
    ) -> Result<(), ValueError> {
        if self.depth >= MAX_ENCODE_DEPTH {
            return Err(ValueError::TooDeep { cap: MAX_ENCODE_DEPTH });
        }
        self.depth += 1;
        self.raw(open);
        for (index, member) in members.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write(self, member)?;
        }
        self.raw(close);
        self.depth -= 1;
        Ok(())
    }
}

/// `Date.prototype.toISOString`; nothing for an invalid date.
fn iso_8601(ms: f64) -> Option<String> {
    const LAST: f64 = 8.64e15;
    if ms.is_nan() || ms.abs() > LAST {
        return None;
    }
    let ms = ms as i64; // at most 8.64e15
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil_date(days);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    Some(format!(
        "{year}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z",
        ms % 1000
    ))
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Years are counted from
/// March, so that the leap day is the last, and in eras of 400 years, which are all 146,097 days long.
const fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value, modern: bool) -> String {
        let mut out = Vec::new();
        write(value, modern, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_become_json() {
        let set = Value::Set(vec![Value::from(1)]);
        let partial = Value::object([("a", Value::Undefined), ("b", Value::from(1))]);
        for (value, modern, plain) in [
            (Value::Undefined, r#"["$Undefined",0]"#, "null"),
            (Value::from(vec![Value::Undefined]), r#"[["$Undefined",0]]"#, "[null]"),
            (partial, r#"{"a":["$Undefined",0],"b":1}"#, r#"{"b":1}"#),
            (set, r#"["$Set",[1]]"#, "[1]"),
            (Value::Map(vec![(1.into(), 2.into())]), "{}", "{}"),
            (Value::BigInt(5.into()), r#"["$BigInt","5"]"#, r#"["$BigInt","5"]"#),
            (
                Value::Bytes(vec![9, 8].into()),
                r#"["$Uint8Array","CQg="]"#,
                r#"["$Uint8Array","CQg="]"#,
            ),
            (
                Value::from(vec![Value::from("$x"), 1.into()]),
                r#"["$$x",1]"#,
                r#"["$$x",1]"#,
            ),
            (Value::from(vec!["$x"]), r#"["$x"]"#, r#"["$x"]"#),
            (Value::Float(f64::NAN), "null", "null"),
            (Value::from(0.5), "0.5", "0.5"),
            (
                Value::from("a\"\n\u{1}é"),
                "\"a\\\"\\n\\u0001é\"",
                "\"a\\\"\\n\\u0001é\"",
            ),
        ] {
            assert_eq!(json(&value, true), modern);
            assert_eq!(json(&value, false), plain);
        }
    }

    #[test]
    fn dates_are_iso_8601() {
        for (ms, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_123.0, "2000-02-29T00:00:00.123Z"),
            (-1.0, "1969-12-31T23:59:59.999Z"),
            (8.64e15, "+275760-09-13T00:00:00.000Z"),
            (-8.64e15, "-271821-04-20T00:00:00.000Z"),
            (-62_167_219_200_000.0, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(json(&Value::Date(ms), false), format!("\"{text}\""));
        }
        assert_eq!(json(&Value::Date(f64::NAN), false), "null");
    }
}
