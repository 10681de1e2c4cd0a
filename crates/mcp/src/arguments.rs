//! From the arguments of a call to the type of a tool.
//!
//! One type for each tool says what it takes: its fields with their documentation become the schema that clients see, and
//! the same schema is what arguments are held to. What does not fit is answered with the name of the field, what came and
//! what is accepted, so that a model can mend its call; the parser of the type only sees what fits.

use crate::failure::Failure;
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads arguments that `schema` admits.
pub(crate) fn read<T: DeserializeOwned>(schema: &JsonObject, arguments: JsonObject) -> Result<T, Failure> {
    let definitions = schema.get("$defs").and_then(Value::as_object);
    object(definitions, schema, &arguments, "")?;
    // What the schema cannot say, such as a number beyond the type's.
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Failure::argument("arguments", format_args!("cannot be read: {error}")))
}

/// Checks the members of an object.
fn object(
    definitions: Option<&JsonObject>,
    schema: &JsonObject,
    given: &JsonObject,
    path: &str,
) -> Result<(), Failure> {
    let none = JsonObject::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let rest = schema.get("additionalProperties");
    for (name, value) in given {
        let at = join(path, name);
        match (known.get(name), rest) {
            (Some(field), _) => check(definitions, field, value, &at)?,
            (None, Some(Value::Object(_))) => rest.map_or(Ok(()), |rest| check(definitions, rest, value, &at))?,
            (None, Some(Value::Bool(false))) => return Err(Failure::argument(at, unknown(name, known))),
            (None, _) => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !given.contains_key(name) {
            let expected = known
                .get(name)
                .map_or_else(String::new, |field| expected(definitions, field));
            return Err(Failure::argument(
                join(path, name),
                format_args!("is missing; expected {expected}"),
            ));
        }
    }
    Ok(())
}

/// Checks one value.
fn check(definitions: Option<&JsonObject>, schema: &Value, value: &Value, at: &str) -> Result<(), Failure> {
    let schema = resolve(definitions, schema);
    let wrong = || {
        let problem = format!("expected {}, got {}", expected(definitions, schema), shown(value));
        Failure::argument(at, problem)
    };
    if let Some(choices) = choices(schema) {
        let fits = choices.iter().any(|choice| fits(definitions, choice, value));
        // Of null and one other the other says what is wrong inside of it.
        let other = choices
            .iter()
            .find(|choice| !types(resolve(definitions, choice)).contains(&"null"));
        return match (fits, other, choices.len()) {
            (true, ..) => Ok(()),
            (false, Some(other), 2) => check(definitions, other, value, at),
            _ => Err(wrong()),
        };
    }
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| is(name, value)) {
        return Err(wrong());
    }
    if value.is_null() {
        return Ok(());
    }
    if let Some(one_of) = schema.get("enum").and_then(Value::as_array)
        && !one_of.contains(value)
    {
        return Err(wrong());
    }
    if !within(schema, value) {
        return Err(wrong());
    }
    match value {
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return Ok(());
            };
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| check(definitions, schema, item, &format!("{at}[{index}]")))
        }
        Value::Object(members) => match schema.as_object() {
            Some(schema) => object(definitions, schema, members, at),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn fits(definitions: Option<&JsonObject>, schema: &Value, value: &Value) -> bool {
    check(definitions, schema, value, "").is_ok()
}

fn choices(schema: &Value) -> Option<&Vec<Value>> {
    ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array())
}

fn resolve<'a>(definitions: Option<&'a JsonObject>, schema: &'a Value) -> &'a Value {
    let name = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix("#/$defs/"));
    name.and_then(|name| definitions?.get(name)).unwrap_or(schema)
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

/// Whether a number, or the length of a list or text, is within the bounds.
fn within(schema: &Value, value: &Value) -> bool {
    let (low, high, measure) = match value {
        Value::Number(number) => ("minimum", "maximum", number.as_f64()),
        Value::Array(items) => ("minItems", "maxItems", Some(items.len() as f64)),
        Value::String(text) => ("minLength", "maxLength", Some(text.chars().count() as f64)),
        _ => return true,
    };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let Some(measure) = measure else { return false };
    bound(low).is_none_or(|low| measure >= low) && bound(high).is_none_or(|high| measure <= high)
}

/// What a schema accepts, in words.
fn expected(definitions: Option<&JsonObject>, schema: &Value) -> String {
    let schema = resolve(definitions, schema);
    if let Some(choices) = choices(schema) {
        let words: Vec<String> = choices.iter().map(|choice| expected(definitions, choice)).collect();
        return words.join(" or ");
    }
    if let Some(one_of) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = one_of.iter().map(Value::to_string).collect();
        return format!("one of {}", words.join(", "));
    }
    let named = |name: &&str| match *name {
        "array" => match schema.get("items") {
            Some(items) => format!("a list, each item {}", expected(definitions, items)),
            None => "a list".to_owned(),
        },
        "integer" => "an integer".to_owned(),
        "object" => "an object".to_owned(),
        "null" => "null".to_owned(),
        name => format!("a {name}"),
    };
    let types = types(schema);
    let mut words = types.iter().map(named).collect::<Vec<String>>().join(" or ");
    for (key, word) in [("minimum", "at least"), ("maximum", "at most")] {
        if let Some(bound) = schema.get(key) {
            words = format!("{words} of {word} {bound}");
        }
    }
    for (key, word) in [("minItems", "at least"), ("maxItems", "at most")] {
        if let Some(bound) = schema.get(key) {
            words = format!("{words} ({word} {bound})");
        }
    }
    if let Some(bound) = schema.get("minLength").filter(|bound| **bound == 1) {
        words = format!("{words} of at least {bound} character");
    }
    words
}

