//! Version 2 of the protocol, which is a preview: spoken with agents that were declared so, if they choose it.
//!
//! The layer thinks in version 1. Version 2 differs where a conversation begins and where a prompt ends: an agent answers a
//! prompt as soon as it has taken it, tells of its work by `state_update`, repeats what the user said, and serves files
//! and terminals itself. This module makes what is sent and reads what comes by the types of version 2, and gives it to the rest
//! in the terms of version 1; updates stand in the events as they came.
//!
//! ```text
//!   initialize {2, ...} -> {1}    version 1, as if nothing else had been offered
//!                       -> {2}    session/new, session/resume; session/prompt -> {messageId}
//!                                 state_update running ... state_update idle {stopReason} = the answer to the prompt
//! ```

use super::acp;
use super::message::{Answer, RpcError};
use agent_client_protocol_schema::{ProtocolVersion, v1, v2};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The version.
pub(crate) const VERSION: ProtocolVersion = ProtocolVersion::V2;

/// The code of an error that an agent reports without one.
const INTERNAL: i64 = -32603;

fn value(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// Parameters of `initialize` that offer this version. An agent that only knows version 1 finds in them what it reads there.
pub(crate) fn initialize() -> Value {
    let info = v2::Implementation::new("agentos", env!("CARGO_PKG_VERSION")).title("agentOS".to_owned());
    let mut offered = acp::initialize();
    let request = value(&v2::InitializeRequest::new(VERSION, info));
    if let (Some(offered), Value::Object(request)) = (offered.as_object_mut(), request) {
        offered.extend(request);
    }
    offered
}

/// What an agent that chose this version says of itself, in the terms of version 1; none if it did not, or has no sessions.
pub(crate) fn initialized(answer: &Value) -> Option<Value> {
    let answer = v2::InitializeResponse::deserialize(answer).ok()?;
    if answer.protocol_version != VERSION {
        return None;
    }
    let session = answer.capabilities.session?;
    let prompt = session.prompt.unwrap_or_default();
    let mcp = session.mcp.unwrap_or_default();
    Some(json!({
        "protocolVersion": VERSION,
        "agentInfo": value(&answer.info),
        "agentCapabilities": {
            "promptCapabilities": {
                "image": prompt.image.is_some(), "audio": prompt.audio.is_some(),
                "embeddedContext": prompt.embedded_context.is_some(),
            },
            "mcpCapabilities": {"http": mcp.http.is_some(), "sse": false, "stdio": mcp.stdio.is_some()},
            // Whoever has sessions resumes them.
            "sessionCapabilities": {"resume": {}},
            "systemPrompt": session.system_prompt.is_some(),
        },
        "authMethods": [],
    }))
}

/// The beginning of a conversation.
pub(crate) struct Opening<'a> {
    pub(crate) cwd: &'a str,
    pub(crate) servers: Vec<v2::McpServer>,
    pub(crate) meta: v2::Meta,
    /// What is added to the agent's instructions, for agents that take it.
    pub(crate) instructions: Option<String>,
}

impl Opening<'_> {
    fn system_prompt(&self) -> Option<v2::SystemPrompt> {
        let text = self.instructions.clone()?;
        Some(v2::SystemPrompt::new(vec![v2::ContentBlock::Text(
            v2::TextContent::new(text),
        )]))
    }

    /// Parameters of `session/new`.
    pub(crate) fn new_session(&self) -> Value {
        let request = v2::NewSessionRequest::new(self.cwd).mcp_servers(self.servers.clone());
        value(&request.system_prompt(self.system_prompt()).meta(self.meta.clone()))
    }

    /// Parameters of `session/resume`. Nothing is replayed: we have the history.
    pub(crate) fn resume(&self, id: &str) -> Value {
        let request = v2::ResumeSessionRequest::new(id.to_owned(), self.cwd).mcp_servers(self.servers.clone());
        value(&request.system_prompt(self.system_prompt()).meta(self.meta.clone()))
    }
}

/// A server as this version has it; none for what it has not.
pub(crate) fn server(server: v1::McpServer) -> Option<v2::McpServer> {
    match server {
        v1::McpServer::Stdio(stdio) => {
            let env = stdio.env.into_iter();
            let env = env.map(|variable| v2::EnvVariable::new(variable.name, variable.value));
            let made = v2::McpServerStdio::new(stdio.name, stdio.command).args(stdio.args);
            Some(v2::McpServer::Stdio(made.env(env.collect())))
        }
        v1::McpServer::Http(http) => {
            let headers = http.headers.into_iter();
            let headers = headers.map(|header| v2::HttpHeader::new(header.name, header.value));
            let made = v2::McpServerHttp::new(http.name, http.url).headers(headers.collect());
            Some(v2::McpServer::Http(made))
        }
        _ => None,
    }
}

