//! Sessions with agents that keep to the protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use agentos_session::{
    AgentSpec, Config, CreateOptions, EnvValue, EventQuery, MemoryStorage, Notice, Outcome, Reply, ResumedVia, Status,
    Storage, Via,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{AgentIo, FakeComputer, Setup, World, chunk, initialized, kinds, polite};

fn options(value: Value) -> CreateOptions {
    CreateOptions::from_json(value).unwrap()
}

async fn echo(io: AgentIo) -> i32 {
    polite(io, |io, message| async move {
        let text = message["params"]["prompt"].as_array().unwrap().last().unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned();
        io.update(chunk("you said ")).await;
        io.update(chunk(&text)).await;
        json!({"stopReason": "end_turn"})
    })
    .await
}

#[tokio::test]
async fn a_prompt_is_its_events_its_text_and_its_answer() {
    let world = Setup::default().agent("test-agent", echo).build().await;
    let id = world.create().await;
    let outcome = world.prompt(&id, "hello").await.unwrap();
    assert_eq!(outcome.text, "you said hello");
    assert_eq!(outcome.stop_reason(), Some("end_turn"));
    let events = world.check_events(&id);
    let expected = [
        "user_message_chunk",
        "agent_message_chunk",
        "agent_message_chunk",
        "agentos/prompt_end",
    ];
    assert_eq!(kinds(&events), expected);
    assert!(
        events.iter().all(|event| event["params"]["sessionId"] == json!(id)),
        "ours, not the agent's"
    );
    assert_eq!(events[3]["params"]["stopReason"], "end_turn");
    let record = world.sessions.get(&id).unwrap();
    assert_eq!(
        (record.status, record.agent_info.unwrap()["name"].clone()),
        (Status::Live, json!("test"))
    );
    assert_eq!(record.capabilities["images"], true);
    for (query, expected) in [
        (json!({"after": 1}), vec![2, 3]),
        (json!({"since": 1, "before": 3}), vec![1, 2]),
        (json!({"method": "agentos/prompt_end"}), vec![3]),
        (json!({"limit": 2}), vec![0, 1]),
        (json!({"since": 9}), vec![]),
    ] {
        let query = EventQuery::from_json(query).unwrap();
        let seqs: Vec<u64> = world
            .sessions
            .events(&id, &query)
            .unwrap()
            .iter()
            .map(|event| event.seq)
            .collect();
        assert_eq!(seqs, expected);
    }
    assert_eq!(
        EventQuery::from_json(json!({"since": 1, "after": 1}))
            .unwrap_err()
            .code(),
        "invalid_argument"
    );
}

/// An agent that wants to be told to take its key from its environment, where `has` is one of its variables.
fn keyed(has: &'static str) -> Setup {
    Setup::default().agent("test-agent", move |mut io| async move {
        let mut known = false;
        while let Some(message) = io.next().await {
            let id = message["id"].clone();
            match message["method"].as_str() {
                Some("initialize") => {
                    let mut answer = initialized();
                    answer["authMethods"] = json!([{"id": "page", "name": "Log in"}, 3,
                        {"id": "A_KEY", "name": "a", "type": "env_var", "vars": [{"name": "A_KEY"}]},
                        {"id": "B_KEY", "name": "b", "type": "env_var", "vars": [{"name": "B_KEY"}]}]);
                    io.reply(&id, answer).await;
                }
                Some("authenticate") => {
                    known = message["params"]["methodId"] == has;
                    let error = json!({"code": -32000, "message": "it is not set"});
                    match known {
                        true => io.reply(&id, json!({})).await,
                        false => io.send(json!({"jsonrpc": "2.0", "id": id, "error": error})).await,
                    }
                }
                Some("session/new") if known => io.reply(&id, json!({"sessionId": "agent-1"})).await,
                Some("session/new") => {
                    let error = json!({"code": -32000, "message": "Authentication required"});
                    io.send(json!({"jsonrpc": "2.0", "id": id, "error": error})).await;
                }
                _ => {}
            }
        }
        0
    })
}

