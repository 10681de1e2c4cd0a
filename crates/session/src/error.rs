//! What calls of this crate fail with.

use crate::model::{Outcome, Status, Via};
use serde_json::{Value, json};

/// Result of a call.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a call failed. [`code`](Error::code) is stable and machine-readable (api.md section 5.3), [`metadata`](Error::metadata)
/// belongs to it; the message is for people.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such session, or it is closed and the call needs one that is not.
    #[error("session not found: {session_id}")]
    SessionNotFound {
        /// The id.
        session_id: String,
        /// `closed` if it is there and closed.
        status: Option<Status>,
    },
    /// No agent of this name can be started in the VM; the reason says what to do.
    #[error("agent \"{agent_type}\" is not installed: {reason}")]
    AgentNotInstalled {
        /// The name.
        agent_type: String,
        /// Explanation.
        reason: String,
    },
    /// The agent was started and did not come to answer as an agent does.
    #[error("agent \"{agent_type}\" did not start: {reason}")]
    AgentStartFailed {
        /// The name.
        agent_type: String,
        /// Explanation.
        reason: String,
        /// Its exit code, if it ended.
        exit_code: Option<i32>,
        /// The end of its error output, at most 4 KiB.
        stderr_tail: String,
    },
    /// A server of the Model Context Protocol that the session was given did not start in the VM.
    #[error("{0}")]
    McpServer(Box<McpFailure>),
    /// The agent ended, or was ended because it broke the protocol.
    #[error("agent \"{agent_type}\" crashed: {reason}")]
    AgentCrashed {
        /// The name.
        agent_type: String,
        /// Explanation.
        reason: String,
        /// Its exit code, if it ended by itself.
        exit_code: Option<i32>,
        /// The end of its error output, at most 4 KiB.
        stderr_tail: String,
    },
    /// The agent did not answer a request in time.
    #[error("the agent did not answer {method} within {timeout_ms} ms")]
    AcpTimeout {
        /// Method of the request.
        method: String,
        /// The deadline.
        timeout_ms: u64,
        /// What was going on: method names and sizes, never content.
        detail: Value,
    },
    /// A prompt took longer than its budget.
    #[error("the prompt did not end within {timeout_ms} ms")]
    PromptTimeout {
        /// The budget.
        timeout_ms: u64,
    },
    /// A limit was reached.
    #[error("limit exceeded: {limit}: {observed} of {capacity} {noun} ({path})", limit = last(.path))]
    Limit {
        /// Where it is configured, for example `limits.acp.maxSessionsPerVm`.
        path: &'static str,
        /// What is counted, in the plural: `sessions`, `bytes`.
        noun: &'static str,
        /// What was asked for.
        observed: u64,
        /// The cap.
        capacity: u64,
        /// The call that was refused, or what could not be done for an agent.
        operation: &'static str,
    },
    /// There is no such permission request.
    #[error("permission not found: {0}")]
    PermissionNotFound(String),
    /// The permission request has its answer already.
    #[error("permission {permission_id} was already resolved: {outcome} by {via}", outcome = outcome.name(), via = via.name())]
    PermissionResolved {
        /// The id.
        permission_id: String,
        /// What it was answered with.
        outcome: Outcome,
        /// By whom.
        via: Via,
    },
    /// An argument with an unacceptable value.
    #[error("{path}: expected {expected}, got {received}")]
    InvalidArgument {
        /// Where it stands.
        path: String,
        /// What is accepted.
        expected: String,
        /// What was given.
        received: String,
    },
    /// Nothing new is begun: the VM is about to end.
    #[error("actor is shutting down, cannot start new prompt")]
    ShuttingDown,
    /// The storage of sessions failed; `code` is an errno name or `storage_corrupt`.
    #[error("{code}: the history of sessions cannot be used: {reason}")]
    Storage {
        /// Stable code.
        code: &'static str,
        /// Explanation.
        reason: String,
    },
    /// The VM refused, in its own words.
    #[error("{message}")]
    Vm {
        /// The VM's code, for example `EACCES`.
        code: String,
        /// The VM's message.
        message: String,
    },
}

