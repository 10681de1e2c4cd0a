//! The shapes of sessions (api.md section 5.1), as clients see them.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Names of an enumeration, in the API and in the storage.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The name in the API.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The one of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Where a session is in its life (lifecycle.md section 6).
    Status {
        /// An agent runs and is initialised.
        Live = "live",
        /// Not closed, no agent runs.
        Suspended = "suspended",
        /// History only.
        Closed = "closed",
    }
}

words! {
    /// Who decides about what an agent asks permission for (security.md section 5).
    ApprovalPolicy {
        /// Grants, then hooks and clients.
        Ask = "ask",
        /// Every request is allowed, once.
        AllowAll = "allow_all",
        /// Every request is rejected.
        RejectAll = "reject_all",
    }
}

words! {
    /// An answer to a permission request.
    Reply {
        /// This once.
        Once = "once",
        /// From now on, in a scope.
        Always = "always",
        /// No.
        Reject = "reject",
    }
}

words! {
    /// How a permission request ended.
    Outcome {
        /// Allowed, once.
        Once = "once",
        /// Allowed from now on.
        Always = "always",
        /// Rejected.
        Reject = "reject",
        /// The prompt was cancelled, ran out of time, or its session or agent ended.
        Cancelled = "cancelled",
    }
}

words! {
    /// Who decided.
    Via {
        /// The session's policy.
        Policy = "policy",
        /// A grant.
        Grant = "grant",
        /// A hook of the server.
        Hook = "hook",
        /// A client, or the host's own code.
        Client = "client",
        /// The end of what it belonged to.
        Cancelled = "cancelled",
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Once => Self::Once,
            Reply::Always => Self::Always,
            Reply::Reject => Self::Reject,
        }
    }
}

words! {
    /// How a session came to have a running agent.
    ResumedVia {
        /// It was running.
        Live = "live",
        /// The agent loaded its own record of the conversation.
        Loaded = "loaded",
        /// A new agent session, which is told of a transcript.
        Transcript = "transcript",
    }
}

/// A value of an environment: itself, or the name of a secret of the host. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnvValue {
    /// The value.
    Plain(String),
    /// A reference, resolved whenever the agent is started.
    Secret {
        /// Name of the secret.
        secret: String,
    },
}

impl std::fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnvValue(..)")
    }
}

impl<S: Into<String>> From<S> for EnvValue {
    fn from(value: S) -> Self {
        Self::Plain(value.into())
    }
}

/// A server of the Model Context Protocol that an agent is to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum McpServer {
    /// A program that the agent starts in the VM.
    Local {
        /// Name that the agent shows; `mcp-1` and so on unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Program.
        command: String,
        /// Its arguments.
        #[serde(default)]
        args: Vec<String>,
        /// Its environment.
        #[serde(default)]
        env: BTreeMap<String, EnvValue>,
    },
    /// A server that the agent reaches from inside of the VM.
    Remote {
        /// Name that the agent shows; `mcp-1` and so on unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Where it is.
        url: String,
        /// Headers of each request.
        #[serde(default)]
        headers: BTreeMap<String, EnvValue>,
    },
}

/// Options of a new session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CreateOptions {
    /// Directory that the agent works in; `/home/user` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables of the agent's environment.
    pub env: BTreeMap<String, EnvValue>,
    /// Servers of the Model Context Protocol.
    pub mcp_servers: Vec<McpServer>,
    /// Leaves the base text of the system prompt out.
    pub skip_os_instructions: bool,
    /// Added to the system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_instructions: Option<String>,
    /// Who decides about permission requests; `ask` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_policy: Option<ApprovalPolicy>,
}

impl CreateOptions {
    /// Reads options that a client gave.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], for a member that is unknown or has an unacceptable value.
    pub fn from_json(value: Value) -> Result<Self> {
        if value.is_null() {
            return Ok(Self::default());
        }
        serde_json::from_value(value).map_err(|error| {
            // The message names members and kinds; values in it are short words of an enumeration.
            Error::invalid(
                "options",
                "CreateSessionOptions",
                crate::text::shown(&error.to_string(), 200),
            )
        })
    }
}

