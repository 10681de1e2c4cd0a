//! Agents that break the protocol in every way that we know. Nobody waits for ever, every failure has a type, the session
//! goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use agentos_session::{CreateOptions, Notice, Status};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{AgentIo, Setup, World, chunk, initialized, kinds, polite};

/// An agent that misbehaves at its first prompt, and is polite once it was started again.
fn once<F, R>(misbehave: F) -> impl Fn(AgentIo) -> support::computer::Boxed + Send + Sync + 'static
where
    F: Fn(AgentIo, Value) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Value> + Send + 'static,
{
    let starts = Arc::new(AtomicUsize::new(0));
    move |io| {
        let (first, misbehave) = (starts.fetch_add(1, Ordering::AcqRel) == 0, misbehave.clone());
        Box::pin(polite(io, move |io, message| {
            let misbehave = misbehave.clone();
            async move {
                if first {
                    return misbehave(io, message).await;
                }
                io.update(chunk("fine")).await;
                json!({"stopReason": "end_turn"})
            }
        }))
    }
}

/// Waits until the crash was told, and gives what was done.
async fn crashed(world: &World, count: usize) -> &'static str {
    world
        .notices
        .wait(|notice| match notice {
            Notice::AgentCrashed {
                restart, restart_count, ..
            } if *restart_count >= count => Some(*restart),
            _ => None,
        })
        .await
}

/// The prompt fails with this code, the agent is restarted, and the next prompt works.
async fn recovers(setup: Setup, code: &str) -> (World, String, agentos_session::Error) {
    let world = setup.build().await;
    let id = world.create().await;
    let error = world.prompt(&id, "go").await.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(crashed(&world, 1).await, "restarted");
    assert_eq!(world.prompt(&id, "again").await.unwrap().text, "fine");
    let events = world.check_events(&id);
    let ends: Vec<&Value> = events
        .iter()
        .filter(|event| event["method"] == "agentos/prompt_end")
        .collect();
    assert_eq!(
        (ends.len(), ends[0]["params"]["error"]["code"].as_str()),
        (2, Some(code))
    );
    (world, id, error)
}

#[tokio::test]
async fn garbage() {
    let setup = Setup::default().agent(
        "test-agent",
        once(|io, _| async move {
            for _ in 0..200 {
                io.raw("what\n").await;
            }
            std::future::pending().await
        }),
    );
    let (_, _, error) = recovers(setup, "agent_crashed").await;
    assert!(error.to_string().contains("more than 100 messages"), "{error}");
}

#[tokio::test]
async fn a_little_garbage_is_skipped() {
    let setup = Setup::default().agent("test-agent", |io| {
        polite(io, |io, _| async move {
            for _ in 0..5 {
                for _ in 0..99 {
                    io.raw("debug: \u{1b}[1mhello\n\n").await;
                }
                io.update(chunk("x")).await;
            }
            json!({"stopReason": "end_turn"})
        })
    });
    let world = setup.build().await;
    let id = world.create().await;
    assert_eq!(world.prompt(&id, "go").await.unwrap().text, "xxxxx");
}

#[tokio::test]
async fn an_endless_line() {
    let mut setup = Setup::default();
    setup.limits.max_read_line_bytes = 10_000;
    let setup = setup.agent(
        "test-agent",
        once(|io, _| async move {
            loop {
                io.raw(vec![b'x'; 1000]).await;
            }
        }),
    );
    let (_, _, error) = recovers(setup, "limit_exceeded").await;
    assert_eq!(error.metadata()["configurationPath"], "limits.acp.maxReadLineBytes");
}

#[tokio::test]
async fn an_event_that_is_too_large() {
    let mut setup = Setup::default();
    setup.limits.max_event_bytes = 500;
    let setup = setup.agent(
        "test-agent",
        once(|io, _| async move {
            io.update(chunk(&"x".repeat(1000))).await;
            std::future::pending().await
        }),
    );
    let (_, _, error) = recovers(setup, "limit_exceeded").await;
    assert_eq!(error.metadata()["configurationPath"], "limits.acp.maxEventBytes");
}

#[tokio::test]
async fn a_death_with_last_words() {
    let setup = Setup::default().agent("test-agent", |io: AgentIo| async move {
        let first = io.launch.env.is_empty();
        polite(io, |io, message| async move {
            if message["params"]["prompt"][0]["text"] == "go" {
                io.stderr("the end is near").await;
                // As a program dies: by a panic of its task.
                panic!("dead");
            }
            io.update(chunk("fine")).await;
            json!({"stopReason": "end_turn"})
        })
        .await;
        i32::from(first)
    });
    let (_, _, error) = recovers(setup, "agent_crashed").await;
    let metadata = error.metadata();
    assert_eq!(
        (metadata["exitCode"].clone(), metadata["stderrTail"].clone()),
        (json!(101), json!("the end is near"))
    );
}

