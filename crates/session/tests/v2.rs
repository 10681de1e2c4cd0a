//! Sessions with an agent that speaks version 2 of the protocol, which is a preview and off unless asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use agentos_session::{AgentSpec, Config, CreateOptions, Notice, Reply, ResumedVia, Via};
use serde_json::{Value, json};
use std::sync::Arc;
use support::{AgentIo, FakeComputer, ManualClock, Notices, World, kinds};

/// A world whose agent `test` is offered version 2, and is this function.
async fn world<F, R>(run: F) -> World
where
    F: Fn(AgentIo) -> R + Send + Sync + 'static,
    R: Future<Output = i32> + Send + 'static,
{
    let mut computer = FakeComputer::default();
    computer.program("test-agent", run);
    computer.program("/bin/files", |mut io: AgentIo| async move {
        while let Some(message) = io.next().await {
            io.reply(&message["id"], json!({"protocolVersion": "2025-06-18"})).await;
        }
        0
    });
    let computer = Arc::new(computer);
    let (clock, notices) = (Arc::new(ManualClock::default()), Arc::new(Notices::default()));
    let told = Arc::clone(&notices);
    let sessions = Config::new(computer.clone(), tokio::runtime::Handle::current())
        .clock(clock.clone())
        .agent(AgentSpec::new("test", ["test-agent"]).preview_v2())
        .on_notice(move |notice| told.tell(notice))
        .open()
        .await
        .unwrap();
    World {
        computer,
        clock,
        sessions,
        notices,
    }
}

fn initialized() -> Value {
    json!({"protocolVersion": 2, "info": {"name": "new", "version": "2"},
        "capabilities": {"session": {"prompt": {"image": {}}, "mcp": {"stdio": {}}, "systemPrompt": {}}}})
}

fn option(current: &str) -> Value {
    json!([{"configId": "llm", "name": "Model", "category": "model", "type": "select", "currentValue": current,
        "options": [{"value": "large", "name": "Large"}, {"value": "small", "name": "Small"}]}])
}

fn state(state: &str, reason: Option<&str>) -> Value {
    let mut update = json!({"sessionUpdate": "state_update", "state": state});
    if let Some(reason) = reason {
        update["stopReason"] = json!(reason);
    }
    update
}