/// Whether an update repeats what the user said, which is in the history before the agent hears it.
pub(crate) fn is_echo(update: &Value) -> bool {
    let kind = update.get("sessionUpdate").and_then(Value::as_str);
    matches!(kind, Some("user_message" | "user_message_chunk"))
}

/// A whole message of the agent: its id, and its text.
pub(crate) fn message(update: &Value) -> Option<(String, String)> {
    let v2::SessionUpdate::AgentMessage(_) = v2::SessionUpdate::deserialize(update).ok()? else {
        return None;
    };
    let id = update.get("messageId")?.as_str()?.to_owned();
    let blocks = update.get("content")?.as_array()?.iter();
    let text = |block: &Value| Some(block.get("text")?.as_str()?.to_owned());
    Some((id, blocks.filter_map(text).collect()))
}

/// Whether an update is one of a tool call.
pub(crate) fn is_tool_call(update: &Value) -> bool {
    let read = v2::SessionUpdate::deserialize(update);
    matches!(read, Ok(v2::SessionUpdate::ToolCallUpdate(_)))
}

/// Parameters of a permission request, with its tool call where version 1 has it.
pub(crate) fn permission(mut params: Value) -> Value {
    let Ok(request) = v2::RequestPermissionRequest::deserialize(&params) else {
        // What is wrong with it is told by whoever reads it.
        return params;
    };
    let subject = params.get("subject").cloned().unwrap_or_default();
    let mut call = match request.subject {
        Some(v2::RequestPermissionSubject::ToolCall(_)) => subject.get("toolCall").cloned().unwrap_or_default(),
        Some(v2::RequestPermissionSubject::Command(command)) => {
            let mut call = json!({"kind": "execute", "rawInput": {"command": command.command}});
            if let (Some(call), Some(id)) = (call.as_object_mut(), command.tool_call_id) {
                call.insert("toolCallId".to_owned(), Value::from(id.to_string()));
            }
            call
        }
        _ => json!({}),
    };
    if let Some(call) = call.as_object_mut() {
        call.entry("title").or_insert_with(|| Value::from(request.title));
    }
    if let Some(params) = params.as_object_mut() {
        params.insert("toolCall".to_owned(), call);
    }
    params
}

/// What an agent says of its work.
#[derive(Debug)]
pub(crate) struct Work(watch::Sender<Progress>);

/// How far the prompt is that runs.
#[derive(Debug, Default)]
struct Progress {
    begun: bool,
    end: Option<Answer>,
}

impl Default for Work {
    fn default() -> Self {
        Self(watch::Sender::new(Progress::default()))
    }
}

impl Work {
    /// A prompt is about to be sent: what was said before is not of it.
    pub(crate) fn prompted(&self) {
        self.0.send_replace(Progress::default());
    }

    /// Takes note of a `state_update`. An agent that is idle has ended its prompt, if it says why it stopped or has said that it
    /// works; otherwise it repeats that it has not begun.
    pub(crate) fn told(&self, update: &Value) {
        let Ok(v2::SessionUpdate::StateUpdate(state)) = v2::SessionUpdate::deserialize(update) else {
            return;
        };
        self.0.send_modify(|progress| match state {
            v2::StateUpdate::Running(_) | v2::StateUpdate::RequiresAction(_) => progress.begun = true,
            v2::StateUpdate::Idle(idle) if progress.begun || idle.stop_reason.is_some() => {
                progress.end.get_or_insert_with(|| end(update));
            }
            _ => {}
        });
    }