#[tokio::test]
async fn agents_are_told_to_take_their_keys_from_their_environment() {
    let world = keyed("B_KEY").build().await;
    let id = world.create().await;
    assert_eq!(world.sessions.get(&id).unwrap().status, Status::Live);
    // Nobody opens a page for an agent that has no key.
    let world = keyed("page").build().await;
    let error = world.sessions.create("test", options(json!({}))).await.unwrap_err();
    assert_eq!(error.code(), "agent_start_failed");
    assert!(error.to_string().contains("Authentication required"), "{error}");
}

#[tokio::test]
async fn prompts_run_one_after_another_and_only_so_many_wait() {
    let mut setup = Setup::default();
    setup.limits.max_queued_prompts_per_session = 2;
    let (release, released) = tokio::sync::watch::channel(false);
    let (order, seen) = (
        Arc::new(parking_lot::Mutex::new(Vec::new())),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (told, notify) = (Arc::clone(&order), Arc::clone(&seen));
    let setup = setup.agent("test-agent", move |io| {
        let (told, released, notify) = (Arc::clone(&told), released.clone(), Arc::clone(&notify));
        async move {
            polite(io, move |_, message| {
                told.lock().push(message["params"]["prompt"][0]["text"].clone());
                notify.notify_one();
                let mut released = released.clone();
                async move {
                    released.wait_for(|released| *released).await.unwrap();
                    json!({"stopReason": "end_turn"})
                }
            })
            .await;
            0
        }
    });
    let world = Arc::new(setup.build().await);
    let id = world.create().await;
    let prompt = |text: &'static str| {
        let (world, id) = (Arc::clone(&world), id.clone());
        async move { world.prompt(&id, text).await }
    };
    let first = tokio::spawn(prompt("a"));
    seen.notified().await;
    let (b, c) = (prompt("b"), prompt("c"));
    tokio::pin!(b, c);
    assert!(futures_now(&mut b).await.is_none() && futures_now(&mut c).await.is_none());
    let refused = world.prompt(&id, "d").await.unwrap_err();
    assert_eq!(refused.code(), "limit_exceeded");
    assert_eq!(
        refused.metadata()["configurationPath"],
        "limits.acp.maxQueuedPromptsPerSession"
    );
    assert_eq!(world.sessions.awake_because(), [format!("prompt:{id}")]);
    release.send_replace(true);
    first.await.unwrap().unwrap();
    b.await.unwrap();
    c.await.unwrap();
    assert_eq!(*order.lock(), ["a", "b", "c"]);
    world.check_events(&id);
}

/// Polls once.
async fn futures_now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(done) => Some(done),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// Asks for permission and says what it was answered.
async fn asker(io: AgentIo) -> i32 {
    polite(io, |io, message| async move {
        let command = message["params"]["prompt"][0]["text"].clone();
        io.update(json!({"sessionUpdate": "tool_call", "toolCallId": "t1", "title": "Run it", "kind": "execute",
            "rawInput": {"command": command}, "locations": [{"path": "/work/a"}], "_meta": {"test": {"toolName": "Bash"}}})).await;
        let answer = io.ask("session/request_permission", json!({"sessionId": "agent-1", "toolCall": {"toolCallId": "t1",
            "content": [{"type": "diff", "path": "/work/b", "oldText": null, "newText": "x"}]},
            "options": [{"optionId": "no", "name": "No", "kind": "reject_once"}, {"optionId": "ever", "name": "Ever", "kind": "allow_always"},
                {"optionId": "yes", "name": "Yes", "kind": "allow_once"}]})).await;
        io.update(chunk(&answer["result"]["outcome"].to_string())).await;
        match answer["result"]["outcome"]["outcome"].as_str() {
            Some("cancelled") => json!({"stopReason": "cancelled"}),
            _ => json!({"stopReason": "end_turn"}),
        }
    })
    .await
}