/// A well-behaved agent; `work` is done for each prompt between its acknowledgement and the end, whose reason it gives.
async fn agent<F, R>(mut io: AgentIo, work: F) -> i32
where
    F: Fn(AgentIo, String) -> R,
    R: Future<Output = Value>,
{
    while let Some(message) = io.next().await {
        let (id, params) = (message["id"].clone(), message["params"].clone());
        match message["method"].as_str() {
            Some("initialize") => {
                assert_eq!(params["protocolVersion"], 2);
                assert_eq!(params["info"]["name"], "agentos");
                io.reply(&id, initialized()).await;
            }
            Some("session/new") => {
                let answer =
                    json!({"sessionId": "agent-1", "configOptions": option("large"), "_meta": {"got": params}});
                io.reply(&id, answer).await;
                io.update(state("idle", None)).await;
            }
            Some("session/resume") => {
                assert!(params.get("replayFrom").is_none());
                io.reply(&id, json!({"configOptions": option("large")})).await;
            }
            Some("session/set_config_option") => {
                assert_eq!((&params["configId"], &params["type"]), (&json!("llm"), &json!("id")));
                let value = params["value"].as_str().unwrap().to_owned();
                io.reply(&id, json!({"configOptions": option(&value)})).await;
            }
            Some("session/prompt") => {
                let text = params["prompt"].as_array().unwrap().last().unwrap()["text"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                io.reply(&id, json!({"messageId": "u1"})).await;
                io.update(json!({"sessionUpdate": "user_message_chunk", "messageId": "u1",
                    "content": {"type": "text", "text": text}}))
                    .await;
                io.update(state("running", None)).await;
                let end = work(io.clone(), text).await;
                io.update(end).await;
            }
            Some("session/cancel") | None => {}
            Some(other) => panic!("unexpected {other}"),
        }
    }
    0
}

fn chunk(id: &str, text: &str) -> Value {
    json!({"sessionUpdate": "agent_message_chunk", "messageId": id, "content": {"type": "text", "text": text}})
}

#[tokio::test]
async fn a_prompt_ends_with_the_work_and_not_with_its_acknowledgement() {
    let world = world(|io| {
        agent(io, |io, text| async move {
            io.update(chunk("m1", "you ")).await;
            io.update(chunk("m1", "said ")).await;
            // The whole of what came in pieces, and a message that came whole.
            let whole = |id: &str, text: &str| {
                json!({"sessionUpdate": "agent_message", "messageId": id, "content": [{"type": "text", "text": text}]})
            };
            io.update(whole("m1", "you said ")).await;
            io.update(whole("m2", &text)).await;
            io.update(state("idle", Some("end_turn"))).await;
            // A repeated snapshot is no second end.
            state("idle", Some("end_turn"))
        })
    })
    .await;
    let id = world.create().await;
    let outcome = world.prompt(&id, "hello").await.unwrap();
    assert_eq!(
        (outcome.text.as_str(), outcome.stop_reason()),
        ("you said hello", Some("end_turn"))
    );
    let again = world.prompt(&id, "twice").await.unwrap();
    assert_eq!(again.text, "you said twice");
    let seen = kinds(&world.check_events(&id));
    let told = seen.iter().filter(|kind| *kind == "user_message_chunk").count();
    assert_eq!(told, 2, "what the user said is told once a prompt: {seen:?}");
    let end = seen.iter().position(|kind| kind == "agentos/prompt_end").unwrap();
    assert!(seen[..end].contains(&"state_update".to_owned()), "{seen:?}");
    let record = world.sessions.get(&id).unwrap();
    assert_eq!(record.agent_info.unwrap()["name"], "new");
    assert_eq!(
        (&record.capabilities["images"], &record.capabilities["file_attachments"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn what_such_an_agent_is_given() {
    let got = Arc::new(parking_lot::Mutex::new(Value::Null));
    let seen = Arc::clone(&got);
    let world = world(move |io: AgentIo| {
        let seen = Arc::clone(&seen);
        async move {
            let mut io = io;
            while let Some(message) = io.next().await {
                let id = message["id"].clone();
                match message["method"].as_str() {
                    Some("initialize") => io.reply(&id, initialized()).await,
                    _ => {
                        *seen.lock() = message["params"].clone();
                        io.reply(&id, json!({"sessionId": "agent-1"})).await;
                    }
                }
            }
            0
        }
    })
    .await;
    let given = json!({"additionalInstructions": "Be brief.", "mcpServers": [{"type": "local", "name": "files",
        "command": "/bin/files", "args": ["-x"], "env": {"A": "b"}}]});
    world
        .sessions
        .create("test", CreateOptions::from_json(given).unwrap())
        .await
        .unwrap();
    let got = got.lock().clone();
    assert_eq!(
        got["mcpServers"],
        json!([{"type": "stdio", "name": "files", "command": "/bin/files", "args": ["-x"], "env": [{"name": "A", "value": "b"}]}])
    );
    let text = got["systemPrompt"]["content"][0]["text"].as_str().unwrap();
    assert!(
        got["systemPrompt"]["mode"] == "append" && text.contains("Be brief."),
        "{got}"
    );
    let remote = json!({"mcpServers": [{"type": "remote", "name": "far", "url": "https://example.com/mcp"}]});
    let error = world
        .sessions
        .create("test", CreateOptions::from_json(remote).unwrap())
        .await
        .unwrap_err();
    assert!(
        error.code() == "agent_start_failed" && error.to_string().contains("\"far\""),
        "{error}"
    );
}

#[tokio::test]
async fn failures_cancels_and_deaths_end_the_prompt() {
    let world = world(|io| {
        agent(io, |io, text| async move {
            match text.as_str() {
                "fail" => {
                    let mut end = state("idle", Some("error"));
                    end["error"] = json!({"code": -32001, "message": "no key"});
                    end
                }
                "wait" => {
                    // The cancel comes as a notification, which the loop has not read yet.
                    let mut io = io;
                    while io.next().await.unwrap()["method"] != "session/cancel" {}
                    state("idle", Some("cancelled"))
                }
                _ => std::future::pending().await,
            }
        })
    })
    .await;
    let id = world.create().await;
    let failed = world.prompt(&id, "fail").await.unwrap();
    assert_eq!(failed.response["error"], json!({"code": -32001, "message": "no key"}));
    let (cancelled, ()) = tokio::join!(world.prompt(&id, "wait"), async {
        world
            .notices
            .wait(|notice| match notice {
                Notice::Event(event) if event.event["params"]["update"]["content"]["text"] == "wait" => Some(()),
                _ => None,
            })
            .await;
        world.sessions.cancel(&id).await.unwrap();
    });
    assert_eq!(cancelled.unwrap().stop_reason(), Some("cancelled"));
    let (killed, ()) = tokio::join!(world.prompt(&id, "hang"), async {
        world.clock.pass(std::time::Duration::from_secs(900)).await;
        world.clock.pass(std::time::Duration::from_secs(10)).await;
    });
    assert_eq!(killed.unwrap_err().code(), "prompt_timeout");
}

#[tokio::test]
async fn permission_is_asked_and_files_are_the_agents_own() {
    let world = world(|io| {
        agent(io, |io, _| async move {
            let ask = json!({"sessionId": "agent-1", "title": "Run it?", "options": [{"optionId": "y", "name": "Yes", "kind": "allow_once"}],
                "subject": {"type": "command", "command": "rm x", "cwd": "/home/user"}});
            let answer = io.ask("session/request_permission", ask).await;
            assert_eq!(answer["result"]["outcome"], json!({"outcome": "selected", "optionId": "y"}));
            let refused = io.ask("fs/read_text_file", json!({"sessionId": "agent-1", "path": "/x"})).await;
            assert_eq!(refused["error"]["code"], -32601);
            state("idle", Some("end_turn"))
        })
    })
    .await;
    let id = world.create().await;
    let (done, ()) = tokio::join!(world.prompt(&id, "x"), async {
        let request = world
            .notices
            .wait(|notice| match notice {
                Notice::PermissionRequest(request) => Some(request.clone()),
                _ => None,
            })
            .await;
        assert_eq!(
            (request.command.as_deref(), request.tool_kind.as_deref()),
            (Some("rm x"), Some("execute"))
        );
        world
            .sessions
            .respond(&id, &request.permission_id, Reply::Once, None, Via::Client)
            .await
            .unwrap();
    });
    done.unwrap();
}

#[tokio::test]
async fn options_are_set_and_sessions_resumed() {
    let world = world(|io| agent(io, |_, _| async { state("idle", Some("end_turn")) })).await;
    let id = world.create().await;
    let answer = world.sessions.set_model(&id, "small").await.unwrap();
    let options = &answer["result"]["configOptions"];
    assert_eq!(
        (&options[0]["id"], &options[0]["currentValue"]),
        (&json!("llm"), &json!("small"))
    );
    world.prompt(&id, "x").await.unwrap();
    world.sessions.close(&id).await.unwrap();
    assert_eq!(world.sessions.resume(&id).await.unwrap(), ResumedVia::Loaded);
    world.prompt(&id, "y").await.unwrap();
}

#[tokio::test]
async fn an_agent_that_chooses_version_1_is_spoken_to_so_and_nobody_else_is_offered_more() {
    let world = world(|io| support::polite(io, |_, _| async { json!({"stopReason": "end_turn"}) })).await;
    let id = world.create().await;
    assert_eq!(world.prompt(&id, "x").await.unwrap().stop_reason(), Some("end_turn"));
    let old = support::Setup::default()
        .agent("test-agent", |mut io: AgentIo| async move {
            let message = io.next().await.unwrap();
            assert_eq!(message["params"]["protocolVersion"], 1);
            assert!(message["params"].get("info").is_none());
            io.reply(&message["id"], initialized()).await;
            std::future::pending().await
        })
        .build()
        .await;
    let error = old.sessions.create("test", CreateOptions::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("speaks version 2 of the protocol, not 1"),
        "{error}"
    );
}
