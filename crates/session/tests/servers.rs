//! MCP servers of sessions: those that start are the agent's, those that do not are named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use agentos_session::{CreateOptions, Error, SessionLimits, Status};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{AgentIo, Setup, World, polite};

/// A session with these servers.
fn with(servers: &Value) -> CreateOptions {
    CreateOptions::from_json(json!({"mcpServers": servers})).unwrap()
}

fn one(command: &str) -> CreateOptions {
    with(&json!([{"type": "local", "name": "files", "command": command, "args": ["--root", "/srv"]}]))
}

async fn agent(io: AgentIo) -> i32 {
    polite(io, |_, _| async { json!({"stopReason": "end_turn"}) }).await
}

/// A server that answers, and ends with its input.
async fn good(mut io: AgentIo) -> i32 {
    while let Some(message) = io.next().await {
        assert_eq!(message["method"], "initialize");
        io.send(json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}))
            .await;
        io.reply(
            &message["id"],
            json!({"protocolVersion": "2025-06-18", "capabilities": {}}),
        )
        .await;
    }
    0
}

fn setup() -> Setup {
    Setup::default().agent("test-agent", agent)
}

impl Given for World {
    async fn refused(&self, options: CreateOptions) -> Error {
        let error = self.sessions.create("test", options).await.unwrap_err();
        assert_eq!(error.code(), "agent_start_failed", "{error}");
        assert!(self.sessions.persisted(false).unwrap().is_empty(), "it leaves no trace");
        self.quiet().await;
        error
    }

    async fn quiet(&self) {
        while self.computer.running.load(Ordering::Acquire) > 0 {
            tokio::task::yield_now().await;
        }
    }
}

trait Given {
    /// What creating a session fails with; nothing runs any more then.
    async fn refused(&self, options: CreateOptions) -> Error;
    /// Waits until no process is left.
    async fn quiet(&self);
}