async fn asked(world: &World, after: usize) -> agentos_session::PermissionRequest {
    loop {
        if let Some(request) = world.sessions.pending(None).into_iter().next() {
            return request;
        }
        let seen = AtomicU64::new(0);
        world
            .notices
            .wait(|notice| match notice {
                Notice::PermissionRequest(_) => (seen.fetch_add(1, Ordering::Relaxed) as usize >= after).then_some(()),
                _ => None,
            })
            .await;
    }
}

#[tokio::test]
async fn permission_is_asked_granted_used_and_revoked() {
    let world = Arc::new(Setup::default().agent("test-agent", asker).build().await);
    let id = world.create().await;
    let prompt = |text: &'static str| {
        let (world, id) = (Arc::clone(&world), id.clone());
        tokio::spawn(async move { world.prompt(&id, text).await.unwrap() })
    };
    let running = prompt("ls -l");
    let request = asked(&world, 0).await;
    assert_eq!(request.tool_name.as_deref(), Some("Bash"));
    assert_eq!(request.tool_kind.as_deref(), Some("execute"));
    assert_eq!(request.command.as_deref(), Some("ls -l"));
    assert_eq!(request.description.as_deref(), Some("Run it"));
    assert_eq!(
        request.paths.as_deref(),
        Some(&["/work/a".to_owned(), "/work/b".to_owned()][..])
    );
    assert_eq!(request.diff.as_ref().unwrap()[0]["newText"], "x");
    assert_eq!(request.params["sessionId"], json!(id));
    let permission = format!("permission:{}", request.permission_id);
    assert_eq!(world.sessions.awake_because(), [format!("prompt:{id}"), permission]);
    let respond = async |permission: &str, reply, scope| {
        let scope = Option::map(scope, |scope: Value| serde_json::from_value(scope).unwrap());
        world.sessions.respond(&id, permission, reply, scope, Via::Client).await
    };
    assert_eq!(
        respond("perm_x", Reply::Once, None).await.unwrap_err().code(),
        "permission_not_found"
    );
    let bad = respond(&request.permission_id, Reply::Always, Some(json!({})))
        .await
        .unwrap_err();
    assert_eq!(bad.code(), "invalid_argument", "a grant of nothing");
    let answer = respond(
        &request.permission_id,
        Reply::Always,
        Some(json!({"toolName": "Bash", "command": "ls *"})),
    )
    .await
    .unwrap();
    assert_eq!(answer["result"]["via"], "client");
    assert!(
        running.await.unwrap().text.contains("\"yes\""),
        "an always is told once, so that it can be taken back"
    );
    let again = respond(&request.permission_id, Reply::Reject, None).await.unwrap_err();
    assert_eq!(again.code(), "permission_already_resolved");
    assert_eq!(again.metadata()["outcome"], "always");

    assert!(
        prompt("ls /").await.unwrap().text.contains("\"yes\""),
        "the grant decides"
    );
    let grant = world.sessions.grants(Some(&id)).unwrap().pop().unwrap();
    assert_eq!(grant.uses, 1);
    let running = prompt("rm -r /");
    let request = asked(&world, 1).await;
    respond(&request.permission_id, Reply::Reject, None).await.unwrap();
    assert!(running.await.unwrap().text.contains("\"no\""));
    assert!(world.sessions.revoke(&grant.grant_id).await.unwrap());
    assert!(!world.sessions.revoke(&grant.grant_id).await.unwrap());
    let running = prompt("ls /");
    asked(&world, 2).await;
    let cancelled = world.sessions.cancel(&id).await.unwrap();
    assert_eq!(
        cancelled["result"],
        json!({"cancelled": true, "requested": true, "via": "session/cancel"})
    );
    let outcome = running.await.unwrap();
    assert_eq!(outcome.stop_reason(), Some("cancelled"));
    assert!(world.sessions.pending(None).is_empty());
    let outcomes: Vec<Outcome> = world
        .notices
        .all()
        .iter()
        .filter_map(|notice| match notice {
            Notice::PermissionResolved { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect();
    assert_eq!(
        outcomes,
        [Outcome::Always, Outcome::Always, Outcome::Reject, Outcome::Cancelled]
    );
    world.check_events(&id);
}

#[tokio::test]
async fn policies_decide_without_anybody() {
    let world = Setup::default().agent("test-agent", asker).build().await;
    for (policy, expected) in [("allow_all", "\"yes\""), ("reject_all", "\"no\"")] {
        let record = world
            .sessions
            .create("test", options(json!({"permissionPolicy": policy})))
            .await
            .unwrap();
        let outcome = world.prompt(&record.session_id, "x").await.unwrap();
        assert!(outcome.text.contains(expected), "{policy}: {}", outcome.text);
    }
    assert!(world.sessions.pending(None).is_empty());
}

#[tokio::test]
async fn files_and_terminals_are_those_of_the_vm() {
    let setup = Setup::default().agent("test-agent", |io| polite(io, |io, _| async move {
        let own = |mut params: Value| { params["sessionId"] = json!("agent-1"); params };
        let mut said = Vec::new();
        for (method, params) in [
            ("fs/write_text_file", json!({"path": "/home/user/a", "content": "one\ntwo\nthree"})),
            ("fs/read_text_file", json!({"path": "/home/user/a", "line": 2, "limit": 1})),
            ("fs/read_text_file", json!({"path": "/none"})),
            ("fs/write_text_file", json!({"path": "/etc/passwd", "content": ""})),
            ("fs/read_text_file", json!({"path": "relative"})),
            ("fs/write_text_file", json!({"path": "/home/user/a"})),
            ("fs/write", json!({"path": "/home/user/b", "content": "AP8=", "encoding": "base64"})),
            ("fs/read", json!({"path": "/home/user/b", "encoding": "base64"})),
            ("fs/readDir", json!({"path": "/home/user"})),
            ("terminal/create", json!({"command": "count", "args": ["x"], "env": [{"name": "N", "value": "1"}], "outputByteLimit": 4})),
            ("terminal/wait_for_exit", json!({"terminalId": "acp-terminal-1"})),
            ("terminal/output", json!({"terminalId": "acp-terminal-1"})),
            ("terminal/resize", json!({"terminalId": "acp-terminal-1", "cols": 80, "rows": 24})),
            ("terminal/resize", json!({"terminalId": "acp-terminal-1", "cols": 80})),
            ("terminal/create", json!({"command": "count", "cols": 0, "rows": 24})),
            ("terminal/create", json!({"command": "count", "cols": 5000, "rows": 24})),
            ("terminal/release", json!({"terminalId": "acp-terminal-1"})),
            ("terminal/output", json!({"terminalId": "acp-terminal-1"})),
            ("terminal/create", json!({"command": "none", "args": ["x"]})),
            ("no/such", json!({})),
        ] {
            let answer = io.ask(method, own(params)).await;
            said.push(match answer.get("error") {
                Some(error) => error["code"].clone(),
                None => answer["result"].clone(),
            });
        }
        json!({"stopReason": "end_turn", "_meta": said})
    })).agent("count", |io: AgentIo| async move {
        io.raw("123456").await;
        3
    });
    let world = setup.build().await;
    let id = world.create().await;
    let outcome = world.prompt(&id, "go").await.unwrap();
    assert_eq!(
        outcome.response["result"]["_meta"],
        json!([
            {}, {"content": "two\n"}, -32002, -32603, -32602, -32602, {}, {"content": "AP8="}, {"entries": ["a", "b"]},
            {"terminalId": "acp-terminal-1"}, {"exitCode": 3, "signal": null},
            {"output": "3456", "truncated": true, "exitStatus": {"exitCode": 3, "signal": null}},
            -32603, -32602, -32602, -32602, {}, -32602, -32002, -32601,
        ])
    );
    let launch = world.computer.launches.lock()[1].clone();
    assert_eq!(
        (launch.argv, launch.cwd.as_deref()),
        (vec!["count".to_owned(), "x".to_owned()], Some("/home/user"))
    );
    assert!(!launch.is_agent && !launch.stdin);
}

/// Remembers conversations in a place that outlives it, if it can.
fn rememberer(loads: bool) -> impl Fn(AgentIo) -> support::computer::Boxed + Send + Sync + 'static {
    move |mut io: AgentIo| {
        Box::pin(async move {
            while let Some(message) = io.next().await {
                let id = message["id"].clone();
                match message["method"].as_str().unwrap_or_default() {
                    "initialize" => {
                        let mut answer = initialized();
                        answer["agentCapabilities"]["loadSession"] = json!(loads);
                        io.reply(&id, answer).await;
                    }
                    "session/new" => {
                        io.reply(
                            &id,
                            json!({"sessionId": "agent-1", "modes": {"currentModeId": "a",
                    "availableModes": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}]}}),
                        )
                        .await;
                    }
                    "session/load" => {
                        assert_eq!(message["params"]["sessionId"], "agent-1");
                        io.update(chunk("replayed")).await;
                        io.reply(&id, json!({"modes": {"currentModeId": "a", "availableModes": []}}))
                            .await;
                        io.update(json!({"sessionUpdate": "available_commands_update", "availableCommands": []}))
                            .await;
                    }
                    "session/set_mode" => io.reply(&id, json!({})).await,
                    "session/prompt" => {
                        let said: Vec<&str> = message["params"]["prompt"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|block| block["text"].as_str().unwrap())
                            .collect();
                        io.update(chunk(&said.join("|"))).await;
                        io.reply(&id, json!({"stopReason": "end_turn"})).await;
                    }
                    _ => {}
                }
            }
            0
        })
    }
}

