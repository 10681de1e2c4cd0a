//! The messages of the protocol by the types of its official crate.
//!
//! What we send is made of them, so it is what the protocol says. What agents and clients send is read by them where it is
//! acted on. Agents may know more than these types: what the types do not know has no meaning to us, is no error, and stands
//! in the event as it came.

use crate::model::PermissionOption;
use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    AgentCapabilities, CancelNotification, ClientCapabilities, ContentBlock, EnvVariable, FileSystemCapabilities,
    HttpHeader, Implementation, InitializeRequest, InitializeResponse, LoadSessionRequest, McpServer, McpServerHttp,
    McpServerSse, McpServerStdio, Meta, NewSessionRequest, NewSessionResponse, PromptResponse,
    RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse, ResumeSessionRequest,
    SelectedPermissionOutcome, SessionUpdate,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version of the protocol that is spoken.
pub(crate) const VERSION: ProtocolVersion = ProtocolVersion::V1;

/// A message as JSON, which all of them are.
fn value(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// Parameters of `initialize`: who we are, and what we serve.
pub(crate) fn initialize() -> Value {
    let files = FileSystemCapabilities::new().read_text_file(true).write_text_file(true);
    let info = Implementation::new("agentos", env!("CARGO_PKG_VERSION")).title("agentOS".to_owned());
    let request = InitializeRequest::new(VERSION)
        .client_capabilities(ClientCapabilities::new().fs(files).terminal(true))
        .client_info(info);
    value(&request)
}

/// What an agent says of itself; none if it names no version.
pub(crate) fn initialized(answer: &Value) -> Option<InitializeResponse> {
    InitializeResponse::deserialize(answer).ok()
}

/// The beginning of a conversation.
pub(crate) struct Opening<'a> {
    pub(crate) cwd: &'a str,
    pub(crate) servers: Vec<McpServer>,
    pub(crate) meta: Meta,
}

impl Opening<'_> {
    /// Parameters of `session/new`.
    pub(crate) fn new_session(&self) -> Value {
        let request = NewSessionRequest::new(self.cwd).mcp_servers(self.servers.clone());
        value(&request.meta(self.meta.clone()))
    }

    /// Method and parameters to go on with a conversation, if the agent can.
    pub(crate) fn known_session(&self, id: &str, agent: &AgentCapabilities) -> Option<(&'static str, Value)> {
        let id = id.to_owned();
        if agent.load_session {
            let request = LoadSessionRequest::new(id, self.cwd).mcp_servers(self.servers.clone());
            return Some(("session/load", value(&request.meta(self.meta.clone()))));
        }
        agent.session_capabilities.resume.as_ref()?;
        let request = ResumeSessionRequest::new(id, self.cwd).mcp_servers(self.servers.clone());
        Some(("session/resume", value(&request.meta(self.meta.clone()))))
    }
}

/// The agent's own id of a new conversation.
pub(crate) fn new_session(answer: &Value) -> Option<String> {
    let answer = NewSessionResponse::deserialize(answer).ok()?;
    Some(answer.session_id.to_string())
}

/// A server that the agent starts.
pub(crate) fn local_server(
    name: String,
    command: &str,
    args: Vec<String>,
    env: impl IntoIterator<Item = (String, String)>,
) -> McpServer {
    let env = env.into_iter().map(|(name, value)| EnvVariable::new(name, value));
    McpServer::Stdio(McpServerStdio::new(name, command).args(args).env(env.collect()))
}

/// A server that the agent connects to, in a way that the agent can.
pub(crate) fn remote_server(
    name: String,
    url: &str,
    headers: impl IntoIterator<Item = (String, String)>,
    agent: &AgentCapabilities,
) -> Option<McpServer> {
    let headers = headers
        .into_iter()
        .map(|(name, value)| HttpHeader::new(name, value))
        .collect();
    match (agent.mcp_capabilities.http, agent.mcp_capabilities.sse) {
        (true, _) => Some(McpServer::Http(McpServerHttp::new(name, url).headers(headers))),
        (false, true) => Some(McpServer::Sse(McpServerSse::new(name, url).headers(headers))),
        (false, false) => None,
    }
}

/// Checks a block of a prompt. Of a kind that these types do not know nothing is asked: the agent may know it.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_block(block: &Value) -> Result<(), String> {
    const KINDS: [&str; 5] = ["text", "image", "audio", "resource_link", "resource"];
    let kind = block.get("type").and_then(Value::as_str).ok_or("it has no type")?;
    if !KINDS.contains(&kind) {
        return Ok(());
    }
    ContentBlock::deserialize(block)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Parameters of `session/prompt`.
pub(crate) fn prompt(agent_session: &str, blocks: &[Value]) -> Value {
    // Blocks stand as they were given, also those that the types do not know.
    json!({"sessionId": agent_session, "prompt": blocks})
}

