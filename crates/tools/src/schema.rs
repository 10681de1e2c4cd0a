//! The schema of a tool's input, compiled, and what is said of input that it does not admit.
//!
//! Schemas are the host's; what they are applied to is the guest's. Patterns may look ahead (those that zod writes do), so they
//! are matched with backtracking, of which there is a bound: beyond it the input counts as not matching. A schema never leads
//! to another document.

use crate::names::cut;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;

/// A compiled schema.
pub(crate) struct Schema {
    pub(crate) source: Value,
    validator: Validator,
}

/// Steps that one match of a pattern may take back.
const BACKTRACK_LIMIT: usize = 100_000;
/// Longest piece of a value or a name that is repeated, in bytes.
const QUOTE: usize = 80;

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it cannot be one of a tool's input.
    pub(crate) fn new(source: &Value) -> Result<Self, String> {
        if source.get("type").and_then(Value::as_str) != Some("object") {
            return Err("must be a JSON Schema of type \"object\"".to_owned());
        }
        let validator = jsonschema::options()
            .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT))
            .with_retriever(NoOther)
            .build(source)
            .map_err(|error| format!("is no valid JSON Schema: {error}"))?;
        Ok(Self {
            source: source.clone(),
            validator,
        })
    }

    /// Checks input.
    ///
    /// # Errors
    /// The first violation, as the guest is told: `ToolInputSchemaViolation at $.city: expected …`.
    pub(crate) fn check(&self, input: &Value) -> Result<(), String> {
        match self.validator.iter_errors(input).next() {
            None => Ok(()),
            Some(error) => Err(self.describe(input, &error)),
        }
    }

    fn describe(&self, input: &Value, error: &ValidationError<'_>) -> String {
        let mut path = json_path(input, error.instance_path.as_str());
        let expected = match &error.kind {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let wanted = self.property(error.schema_path.as_str(), name).map(kind_of);
                path.push_str(&step(name));
                return violation(
                    &path,
                    &format!("{}, got nothing", wanted.unwrap_or_else(|| "a value".to_owned())),
                );
            }
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                path.push_str(&step(unexpected.first().map_or("", String::as_str)));
                return violation(&path, "no such field");
            }
            kind => expectation(kind),
        };
        violation(&path, &format!("{expected}, got {}", quote(&error.instance)))
    }

    /// The schema of a field, next to a `required` that stands at `schema_path`.
    fn property(&self, schema_path: &str, name: &str) -> Option<&Value> {
        let object = schema_path.strip_suffix("/required")?;
        self.source.pointer(object)?.get("properties")?.get(name)
    }
}

/// The line for a violation.
pub(crate) fn violation(path: &str, expected: &str) -> String {
    format!("ToolInputSchemaViolation at {path}: expected {expected}")
}

/// What a schema asks for, in a few words.
pub(crate) fn kind_of(schema: &Value) -> String {
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        return one_of(options);
    }
    if let Some(only) = schema.get("const") {
        return quote(only);
    }
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => "a value".to_owned(),
    }
}

fn expectation(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type {
            kind: TypeKind::Single(one),
        } => one.to_string(),
        Kind::Type {
            kind: TypeKind::Multiple(several),
        } => {
            let names: Vec<String> = several.iter().map(|one| one.to_string()).collect();
            names.join(" or ")
        }
        Kind::Enum { options } => options
            .as_array()
            .map_or_else(|| "one of the options".to_owned(), |all| one_of(all)),
        Kind::Constant { expected_value } => quote(expected_value),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit } => format!("at least {limit} items"),
        Kind::MaxItems { limit } => format!("at most {limit} items"),
        Kind::AdditionalItems { limit } => format!("at most {limit} items"),
        Kind::MinProperties { limit } => format!("at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("at most {limit} fields"),
        Kind::UniqueItems => "items that differ from one another".to_owned(),
        Kind::Format { format } => format!("text of the format {format}"),
        Kind::Pattern { pattern } => format!("text that matches {}", cut(pattern, QUOTE)),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context),
        Kind::OneOfMultipleValid { .. } => "exactly one of the alternatives".to_owned(),
        Kind::FalseSchema => "no value".to_owned(),
        _ => "a value that the schema admits".to_owned(),
    }
}

/// What each of the alternatives asks for, if they are few.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let mut wanted: Vec<String> = Vec::new();
    for error in context.iter().filter_map(|errors| errors.first()) {
        let one = expectation(&error.kind);
        if !wanted.contains(&one) {
            wanted.push(one);
        }
    }
    match wanted.len() {
        1..=ALTERNATIVES => wanted.join(" or "),
        _ => "one of the alternatives".to_owned(),
    }
}