#[tokio::test]
async fn sessions_continue_after_sleep() {
    for (loads, via) in [(true, ResumedVia::Loaded), (false, ResumedVia::Transcript)] {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let setup = || {
            Setup {
                storage: Some(Arc::clone(&storage)),
                ..Setup::default()
            }
            .agent("test-agent", rememberer(loads))
        };
        let world = setup().build().await;
        let id = world
            .sessions
            .create("test", options(json!({"cwd": "/work", "env": {"A": "1"}})))
            .await
            .unwrap()
            .session_id;
        world.prompt(&id, "first").await.unwrap();
        world.sessions.set_mode(&id, "b").await.unwrap();
        world.sessions.suspend().await;
        assert_eq!(world.computer.running.load(Ordering::Acquire), 0);
        assert_eq!(world.prompt(&id, "late").await.unwrap_err().code(), "shutting_down");

        let world = setup().build().await;
        assert_eq!(world.sessions.list().unwrap()[0].status, Status::Suspended);
        assert_eq!(world.sessions.resume(&id).await.unwrap(), via);
        assert_eq!(world.sessions.resume(&id).await.unwrap(), ResumedVia::Live);
        assert_eq!(
            world.sessions.modes(&id).await.unwrap().unwrap()["currentModeId"],
            "b",
            "set again"
        );
        let launch = world.computer.launches.lock()[0].clone();
        assert_eq!(launch.cwd.as_deref(), Some("/work"));
        assert!(launch.env.contains(&("A".to_owned(), "1".to_owned())));
        let outcome = world.prompt(&id, "second").await.unwrap();
        let path = format!("/etc/agentos/sessions/{id}.md");
        match loads {
            true => assert_eq!(outcome.text, "second"),
            false => {
                assert!(
                    outcome.text.contains(&path) && outcome.text.ends_with("|second"),
                    "{}",
                    outcome.text
                );
                let transcript = world.computer.text(&path).unwrap();
                assert!(
                    transcript.contains("## User\n\nfirst") && transcript.contains("## Agent\n\nfirst"),
                    "{transcript}"
                );
                assert_eq!(world.prompt(&id, "third").await.unwrap().text, "third", "told once");
            }
        }
        let events = world.sessions.events(&id, &EventQuery::default()).unwrap();
        assert!(!events.iter().any(|event| event.event.to_string().contains("replayed")));
        world.sessions.close(&id).await.unwrap();
        let closed = world.prompt(&id, "x").await.unwrap_err();
        assert_eq!(
            (closed.code(), closed.metadata()["status"].clone()),
            ("session_not_found", json!("closed"))
        );
        assert!(world.sessions.list().unwrap().is_empty());
        assert_eq!(world.sessions.persisted(false).unwrap().len(), 1);
        assert_eq!(world.sessions.resume(&id).await.unwrap(), via, "also of a closed one");
        world.sessions.destroy(&id).await.unwrap();
        world.sessions.destroy(&id).await.unwrap();
        assert_eq!(world.sessions.get(&id).unwrap_err().code(), "session_not_found");
        assert_eq!(
            world.sessions.events(&id, &EventQuery::default()).unwrap_err().code(),
            "session_not_found"
        );
    }
}

