//! `agentos policy`, and where the policy of a VM comes from.

use crate::args::{ExplainArgs, PolicyArgs, PolicyCommand, PolicySource};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::report;
use agentos::Permissions;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Answers a question about a policy.
pub(crate) fn main(args: &PolicyArgs) -> Result<Exit, Error> {
    match &args.question {
        PolicyCommand::Explain(args) => explain(args),
        PolicyCommand::Check(source) => check(source),
    }
}

/// The policy of the command line, else that of the configuration file, else none. Only its syntax is checked here.
pub(crate) fn given(argument: Option<&str>, config: &Config) -> Result<Option<Value>, Error> {
    match argument {
        Some(text) => read(text).map(Some),
        None => Ok(config.permissions.clone()),
    }
}

fn explain(args: &ExplainArgs) -> Result<Exit, Error> {
    let resources: Vec<&str> = args.resources.iter().map(String::as_str).collect();
    let explained = permissions(&args.source)?.explain(&args.scope, &args.operation, &resources)?;
    if args.source.json {
        report::json(&explained.to_json())?;
    } else {
        report::text(&in_words(&explained))?;
    }
    Ok(if explained.allowed() {
        Exit::SUCCESS
    } else {
        Exit::REFUSED
    })
}

/// Two lines at most: the policy's decision, and the guard's where it has one.
fn in_words(explained: &agentos::Explanation) -> String {
    let word = |allowed: bool| if allowed { "allow" } else { "deny" };
    let policy = &explained.policy;
    let mut text = format!("{} {}: {}", word(policy.allowed), policy.resource, policy.rule);
    if let Some(pattern) = &policy.pattern {
        text.push_str(&format!(" ({pattern})"));
    }
    text.push('\n');
    if let Some(guard) = &explained.guard {
        text.push_str(&format!("{} {}: egress guard", word(guard.allowed), guard.address));
        if let (Some(label), Some(range)) = (guard.label, &guard.range) {
            text.push_str(&format!(" ({label}, {range})"));
        }
        text.push('\n');
    }
    text
}

fn check(source: &PolicySource) -> Result<Exit, Error> {
    permissions(source)?;
    if source.json {
        report::json(&json!({ "valid": true }))?;
    } else {
        report::text("the policy is valid\n")?;
    }
    Ok(Exit::SUCCESS)
}

fn permissions(source: &PolicySource) -> Result<Permissions, Error> {
    let config = source
        .config
        .as_deref()
        .map_or_else(|| Ok(Config::default()), Config::load)?;
    let policy = given(source.permissions.as_deref(), &config)?;
    let policy = policy.unwrap_or_else(|| Value::from("default"));
    Ok(Permissions::new(policy)?)
}

/// Reads `--permissions`: the name of a profile, an object, or a file.
fn read(text: &str) -> Result<Value, Error> {
    if matches!(text, "default" | "locked") {
        return Ok(Value::from(text));
    }
    if text.trim_start().starts_with(['{', '"']) {
        return parse_json(text).map_err(|reason| Error::Usage(format!("--permissions: {reason}")));
    }
    let path = Path::new(text);
    let wrong = |reason: String| Error::Config {
        path: path.to_owned(),
        reason,
    };
    let unreadable = |error: std::io::Error| {
        wrong(format!(
            "{error} (--permissions takes default, locked, a JSON object, or a JSON or TOML file)"
        ))
    };
    let mut content = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_MAX + 1)
        .read_to_string(&mut content)
        .map_err(unreadable)?;
    if content.len() as u64 > FILE_MAX {
        return Err(wrong(format!("a policy file has at most {FILE_MAX} bytes")));
    }
    match path.extension().is_some_and(|extension| extension == "toml") {
        true => toml::from_str(&content).map_err(|error| wrong(error.to_string())),
        false => parse_json(&content).map_err(wrong),
    }
}

/// Parses JSON in which no key stands twice: of two rules for one scope, one would be lost without a word.
pub fn parse_json(text: &str) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A value without duplicate keys.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Strict)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict)?;
            if fields.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format!("{key:?} stands twice")));
            }
        }
        Ok(fields.into())
    }
}

/// Largest policy file in bytes; a policy is at most a quarter of it, the rest may be space.
const FILE_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_is_lost_to_a_second_one_of_its_name() {
        assert_eq!(
            parse_json(" {\"a\": [1, {\"b\": null}]} ").unwrap(),
            json!({ "a": [1, { "b": null }] })
        );
        assert!(
            parse_json("{\"fs\": \"deny\", \"fs\": \"allow\"}")
                .unwrap_err()
                .contains("\"fs\" stands twice")
        );
        assert!(parse_json("{\"fs\": {\"rules\": [{\"mode\": \"deny\", \"mode\": \"allow\"}]}}").is_err());
        assert!(parse_json("{} {}").is_err());
        assert!(parse_json(&"[".repeat(10_000)).is_err());
    }
}
