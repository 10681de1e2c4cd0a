//! Words in double braces, in the texts of a script.
//!
//! A text is read once from left to right; what is put in is not looked at again, so that a tool's output cannot name a
//! variable.

use super::model::Model;
use crate::conversation::Conversation;
use serde_json::{Map, Value};

/// Words that stand for something of the conversation.
pub(crate) const KNOWN: [&str; 3] = ["lastResult", "model", "prompt"];

/// The longest value that is put in for something of the conversation; more is cut.
const LONGEST: usize = 4096;

/// The text with its words replaced.
pub(crate) fn fill(text: &str, model: &Model, conversation: &Conversation) -> String {
    let mut filled = String::with_capacity(text.len());
    for piece in split(text) {
        match piece {
            Piece::Plain(plain) => filled.push_str(plain),
            Piece::Word(word) => filled.push_str(value(word, model, conversation)),
        }
    }
    filled
}

/// An input with its words replaced.
pub(crate) fn fill_input(input: &Map<String, Value>, model: &Model, conversation: &Conversation) -> Map<String, Value> {
    let one = |(name, value): (&String, &Value)| (name.clone(), fill_value(value, model, conversation));
    input.iter().map(one).collect()
}

fn fill_value(value: &Value, model: &Model, conversation: &Conversation) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, model, conversation)),
        Value::Array(items) => items.iter().map(|item| fill_value(item, model, conversation)).collect(),
        Value::Object(members) => Value::Object(fill_input(members, model, conversation)),
        other => other.clone(),
    }
}

fn value<'a>(word: &str, model: &'a Model, conversation: &'a Conversation) -> &'a str {
    match word {
        "model" => head(&conversation.model, LONGEST),
        "prompt" => head(&conversation.prompt, LONGEST),
        "lastResult" => {
            let result = conversation.result.as_ref().map_or("", |result| &result.text);
            head(result.trim_end(), LONGEST)
        }
        var => model.vars.get(var).map_or("", String::as_str),
    }
}

/// The words of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    split(text).filter_map(|piece| match piece {
        Piece::Word(word) => Some(word),
        Piece::Plain(_) => None,
    })
}

/// At most `most` bytes of a text, whole characters.
pub(crate) fn head(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

enum Piece<'a> {
    Plain(&'a str),
    Word(&'a str),
}

fn split(mut rest: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let open = rest.find("{{").unwrap_or(rest.len());
        if open > 0 {
            let (plain, after) = rest.split_at(open);
            rest = after;
            return Some(Piece::Plain(plain));
        }
        let inner = rest.get(2..)?;
        match inner.split_once("}}") {
            Some((word, after)) if is_word(word) => {
                rest = after;
                Some(Piece::Word(word))
            }
            // Braces that hold no word are braces, as in the code of a program.
            _ => {
                rest = inner;
                Some(Piece::Plain("{{"))
            }
        }
    })
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