#[tokio::test]
async fn an_interrupted_prompt_gets_its_end_at_the_next_boot() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let setup = || {
        Setup {
            storage: Some(Arc::clone(&storage)),
            ..Setup::default()
        }
        .agent("test-agent", asker)
    };
    let world = Arc::new(setup().build().await);
    let id = world.create().await;
    let (running, of) = (Arc::clone(&world), id.clone());
    let prompt = tokio::spawn(async move { running.prompt(&of, "x").await });
    let request = asked(&world, 0).await;
    // The host is gone between two instants.
    let again = setup().build().await;
    prompt.abort();
    let events = again.sessions.events(&id, &EventQuery::default()).unwrap();
    let last = &events.last().unwrap().event;
    assert_eq!(
        (last["method"].as_str(), last["params"]["error"]["code"].as_str()),
        (Some("agentos/prompt_end"), Some("interrupted"))
    );
    let gone = again
        .sessions
        .respond(&id, &request.permission_id, Reply::Once, None, Via::Client)
        .await
        .unwrap_err();
    assert_eq!(
        (gone.code(), gone.metadata()["outcome"].clone()),
        ("permission_already_resolved", json!("cancelled"))
    );
    world.sessions.kill();
}

#[tokio::test]
async fn agents_have_options_models_and_modes() {
    let world = Setup::default().agent("test-agent", |mut io: AgentIo| async move {
        let options = |model: &Value| json!([{"id": "m", "name": "Model", "category": "model", "type": "select", "currentValue": model,
            "options": [{"group": "g", "name": "G", "options": [{"value": "small", "name": "Small"}, {"value": "large", "name": "Large"}]}]},
            {"id": "t", "name": "Thinking", "category": "thought_level", "readOnly": true, "currentValue": "low"}]);
        while let Some(message) = io.next().await {
            let id = message["id"].clone();
            match message["method"].as_str().unwrap_or_default() {
                "initialize" => io.reply(&id, initialized()).await,
                "session/new" => io.reply(&id, json!({"sessionId": "agent-1", "configOptions": options(&json!("small"))})).await,
                "session/set_config_option" if message["params"]["value"] == "large" => {
                    io.reply(&id, json!({"configOptions": options(&message["params"]["value"])})).await;
                }
                "session/set_config_option" => io.send(json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "no such model"}})).await,
                "_custom" => io.reply(&id, message["params"].clone()).await,
                _ => {}
            }
        }
        0
    }).build().await;
    let id = world.create().await;
    let set = world.sessions.set_model(&id, "large").await.unwrap();
    let model = set["result"]["configOptions"][0].clone();
    assert_eq!(
        model,
        json!({"id": "m", "category": "model", "label": "Model", "currentValue": "large",
        "allowedValues": [{"id": "small", "label": "Small"}, {"id": "large", "label": "Large"}]})
    );
    assert_eq!(world.sessions.config_options(&id).await.unwrap()[0], model);
    assert_eq!(
        world.sessions.set_model(&id, "huge").await.unwrap()["error"]["message"],
        "no such model"
    );
    assert_eq!(
        world.sessions.set_thought_level(&id, "high").await.unwrap()["error"]["code"],
        -32601
    );
    assert_eq!(
        world.sessions.set_mode(&id, "plan").await.unwrap()["error"]["code"],
        -32601
    );
    assert_eq!(world.sessions.modes(&id).await.unwrap(), None);
    let raw = world
        .sessions
        .raw_send(&id, "_custom", json!({"x": 1, "sessionId": id}))
        .await
        .unwrap();
    assert_eq!(raw["result"], json!({"x": 1, "sessionId": "agent-1"}));
    assert_eq!(
        world
            .sessions
            .raw_send(&id, "session/new", json!({}))
            .await
            .unwrap_err()
            .code(),
        "invalid_argument"
    );
}

