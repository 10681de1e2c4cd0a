//! The messages of the protocol, whatever their encoding.

use agentos_value::{ActorError, Value};

/// The body of `POST /action/{name}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionRequest {
    /// The arguments. Clients send an array; null stands for none, anything else for one.
    pub args: Vec<Value>,
}

/// The body of `POST /queue/{name}`. The name in the path wins.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSendRequest {
    /// The message.
    pub body: Value,
    /// The queue, once more.
    pub name: Option<String>,
    /// Whether the answer waits for completion.
    pub wait: bool,
    /// How long it waits, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// How a queue send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueStatus {
    /// Stored, or completed if that was awaited.
    Completed,
    /// Not completed in time.
    TimedOut,
}

impl QueueStatus {
    /// Its word in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timedOut",
        }
    }
}

/// The answer to a queue send.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSendResponse {
    /// How it ended.
    pub status: QueueStatus,
    /// What the consumer answered.
    pub response: Option<Value>,
}

/// Which actor an error comes from; sent in version 4, JSON and CBOR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorSpecifier {
    /// Its id.
    pub actor_id: String,
    /// Its generation, which grows with every start elsewhere.
    pub generation: u64,
    /// Its serialized key.
    pub key: Option<String>,
}

/// An error with the actor that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorBody {
    /// The error.
    pub error: ActorError,
    /// The actor.
    pub actor: Option<ActorSpecifier>,
}

/// What a client says on a WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub enum ToServer {
    /// Run an action.
    Action {
        /// Chosen by the client; names the answer.
        id: u64,
        /// The action.
        name: String,
        /// Its arguments.
        args: Vec<Value>,
    },
    /// Begin or end receiving an event.
    Subscription {
        /// The event.
        event: String,
        /// Begin, or end.
        subscribe: bool,
    },
}

/// What the server says on a WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub enum ToClient {
    /// The connection is accepted.
    Init {
        /// The actor.
        actor_id: String,
        /// The connection.
        connection_id: String,
    },
    /// An action failed, or, without an action id, the connection.
    Error {
        /// The error.
        body: ErrorBody,
        /// The action.
        action_id: Option<u64>,
    },
    /// An action's result.
    Response {
        /// The action.
        id: u64,
        /// The result.
        output: Value,
    },
    /// An event.
    Event {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Vec<Value>,
    },
}

/// Tags of the union of messages to the server.
pub(crate) mod action_tag {
    pub(crate) const ACTION: u8 = 0;
    pub(crate) const SUBSCRIPTION: u8 = 1;
}

/// Tags of the union of messages to the client.
pub(crate) mod client_tag {
    pub(crate) const INIT: u8 = 0;
    pub(crate) const ERROR: u8 = 1;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const EVENT: u8 = 3;
}
