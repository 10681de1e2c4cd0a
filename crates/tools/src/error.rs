//! What the function of a tool fails with.

use serde_json::Value;
use std::fmt;

/// Why a tool failed. An error of the host's code that is passed on with `?` is masked: the guest sees a correlation id, and the
/// host's log has the rest. What a guest is to read is a [`user`](Self::user) error.
///
/// ```
/// use agentos_tools::ToolError;
/// fn parse(text: &str) -> Result<u16, ToolError> {
///     if text.is_empty() {
///         return Err(ToolError::user("the port must not be empty"));
///     }
///     Ok(text.parse()?) // masked
/// }
/// assert!(parse("").is_err());
/// ```
pub struct ToolError(pub(crate) Box<Kind>);

/// What kind of failure it is.
pub(crate) enum Kind {
    /// The guest sees it.
    User {
        message: String,
        code: Option<String>,
        metadata: Option<Value>,
    },
    /// The input is wrong in a way that its schema cannot say.
    Input { path: String, expected: String },
    /// The guest sees an id, the log the text.
    Masked(String),
}

impl ToolError {
    /// A failure whose message the guest sees.
    pub fn user(message: impl Into<String>) -> Self {
        Self(Box::new(Kind::User {
            message: message.into(),
            code: None,
            metadata: None,
        }))
    }

    /// Adds a word for programs to a [`user`](Self::user) error.
    #[must_use]
    pub fn with_code(mut self, word: impl Into<String>) -> Self {
        if let Kind::User { code, .. } = &mut *self.0 {
            *code = Some(word.into());
        }
        self
    }

    /// Adds data to a [`user`](Self::user) error.
    #[must_use]
    pub fn with_metadata(mut self, data: Value) -> Self {
        if let Kind::User { metadata, .. } = &mut *self.0 {
            *metadata = Some(data);
        }
        self
    }

    /// Input that the schema admits and the tool does not: `path` is where, for example `$.city`, `expected` what belongs there.
    pub fn input(path: impl Into<String>, expected: impl Into<String>) -> Self {
        Self(Box::new(Kind::Input {
            path: path.into(),
            expected: expected.into(),
        }))
    }

    /// A failure that the guest must not see; `text` is for the host's log.
    pub fn masked(text: impl Into<String>) -> Self {
        Self(Box::new(Kind::Masked(text.into())))
    }
}

impl<E: std::error::Error> From<E> for ToolError {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            text.push_str(": ");
            text.push_str(&deeper.to_string());
            cause = deeper.source();
        }
        Self::masked(text)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::User { message, .. } => f.debug_tuple("User").field(message).finish(),
            Kind::Input { path, expected } => f.debug_tuple("Input").field(path).field(expected).finish(),
            Kind::Masked(text) => f.debug_tuple("Masked").field(text).finish(),
        }
    }
}
