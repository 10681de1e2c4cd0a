//! What a session costs: its beginning, an event on its way from the agent to a subscriber, a prompt and its answer, and a
//! host tool that a shell calls.
//!
//! The agent is a shell script in the VM, so that what is measured is the layer and not an agent's start. It writes the time
//! into what it says; guest and host read the same clock.

use super::Scale;
use super::row::Row;
use crate::error::Error;
use agentos::{AgentOs, AgentSpec, Session, Tool, ToolContext, ToolError, ToolKit};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Answers what a session asks, and says the time when it is prompted.
const AGENT: &str = r#"#!/bin/sh
while IFS= read -r line; do
    id=${line#*\"id\":}
    id=${id%%[!0-9]*}
    case $line in
    *'"method":"initialize"'*) result='{"protocolVersion":1,"agentCapabilities":{}}' ;;
    *'"method":"session/new"'*) result='{"sessionId":"s"}' ;;
    *'"method":"session/prompt"'*)
        printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"%s"}}}}\n' "$EPOCHREALTIME"
        result='{"stopReason":"end_turn"}'
        ;;
    *) continue ;;
    esac
    printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Usage(format!("bench: {error}"))
}

async fn vm() -> Result<AgentOs, Error> {
    let agent = AgentSpec::new("script", ["/home/user/agent.sh"]);
    let vm = AgentOs::builder().agent(agent).create().await?;
    vm.write_file("/home/user/agent.sh", AGENT).await?;
    vm.chmod("/home/user/agent.sh", 0o755).await?;
    Ok(vm)
}

async fn open(vm: &AgentOs) -> Result<Session, Error> {
    vm.session("script").create().await.map_err(failed)
}

/// `agents_create`, beside a shell that starts and ends; `agents_prompt`; `agents_event`.
pub(crate) async fn sessions(scale: Scale) -> Result<Vec<Row>, Error> {
    let vm = vm().await?;
    let (mut created, mut shells) = (Vec::new(), Vec::new());
    for _ in 0..scale.of(50) {
        let start = Instant::now();
        let session = open(&vm).await?;
        created.push(start.elapsed());
        session.destroy().await.map_err(failed)?;
        let start = Instant::now();
        vm.exec_argv(["sh", "-c", ":"]).await?;
        shells.push(start.elapsed());
    }
    let session = open(&vm).await?;
    let (mut prompts, mut events) = (Vec::new(), Vec::new());
    for _ in 0..scale.of(500) {
        let mut told = None;
        let start = Instant::now();
        let hears = |event: &agentos::SessionEvent| {
            if event.event["params"]["update"]["sessionUpdate"] == "agent_message_chunk" {
                told = Some(SystemTime::now());
            }
        };
        let outcome = session.prompt("go").with_events(hears).await.map_err(failed)?;
        prompts.push(start.elapsed());
        events.push(since(told, &outcome.text)?);
    }
    Ok(vec![
        Row::times("agents_create", &created).against("sh -c :", &shells),
        Row::times("agents_event", &events).goal(1000.0),
        Row::times("agents_prompt", &prompts).against("sh -c :", &shells),
    ])
}

/// Time from what the agent wrote to when it was heard.
fn since(told: Option<SystemTime>, said: &str) -> Result<Duration, Error> {
    let said: f64 = said.parse().map_err(|_| failed(format!("{said:?} is no time")))?;
    let told = told.ok_or_else(|| failed("the event was not heard"))?;
    let told = told.duration_since(UNIX_EPOCH).map_err(failed)?.as_secs_f64();
    // The agent's clock has microseconds.
    Ok(Duration::from_secs_f64((told - said).max(0.0)))
}

/// `agents_tool`: a host tool that a shell calls again and again, from call to call.
pub(crate) async fn tool(scale: Scale) -> Result<Vec<Row>, Error> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&calls);
    let tool = Tool::new(json!({ "type": "object" }), move |input: Value, _: ToolContext| {
        if let Ok(mut calls) = counted.lock() {
            calls.push(Instant::now());
        }
        async move { Ok::<_, ToolError>(input) }
    });
    let vm = AgentOs::builder()
        .tool_kit(ToolKit::new("bench", "").tool("echo", tool))
        .create()
        .await?;
    let count = scale.of(500);
    let script = format!("for i in $(seq {count}); do agentos-bench echo </dev/null >/dev/null || exit 1; done");
    let output = vm.exec(script.as_str()).await?;
    super::row::check(&output, &script)?;
    let calls = calls.lock().map(|calls| calls.clone()).unwrap_or_default();
    let times: Vec<Duration> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    Ok(vec![Row::times("agents_tool", &times).goal(300.0)])
}
