//! Errors in jq's words.

use crate::json;
use jaq_json::{Error, Val};

/// Longest value shown in a message, in bytes.
const SHOWN_LIMIT: usize = 11;

/// What a value is called.
pub fn type_name(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "boolean",
        Val::Num(_) => "number",
        Val::TStr(_) | Val::BStr(_) => "string",
        Val::Arr(_) => "array",
        Val::Obj(_) => "object",
    }
}

/// A value with its type, shortened: `number (1)`.
pub fn described(value: &Val) -> String {
    let mut text = Vec::new();
    json::write(&mut text, value, &json::Style::default());
    let text = String::from_utf8_lossy(&text).into_owned();
    let shown = if text.len() > SHOWN_LIMIT {
        let end = (0..SHOWN_LIMIT)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
        format!("{}...", &text[..end])
    } else {
        text
    };
    format!("{} ({shown})", type_name(value))
}

/// The message about an error that ended an input, without the place.
pub fn message(error: Error) -> (String, bool) {
    match error.into_val() {
        Val::TStr(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            (restate(&text).unwrap_or(text), true)
        }
        other => {
            let mut text = Vec::new();
            json::write(&mut text, &other, &json::Style::default());
            (String::from_utf8_lossy(&text).into_owned(), false)
        }
    }
}

fn parse(text: &str) -> Option<Val> {
    let mut reader = json::Reader::new(text.as_bytes());
    let value = reader.next_value()?.ok()?;
    reader.next_value().is_none().then_some(value)
}

/// Splits at the first separator that leaves a value on both sides.
fn two_values(text: &str, separator: &str) -> Option<(Val, Val)> {
    text.match_indices(separator)
        .find_map(|(at, _)| Some((parse(&text[..at])?, parse(&text[at + separator.len()..])?)))
}

/// Restates one of jaq's own messages.
fn restate(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("cannot index ") {
        let (value, key) = two_values(rest, " with ")?;
        return Some(match &key {
            Val::TStr(name) => {
                format!(
                    "Cannot index {} with string \"{}\"",
                    type_name(&value),
                    String::from_utf8_lossy(name)
                )
            }
            _ => format!("Cannot index {} with {}", type_name(&value), type_name(&key)),
        });
    }
    if let Some(rest) = text.strip_prefix("cannot calculate ") {
        for (operator, verb) in [
            (" + ", "added"),
            (" - ", "subtracted"),
            (" * ", "multiplied"),
            (" / ", "divided"),
            (" % ", "divided"),
        ] {
            if let Some((left, right)) = two_values(rest, operator) {
                let zero = matches!(&right, Val::Num(_)) && matches!(&left, Val::Num(_)) && verb == "divided";
                let why = if zero { " because the divisor is zero" } else { "" };
                return Some(format!(
                    "{} and {} cannot be {verb}{why}",
                    described(&left),
                    described(&right)
                ));
            }
        }
    }
    if let Some(rest) = text.strip_prefix("cannot use ") {
        let (value, wanted) = rest.rsplit_once(" as ")?;
        let value = parse(value)?;
        return Some(match wanted {
            "iterable (array or object)" => format!("Cannot iterate over {}", described(&value)),
            "string" => format!("{} cannot be matched, as it is not a string", described(&value)),
            "number" => format!("{} number required", described(&value)),
            "array" => format!("{} cannot be sorted, as it is not an array", described(&value)),
            _ => return None,
        });
    }
    if let Some(rest) = text.strip_prefix("cannot parse ") {
        let (value, _) = rest.split_once(" as JSON")?;
        return Some(format!("{value} cannot be parsed as JSON"));
    }
    let (value, _) = text.split_once(" has no length")?;
    Some(format!("{} has no length", described(&parse(value)?)))
}

/// What the loader complains about.
pub fn load<P>(errors: jaq_core::load::Errors<&str, P>) -> Vec<String> {
    use jaq_core::load::Error;
    let mut out = Vec::new();
    for (_, error) in errors {
        match error {
            Error::Io(all) => out.extend(
                all.into_iter()
                    .map(|(path, error)| format!("could not load {path}: {error}")),
            ),
            Error::Lex(all) => out.extend(all.into_iter().map(|(_, found)| unexpected(found))),
            Error::Parse(all) => out.extend(all.into_iter().map(|(_, found)| unexpected(found))),
        }
    }
    out
}

fn unexpected(found: &str) -> String {
    match found.split_whitespace().next() {
        None => "syntax error, unexpected end of file".to_owned(),
        Some(word) => {
            let end = word.char_indices().nth(20).map_or(word.len(), |(at, _)| at);
            format!("syntax error, unexpected '{}'", &word[..end])
        }
    }
}

/// What the compiler complains about: names that are not defined.
pub fn compile<P>(errors: jaq_core::compile::Errors<&str, P>) -> Vec<String> {
    use jaq_core::compile::Undefined;
    let mut out = Vec::new();
    for (_, all) in errors {
        for (name, undefined) in all {
            out.push(match undefined {
                Undefined::Filter(arity) => format!("{name}/{arity} is not defined"),
                Undefined::Var => format!("{name} is not defined"),
                other => format!("{} {name} is not defined", other.as_str()),
            });
        }
    }
    out
}

/// The text for standard error about a program that does not compile.
pub fn report(program: &str, messages: Vec<String>) -> String {
    let count = messages.len();
    let mut out: String = messages
        .iter()
        .map(|message| format!("jq: error: {message} at <top-level>, line 1:\n{program}\n"))
        .collect();
    out.push_str(&format!(
        "jq: {count} compile error{}\n",
        if count == 1 { "" } else { "s" }
    ));
    out
}