#[tokio::test]
async fn what_an_agent_is_given() {
    let world = Setup::default()
        .agent("test-agent", |mut io: AgentIo| async move {
            let env = io.launch.env.clone();
            while let Some(message) = io.next().await {
                let id = message["id"].clone();
                match message["method"].as_str().unwrap_or_default() {
                    "initialize" => {
                        assert_eq!(message["params"]["clientCapabilities"]["terminal"], true);
                        let mut answer = initialized();
                        answer["agentCapabilities"]["mcpCapabilities"] = json!({"http": true});
                        io.reply(&id, answer).await;
                    }
                    "session/new" => {
                        io.reply(
                            &id,
                            json!({"sessionId": "agent-1", "_meta": {"got": message["params"], "env": env}}),
                        )
                        .await;
                    }
                    "session/prompt" => io.reply(&id, json!({"stopReason": "end_turn"})).await,
                    _ => {}
                }
            }
            0
        })
        .agent("server", |mut io: AgentIo| async move {
            while let Some(message) = io.next().await {
                io.reply(&message["id"], json!({"protocolVersion": "2025-06-18"})).await;
            }
            0
        })
        .build()
        .await;
    world
        .computer
        .files
        .lock()
        .insert("/etc/agentos/instructions.md".to_owned(), "# Base".into());
    let given = json!({"env": {"KEY": {"secret": "KNOWN"}}, "additionalInstructions": "Be brief.",
        "mcpServers": [{"type": "local", "command": "server", "args": ["-x"]},
            {"type": "remote", "name": "far", "url": "https://example.com/mcp", "headers": {"Authorization": {"secret": "KNOWN"}}}]});
    let id = world.sessions.create("test", options(given)).await.unwrap().session_id;
    let launch = world.computer.launches.lock()[0].clone();
    assert!(launch.env.contains(&("KEY".to_owned(), "revealed".to_owned())));
    let path = format!("/etc/agentos/sessions/{id}.instructions.md");
    assert!(launch.env.contains(&("AGENTOS_INSTRUCTIONS".to_owned(), path.clone())));
    let text = world.computer.text(&path).unwrap();
    assert_eq!(
        text,
        "# Base\n\nBe brief.\n\nCommands of the host that this VM can call:\n\nagentos-weather forecast"
    );
    let stored = format!(
        "{:?} {:?}",
        world.sessions.get(&id).unwrap(),
        options(json!({"env": {"A": "plain-value"}}))
    );
    assert!(!stored.contains("revealed") && !stored.contains("plain-value"));
    let skipped = world
        .sessions
        .create("test", options(json!({"skipOsInstructions": true})))
        .await
        .unwrap()
        .session_id;
    let text = world
        .computer
        .text(&format!("/etc/agentos/sessions/{skipped}.instructions.md"))
        .unwrap();
    assert!(!text.contains("# Base") && text.contains("agentos-weather"));
    let unknown = world
        .sessions
        .create("test", options(json!({"env": {"KEY": {"secret": "OTHER"}}})))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), "invalid_argument");
    for (given, member) in [
        (json!({"cdw": "/"}), "cdw"),
        (json!({"permissionPolicy": "always"}), "always"),
    ] {
        let error = CreateOptions::from_json(given).unwrap_err();
        assert!(
            error.code() == "invalid_argument" && error.to_string().contains(member),
            "{error}"
        );
    }
    let _ = EnvValue::from("x");
}

