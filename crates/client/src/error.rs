//! The one error of this crate.

use agentos_value::{ActorError, ValueError};
use agentos_wire::WireError;
use std::sync::Arc;

/// Result of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a call did not give a result.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error: `group` and `code` say which.
    #[error("{} ({}/{})", .0.message, .0.group, .0.code)]
    Actor(ActorError),
    /// The server could not be reached, or went away before it answered.
    #[error("server {endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// Where it was looked for, without credentials.
        endpoint: String,
        /// What the network said.
        reason: String,
    },
    /// A setting of the client is not usable.
    #[error("{field} {given:?} is not accepted: {expected}")]
    Invalid {
        /// Which setting.
        field: &'static str,
        /// What was given.
        given: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// The server answered something that this protocol does not have.
    #[error("unexpected answer of the server: {0}")]
    Protocol(String),
    /// The connection was closed: by the server, with its reason, or by [`Connection::close`](crate::Connection::close).
    #[error("connection closed: {reason}")]
    Closed {
        /// `group.code` as the server gave it.
        reason: String,
    },
    /// A result does not have the expected shape.
    #[error("result of {action}: {source}")]
    Shape {
        /// The action.
        action: String,
        /// What does not fit.
        source: Arc<ValueError>,
    },
}

impl Error {
    /// The code of the server's error, if it is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Actor(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether the server is known to have done nothing, so that the call may be repeated.
    pub(crate) fn had_no_effect(&self) -> bool {
        let Self::Actor(error) = self else { return false };
        matches!(
            (&*error.group, &*error.code),
            ("guard", "service_unavailable") | ("actor", "stopping" | "starting" | "restarting")
        )
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::Protocol(error.to_string())
    }
}
