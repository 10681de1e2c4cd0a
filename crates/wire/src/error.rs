//! What is wrong with a client's bytes.

use agentos_value::{ActorError, ValueError};

/// Bytes that a client may not send, or a value that cannot be sent to it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A version of the binary schema that does not exist here.
    #[error("unsupported protocol version {0}")]
    Version(u16),
    /// The bytes end before the message does, or claim a length that they do not have.
    #[error("the message ends early")]
    Truncated,
    /// Bytes follow the message.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    /// Not what the schema allows at this place.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// A value within the message.
    #[error("malformed value: {0}")]
    Value(#[from] ValueError),
    /// Text that is not JSON.
    #[error("malformed JSON: {0}")]
    Json(String),
    /// Connection parameters that cannot be read.
    #[error("connection parameters are not JSON in ISO 8859-1")]
    Params,
    /// An address that leads nowhere.
    #[error("no such route")]
    NoRoute,
    /// A bad address of the query form: the code, and the parameter or rule at fault.
    #[error("{message}")]
    Query {
        /// The code within group `guard`.
        code: &'static str,
        /// What is wrong, naming the parameter and never its value.
        message: String,
    },
}

impl WireError {
    /// The error that the client sees.
    pub fn to_actor_error(&self) -> ActorError {
        match self {
            Self::NoRoute => ActorError::guard("no_route", "No route matches the request."),
            Self::Query { code, message } => ActorError::guard(*code, message.clone()),
            Self::Params => ActorError::actor("invalid_params", self.to_string()),
            _ => ActorError::actor("invalid_request", self.to_string()),
        }
    }
}