#[tokio::test]
async fn names_that_lead_nowhere_say_what_to_do() {
    let world = Setup::default().agent("test-agent", echo).build().await;
    for (name, says) in [
        ("pie", "did you mean pi?"),
        ("pi", "no command pi-acp"),
        ("/opt/x", "no such program"),
        ("zzzzzzzz", "known agents: "),
    ] {
        let error = world.sessions.create(name, CreateOptions::default()).await.unwrap_err();
        assert!(
            error.code() == "agent_not_installed" && error.to_string().contains(says),
            "{error}"
        );
    }
    assert!(world.sessions.persisted(false).unwrap().is_empty());
    let listed = world.sessions.agents().await;
    let installed: Vec<(&str, bool)> = listed
        .iter()
        .map(|agent| (agent.id.as_str(), agent.installed))
        .collect();
    assert_eq!(
        installed,
        [
            ("pi", false),
            ("claude", false),
            ("codex", false),
            ("opencode", false),
            ("test", true)
        ]
    );
    let bad = world
        .sessions
        .create("test", options(json!({"cwd": "x"})))
        .await
        .unwrap_err();
    assert_eq!(bad.code(), "invalid_argument");
}

#[tokio::test]
async fn followers_read_at_their_own_pace_from_any_place() {
    let world = Setup::default()
        .agent("test-agent", |io| {
            polite(io, |io, _| async move {
                for number in 0..300 {
                    io.update(chunk(&number.to_string())).await;
                }
                json!({"stopReason": "end_turn"})
            })
        })
        .build()
        .await;
    let id = world.create().await;
    let mut early = world.sessions.follow(&id, 0).unwrap();
    assert!(early.ready().unwrap().is_none());
    let mut late = world.sessions.follow(&id, 300).unwrap();
    world.prompt(&id, "go").await.unwrap();
    for expected in 0..302 {
        assert_eq!(early.next().await.unwrap().unwrap().seq, expected);
    }
    assert_eq!(late.next().await.unwrap().unwrap().seq, 300);
    assert_eq!(
        late.next().await.unwrap().unwrap().event["method"],
        "agentos/prompt_end"
    );
    assert!(late.ready().unwrap().is_none());
    assert_eq!(world.check_events(&id).len(), 302);
}

