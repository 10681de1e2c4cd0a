//! The error that a client is allowed to see.
//!
//! Only three things become one: an error that application code throws for users, a documented error of the product, and
//! the mask [`ActorError::internal`], which stands for everything else and says nothing but a correlation id. The full
//! error belongs in the server's log under that id.

use std::borrow::Cow;
use std::fmt;

use crate::Value;

/// The text that replaces every undocumented error.
pub const INTERNAL_MESSAGE: &str = "Internal error. Read the server logs for more details.";

/// What a client receives instead of a result: a group, a code within it, a text for people, and details for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct ActorError {
    /// Who speaks: `user`, `agentos`, `auth`, `actor`, `guard`, `queue` or `internal`.
    pub group: Cow<'static, str>,
    /// What happened, for programs.
    pub code: Cow<'static, str>,
    /// What happened, for people.
    pub message: String,
    /// Details that the code documents.
    pub metadata: Option<Value>,
}

impl ActorError {
    /// An error of any group. The named constructors say what the usual groups mean.
    pub fn new(
        group: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            group: group.into(),
            code: code.into(),
            message: message.into(),
            metadata: None,
        }
    }

    /// Thrown by application code for its users, unmasked.
    pub fn user(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new("user", code, message)
    }

    /// A documented error of the VM.
    pub fn agentos(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new("agentos", code, message)
    }

    /// A refusal of authentication or of a hook that ran too long.
    pub fn auth(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new("auth", code, message)
    }

    /// About an actor as such: unknown, destroyed, stopping, an unknown action, bad parameters.
    pub fn actor(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new("actor", code, message)
    }

    /// About the way to an actor: its address, its availability.
    pub fn guard(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new("guard", code, message)
    }

    /// About queues.
    pub fn queue(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new("queue", code, message)
    }

    /// The mask for everything that is not meant for clients. `correlation_id` also stands in the server's log.
    pub fn internal(correlation_id: impl Into<String>) -> Self {
        Self::new("internal", "internal_error", INTERNAL_MESSAGE)
            .with_metadata(Value::object([("correlationId", correlation_id.into())]))
    }

    /// The same error with details.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<Value>) -> Self {
        self.metadata = Some(metadata.into());
        self
    }

    /// Whether this is the given code of the given group.
    pub fn is(&self, group: &str, code: &str) -> bool {
        self.group == group && self.code == code
    }

    /// The reason of a WebSocket that this error closes: `<group>.<code>`.
    pub fn close_reason(&self) -> String {
        format!("{}.{}", self.group, self.code)
    }
}

impl fmt::Display for ActorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.group, self.code, self.message)
    }
}

impl std::error::Error for ActorError {}
