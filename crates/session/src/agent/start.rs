//! Bringing an agent up: its process, `initialize`, and the conversation, new or continued (lifecycle.md sections 6 and 7.1).

use super::acp;
use super::live::Live;
use super::message::{Answer, NOT_FOUND, RpcError};
use super::peer::{self, Peer};
use super::servers;
use super::v2;
use crate::computer::Launch;
use crate::error::{Error, Result};
use crate::instructions;
use crate::model::{EnvValue, McpServer, ResumedVia};
use crate::session::Session;
use crate::storage::Secrets;
use agent_client_protocol_schema::v1::AgentCapabilities;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What of a session's options may be secret, as it is stored.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Private {
    pub(crate) env: BTreeMap<String, EnvValue>,
    pub(crate) mcp_servers: Vec<McpServer>,
}

/// An agent that has a conversation.
pub(crate) struct Begun {
    pub(crate) live: Arc<Live>,
    pub(crate) via: ResumedVia,
    pub(crate) agent_session: String,
    /// The answer that began the conversation: modes, models, options.
    pub(crate) answer: Value,
}

/// How an agent is started.
pub(crate) struct How {
    /// Its own id of an earlier conversation.
    pub(crate) known: Option<String>,
    /// Whether its MCP servers are tried first. They have been where a crashed agent comes back.
    pub(crate) check_servers: bool,
}

/// Starts the agent of a session.
pub(crate) async fn start(session: &Arc<Session>, place: super::live::LivePlace, how: How) -> Result<Begun> {
    let private = private(session)?;
    let (live, offers_v2) = launch(session, place, &private).await?;
    let begun = begin(session, &live, &private, (how, offers_v2)).await;
    if begun.is_err() {
        live.stop(std::time::Duration::ZERO).await;
    }
    begun
}

/// Starts the agent's process; says whether version 2 of the protocol is to be offered to it.
async fn launch(session: &Arc<Session>, place: super::live::LivePlace, private: &Private) -> Result<(Arc<Live>, bool)> {
    let core = session.core();
    let command = core.agents().resolve(session.agent_type(), &*core.computer).await?;
    let given = private
        .env
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let given = core
        .computer
        .reveal("options.env", given)
        .await
        .map_err(|error| refused(session, error))?;
    let offers_v2 = command.v2;
    let mut launch = Launch::new(command.argv);
    launch.env = command.env;
    launch
        .env
        .push(("AGENTOS_SESSION_ID".to_owned(), session.id().to_owned()));
    launch
        .env
        .push(("AGENTOS_INSTRUCTIONS".to_owned(), instructions::path(session)));
    if session.agent_type() == instructions::PI {
        launch.path_first = Some(instructions::PI_FOLDER.to_owned());
        launch
            .env
            .push(("PI_ACP_PI_COMMAND".to_owned(), instructions::PI_PATH.to_owned()));
    }
    launch.env.extend(given);
    if session.agent_type() == instructions::OPENCODE {
        instructions::add_to_opencode(&mut launch.env, &instructions::path(session));
    }
    launch.cwd = Some(session.cwd().to_owned());
    launch.stdin = true;
    launch.is_agent = true;
    let child = core
        .computer
        .start(launch)
        .await
        .map_err(|error| refused(session, error))?;
    let (peer, outgoing) = Peer::new();
    let live = Arc::new(Live::new(session, child.control, peer, place));
    let writer = Arc::downgrade(&live);
    let stdin = child.stdin;
    core.spawn(async move {
        if !peer::write(stdin, outgoing).await
            && let Some(live) = writer.upgrade()
        {
            live.stopped_reading();
        }
    });
    core.spawn(Arc::clone(&live).read(child.output));
    Ok((live, offers_v2))
}

pub(super) fn refused(session: &Session, error: crate::computer::VmError) -> Error {
    match error.code.as_str() {
        "limit_exceeded" | "invalid_argument" | "vm_disposed" => Error::Vm {
            code: error.code,
            message: error.message,
        },
        _ => Error::AgentStartFailed {
            agent_type: session.agent_type().to_owned(),
            reason: error.message,
            exit_code: None,
            stderr_tail: String::new(),
        },
    }
}