#[tokio::test]
async fn only_so_many_sessions_and_agents() {
    let mut setup = Setup::default().agent("test-agent", echo);
    setup.limits.max_sessions_per_vm = 3;
    setup.limits.max_live_sessions_per_vm = 2;
    let world = setup.build().await;
    let (first, _second) = (world.create().await, world.create().await);
    let refused = world
        .sessions
        .create("test", CreateOptions::default())
        .await
        .unwrap_err();
    assert_eq!(refused.metadata()["limit"], "maxLiveSessionsPerVm");
    assert_eq!(
        world.sessions.list().unwrap().len(),
        2,
        "what did not start is not there"
    );
    world.sessions.close(&first).await.unwrap();
    world.create().await;
    let refused = world
        .sessions
        .create("test", CreateOptions::default())
        .await
        .unwrap_err();
    assert_eq!(refused.metadata()["limit"], "maxSessionsPerVm");
    world.sessions.destroy(&first).await.unwrap();
    assert_eq!(world.sessions.persisted(true).unwrap().len(), 2);
    let _ = Duration::ZERO;
}

/// The agent is alive when the last handle goes: it is killed, and everything that the sessions held is given back.
#[tokio::test]
async fn the_last_handle_takes_the_agent_and_the_memory_with_it() {
    let mut computer = FakeComputer::default();
    computer.program("test-agent", echo);
    let (held, mut released) = tokio::sync::mpsc::channel::<()>(1);
    let sessions = Config::new(Arc::new(computer), tokio::runtime::Handle::current())
        .agent(AgentSpec::new("test", ["test-agent"]))
        .on_notice(move |_| {
            // A full channel is as alive as another.
            let _ = held.try_send(());
        })
        .open()
        .await
        .unwrap();
    let record = sessions.create("test", CreateOptions::default()).await.unwrap();
    let prompt = vec![json!({"type": "text", "text": "hello"})];
    sessions.prompt(&record.session_id, prompt, None).await.unwrap();
    let weak = sessions.downgrade();
    drop(sessions);
    assert!(weak.upgrade().is_none());
    // The channel ends when the core is dropped, and not before.
    let over = async { while released.recv().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(30), over).await.unwrap();
}
