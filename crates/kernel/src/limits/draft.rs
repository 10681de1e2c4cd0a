//! From a configuration to limits. Every problem is found before anything is refused.

use super::invalid::{InvalidLimit, InvalidLimits};
use super::nearest::nearest;
use super::table::{Field, Limits, ORDERED};
use serde_json::Value;

/// Limits that are being put together: values from several sources, later ones over earlier ones, and all that is wrong with
/// them.
#[derive(Debug, Clone, Default)]
pub struct LimitsDraft {
    limits: Limits,
    problems: Vec<InvalidLimit>,
}

/// Which fields were set, by position in the table. Two limits with the same values are equal whoever set them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given(u128);

// There is a bit for each field.
const _: () = assert!(Limits::FIELDS.len() <= 128, "more fields than bits");

/// Largest whole number that every client can write (2^53 - 1).
const SAFE: u64 = (1 << 53) - 1;
/// Problems that are kept; a configuration with more is not worth reading to its end.
const PROBLEMS: usize = 100;
/// Longest piece of a refused value that is repeated, in bytes.
const QUOTE: usize = 64;

impl LimitsDraft {
    /// Takes the fields of a `limits` object: `{"resources": {"maxProcesses": 64}}`. Values are whole numbers, nothing else.
    pub fn json(&mut self, limits: &Value) -> &mut Self {
        self.object(limits, false)
    }

    /// The same for files that people write: a value may also be text such as `"512MiB"`.
    pub fn json_with_units(&mut self, limits: &Value) -> &mut Self {
        self.object(limits, true)
    }

    /// Takes one field by its full path, its path without `limits.`, or its bare name, with a value as text: a whole number, for
    /// byte fields optionally with `KiB`, `MiB` or `GiB`.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        let result = self.limits.set_text(name, text);
        self.note(result)
    }

    /// The limits.
    ///
    /// # Errors
    /// All problems of all sources, and the conflicts between fields.
    pub fn finish(&mut self) -> Result<Limits, InvalidLimits> {
        let mut limits = self.limits.clone();
        let mut problems = self.problems.clone();
        if let Err(InvalidLimits(conflicts)) = limits.settle() {
            problems.extend(conflicts);
        }
        if problems.is_empty() {
            Ok(limits)
        } else {
            Err(InvalidLimits(problems))
        }
    }

    fn note(&mut self, result: Result<(), InvalidLimit>) -> &mut Self {
        if self.problems.len() < PROBLEMS {
            self.problems.extend(result.err());
        }
        self
    }

    fn object(&mut self, limits: &Value, units: bool) -> &mut Self {
        let Value::Object(groups) = limits else {
            return self.note(Err(not_object("limits".to_owned(), limits)));
        };
        for (group, fields) in groups {
            let path = format!("limits.{}", quote(group));
            if !Limits::FIELDS.iter().any(|field| field.group() == group) {
                self.note(Err(unknown(path, group)));
                continue;
            }
            match fields {
                Value::Object(fields) => fields
                    .iter()
                    .for_each(|(name, value)| self.field(group, name, value, units)),
                other => drop(self.note(Err(not_object(path, other)))),
            }
        }
        self
    }

    fn field(&mut self, group: &str, name: &str, value: &Value, units: bool) {
        let field = Limits::FIELDS
            .iter()
            .find(|field| field.group() == group && field.name() == name);
        let result = match (field, value) {
            (None, _) => Err(unknown(format!("limits.{group}.{}", quote(name)), name)),
            (Some(field), Value::String(text)) if units => self.limits.set_text(field.path, text),
            (Some(field), Value::Number(number)) => self.limits.set_number(field, number),
            (Some(field), other) => Err(InvalidLimit::NotInteger {
                path: field.path,
                given: kind(other),
            }),
        };
        self.note(result);
    }
}

