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

/// An agent that the software of a VM declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredAgent {
    id: String,
    acp_adapter: String,
    agent_package: String,
}

impl DeclaredAgent {
    /// An agent by its id and the package of its adapter.
    pub fn new(id: impl Into<String>, acp_adapter: impl Into<String>) -> Self {
        let acp_adapter = acp_adapter.into();
        Self {
            id: id.into(),
            agent_package: acp_adapter.clone(),
            acp_adapter,
        }
    }

    /// The package of the agent itself, if it is not that of its adapter.
    #[must_use]
    pub fn agent_package(mut self, package: impl Into<String>) -> Self {
        self.agent_package = package.into();
        self
    }

    fn listed(&self) -> Value {
        Value::object([
            ("id", Value::from(self.id.as_str())),
            ("acpAdapter", Value::from(self.acp_adapter.as_str())),
            ("agentPackage", Value::from(self.agent_package.as_str())),
            ("installed", Value::Bool(false)),
        ])
    }
}

/// Agents that are declared, and no sessions: `listAgents` lists the agents as not installed, `createSession` with another
/// is `agentos/agent_not_installed`, everything else is `agentos/unsupported`.
#[derive(Debug, Clone, Default)]
pub struct DeclaredAgents(Vec<DeclaredAgent>);

impl DeclaredAgents {
    /// Declares agents.
    pub fn new(agents: impl IntoIterator<Item = DeclaredAgent>) -> Self {
        Self(agents.into_iter().collect())
    }

    fn unknown(&self, args: &[Value]) -> Option<ActorError> {
        let id = args.first().and_then(Value::as_str)?;
        if self.0.iter().any(|agent| agent.id == id) {
            return None;
        }
        let known: Vec<&str> = self.0.iter().map(|agent| agent.id.as_str()).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        let shown: String = id.chars().take(64).flat_map(char::escape_default).collect();
        let message = format!("agent \"{shown}\" is not installed; the software of this VM declares: {known}");
        let metadata = Value::object([("agentType", shown.as_str())]);
        Some(ActorError::agentos("agent_not_installed", message).with_metadata(metadata))
    }
}

impl SessionLayer for DeclaredAgents {
    fn answers(&self, action: &str) -> bool {
        NoSessions.answers(action)
    }

    fn call<'a>(&'a self, action: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value, ActorError>> {
        let result = match action {
            "listAgents" => Ok(Value::Array(self.0.iter().map(DeclaredAgent::listed).collect())),
            "createSession" => match self.unknown(&args) {
                Some(error) => Err(error),
                None => return NoSessions.call(action, args),
            },
            _ => return NoSessions.call(action, args),
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

    #[tokio::test]
    async fn declared_agents_are_listed_and_told_from_others() {
        let layer = DeclaredAgents::new([DeclaredAgent::new("pi", "@agentos/pi")]);
        let listed = layer.call("listAgents", Vec::new()).await.unwrap();
        assert_eq!(
            listed,
            Value::Array(vec![DeclaredAgent::new("pi", "@agentos/pi").listed()])
        );
        for (agent, code) in [("pi", "unsupported"), ("po", "agent_not_installed")] {
            let error = layer.call("createSession", vec![Value::from(agent)]).await.unwrap_err();
            assert!(error.is("agentos", code), "{error}");
        }
    }
}
