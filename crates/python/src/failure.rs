//! Errors on their way to Python, where they become exceptions.

use agentos::Error;
use serde_json::{Value, json};

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: String,
    message: String,
    metadata: Value,
}

impl Failure {
    /// With a code and a text.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            metadata: Value::Null,
        }
    }

    /// Arguments that are not accepted.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid_argument", message)
    }

    /// A VM or process that is not there any more.
    pub(crate) fn gone() -> Self {
        Self::new("vm_disposed", "the VM or process was disposed")
    }

    /// What Python reads.
    pub(crate) fn to_json(&self) -> String {
        json!({ "code": self.code, "message": self.message, "metadata": self.metadata }).to_string()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut metadata = serde_json::Map::new();
        if let Some(errno) = error.errno() {
            metadata.insert("errno".to_owned(), errno.name().into());
        }
        if let Error::File { operation, path, .. } = &error {
            metadata.insert("operation".to_owned(), (*operation).into());
            metadata.insert("path".to_owned(), path.as_str().into());
        }
        if let Some(limit) = error.limit() {
            metadata.insert("limit".to_owned(), limit.limit.into());
            metadata.insert("observed".to_owned(), limit.observed.into());
            metadata.insert("capacity".to_owned(), limit.capacity.into());
        }
        if let Some(denied) = error.denied() {
            metadata.insert("rule".to_owned(), denied.rule.to_string().into());
        }
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            metadata: Value::Object(metadata),
        }
    }
}
