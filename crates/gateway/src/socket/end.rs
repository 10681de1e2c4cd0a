//! How WebSockets end.

use agentos_actor::CloseReason;
use agentos_value::ActorError;

use crate::ws::Violation;

/// The end of a WebSocket, as whoever saw it first describes it.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The client sent a close frame, which is answered with its own words.
    Client(Option<(u16, String)>),
    /// The server closes.
    Close(CloseReason),
    /// The server closes after an error that belongs to no action.
    Error(ActorError, CloseReason),
    /// Nobody is left to be told.
    Gone,
}

impl End {
    /// The end for an error. What will pass tells clients to come back; nothing else does.
    pub(crate) fn of_error(error: ActorError) -> Self {
        let reason = close_for(&error);
        Self::Error(error, reason)
    }

    /// The end for frames that break the rules of WebSockets.
    pub(crate) fn of_violation(violation: Violation) -> Self {
        let code = match violation {
            Violation::Protocol(_) => 1002,
            Violation::Utf8 => 1007,
        };
        Self::Close(CloseReason::new(code, "actor.invalid_request"))
    }

    /// What the actor is told.
    pub(crate) fn as_reason(&self) -> CloseReason {
        match self {
            Self::Client(Some((code, reason))) => CloseReason::new(*code, reason.clone()),
            Self::Client(None) | Self::Gone => CloseReason::client(),
            Self::Close(reason) | Self::Error(_, reason) => reason.clone(),
        }
    }
}

/// The close frame after an error.
pub(crate) fn close_for(error: &ActorError) -> CloseReason {
    let temporary =
        error.group == "guard" && matches!(error.code.as_ref(), "service_unavailable" | "too_many_requests");
    match error.code.as_ref() {
        // Clients come back after this reason and after no reason of our own.
        _ if temporary => CloseReason::unavailable(),
        "message_too_large" => CloseReason::new(1009, error.close_reason()),
        _ => CloseReason::error(error),
    }
}