/// Which server of the Model Context Protocol did not start, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("agent \"{agent_type}\" did not start: its MCP server \"{server}\" ({command}) did not: {reason}{wrote}; {advice}", wrote = self.wrote())]
#[non_exhaustive]
pub struct McpFailure {
    /// The agent that was to use it.
    pub agent_type: String,
    /// Its name.
    pub server: String,
    /// Its program, without its arguments.
    pub command: String,
    /// What happened.
    pub reason: String,
    /// What to do.
    pub advice: &'static str,
    /// Its exit code, if it ended.
    pub exit_code: Option<i32>,
    /// The end of its error output, at most 4 KiB, with what is secret masked.
    pub stderr_tail: String,
}

impl McpFailure {
    /// The end of what it wrote, for the message.
    fn wrote(&self) -> String {
        let shown = crate::text::tail(self.stderr_tail.trim(), 400);
        match shown.is_empty() {
            true => String::new(),
            false => format!(", and wrote \"{}\"", crate::text::shown(shown, 400)),
        }
    }
}

/// The unit of what is counted (limits.md section 1).
fn unit(noun: &str) -> &str {
    match noun {
        "bytes" | "ms" => noun,
        _ => "count",
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

impl Error {
    /// Stable machine-readable code.
    pub fn code(&self) -> &str {
        match self {
            Self::SessionNotFound { .. } => "session_not_found",
            Self::AgentNotInstalled { .. } => "agent_not_installed",
            Self::AgentStartFailed { .. } | Self::McpServer(_) => "agent_start_failed",
            Self::AgentCrashed { .. } => "agent_crashed",
            Self::AcpTimeout { .. } => "acp_timeout",
            Self::PromptTimeout { .. } => "prompt_timeout",
            Self::Limit { .. } => "limit_exceeded",
            Self::PermissionNotFound(_) => "permission_not_found",
            Self::PermissionResolved { .. } => "permission_already_resolved",
            Self::InvalidArgument { .. } => "invalid_argument",
            Self::ShuttingDown => "shutting_down",
            Self::Storage { code, .. } => code,
            Self::Vm { code, .. } => code,
        }
    }

    /// What belongs to the code, as a JSON object.
    pub fn metadata(&self) -> Value {
        match self {
            Self::SessionNotFound { session_id, status } => match status {
                Some(status) => json!({"sessionId": session_id, "status": status}),
                None => json!({"sessionId": session_id}),
            },
            Self::AgentNotInstalled { agent_type, .. } => json!({"agentType": agent_type}),
            Self::AgentStartFailed {
                agent_type,
                exit_code,
                stderr_tail,
                ..
            }
            | Self::AgentCrashed {
                agent_type,
                exit_code,
                stderr_tail,
                ..
            } => json!({"agentType": agent_type, "exitCode": exit_code, "stderrTail": stderr_tail}),
            Self::McpServer(failure) => json!({"agentType": failure.agent_type, "exitCode": failure.exit_code,
                "stderrTail": failure.stderr_tail, "mcpServer": {"name": failure.server, "command": failure.command}}),
            Self::AcpTimeout { detail, .. } => detail.clone(),
            Self::PromptTimeout { timeout_ms } => {
                json!({"kind": "prompt_timeout", "method": "session/prompt", "timeoutMs": timeout_ms})
            }
            Self::Limit {
                path,
                noun,
                observed,
                capacity,
                operation,
            } => json!({"limit": last(path), "observed": observed, "capacity": capacity, "unit": unit(noun),
                "operation": operation, "configurationPath": path}),
            Self::PermissionNotFound(id) => json!({"permissionId": id}),
            Self::PermissionResolved {
                permission_id,
                outcome,
                via,
            } => json!({"permissionId": permission_id, "outcome": outcome, "via": via}),
            Self::InvalidArgument {
                path,
                expected,
                received,
            } => json!({"path": path, "expected": expected, "received": received}),
            Self::ShuttingDown | Self::Storage { .. } | Self::Vm { .. } => json!({}),
        }
    }

    pub(crate) fn invalid(path: &str, expected: &str, received: impl Into<String>) -> Self {
        Self::InvalidArgument {
            path: path.to_owned(),
            expected: expected.to_owned(),
            received: received.into(),
        }
    }

    pub(crate) const fn limit(
        (path, noun): (&'static str, &'static str),
        observed: u64,
        capacity: u64,
        operation: &'static str,
    ) -> Self {
        Self::Limit {
            path,
            noun,
            observed,
            capacity,
            operation,
        }
    }

    pub(crate) fn not_found(session_id: &str) -> Self {
        Self::SessionNotFound {
            session_id: crate::text::shown(session_id, 64),
            status: None,
        }
    }
}
