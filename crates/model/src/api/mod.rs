//! The APIs: requests into conversations, answers into responses.

pub(crate) mod anthropic;
pub(crate) mod openai;
pub(crate) mod responses;

use crate::answer::Refusal;
use crate::conversation::Conversation;
use crate::script::head;
use bytes::Bytes;
use serde_json::{Map, Value};

/// A response before it is sent.
#[derive(Debug)]
pub(crate) enum Reply {
    /// One JSON value.
    Json(Value),
    /// Server-sent events.
    Events(Vec<Bytes>),
}

/// Ids and the time, which an answer holds and a script does not know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// Number of the request, from 1.
    pub(crate) number: u64,
    /// Seconds since the Unix epoch.
    pub(crate) seconds: u64,
}

/// An object or the error that says where there is none.
fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, Refusal> {
    value
        .as_object()
        .ok_or_else(|| Refusal::invalid(format!("{field}: expected an object")))
}

fn array<'a>(value: Option<&'a Value>, field: &str) -> Result<&'a [Value], Refusal> {
    match value {
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Refusal::invalid(format!("{field}: expected an array"))),
        None => Err(Refusal::invalid(format!("{field}: Field required"))),
    }
}

fn text<'a>(value: Option<&'a Value>, field: &str) -> Result<&'a str, Refusal> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Refusal::invalid(format!("{field}: expected a string"))),
        None => Err(Refusal::invalid(format!("{field}: Field required"))),
    }
}

/// What every request has: a model and whether to stream.
fn begin(request: &Map<String, Value>) -> Result<Conversation, Refusal> {
    let stream = match request.get("stream") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(stream)) => *stream,
        Some(_) => return Err(Refusal::invalid("stream: expected a boolean")),
    };
    let model = text(request.get("model"), "model")?;
    if model.is_empty() {
        return Err(Refusal::invalid("model: expected a name"));
    }
    Ok(Conversation {
        model: head(model, 256).to_owned(),
        stream,
        ..Conversation::default()
    })
}

/// One event with a JSON text.
fn event(name: Option<&str>, data: &Value) -> Bytes {
    match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n").into(),
        None => format!("data: {data}\n\n").into(),
    }
}

/// Texts of a content: a string, or blocks of the type `text`.
fn joined(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks
                .iter()
                .filter_map(|block| block.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