async fn begin(
    session: &Arc<Session>,
    live: &Arc<Live>,
    private: &Private,
    (how, offers_v2): (How, bool),
) -> Result<Begun> {
    let failed = |method: &str, error: &RpcError| failed(session, live, method, error);
    // Both take their time, and neither needs the other.
    let checked = async {
        match how.check_servers {
            true => servers::check(session, private).await,
            false => Ok(()),
        }
    };
    let (agent, ()) = tokio::try_join!(initialize(session, live, offers_v2), checked)?;
    let opening = opening(session, live, private, &agent).await?;
    if let Some(known) = how.known
        && let Some((method, params)) = opening.known_session(&known, &agent)
    {
        let answer = live.begin(method, params, Some(known.clone())).await;
        match answer.map_err(|error| starting(session, error))? {
            Ok(answer) => {
                return Ok(Begun {
                    live: Arc::clone(live),
                    via: ResumedVia::Loaded,
                    agent_session: known,
                    answer,
                });
            }
            Err(error) if unknown_session(&error) => {}
            Err(error) => return Err(failed(method, &error)),
        }
    }
    let new = |params| async { live.begin("session/new", params, None).await };
    let mut answer = new(opening.new_session())
        .await
        .map_err(|error| starting(session, error))?;
    if matches!(&answer, Err(error) if error.code == AUTH_REQUIRED) && authenticate(session, live).await? {
        answer = new(opening.new_session())
            .await
            .map_err(|error| starting(session, error))?;
    }
    let answer = answer.map_err(|error| failed("session/new", &error))?;
    let Some(agent_session) = live.agent_session() else {
        return Err(failed("session/new", &RpcError::new(0, "its answer has no sessionId")));
    };
    Ok(Begun {
        live: Arc::clone(live),
        via: ResumedVia::Transcript,
        agent_session,
        answer,
    })
}

/// The beginning of a conversation in the version that the agent chose.
enum Opening<'a> {
    V1(acp::Opening<'a>),
    V2(v2::Opening<'a>),
}

impl Opening<'_> {
    fn new_session(&self) -> Value {
        match self {
            Self::V1(opening) => opening.new_session(),
            Self::V2(opening) => opening.new_session(),
        }
    }

    fn known_session(&self, id: &str, agent: &AgentCapabilities) -> Option<(&'static str, Value)> {
        match self {
            Self::V1(opening) => opening.known_session(id, agent),
            Self::V2(opening) => Some(("session/resume", opening.resume(id))),
        }
    }
}

async fn opening<'a>(
    session: &'a Session,
    live: &Live,
    private: &Private,
    agent: &AgentCapabilities,
) -> Result<Opening<'a>> {
    let servers = servers::servers(session, private, agent).await?;
    let meta = instructions::publish(session).await?;
    let cwd = session.cwd();
    if !live.is_v2() {
        return Ok(Opening::V1(acp::Opening { cwd, servers, meta }));
    }
    let said = |name: &str| {
        let initialized = live.initialized.lock();
        initialized
            .pointer(&format!("/agentCapabilities/{name}"))
            .and_then(Value::as_bool)
            == Some(true)
    };
    let (takes_prompt, starts_servers) = (said("systemPrompt"), said("mcpCapabilities/stdio"));
    let text = meta
        .get("systemPrompt")
        .and_then(|prompt| prompt.get("append"))
        .and_then(Value::as_str);
    Ok(Opening::V2(v2::Opening {
        cwd,
        servers: servers::of_v2(session, servers, starts_servers).await?,
        instructions: text.filter(|_| takes_prompt).map(str::to_owned),
        meta,
    }))
}

/// Asks an agent what it can, and notes which version of the protocol it chose.
async fn initialize(session: &Session, live: &Live, offers_v2: bool) -> Result<AgentCapabilities> {
    let failed = |error: &RpcError| failed(session, live, "initialize", error);
    let (params, newest) = match offers_v2 {
        true => (v2::initialize(), v2::VERSION),
        false => (acp::initialize(), acp::VERSION),
    };
    let time = session.core().limits.initialize_timeout;
    let answer = live.ask("initialize", params, time).await;
    let mut answer = answer
        .map_err(|error| starting(session, error))?
        .map_err(|error| failed(&error))?;
    if let Some(told) = v2::initialized(&answer).filter(|_| offers_v2) {
        live.chose_v2();
        answer = told;
    }
    let version = if live.is_v2() { v2::VERSION } else { acp::VERSION };
    let known = acp::initialized(&answer).filter(|agent| agent.protocol_version == version);
    let Some(agent) = known else {
        let version = answer.get("protocolVersion").cloned().unwrap_or_default();
        let version = crate::text::shown(&version.to_string(), 20);
        let text = match offers_v2 && version == newest.to_string() {
            true => "its answer is none of version 2 of the protocol with sessions".to_owned(),
            false => format!("it speaks version {version} of the protocol, not {}", acp::VERSION),
        };
        return Err(failed(&RpcError::new(0, text)));
    };
    *live.initialized.lock() = answer;
    Ok(agent.agent_capabilities)
}