/// Parameters of `session/cancel`.
pub(crate) fn cancel(agent_session: &str) -> Value {
    value(&CancelNotification::new(agent_session.to_owned()))
}

/// Whether an answer to a prompt says why it stopped, also for a reason that these types do not know.
pub(crate) fn is_stopped(answer: &Value) -> bool {
    PromptResponse::deserialize(answer).is_ok() || answer.get("stopReason").is_some_and(Value::is_string)
}

/// The options of an agent in an answer or an update, each with its id where version 1 has it.
pub(crate) fn options(holder: &Value) -> Option<Vec<Value>> {
    let mut options = holder.get("configOptions")?.as_array()?.clone();
    for option in options.iter_mut().filter_map(Value::as_object_mut) {
        if let (false, Some(id)) = (option.contains_key("id"), option.get("configId").cloned()) {
            option.insert("id".to_owned(), id);
        }
    }
    Some(options)
}

/// An update that has a meaning to us.
pub(crate) fn update(update: &Value) -> Option<SessionUpdate> {
    SessionUpdate::deserialize(update).ok()
}

/// The text of a block, if it is one.
pub(crate) fn text(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::Text(text) => Some(&text.text),
        _ => None,
    }
}

/// What a permission request offers, and the tool call that it is about. Agents deviate: an option of a kind that these types do
/// not know is kept as it came and never chosen, one without a name is called by its id, and a request may lack its tool call.
///
/// # Errors
/// The member that is wrong, and what is expected there.
pub(crate) fn permission_request(params: &Value) -> Result<(Vec<PermissionOption>, Value), String> {
    let call = params.get("toolCall").filter(|call| !call.is_null());
    match call {
        Some(call) if !call.is_object() => return Err("toolCall must be an object".to_owned()),
        Some(call) if call.get("toolCallId").is_some_and(|id| !id.is_string()) => {
            return Err("toolCall.toolCallId must be a string".to_owned());
        }
        _ => {}
    }
    let call = call.cloned().unwrap_or_default();
    if let Ok(request) = RequestPermissionRequest::deserialize(params) {
        let options = request.options.into_iter().map(|option| PermissionOption {
            option_id: option.option_id.to_string(),
            kind: value(&option.kind).as_str().unwrap_or_default().to_owned(),
            name: option.name,
        });
        return Ok((options.collect(), call));
    }
    let options = match params.get("options") {
        Some(Value::Array(options)) => options,
        Some(_) => return Err("options must be an array".to_owned()),
        None => return Err("options is missing".to_owned()),
    };
    let options = options.iter().enumerate().map(|(at, option)| {
        let text = |name: &str| match option.get(name) {
            Some(Value::String(text)) => Ok(Some(text.clone())),
            None | Some(Value::Null) => Ok(None),
            Some(_) => Err(format!("options[{at}].{name} must be a string")),
        };
        let option_id = text("optionId")?.ok_or_else(|| format!("options[{at}].optionId is missing"))?;
        Ok(PermissionOption {
            name: text("name")?.unwrap_or_else(|| option_id.clone()),
            kind: text("kind")?.unwrap_or_default(),
            option_id,
        })
    });
    Ok((options.collect::<Result<_, String>>()?, call))
}