#[tokio::test]
async fn death_after_death_is_restarted_three_times_an_hour() {
    let setup = Setup::default().agent("test-agent", |io| polite(io, |_, _| async move { panic!("dead") }));
    let world = setup.build().await;
    let id = world.create().await;
    for count in 1..=3 {
        assert_eq!(world.prompt(&id, "go").await.unwrap_err().code(), "agent_crashed");
        assert_eq!(crashed(&world, count).await, "restarted");
    }
    assert_eq!(world.prompt(&id, "go").await.unwrap_err().code(), "agent_crashed");
    world
        .notices
        .wait(|notice| {
            matches!(
                notice,
                Notice::AgentCrashed {
                    restart: "exhausted",
                    ..
                }
            )
            .then_some(())
        })
        .await;
    assert_eq!(world.sessions.get(&id).unwrap().status, Status::Suspended);
    let started = world.computer.launches.lock().len();
    assert_eq!(started, 4);
    // The next call asks for it.
    assert_eq!(world.prompt(&id, "go").await.unwrap_err().code(), "agent_crashed");
    assert_eq!(world.computer.launches.lock().len(), 5);
    world.check_events(&id);
}

#[tokio::test]
async fn silence() {
    let setup = Setup::default().agent("test-agent", once(|_, _| std::future::pending()));
    let world = Arc::new(setup.build().await);
    let id = world.create().await;
    let (running, of) = (Arc::clone(&world), id.clone());
    let prompt = tokio::spawn(async move { running.prompt(&of, "go").await });
    world.clock.pass(Duration::from_millis(900_000)).await;
    // It is told to cancel, and has ten seconds.
    world.clock.pass(Duration::from_secs(10)).await;
    let error = prompt.await.unwrap().unwrap_err();
    assert_eq!(
        (error.code(), error.metadata()["timeoutMs"].clone()),
        ("prompt_timeout", json!(900_000))
    );
    assert_eq!(crashed(&world, 1).await, "restarted");
    assert_eq!(world.prompt(&id, "again").await.unwrap().text, "fine");
    let events = world.check_events(&id);
    assert_eq!(events[1]["params"]["stopReason"], "cancelled");
    assert_eq!(events[1]["params"]["error"]["code"], "prompt_timeout");
}

#[tokio::test]
async fn deafness_to_cancel() {
    let setup = Setup::default().agent("test-agent", once(|_, _| std::future::pending()));
    let world = Arc::new(setup.build().await);
    let id = world.create().await;
    assert_eq!(world.sessions.cancel(&id).await.unwrap()["result"]["cancelled"], false);
    let (running, of) = (Arc::clone(&world), id.clone());
    let prompt = tokio::spawn(async move { running.prompt(&of, "go").await });
    world
        .notices
        .wait(|notice| matches!(notice, Notice::Event(_)).then_some(()))
        .await;
    let (running, of) = (Arc::clone(&world), id.clone());
    let cancel = tokio::spawn(async move { running.sessions.cancel(&of).await.unwrap() });
    world.clock.pass(Duration::from_secs(10)).await;
    assert_eq!(cancel.await.unwrap()["result"]["via"], "prompt-fallback");
    assert_eq!(prompt.await.unwrap().unwrap().stop_reason(), Some("cancelled"));
    assert_eq!(world.prompt(&id, "again").await.unwrap().text, "fine");
}

#[tokio::test]
async fn one_that_never_reads() {
    let starts = Arc::new(AtomicUsize::new(0));
    let setup = Setup::default().agent("test-agent", move |mut io: AgentIo| {
        let first = starts.fetch_add(1, Ordering::AcqRel) == 0;
        async move {
            if !first {
                return polite(io, |io, _| async move {
                    io.update(chunk("fine")).await;
                    json!({"stopReason": "end_turn"})
                })
                .await;
            }
            for answer in [initialized(), json!({"sessionId": "agent-1"})] {
                let id = io.next().await.unwrap()["id"].clone();
                io.reply(&id, answer).await;
            }
            // Answers to thousands of questions that it does not take, and updates all the while.
            for number in 0..5000 {
                io.send(json!({"jsonrpc": "2.0", "id": number, "method": "fs/read_text_file", "params": {"sessionId": "agent-1", "path": "/x"}})).await;
            }
            io.update(chunk("still there")).await;
            std::future::pending().await
        }
    });
    let world = Arc::new(setup.build().await);
    let id = world.create().await;
    let (running, of) = (Arc::clone(&world), id.clone());
    let prompt = tokio::spawn(async move {
        let content = vec![json!({"type": "text", "text": "go"})];
        running
            .sessions
            .prompt(&of, content, Some(Duration::from_secs(5)))
            .await
    });
    world
        .notices
        .wait(|notice| match notice {
            Notice::Event(event) if event.event.to_string().contains("still there") => Some(()),
            _ => None,
        })
        .await;
    world.clock.pass(Duration::from_secs(5)).await;
    world.clock.pass(Duration::from_secs(10)).await;
    assert_eq!(prompt.await.unwrap().unwrap_err().code(), "prompt_timeout");
    assert_eq!(world.prompt(&id, "again").await.unwrap().text, "fine");
}