/// A session, as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionRecord {
    /// Its id, for ever.
    pub session_id: String,
    /// Name of the agent.
    pub agent_type: String,
    /// What the agent can do.
    pub capabilities: Value,
    /// What the agent says of itself.
    pub agent_info: Option<Value>,
    /// Where it is in its life.
    pub status: Status,
    /// When it was created, in ms since the Unix epoch.
    pub created_at: i64,
}

/// An event of a session with its place in the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionEvent {
    /// The session.
    pub session_id: String,
    /// From 0, without gaps, never reused.
    pub seq: u64,
    /// A JSON-RPC notification.
    pub event: Value,
    /// When it was stored, in ms since the Unix epoch.
    pub created_at: i64,
}

/// Which events to read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EventQuery {
    /// Those from this number on.
    pub since: Option<u64>,
    /// Those after this number; not together with `since`.
    pub after: Option<u64>,
    /// Those before this number.
    pub before: Option<u64>,
    /// Those of this method only.
    pub method: Option<String>,
    /// At most so many.
    pub limit: Option<u64>,
}

impl EventQuery {
    /// Reads a query that a client gave.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], also for `since` and `after` together.
    pub fn from_json(value: Value) -> Result<Self> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let query: Self = serde_json::from_value(value)
            .map_err(|error| Error::invalid("query", "EventQuery", crate::text::shown(&error.to_string(), 200)))?;
        query.check()?;
        Ok(query)
    }

    pub(crate) fn check(&self) -> Result<()> {
        match (self.since, self.after) {
            (Some(_), Some(_)) => Err(Error::invalid("query", "since or after, not both", "both")),
            _ => Ok(()),
        }
    }

    /// The numbers that it asks for, beginning and end.
    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        let from = self
            .since
            .or(self.after.map(|after| after.saturating_add(1)))
            .unwrap_or(0);
        from..self.before.unwrap_or(u64::MAX).max(from)
    }
}

/// What a grant covers. Fields that are given must all match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GrantScope {
    /// Glob on the tool's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// Glob on the tool's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_kind: Option<String>,
    /// Path patterns; every path of the request must match one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Glob on the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Life of the grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// A permission that was given for longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Grant {
    /// Its id.
    pub grant_id: String,
    /// The session that it holds in.
    pub session_id: String,
    /// Always `always`.
    pub reply: Reply,
    /// What it covers.
    pub scope: GrantScope,
    /// When it was given, in ms since the Unix epoch.
    pub created_at: i64,
    /// When it ends, in ms since the Unix epoch.
    pub expires_at: Option<i64>,
    /// How many requests it decided.
    pub uses: u64,
}

impl Grant {
    /// A grant as it is stored.
    pub fn new(
        grant_id: String,
        session_id: String,
        scope: GrantScope,
        created_at: i64,
        expires_at: Option<i64>,
        uses: u64,
    ) -> Self {
        Self {
            grant_id,
            session_id,
            reply: Reply::Always,
            scope,
            created_at,
            expires_at,
            uses,
        }
    }
}

/// What an agent asks permission for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PermissionRequest {
    /// Its id.
    pub permission_id: String,
    /// The session.
    pub session_id: String,
    /// What the agent calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The agent's own parameters.
    pub params: Value,
    /// Name of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// Kind of the tool: `read`, `edit`, `execute` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_kind: Option<String>,
    /// The tool call that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Files that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Command that would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Changes that would be made to files: `{path, oldText, newText}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<Vec<Value>>,
    /// What the agent offers: `{optionId, kind, name}`.
    pub options: Vec<PermissionOption>,
    /// When it came, in ms since the Unix epoch.
    pub created_at: i64,
}

/// One answer that an agent offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionOption {
    /// The agent's id of it.
    pub option_id: String,
    /// `allow_once`, `allow_always`, `reject_once`, `reject_always` or unknown.
    #[serde(default)]
    pub kind: String,
    /// What people are shown.
    #[serde(default)]
    pub name: String,
}

/// How a prompt ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PromptOutcome {
    /// The agent's answer, a JSON-RPC response.
    pub response: Value,
    /// The text of all its message chunks, joined.
    pub text: String,
}

impl PromptOutcome {
    /// Why the agent stopped, for example `end_turn`; none if it answered with an error.
    pub fn stop_reason(&self) -> Option<&str> {
        self.response.get("result")?.get("stopReason")?.as_str()
    }
}
