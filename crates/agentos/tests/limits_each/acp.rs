//! What the cases of sessions share: agents that are shell scripts in the VM, and looking at what was refused.

use crate::tools::{breach, check};
use agentos::session::Error;
use agentos::{AgentOs, AgentSpec, Errno, Events, Limits, PermissionRequest, Reply, Session};

/// An agent whose prompts are the lines in the place of `PROMPT`, and which answers everything else politely.
const AGENT: &str = r#"#!/bin/sh
say() {
    printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"%s"}}}}\n' "$1"
}
send() { # send ID METHOD PARAMS: a request whose answer nobody waits for yet
    printf '{"jsonrpc":"2.0","id":"%s","method":"%s","params":%s}\n' "$1" "$2" "$3"
}
wait_for() { # wait_for ID: the answer is in $answer
    while IFS= read -r answer; do
        case $answer in *"\"id\":\"$1\""*) return ;; esac
    done
}
ask() { send "$@"; wait_for "$1"; }
request() { # request ID TITLE: asks for permission
    send "$1" session/request_permission "{\"sessionId\":\"s\",\"toolCall\":{\"toolCallId\":\"$1\",\"title\":\"$2\",\"kind\":\"edit\"},\"options\":[{\"optionId\":\"y\",\"name\":\"Y\",\"kind\":\"allow_once\"},{\"optionId\":\"n\",\"name\":\"N\",\"kind\":\"reject_once\"}]}"
}
decided() { # says what the last answer decided
    case $answer in
    *'"optionId":"y"'*) say "allowed " ;;
    *'"optionId":"n"'*) say "rejected " ;;
    *) say "cancelled " ;;
    esac
}
until_cancelled() {
    while IFS= read -r line; do
        case $line in *session/cancel*) return ;; esac
    done
}
initialize() { result='{"protocolVersion":1,"agentCapabilities":{}}'; }
new() { result='{"sessionId":"s"}'; }
other() { result='{}'; }
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    result=
    case $line in
    *'"method":"initialize"'*) initialize ;;
    *'"method":"session/new"'*) new ;;
    *'"method":"session/prompt"'*)
        PROMPT
        result='{"stopReason":"end_turn"}'
        ;;
    *'"method":"other'*) other ;;
    esac
    [ -z "$result" ] || printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

/// A VM with an agent `script` and these limits of sessions.
pub(crate) async fn vm(fields: &[(&str, u64)], prompt: &str) -> AgentOs {
    changed(fields, prompt, "").await
}

/// The same with functions of the agent that differ.
pub(crate) async fn changed(fields: &[(&str, u64)], prompt: &str, functions: &str) -> AgentOs {
    let mut limits = Limits::default();
    for (name, value) in fields {
        limits.set(&format!("acp.{name}"), *value).unwrap();
    }
    let agent = AgentSpec::new("script", ["/home/user/agent.sh"]);
    let vm = AgentOs::builder().limits(limits).agent(agent).create().await.unwrap();
    let script = AGENT.replace("PROMPT", prompt);
    let script = script.replace(
        "while IFS= read -r line; do\n    id=",
        &format!("{functions}\nwhile IFS= read -r line; do\n    id="),
    );
    vm.write_file("/home/user/agent.sh", script).await.unwrap();
    vm.chmod("/home/user/agent.sh", 0o755).await.unwrap();
    vm
}

/// A session with the agent of the VM.
pub(crate) async fn open(vm: &AgentOs) -> Session {
    vm.session("script").create().await.unwrap()
}

/// Prompts, and gives the text of the answer.
pub(crate) async fn text(session: &Session) -> String {
    session.prompt("go").await.unwrap().text
}

/// The typed error of a limit.
pub(crate) fn refused(error: &Error, name: &str, unit: &str, (observed, capacity): (Option<u64>, u64)) {
    let metadata = error.metadata();
    assert_eq!(error.code(), "limit_exceeded", "{error}");
    assert_eq!(
        (&metadata["limit"], &metadata["unit"], &metadata["capacity"]),
        (&name.into(), &unit.into(), &capacity.into())
    );
    assert_eq!(metadata["configurationPath"], format!("limits.acp.{name}"));
    assert!(
        metadata["operation"]
            .as_str()
            .is_some_and(|operation| !operation.is_empty())
    );
    let seen = metadata["observed"].as_u64().unwrap();
    assert!(
        seen >= capacity && observed.is_none_or(|observed| observed == seen),
        "{metadata}"
    );
}

/// The entry of the audit trail about a limit.
pub(crate) async fn audited(events: &mut Events, name: &'static str, unit: &'static str, capacity: u64) {
    let limit = breach(events, name).await;
    let errno = if unit == "bytes" { Errno::EFBIG } else { Errno::EAGAIN };
    let path: &'static str = limit.configuration_path.trim_start_matches("limits.");
    assert_eq!(path, format!("acp.{name}"));
    check(&limit, (path, unit, limit.observed, capacity, errno));
}

/// Waits until a request of a session waits for an answer.
pub(crate) async fn pending(session: &Session) -> PermissionRequest {
    loop {
        match session.pending().pop() {
            Some(request) => return request,
            None => tokio::task::yield_now().await,
        }
    }
}

/// Prompts and answers the requests of the agent one after another; gives the text.
pub(crate) async fn approving(session: &Session, replies: &[Reply]) -> String {
    let running = tokio::spawn(session.prompt("go").into_future());
    for reply in replies {
        let request = pending(session).await;
        session.respond(&request.permission_id, *reply, None).await.unwrap();
    }
    running.await.unwrap().unwrap().text
}