impl Limits {
    /// Limits from a `limits` object, `{"resources": {"maxProcesses": 64}}`; what is not named has its default. Values are
    /// whole numbers: nothing is converted.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_json(limits: &Value) -> Result<Self, InvalidLimits> {
        LimitsDraft::default().json(limits).finish()
    }

    /// Captured output of one stream of an `exec`: the smaller of two fields.
    pub fn captured_output_bytes(&self) -> u64 {
        self.captured_output().0
    }

    /// The same, and the field that it comes from.
    pub fn captured_output(&self) -> (u64, &'static str) {
        let general = (self.max_captured_output_bytes, "limits.process.maxCapturedOutputBytes");
        let wasm = (
            self.wasm_captured_output_limit_bytes,
            "limits.wasm.capturedOutputLimitBytes",
        );
        if wasm.0 < general.0 { wasm } else { general }
    }

    /// Sets a field by its full path, its path without `limits.`, or its bare name.
    ///
    /// # Errors
    /// An unknown name, or a value out of bounds.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), InvalidLimit> {
        let field = Self::find(name)?;
        self.put(field, value, || value.to_string())
    }

    /// Sets a field from text: a whole number, for byte fields optionally with `KiB`, `MiB` or `GiB`.
    ///
    /// # Errors
    /// An unknown name, or a value that is no number or out of bounds.
    pub fn set_text(&mut self, name: &str, text: &str) -> Result<(), InvalidLimit> {
        let field = Self::find(name)?;
        let written = || format!("\"{}\"", quote(text));
        match parse_amount(text, field.noun == "bytes") {
            Some(value) => self.put(field, value, written),
            None => Err(out_of_range(field, written())),
        }
    }

    /// The field with this name, in any of the forms that [`set`](Self::set) takes.
    ///
    /// # Errors
    /// An unknown name.
    pub fn find(name: &str) -> Result<&'static Field, InvalidLimit> {
        let matches = |field: &&Field| {
            field.path == name || field.path.strip_prefix("limits.") == Some(name) || field.name() == name
        };
        let found = Self::FIELDS.iter().find(matches);
        found.ok_or_else(|| unknown(quote(name), name.rsplit('.').next().unwrap_or(name)))
    }

    fn set_number(&mut self, field: &'static Field, number: &serde_json::Number) -> Result<(), InvalidLimit> {
        // 64.0 is a whole number, too; some clients cannot write it otherwise.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = |float: f64| (float >= 0.0 && float <= SAFE as f64 && float.fract() == 0.0).then_some(float as u64);
        let value = number.as_u64().or_else(|| number.as_f64().and_then(whole));
        match value.filter(|value| *value <= SAFE) {
            Some(value) => self.put(field, value, || number.to_string()),
            None => Err(out_of_range(field, number.to_string())),
        }
    }

    fn put(&mut self, field: &'static Field, value: u64, written: impl Fn() -> String) -> Result<(), InvalidLimit> {
        if !(field.min..=field.max).contains(&value) {
            return Err(out_of_range(field, written()));
        }
        self.given.mark(field);
        if let Some(slot) = self.slot(field.path) {
            *slot = value;
        }
        Ok(())
    }

    /// Checks bounds of fields that were assigned directly, and the rules between fields; before, lowers fields that nobody
    /// set where they conflict with one that was.
    ///
    /// # Errors
    /// All conflicts.
    pub fn settle(&mut self) -> Result<(), InvalidLimits> {
        let mut problems: Vec<InvalidLimit> = self.stray().collect();
        for &(low, high) in ORDERED {
            let (Some(low_value), Some(high_value)) = (self.get(low), self.get(high)) else {
                continue;
            };
            if low_value <= high_value {
                continue;
            }
            if self.is_given(low) {
                problems.push(InvalidLimit::Conflict {
                    low,
                    low_value,
                    high,
                    high_value,
                });
            } else if let Some(slot) = self.slot(low) {
                *slot = high_value;
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(InvalidLimits(problems))
        }
    }

    /// Fields that hold what cannot be configured. The built-in value of an optional field may lie outside its bounds.
    fn stray(&self) -> impl Iterator<Item = InvalidLimit> + '_ {
        Self::FIELDS.iter().filter_map(|field| {
            let value = self.get(field.path)?;
            let fine = value == field.default || (field.min..=field.max).contains(&value);
            (!fine).then(|| out_of_range(field, value.to_string()))
        })
    }

    /// Whether somebody chose the value of this field.
    fn is_given(&self, path: &str) -> bool {
        let field = Self::FIELDS.iter().find(|field| field.path == path);
        field.is_some_and(|field| self.given.has(field) || self.get(path) != Some(field.default))
    }
}

impl Given {
    fn bit(field: &Field) -> u128 {
        let position = Limits::FIELDS.iter().position(|known| known.path == field.path);
        position.map_or(0, |position| 1 << (position & 127))
    }

    fn mark(&mut self, field: &Field) {
        self.0 |= Self::bit(field);
    }

    fn has(self, field: &Field) -> bool {
        self.0 & Self::bit(field) != 0
    }
}

impl PartialEq for Given {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Given {}

fn out_of_range(field: &Field, given: String) -> InvalidLimit {
    InvalidLimit::OutOfRange {
        path: field.path,
        min: field.min,
        max: field.max,
        given,
    }
}

fn unknown(path: String, name: &str) -> InvalidLimit {
    let nearest = nearest(&path, name);
    InvalidLimit::Unknown { name: path, nearest }
}

fn not_object(path: String, value: &Value) -> InvalidLimit {
    InvalidLimit::NotObject {
        path,
        given: kind(value),
    }
}

/// What a value is, and the value itself where that helps.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean {value}"),
        Value::Number(number) => format!("number {number}"),
        Value::String(text) => format!("string \"{}\"", quote(text)),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

/// A piece of a configuration, fit to be repeated in a message.
fn quote(text: &str) -> String {
    let mut end = text.len().min(QUOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (head, rest) = text.split_at(end);
    let escaped: String = head
        .chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect();
    if rest.is_empty() { escaped } else { escaped + "..." }
}

fn parse_amount(text: &str, bytes: bool) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().ok()?;
    let shift = match unit {
        "" => 0,
        "KiB" | "K" | "k" if bytes => 10,
        "MiB" | "M" | "m" if bytes => 20,
        "GiB" | "G" | "g" if bytes => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}