/// Alternatives that are named.
const ALTERNATIVES: usize = 4;

fn one_of(options: &[Value]) -> String {
    let shown: Vec<String> = options.iter().map(quote).collect();
    match shown.len() {
        1 => shown.concat(),
        _ => format!("one of {}", shown.join(", ")),
    }
}

fn quote(value: &Value) -> String {
    // Only so much of a large value is written as is shown.
    match value {
        Value::Array(items) if items.len() > QUOTE => format!("an array of {} items", items.len()),
        Value::Object(fields) if fields.len() > QUOTE => format!("an object of {} fields", fields.len()),
        Value::String(text) if text.len() > QUOTE => format!("{}", Value::String(cut(text, QUOTE))),
        other => cut(&other.to_string(), QUOTE),
    }
}

/// A JSON pointer into `input` as a path: `/days/0/name` is `$.days[0].name`.
fn json_path(input: &Value, pointer: &str) -> String {
    let mut path = "$".to_owned();
    let mut at = Some(input);
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        match at {
            Some(Value::Array(items)) => {
                path.push_str(&format!("[{name}]"));
                at = name.parse::<usize>().ok().and_then(|index| items.get(index));
            }
            other => {
                path.push_str(&step(&name));
                at = other.and_then(|value| value.get(&name));
            }
        }
    }
    path
}

/// One step to a field.
fn step(name: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    match !name.is_empty() && name.len() <= QUOTE && name.chars().all(plain) {
        true => format!(".{name}"),
        false => format!("[{}]", Value::String(cut(name, QUOTE))),
    }
}

/// Finds no document.
struct NoOther;

impl Retrieve for NoOther {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("refers to another document, {uri}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(schema: &Value, input: &Value) -> String {
        Schema::new(schema).unwrap().check(input).unwrap_err()
    }

    #[test]
    fn violations_say_where_and_what() {
        let schema = json!({ "type": "object", "required": ["city"], "additionalProperties": false, "properties": {
            "city": { "type": "string", "minLength": 2 },
            "days": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer", "minimum": 1 } } } },
            "format": { "enum": ["json", "text"] },
            "mail": { "type": "string", "pattern": "^(?!a)b" },
        } });
        for (input, expected) in [
            (json!({}), "$.city: expected string, got nothing"),
            (json!({ "city": 5 }), "$.city: expected string, got 5"),
            (
                json!({ "city": "x" }),
                "$.city: expected at least 2 characters, got \"x\"",
            ),
            (json!({ "city": "Rom", "a b": 1 }), "$[\"a b\"]: expected no such field"),
            (
                json!({ "city": "Rom", "days": [{ "n": 0 }] }),
                "$.days[0].n: expected at least 1, got 0",
            ),
            (
                json!({ "city": "Rom", "format": "xml" }),
                "$.format: expected one of \"json\", \"text\", got \"xml\"",
            ),
            (
                json!({ "city": "Rom", "mail": "a" }),
                "$.mail: expected text that matches ^(?!a)b, got \"a\"",
            ),
            (json!([1]), "$: expected object, got [1]"),
        ] {
            assert_eq!(said(&schema, &input), format!("ToolInputSchemaViolation at {expected}"));
        }
    }

    #[test]
    fn what_is_repeated_is_short() {
        let schema =
            json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "type": "number" } } });
        let long = "x".repeat(100_000);
        for input in [
            json!({ "a": long }),
            json!({ (long.as_str()): 1 }),
            json!({ "a": vec![0; 9999] }),
        ] {
            assert!(said(&schema, &input).len() < 300);
        }
    }

    #[test]
    fn only_schemas_of_objects_that_stand_alone_are_taken() {
        for (schema, reason) in [
            (json!({}), "type \"object\""),
            (json!({ "type": "string" }), "type \"object\""),
            (
                json!({ "type": "object", "properties": { "a": { "pattern": "(" } } }),
                "no valid JSON Schema",
            ),
            (json!({ "type": "object", "properties": 5 }), "no valid JSON Schema"),
            (
                json!({ "type": "object", "properties": { "a": { "$ref": "http://127.0.0.1:1/x" } } }),
                "another document",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "$ref": "file:///etc/passwd" } } }),
                "another document",
            ),
        ] {
            let error = Schema::new(&schema).err().unwrap_or_default();
            assert!(error.contains(reason), "{schema}: {error}");
        }
    }

    #[test]
    fn a_pattern_that_backtracks_for_ever_ends() {
        let schema =
            json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "^(a+)+(?=b)$" } } });
        said(&schema, &json!({ "a": "a".repeat(10_000) }));
    }
}