#[tokio::test]
async fn servers_that_start_are_started_once_and_ended() {
    let world = setup().agent("good", good).agent("other", good).build().await;
    let servers = json!([{"type": "local", "command": "good", "args": ["-x"], "env": {"A": "b"}},
        {"type": "local", "command": "other"}]);
    let id = world.sessions.create("test", with(&servers)).await.unwrap().session_id;
    let launches = world.computer.launches.lock().clone();
    let launched: Vec<&str> = launches.iter().map(|launch| launch.argv[0].as_str()).collect();
    assert_eq!(launched, ["test-agent", "good", "other"]);
    assert_eq!(launches[1].argv, ["good", "-x"]);
    assert_eq!(launches[1].env, [("A".to_owned(), "b".to_owned())]);
    assert_eq!(launches[1].cwd.as_deref(), Some("/home/user"));
    assert!(launches[1].is_agent, "it does not keep the VM awake");
    assert_eq!(world.computer.running.load(Ordering::Acquire), 1, "the agent alone");
    world.prompt(&id, "x").await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let world = setup().build().await;
    let error = world.refused(one("mcp-files")).await;
    let text = error.to_string();
    for says in [
        "MCP server \"files\" (mcp-files)",
        "command not found",
        "install it in the VM",
    ] {
        assert!(text.contains(says), "{text}");
    }
    assert!(!text.contains("/srv"), "arguments may be secret: {text}");
    let metadata = error.metadata();
    assert_eq!(metadata["mcpServer"], json!({"name": "files", "command": "mcp-files"}));
    assert_eq!(
        (&metadata["agentType"], &metadata["exitCode"]),
        (&json!("test"), &Value::Null)
    );
    // Everything else goes on.
    let id = world.create().await;
    world.prompt(&id, "x").await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_shows_what_it_wrote_without_its_secrets() {
    let world = setup()
        .agent("broken", |io: AgentIo| async move {
            let value = |name: &str| io.launch.env.iter().find(|(known, _)| known == name).unwrap().1.clone();
            // The secret is cut in two where a tail of 4 KiB would begin.
            let text = format!(
                "{}{} {} mode={} no such table",
                value("VAULT"),
                "x".repeat(4096 - 4),
                value("API_KEY"),
                value("MODE")
            );
            io.stderr(&text).await;
            3
        })
        .build()
        .await;
    let servers = json!([{"type": "local", "command": "broken",
        "env": {"VAULT": {"secret": "KNOWN"}, "API_KEY": "plain-key-value", "MODE": "ro"}}]);
    let error = world.refused(with(&servers)).await;
    let (text, metadata) = (error.to_string(), error.metadata());
    let tail = metadata["stderrTail"].as_str().unwrap();
    assert!(
        text.contains("MCP server \"mcp-1\" (broken)") && text.contains("ended with code 3"),
        "{text}"
    );
    assert!(text.contains("*** mode=ro no such table"), "{text}");
    assert!(
        text.contains("run its command in the VM") && text.len() < 1200,
        "{text}"
    );
    assert_eq!(metadata["exitCode"], 3);
    assert!(
        tail.len() <= 4096 && tail.ends_with("*** mode=ro no such table"),
        "{tail}"
    );
    for secret in ["revealed", "ealed", "plain-key"] {
        assert!(!tail.contains(secret) && !text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_servers_do_in_the_place_of_an_answer() {
    let limits = SessionLimits::default();
    let time = limits.new_session_timeout;
    let world = setup()
        .agent("noisy", |io: AgentIo| async move {
            io.raw("Welcome!\n{\"half\": \n").await;
            1
        })
        .agent("refusing", |mut io: AgentIo| async move {
            let id = io.next().await.unwrap()["id"].clone();
            io.send(json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "too old"}}))
                .await;
            0
        })
        .agent("endless", |io: AgentIo| async move {
            loop {
                io.raw(vec![b'x'; 1 << 20]).await;
            }
        })
        .agent("silent", |io: AgentIo| async move {
            io.stderr("waiting for a lock").await;
            std::future::pending().await
        })
        .build()
        .await;
    for (command, says) in [
        ("noisy", "no message on its standard output: Welcome!"),
        ("noisy", "nothing but messages"),
        ("refusing", "it refused initialize: too old"),
        ("endless", "limits.acp.maxReadLineBytes"),
    ] {
        let text = world.refused(one(command)).await.to_string();
        assert!(text.contains(says), "{text}");
    }
    let (error, ()) = tokio::join!(world.refused(one("silent")), world.clock.pass(time));
    let text = error.to_string();
    for says in [
        "within 30000 ms",
        "limits.acp.newSessionTimeoutMs",
        "waiting for a lock",
    ] {
        assert!(text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_end_is_ended() {
    let world = setup()
        .agent("stays", |mut io: AgentIo| async move {
            let id = io.next().await.unwrap()["id"].clone();
            io.reply(&id, json!({"protocolVersion": "2025-06-18"})).await;
            std::future::pending().await
        })
        .build()
        .await;
    let (created, ()) = tokio::join!(
        world.sessions.create("test", one("stays")),
        world.clock.pass(Duration::from_millis(500))
    );
    created.unwrap();
    while world.computer.running.load(Ordering::Acquire) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_session_whose_server_broke_is_suspended_until_it_is_mended() {
    let works = Arc::new(AtomicBool::new(true));
    let server = Arc::clone(&works);
    let world = setup()
        .agent("moody", move |io: AgentIo| {
            let works = server.load(Ordering::Acquire);
            async move {
                match works {
                    true => good(io).await,
                    false => 9,
                }
            }
        })
        .build()
        .await;
    let id = world.sessions.create("test", one("moody")).await.unwrap().session_id;
    world.prompt(&id, "x").await.unwrap();
    world.sessions.close(&id).await.unwrap();
    works.store(false, Ordering::Release);
    let error = world.sessions.resume(&id).await.unwrap_err();
    assert!(
        error.code() == "agent_start_failed" && error.to_string().contains("ended with code 9"),
        "{error}"
    );
    assert_ne!(world.sessions.get(&id).unwrap().status, Status::Live);
    assert!(!world.check_events(&id).is_empty(), "the history stays readable");
    works.store(true, Ordering::Release);
    world.sessions.resume(&id).await.unwrap();
    world.prompt(&id, "y").await.unwrap();
}
