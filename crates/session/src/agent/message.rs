//! What a line means: a request, a notification, an answer, or nothing.

use serde_json::{Value, json};

/// Codes of JSON-RPC errors.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
pub(crate) const INVALID_PARAMS: i64 = -32602;
pub(crate) const INTERNAL: i64 = -32603;
pub(crate) const REFUSED: i64 = -32000;
pub(crate) const NOT_FOUND: i64 = -32002;

/// Longest id of a request that is a text.
const ID_BYTES: usize = 256;

/// A message of an agent.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// It asks.
    Request {
        /// A number or a text.
        id: Value,
        method: String,
        params: Value,
    },
    /// It tells.
    Notification { method: String, params: Value },
    /// It answers.
    Answer { id: u64, answer: Answer },
    /// It said what can be answered and must be refused.
    Refused { id: Value, error: RpcError },
    /// It said nothing that has a meaning; why.
    Nonsense(&'static str),
}

/// An answer: a result or an error.
pub(crate) type Answer = Result<Value, RpcError>;

/// An error of JSON-RPC.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.data {
            None => json!({"code": self.code, "message": self.message}),
            Some(data) => json!({"code": self.code, "message": self.message, "data": data}),
        }
    }

    fn read(value: Value) -> Option<Self> {
        let Value::Object(mut error) = value else { return None };
        Some(Self {
            code: error.get("code")?.as_i64()?,
            message: error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            data: error.remove("data"),
        })
    }
}

/// Reads a line.
pub(crate) fn read(line: &[u8]) -> Message {
    match serde_json::from_slice(line) {
        Ok(Value::Object(message)) => classify(message),
        Ok(_) => Message::Nonsense("not an object"),
        Err(_) => Message::Nonsense("not JSON"),
    }
}

fn classify(mut message: serde_json::Map<String, Value>) -> Message {
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Message::Nonsense("not JSON-RPC 2.0");
    }
    let id = message.remove("id");
    match (message.remove("method"), id) {
        (Some(Value::String(method)), None) => Message::Notification {
            method,
            params: message.remove("params").unwrap_or_default(),
        },
        (Some(method), Some(id)) => {
            if !is_id(&id) {
                return Message::Nonsense("an id that is none");
            }
            let params = message.remove("params").unwrap_or_default();
            match method {
                Value::String(method) if params.is_object() || params.is_array() || params.is_null() => {
                    Message::Request { id, method, params }
                }
                _ => Message::Refused {
                    id,
                    error: RpcError::new(-32600, "Invalid request"),
                },
            }
        }
        (Some(_), None) => Message::Nonsense("a method that is not a text"),
        (None, Some(id)) => answer(message, &id),
        (None, None) => Message::Nonsense("neither a method nor an id"),
    }
}

fn answer(mut message: serde_json::Map<String, Value>, id: &Value) -> Message {
    let Some(id) = id.as_u64() else {
        return Message::Nonsense("an answer to nothing");
    };
    match (message.remove("result"), message.remove("error")) {
        (Some(result), None | Some(Value::Null)) => Message::Answer { id, answer: Ok(result) },
        (None | Some(Value::Null), Some(error)) => match RpcError::read(error) {
            Some(error) => Message::Answer { id, answer: Err(error) },
            None => Message::Nonsense("an error that is none"),
        },
        _ => Message::Nonsense("an answer without one"),
    }
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::String(text) => text.len() <= ID_BYTES,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

/// The line of a message.
pub(crate) fn line(message: &Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_nonsense() {
        for line in [
            "",
            "x",
            "[]",
            "1",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"result":1}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":"x","result":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":"e"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","method":7}"#,
            "\u{0}",
            "{\"jsonrpc\":\"2.0\"",
        ] {
            assert!(matches!(read(line.as_bytes()), Message::Nonsense(_)), "{line}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(read(deep.as_bytes()), Message::Nonsense(_)));
    }

    #[test]
    fn messages_are_told_apart() {
        let request = read(br#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":1}}"#);
        assert!(matches!(request, Message::Request { ref method, .. } if method == "m"));
        assert!(matches!(
            read(br#"{"jsonrpc":"2.0","method":"m"}"#),
            Message::Notification { .. }
        ));
        assert!(matches!(
            read(br#"{"jsonrpc":"2.0","id":3,"result":null}"#),
            Message::Answer {
                id: 3,
                answer: Ok(Value::Null)
            }
        ));
        let error = read(br#"{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"m"}}"#);
        assert!(matches!(error, Message::Answer { answer: Err(_), .. }));
        assert!(matches!(
            read(br#"{"jsonrpc":"2.0","id":3,"method":"m","params":4}"#),
            Message::Refused { .. }
        ));
    }
}
