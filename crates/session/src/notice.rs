//! What sessions tell whoever watches.

use crate::model::{Outcome, PermissionRequest, SessionEvent, Via};
use bytes::Bytes;

/// Something happened. Told in order, after it was stored; whoever is told must return soon.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// A session has a new event.
    Event(SessionEvent),
    /// A request waits for an answer.
    PermissionRequest(Box<PermissionRequest>),
    /// A request has its answer.
    PermissionResolved {
        /// The session.
        session_id: String,
        /// The request.
        permission_id: String,
        /// How it ended.
        outcome: Outcome,
        /// Who decided.
        via: Via,
        /// Name of the tool, if it is known.
        tool: Option<String>,
    },
    /// An agent ended unexpectedly.
    AgentCrashed {
        /// The session.
        session_id: String,
        /// Its exit code.
        exit_code: i32,
        /// The signal that ended it.
        signal: Option<String>,
        /// What was done: `restarted`, `failed` or `exhausted`.
        restart: &'static str,
        /// Restarts within the last hour, this one included.
        restart_count: usize,
    },
    /// An agent wrote to its standard error.
    AgentStderr {
        /// The session.
        session_id: String,
        /// What it wrote.
        data: Bytes,
    },
    /// A grant was given (`created`), decided a request (`used`) or ended (`revoked`).
    Grant {
        /// Which of these.
        what: &'static str,
        /// The session.
        session_id: String,
        /// The grant.
        grant_id: String,
    },
    /// Something was refused because of a limit; whoever asked is told as well.
    LimitExceeded {
        /// Where the limit is configured.
        path: &'static str,
        /// What is counted, in the plural.
        noun: &'static str,
        /// What was asked for.
        observed: u64,
        /// The cap.
        capacity: u64,
        /// The call that was refused, or what could not be done for an agent.
        operation: &'static str,
    },
    /// Usage of a limit that is warned about may have changed; of limits of one session, that of the fullest.
    Usage {
        /// Where the limit is configured.
        path: &'static str,
        /// What is used.
        observed: u64,
        /// The cap.
        capacity: u64,
    },
}
