//! Why a call did not do what it was asked: what a model can read, and the same in fields.

use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Stable word: a system error such as `ENOENT`, or `limit_exceeded`, `invalid_argument`, ...
    pub code: String,
    /// What happened and what can be done.
    pub message: String,
    /// The argument that is wrong, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The limit that was reached, if that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Box<Exceeded>>,
}

/// A limit, and by what it was exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exceeded {
    /// Name of the limit.
    pub limit: String,
    /// What was asked for, or came.
    pub observed: u64,
    /// What is possible.
    pub cap: u64,
    /// What it is about: an argument, or a field of the result.
    pub field: String,
}

impl Exceeded {
    /// Describes one.
    pub fn new(limit: &str, observed: u64, cap: u64, field: impl Into<String>) -> Self {
        Self {
            limit: limit.to_owned(),
            observed,
            cap,
            field: field.into(),
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            observed,
            cap,
            field,
        } = self;
        write!(f, "{field}: {observed} is more than {limit} allows, which is {cap}")
    }
}

impl Failure {
    /// A failure with a code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            field: None,
            limit: None,
        }
    }

    /// An argument that cannot be used: which, and what is accepted.
    pub fn argument(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        let field = field.into();
        Self {
            message: format!("{field}: {problem}"),
            field: Some(field),
            ..Self::new("invalid_argument", "")
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Failure {}

impl From<Exceeded> for Failure {
    fn from(limit: Exceeded) -> Self {
        Self {
            field: Some(limit.field.clone()),
            message: limit.to_string(),
            limit: Some(Box::new(limit)),
            ..Self::new("limit_exceeded", "")
        }
    }
}

impl From<agentos::Error> for Failure {
    fn from(error: agentos::Error) -> Self {
        let limit = error.limit().map(|limit| {
            let path = limit.configuration_path;
            Box::new(Exceeded::new(path, limit.observed, limit.capacity, limit.operation))
        });
        Self {
            limit,
            ..Self::new(error.code(), error.to_string())
        }
    }
}