/// A value as it came, cut.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(items) => return format!("a list of {}", items.len()),
        Value::Object(_) => return "an object".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

fn unknown(name: &str, known: &JsonObject) -> String {
    let mut names: Vec<&str> = known.keys().map(String::as_str).collect();
    names.sort_unstable();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("is no argument; did you mean {near}? Accepted: {}", names.join(", ")),
        None if names.is_empty() => "is no argument; none are accepted".to_owned(),
        None => format!("is no argument; accepted: {}", names.join(", ")),
    }
}

/// The name that was most likely meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |known: &str| {
        let known = known.to_lowercase();
        // Two letters of a short name that changed places have nothing in common by the other measure.
        let slip = strsim::osa_distance(&name, &known) == 1 && known.chars().count() > 2;
        strsim::jaro_winkler(&name, &known).max(if slip { 0.85 } else { 0.0 })
    };
    let scored = known.map(|known| (likeness(known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

fn join(path: &str, name: &str) -> String {
    match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code, reason = "read by tests of what is refused")]
    struct Input {
        path: String,
        #[schemars(range(min = 1, max = 10))]
        count: Option<u64>,
        mode: Option<Mode>,
        env: Option<BTreeMap<String, String>>,
        edits: Option<Vec<Edit>>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Slow,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read by tests of what is refused")]
    struct Edit {
        old: String,
    }

    fn parse(arguments: &Value) -> Result<Input, Failure> {
        let schema = rmcp::handler::server::tool::schema_for_input::<Input>().unwrap();
        read(&schema, arguments.as_object().unwrap().clone())
    }

    #[test]
    fn objects_are_open_unless_their_schema_closes_them() {
        let given = json!({ "more": 1 });
        for (schema, fits) in [
            (json!({}), true),
            (json!({ "additionalProperties": true }), true),
            (json!({ "additionalProperties": { "type": "integer" } }), true),
            (json!({ "additionalProperties": { "type": "string" } }), false),
            (json!({ "additionalProperties": false }), false),
        ] {
            let read = read::<Value>(schema.as_object().unwrap(), given.as_object().unwrap().clone());
            assert_eq!(read.is_ok(), fits, "{schema}");
        }
    }

    #[test]
    fn what_fits_is_read() {
        let input =
            json!({ "path": "/a", "count": 10, "mode": "slow", "env": { "A": "b" }, "edits": [{ "old": "x" }] });
        let input = parse(&input).unwrap();
        assert!(matches!(input.mode, Some(Mode::Slow)));
        assert_eq!(input.count, Some(10));
        assert!(
            parse(&json!({ "path": "/a", "count": null, "mode": null }))
                .unwrap()
                .mode
                .is_none()
        );
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_is_accepted() {
        for (arguments, message) in [
            (json!({}), "path: is missing; expected a string"),
            (json!({ "path": 3 }), "path: expected a string, got 3"),
            (
                json!({ "path": "", "cuont": 3 }),
                "cuont: is no argument; did you mean count? Accepted: count, edits, env, mode, path",
            ),
            (
                json!({ "path": "", "count": 11 }),
                "count: expected an integer or null of at least 1 of at most 10, got 11",
            ),
            (
                json!({ "path": "", "mode": "odd" }),
                "mode: expected one of \"fast\", \"slow\", got \"odd\"",
            ),
            (
                json!({ "path": "", "env": { "A": 1 } }),
                "env.A: expected a string, got 1",
            ),
            (
                json!({ "path": "", "env": [] }),
                "env: expected an object or null, got a list of 0",
            ),
            (
                json!({ "path": "", "edits": [{ "old": "" }, {}] }),
                "edits[1].old: is missing; expected a string",
            ),
            (
                json!({ "path": "", "edits": [{ "odl": "" }] }),
                "edits[0].odl: is no argument; did you mean old? Accepted: old",
            ),
        ] {
            let failure = parse(&arguments).unwrap_err();
            assert_eq!(
                (failure.code.as_str(), failure.message.as_str()),
                ("invalid_argument", message),
                "{arguments}"
            );
        }
    }

    #[test]
    fn long_values_are_cut() {
        let failure = parse(&json!({ "path": "", "count": "x".repeat(10_000) })).unwrap_err();
        assert!(failure.message.len() < 300, "{}", failure.message);
    }
}