/// What agents answer that want to know first who pays.
const AUTH_REQUIRED: i64 = -32000;
/// Ways to authenticate that are tried of an agent.
const WAYS: usize = 8;

/// Lets an agent take its key from its environment, by the first of its ways that works (Codex wants to be told). Ways
/// for which a person would have to open a page are not for us to choose.
async fn authenticate(session: &Session, live: &Live) -> Result<bool> {
    let initialized = live.initialized.lock().clone();
    let ways = initialized.get("authMethods").and_then(Value::as_array);
    let by_environment = |way: &&Value| way.get("type").is_some_and(|kind| kind == "env_var");
    for way in ways.into_iter().flatten().filter(by_environment).take(WAYS) {
        let Some(id) = way.get("id").filter(|id| id.is_string()) else {
            continue;
        };
        let limit = session.core().limits.request_timeout;
        let answer = live.ask("authenticate", json!({"methodId": id}), limit).await;
        if answer.map_err(|error| starting(session, error))?.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Agents say in various forms that they do not know a session.
fn unknown_session(error: &RpcError) -> bool {
    let text = format!("{} {}", error.message, error.data.clone().unwrap_or_default()).to_lowercase();
    let denies = [
        "not found",
        "unknown",
        "no such",
        "does not exist",
        "doesn't exist",
        "invalid session",
    ];
    error.code == NOT_FOUND || (text.contains("session") && denies.iter().any(|denial| text.contains(denial)))
}

/// An error answer where there must be none.
fn failed(session: &Session, live: &Live, method: &str, error: &RpcError) -> Error {
    let detail = match &error.data {
        Some(data) => format!("{}: {}", error.message, crate::text::head(&data.to_string(), 500)),
        None => error.message.clone(),
    };
    Error::AgentStartFailed {
        agent_type: session.agent_type().to_owned(),
        reason: format!("{method}: {}", crate::text::head(&detail, 1000)),
        exit_code: live.peer.ended().map(|ended| ended.exit.code),
        stderr_tail: live.stderr_tail(),
    }
}

/// An agent that ends before it works did not start.
fn starting(session: &Session, error: Error) -> Error {
    match error {
        Error::AgentCrashed {
            reason,
            exit_code,
            stderr_tail,
            ..
        } => Error::AgentStartFailed {
            agent_type: session.agent_type().to_owned(),
            reason,
            exit_code,
            stderr_tail,
        },
        other => other,
    }
}

fn private(session: &Session) -> Result<Private> {
    let row = session
        .core()
        .storage
        .session(session.id())?
        .ok_or_else(|| Error::not_found(session.id()))?;
    match row.secrets {
        Secrets::None => Ok(Private::default()),
        Secrets::Open(text) => serde_json::from_str(&text).map_err(|error| Error::Storage {
            code: "storage_corrupt",
            reason: format!("the options of a session cannot be read: {error}"),
        }),
        Secrets::Closed(reason) => Err(Error::AgentStartFailed {
            agent_type: session.agent_type().to_owned(),
            reason: format!("its environment is sealed: {reason}"),
            exit_code: None,
            stderr_tail: String::new(),
        }),
    }
}

/// The answer of an agent, where an error is passed on to the client.
pub(crate) fn response(answer: Answer) -> Value {
    match answer {
        Ok(result) => json!({"jsonrpc": "2.0", "id": Value::Null, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": Value::Null, "error": error.to_value()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_forgot_a_session_are_understood() {
        for (code, message, data, expected) in [
            (-32002, "Resource not found", Value::Null, true),
            (
                -32603,
                "Internal error",
                json!({"details": "Session abc not found"}),
                true,
            ),
            (-32602, "Invalid params", json!("Unknown sessionId"), true),
            (-32000, "Authentication required", Value::Null, false),
            (-32603, "Internal error", Value::Null, false),
        ] {
            let error = RpcError {
                code,
                message: message.to_owned(),
                data: Some(data),
            };
            assert_eq!(unknown_session(&error), expected, "{error:?}");
        }
    }
}