#[tokio::test]
async fn lies_about_ids() {
    let setup = Setup::default().agent("test-agent", |io| polite(io, |io, message| async move {
        let other = |method: &str| json!({"jsonrpc": "2.0", "method": method, "params": {"sessionId": "other", "update": chunk("lie")}});
        io.send(other("session/update")).await;
        io.send(json!({"jsonrpc": "2.0", "method": "session/update", "params": {"update": chunk("lie")}})).await;
        io.send(json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "agent-1", "update": "lie"}})).await;
        io.send(json!({"jsonrpc": "2.0", "id": 999, "result": {"stopReason": "end_turn"}})).await;
        io.send(json!({"jsonrpc": "2.0", "id": "x", "result": {}})).await;
        let stolen = io.ask("fs/read_text_file", json!({"sessionId": "other", "path": "/home/user/a"})).await;
        assert_eq!(stolen["error"]["code"], -32602);
        // Twice the same question: one answer serves both, and it is the first.
        for path in ["/home/user/a", "/home/user/b"] {
            io.send(json!({"jsonrpc": "2.0", "id": "twice", "method": "fs/read_text_file", "params": {"sessionId": "agent-1", "path": path}})).await;
        }
        let answer = io.answer(&json!("twice")).await;
        io.send(json!({"jsonrpc": "2.0", "id": "twice", "method": "fs/read_text_file", "params": {"sessionId": "agent-1", "path": "/home/user/b"}})).await;
        assert_eq!(io.answer(&json!("twice")).await, answer);
        // The answer to the prompt twice: the second is an answer to nothing.
        io.reply(&message["id"], json!({"stopReason": "end_turn"})).await;
        json!({"stopReason": "refusal"})
    }));
    let world = setup.build().await;
    world
        .computer
        .files
        .lock()
        .insert("/home/user/a".to_owned(), "a".into());
    let id = world.create().await;
    let outcome = world.prompt(&id, "go").await.unwrap();
    assert_eq!((outcome.stop_reason(), outcome.text.as_str()), (Some("end_turn"), ""));
    assert_eq!(
        kinds(&world.check_events(&id)),
        ["user_message_chunk", "agentos/prompt_end"]
    );
}

#[tokio::test]
async fn answers_without_sense() {
    let setup = Setup::default().agent("test-agent", |io| polite(io, |io, message| async move {
        match message["params"]["prompt"][0]["text"].as_str().unwrap() {
            "both" => {
                io.send(json!({"jsonrpc": "2.0", "id": message["id"], "result": {}, "error": {"code": 1, "message": "m"}})).await;
                json!({"stopReason": "end_turn"})
            }
            "error" => {
                io.send(json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -5, "message": "no credit", "data": {"x": 1}}})).await;
                Value::Null
            }
            _ => json!({"stop": 1}),
        }
    }));
    let world = setup.build().await;
    let id = world.create().await;
    assert_eq!(world.prompt(&id, "both").await.unwrap().stop_reason(), Some("end_turn"));
    assert_eq!(
        world.prompt(&id, "error").await.unwrap().response["error"],
        json!({"code": -5, "message": "no credit", "data": {"x": 1}})
    );
    assert_eq!(
        world.prompt(&id, "other").await.unwrap().response["error"]["code"],
        -32603
    );
}

