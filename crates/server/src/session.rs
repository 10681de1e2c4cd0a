//! The place of sessions (api.md section 4.5).
//!
//! Sessions are a layer of their own: agents over their protocol, with history and approvals. Its tables exist in every
//! store, its actions have their names here, and this trait is how it plugs in. The only layer there is today says that it is
//! not there, for each action and in the same way.

use crate::errors::unsupported;
use agentos_actor::{ActionKind, BoxFuture};
use agentos_value::{ActorError, Value};

/// Actions of sessions, and whether they need the VM.
pub const SESSION_ACTIONS: &[(&str, ActionKind)] = &[
    ("listAgents", ActionKind::Stored),
    ("createSession", ActionKind::Awake),
    ("listSessions", ActionKind::Stored),
    ("getSession", ActionKind::Stored),
    ("resumeSession", ActionKind::Awake),
    ("sendPrompt", ActionKind::Awake),
    ("cancelPrompt", ActionKind::Awake),
    ("closeSession", ActionKind::Stored),
    ("destroySession", ActionKind::Stored),
    ("setModel", ActionKind::Awake),
    ("setMode", ActionKind::Awake),
    ("setThoughtLevel", ActionKind::Awake),
    ("getModes", ActionKind::Awake),
    ("getConfigOptions", ActionKind::Awake),
    ("getEvents", ActionKind::Stored),
    ("getSequencedEvents", ActionKind::Stored),
    ("listPersistedSessions", ActionKind::Stored),
    ("getSessionEvents", ActionKind::Stored),
    ("rawSend", ActionKind::Awake),
    ("respondPermission", ActionKind::Awake),
    ("listPendingPermissions", ActionKind::Stored),
    ("listPermissionGrants", ActionKind::Stored),
    ("revokePermissionGrant", ActionKind::Stored),
];

/// A layer that answers the actions of sessions.
pub trait SessionLayer: Send + Sync + 'static {
    /// Whether the layer answers `action`. Actions that it does not answer never boot a VM.
    fn answers(&self, action: &str) -> bool;

    /// Answers one action.
    ///
    /// # Errors
    /// Whatever the action fails with, in its documented form.
    fn call<'a>(&'a self, action: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value, ActorError>>;
}

/// No sessions: `listAgents` lists none, everything else is `agentos/unsupported`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSessions;

impl SessionLayer for NoSessions {
    fn answers(&self, action: &str) -> bool {
        action == "listAgents"
    }

    fn call<'a>(&'a self, action: &'a str, _args: Vec<Value>) -> BoxFuture<'a, Result<Value, ActorError>> {
        let result = match action {
            "listAgents" => Ok(Value::Array(Vec::new())),
            other => Err(unsupported(&format!("the session action `{other}`"))),
        };
        Box::pin(std::future::ready(result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_there_says_so() {
        for (action, _) in SESSION_ACTIONS.iter().filter(|(action, _)| *action != "listAgents") {
            let error = NoSessions.call(action, Vec::new()).await.unwrap_err();
            assert!(error.is("agentos", "unsupported"), "{error}");
        }
        assert_eq!(
            NoSessions.call("listAgents", Vec::new()).await,
            Ok(Value::Array(Vec::new()))
        );
    }
}