/// The answer to a permission request: the chosen option, or that nothing was decided.
pub(crate) fn permission(option_id: Option<&str>) -> Value {
    let outcome = match option_id {
        Some(id) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(id.to_owned())),
        None => RequestPermissionOutcome::Cancelled,
    };
    value(&RequestPermissionResponse::new(outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(capabilities: &Value) -> AgentCapabilities {
        let answer = json!({"protocolVersion": 1, "agentCapabilities": capabilities});
        initialized(&answer).unwrap().agent_capabilities
    }

    #[test]
    fn messages_are_those_of_the_protocol() {
        let wanted = json!({"protocolVersion": 1, "fs": {"readTextFile": true, "writeTextFile": true}});
        let made = initialize();
        assert_eq!(made["protocolVersion"], wanted["protocolVersion"]);
        assert_eq!(made["clientCapabilities"]["fs"], wanted["fs"]);
        assert_eq!(made["clientCapabilities"]["terminal"], true);
        assert_eq!(
            (&made["clientInfo"]["name"], &made["clientInfo"]["title"]),
            (&json!("agentos"), &json!("agentOS"))
        );
        let server = local_server("s".into(), "/bin/s", vec!["-x".into()], [("A".into(), "b".into())]);
        let opening = Opening {
            cwd: "/w",
            servers: vec![server],
            meta: Meta::new(),
        };
        let made = opening.new_session();
        assert_eq!(
            made["mcpServers"],
            json!([{"name": "s", "command": "/bin/s", "args": ["-x"], "env": [{"name": "A", "value": "b"}]}])
        );
        assert_eq!(made["cwd"], "/w");
        assert_eq!(
            permission(Some("y")),
            json!({"outcome": {"outcome": "selected", "optionId": "y"}})
        );
        assert_eq!(permission(None), json!({"outcome": {"outcome": "cancelled"}}));
        assert_eq!(cancel("s"), json!({"sessionId": "s"}));
    }

    #[test]
    fn a_conversation_goes_on_in_the_way_that_the_agent_has() {
        let opening = Opening {
            cwd: "/w",
            servers: Vec::new(),
            meta: Meta::new(),
        };
        let way = |capabilities: &Value| {
            opening
                .known_session("k", &agent(capabilities))
                .map(|(method, _)| method)
        };
        assert_eq!(way(&json!({})), None);
        assert_eq!(
            way(&json!({"loadSession": true, "sessionCapabilities": {"resume": {}}})),
            Some("session/load")
        );
        assert_eq!(
            way(&json!({"sessionCapabilities": {"resume": {}}})),
            Some("session/resume")
        );
        assert_eq!(way(&json!({"loadSession": "yes", "unknown": [1]})), None);
    }

    #[test]
    fn remote_servers_need_an_agent_that_reaches_them() {
        let made = |capabilities: &Value| {
            remote_server("r".into(), "http://h", [("A".into(), "b".into())], &agent(capabilities))
        };
        assert!(made(&json!({})).is_none());
        for (capabilities, kind) in [
            (json!({"http": true, "sse": true}), "http"),
            (json!({"sse": true}), "sse"),
        ] {
            let server = value(&made(&json!({"mcpCapabilities": capabilities})).unwrap());
            assert_eq!(
                (&server["type"], &server["headers"][0]["name"]),
                (&json!(kind), &json!("A"))
            );
        }
    }

    #[test]
    fn permission_requests_name_what_is_wrong_with_them() {
        let option = |kind: &str| json!({"optionId": "y", "name": "Yes", "kind": kind});
        let request = |options: Value| json!({"sessionId": "s", "toolCall": {"toolCallId": "t"}, "options": options});
        let read = |params: &Value| permission_request(params).map(|(options, _)| options);
        let strict = read(&request(json!([option("allow_always")]))).unwrap();
        assert_eq!(
            (strict[0].kind.as_str(), strict[0].name.as_str()),
            ("allow_always", "Yes")
        );
        // What agents do beyond the types.
        let lenient = read(&json!({"options": [option("allow_for_a_day"), {"optionId": "n"}]})).unwrap();
        assert_eq!(lenient[0].kind, "allow_for_a_day");
        assert_eq!((lenient[1].kind.as_str(), lenient[1].name.as_str()), ("", "n"));
        let (_, call) = permission_request(&request(json!([]))).unwrap();
        assert_eq!(call, json!({"toolCallId": "t"}));
        for (params, wrong) in [
            (json!({}), "options is missing"),
            (json!({"options": "all"}), "options must be an array"),
            (
                request(json!([option("x"), {"name": "N"}])),
                "options[1].optionId is missing",
            ),
            (
                request(json!([{"optionId": 1}])),
                "options[0].optionId must be a string",
            ),
            (
                request(json!([{"optionId": "a", "kind": []}])),
                "options[0].kind must be a string",
            ),
            (request(json!([7])), "options[0].optionId is missing"),
            (json!({"options": [], "toolCall": 1}), "toolCall must be an object"),
            (
                json!({"options": [], "toolCall": {"toolCallId": 1}}),
                "toolCall.toolCallId must be a string",
            ),
        ] {
            assert_eq!(read(&params).unwrap_err(), wrong, "{params}");
        }
    }

    #[test]
    fn additions_pass_and_what_is_wrong_does_not() {
        assert!(check_block(&json!({"type": "hologram", "x": 1})).is_ok());
        assert!(check_block(&json!({"type": "text", "text": "x", "new": 1})).is_ok());
        for wrong in [
            json!({"type": "text"}),
            json!({"type": "image", "data": 1}),
            json!({"text": "x"}),
            json!("x"),
        ] {
            assert!(check_block(&wrong).is_err(), "{wrong}");
        }
        assert!(is_stopped(&json!({"stopReason": "end_turn"})) && is_stopped(&json!({"stopReason": "bored"})));
        assert!(!is_stopped(&json!({})) && !is_stopped(&json!({"stopReason": 1})));
        assert!(update(&json!({"sessionUpdate": "brand_new", "x": 1})).is_none());
        assert!(initialized(&json!({"agentCapabilities": {}})).is_none());
        assert_eq!(
            new_session(&json!({"sessionId": "s", "modes": 7})).as_deref(),
            Some("s")
        );
    }
}