#[tokio::test]
async fn starts_that_fail() {
    let refuse = |code: i64| {
        move |mut io: AgentIo| async move {
            while let Some(message) = io.next().await {
                let id = message["id"].clone();
                match message["method"].as_str().unwrap() {
                "initialize" => io.reply(&id, initialized()).await,
                _ => io.send(json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "Authentication required"}})).await,
            }
            }
            0
        }
    };
    let answer = |initialize: Value, new: Value| {
        move |mut io: AgentIo| {
            let (initialize, new) = (initialize.clone(), new.clone());
            async move {
                while let Some(message) = io.next().await {
                    let id = message["id"].clone();
                    io.reply(
                        &id,
                        if message["method"] == "initialize" {
                            initialize.clone()
                        } else {
                            new.clone()
                        },
                    )
                    .await;
                }
                0
            }
        }
    };
    let setup = Setup::default()
        .agent("/dies", |io: AgentIo| async move {
            io.stderr("no such module").await;
            7
        })
        .agent("/unauthorised", refuse(-32000))
        .agent(
            "/version",
            answer(json!({"protocolVersion": 2}), json!({"sessionId": "x"})),
        )
        .agent("/nothing", answer(initialized(), json!({})))
        .agent("/floods", |io: AgentIo| async move {
            loop {
                io.update(chunk("early")).await;
            }
        });
    let world = setup.build().await;
    for (agent, says) in [
        ("/dies", "ended with code 7"),
        ("/unauthorised", "session/new: Authentication required"),
        ("/version", "version 2"),
        ("/nothing", "no sessionId"),
        ("/floods", "flooded"),
    ] {
        let error = world
            .sessions
            .create(agent, CreateOptions::default())
            .await
            .unwrap_err();
        assert!(
            error.code() == "agent_start_failed" && error.to_string().contains(says),
            "{agent}: {error}"
        );
        if agent == "/dies" {
            assert_eq!(
                (
                    error.metadata()["exitCode"].clone(),
                    error.metadata()["stderrTail"].clone()
                ),
                (json!(7), json!("no such module"))
            );
        }
    }
    assert!(world.sessions.persisted(false).unwrap().is_empty());
    assert_eq!(
        world.computer.running.load(Ordering::Acquire),
        0,
        "nothing is left running"
    );
    assert!(
        !world
            .notices
            .all()
            .iter()
            .any(|notice| matches!(notice, Notice::AgentCrashed { .. }))
    );
}

#[tokio::test]
async fn starts_that_never_end() {
    let setup = Setup::default().agent("test-agent", |io: AgentIo| async move {
        let _open = io;
        std::future::pending().await
    });
    let world = Arc::new(setup.build().await);
    let running = Arc::clone(&world);
    let create = tokio::spawn(async move { running.sessions.create("test", CreateOptions::default()).await });
    world.clock.pass(Duration::from_secs(30)).await;
    let error = create.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "acp_timeout");
    let metadata = error.metadata();
    assert_eq!(
        (metadata["method"].clone(), metadata["timeoutMs"].clone()),
        (json!("initialize"), json!(30_000))
    );
    assert!(metadata["recentActivity"][0].as_str().unwrap().contains("initialize"));
    assert_eq!(world.computer.running.load(Ordering::Acquire), 0);
}

#[tokio::test]
async fn a_flood_of_history() {
    let mut setup = Setup::default();
    setup.limits.max_history_bytes_per_vm = 20_000;
    let setup = setup.agent("test-agent", |io| {
        polite(io, |io, _| async move {
            loop {
                io.update(chunk(&"x".repeat(100))).await;
            }
        })
    });
    let world = setup.build().await;
    let id = world.create().await;
    let error = world.prompt(&id, "go").await.unwrap_err();
    assert_eq!(error.metadata()["configurationPath"], "limits.acp.maxHistoryBytesPerVm");
    assert_eq!(world.prompt(&id, "again").await.unwrap_err().code(), "limit_exceeded");
    assert!(world.sessions.create("test", CreateOptions::default()).await.is_err());
    world.check_events(&id);
    world.sessions.destroy(&id).await.unwrap();
    world.create().await;
}

#[tokio::test]
async fn a_flood_of_permission_requests_and_terminals() {
    let mut setup = Setup::default();
    setup.limits.max_pending_permissions_per_session = 3;
    setup.limits.max_terminals_per_session = 2;
    let setup = setup.agent("test-agent", |io| polite(io, |io, _| async move {
        for number in 0..5 {
            io.send(json!({"jsonrpc": "2.0", "id": format!("p{number}"), "method": "session/request_permission", "params": {
                "sessionId": "agent-1", "toolCall": {"toolCallId": "t"}, "options": []}})).await;
        }
        assert_eq!(io.answer(&json!("p3")).await["result"]["outcome"]["outcome"], "cancelled");
        assert_eq!(io.answer(&json!("p4")).await["result"]["outcome"]["outcome"], "cancelled");
        let terminal = json!({"sessionId": "agent-1", "command": "sleep", "args": ["1"]});
        for expected in [true, true, false] {
            let answer = io.ask("terminal/create", terminal.clone()).await;
            assert_eq!(answer.get("result").is_some(), expected, "{answer}");
        }
        // With the answer it ends what it has asked for.
        json!({"stopReason": "end_turn"})
    })).agent("sleep", |io: AgentIo| async move {
            let _open = io;
            std::future::pending().await
        });
    let world = setup.build().await;
    let id = world.create().await;
    world.prompt(&id, "go").await.unwrap();
    assert!(world.sessions.pending(None).is_empty());
    world.sessions.close(&id).await.unwrap();
    // Terminals end with their session.
    while world.computer.running.load(Ordering::Acquire) > 0 {
        tokio::task::yield_now().await;
    }
}