    /// Waits for the end of the prompt.
    pub(crate) async fn end(&self) -> Answer {
        let mut progress = self.0.subscribe();
        loop {
            if let Some(end) = progress.borrow_and_update().end.clone() {
                return end;
            }
            if progress.changed().await.is_err() {
                // The sender is in here, which is borrowed by whoever waits.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The end of a prompt as the answer that version 1 has.
fn end(update: &Value) -> Answer {
    let reason = update.get("stopReason").and_then(Value::as_str).unwrap_or("end_turn");
    if reason != "error" {
        return Ok(json!({"stopReason": reason}));
    }
    let error = update.get("error");
    let member = |name: &str| error.and_then(|error| error.get(name));
    Err(RpcError {
        code: member("code").and_then(Value::as_i64).unwrap_or(INTERNAL),
        message: member("message")
            .and_then(Value::as_str)
            .unwrap_or("the agent failed")
            .to_owned(),
        data: member("data").cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_offered_in_one_message() {
        let offered = initialize();
        assert_eq!(offered["protocolVersion"], 2);
        assert_eq!(offered["info"]["name"], "agentos");
        assert_eq!(offered["clientInfo"]["name"], "agentos");
        assert_eq!(offered["clientCapabilities"]["terminal"], true);
        assert!(offered["capabilities"].is_object());
    }

    #[test]
    fn who_chose_it_is_told_in_the_terms_of_version_1() {
        let answer = json!({"protocolVersion": 2, "info": {"name": "a", "version": "1"}, "capabilities": {"session": {
            "prompt": {"image": {}}, "mcp": {"stdio": {}}, "systemPrompt": {}}}});
        let told = initialized(&answer).unwrap();
        assert_eq!(
            told["agentCapabilities"]["promptCapabilities"],
            json!({"image": true, "audio": false, "embeddedContext": false})
        );
        assert_eq!(told["agentCapabilities"]["systemPrompt"], true);
        let read = acp::initialized(&told).unwrap();
        assert!(read.agent_capabilities.session_capabilities.resume.is_some() && !read.agent_capabilities.load_session);
        for wrong in [
            json!({"protocolVersion": 1, "info": {"name": "a", "version": "1"}, "capabilities": {"session": {}}}),
            json!({"protocolVersion": 2, "info": {"name": "a", "version": "1"}}),
            json!({"protocolVersion": 2, "capabilities": {"session": {}}}),
        ] {
            assert!(initialized(&wrong).is_none(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_prompt_ends_when_the_agent_is_idle_again() {
        let state = |more: Value| {
            let mut update = json!({"sessionUpdate": "state_update"});
            update
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            update
        };
        let work = Work::default();
        let ended = |work: &Work| work.0.borrow().end.clone();
        work.told(&state(json!({"state": "idle"})));
        assert!(ended(&work).is_none(), "it has not begun");
        work.told(&state(json!({"state": "running"})));
        work.told(&state(json!({"state": "_thinking", "stopReason": "end_turn"})));
        work.told(&state(json!({"state": "unknown"})));
        assert!(ended(&work).is_none());
        work.told(&state(json!({"state": "idle"})));
        work.told(&state(json!({"state": "idle", "stopReason": "refusal"})));
        assert_eq!(
            work.end().await,
            Ok(json!({"stopReason": "end_turn"})),
            "the first end counts"
        );
        work.prompted();
        work.told(&state(json!({"state": "idle", "stopReason": "_bored"})));
        assert_eq!(work.end().await, Ok(json!({"stopReason": "_bored"})));
        work.prompted();
        let error = json!({"code": -32001, "message": "no key"});
        work.told(&state(json!({"state": "idle", "stopReason": "error", "error": error})));
        assert_eq!(work.end().await.unwrap_err(), RpcError::new(-32001, "no key"));
    }

    #[test]
    fn permission_is_asked_for_a_call_or_a_command() {
        let options = json!([{"optionId": "y", "name": "Yes", "kind": "allow_once"}]);
        let ask = |subject: Value| {
            permission(json!({"sessionId": "s", "title": "Delete?", "options": options, "subject": subject}))["toolCall"].clone()
        };
        let call = ask(json!({"type": "tool_call", "toolCall": {"toolCallId": "t", "kind": "edit", "title": "Edit"}}));
        assert_eq!((&call["toolCallId"], &call["title"]), (&json!("t"), &json!("Edit")));
        let call = ask(json!({"type": "command", "command": "rm x", "cwd": "/w", "toolCallId": "t"}));
        assert_eq!(
            call,
            json!({"kind": "execute", "rawInput": {"command": "rm x"}, "toolCallId": "t", "title": "Delete?"})
        );
        assert_eq!(ask(json!({"type": "_more"})), json!({"title": "Delete?"}));
        let wrong = json!({"sessionId": "s"});
        assert_eq!(permission(wrong.clone()), wrong);
    }
}
