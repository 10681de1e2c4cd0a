//! The tools as a client meets them.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::{AgentOs, Tool, ToolContext, ToolError, ToolKit};
use agentos_mcp::Limits;
use rmcp::model::{ClientRequest, Request};
#[allow(deprecated, reason = "later versions of the protocol leave logging to others")]
use rmcp::model::{LoggingLevel, SetLevelRequestParams};
use rmcp::service::{PeerRequestOptions, ServiceError};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Told, World, params, text};

#[tokio::test]
async fn tools_are_listed_with_what_they_take_and_give() {
    let world = World::new().await;
    let info = world.client.peer_info().expect("information");
    assert!(
        info.instructions.as_ref().unwrap().contains("virtual machine"),
        "{info:?}"
    );
    let tools = world.client.list_all_tools().await.unwrap();
    let names: BTreeSet<&str> = tools.iter().map(|tool| &*tool.name).collect();
    let expected = [
        "edit_file",
        "exec",
        "find_files",
        "list_directory",
        "make_directory",
        "move",
        "process_input",
        "process_kill",
        "process_output",
        "process_start",
        "process_status",
        "read_file",
        "remove",
        "stat",
        "write_file",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    for tool in &tools {
        let output = tool.output_schema.as_ref().expect("a schema of the result");
        for schema in [&tool.input_schema, output] {
            assert_eq!(schema["type"], "object", "{}", tool.name);
        }
        assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
        let fields = tool.input_schema["properties"].as_object().into_iter().flatten();
        for (name, field) in fields {
            assert!(field["description"].is_string(), "{}.{name}", tool.name);
        }
        let annotations = tool.annotations.as_ref().expect("annotations");
        assert!(
            annotations.title.is_some() && annotations.read_only_hint.is_some(),
            "{}",
            tool.name
        );
    }
}

#[tokio::test]
async fn commands_run_with_what_they_are_given() {
    let world = World::new().await;
    let arguments =
        json!({ "command": "cat; echo $A >&2; pwd; exit 3", "stdin": "in\n", "env": { "A": "b" }, "cwd": "/tmp" });
    let result = world.call("exec", arguments).await;
    assert_eq!(result.is_error, Some(false));
    assert_eq!(text(&result), "in\n/tmp\n[stderr]\nb\n[exit code 3]");
    let fields = result.structured_content.unwrap();
    let got = (
        &fields["exitCode"],
        &fields["stdout"],
        &fields["stderr"],
        &fields["timedOut"],
    );
    assert_eq!(got, (&json!(3), &json!("in\n/tmp\n"), &json!("b\n"), &json!(false)));
    // No shell touches the words of argv.
    let fields = world.fields("exec", json!({ "argv": ["echo", "$HOME", "a  b"] })).await;
    assert_eq!(fields["stdout"], "$HOME a  b\n");
    let fields = world
        .fields("exec", json!({ "command": "while :; do :; done", "timeoutMs": 50 }))
        .await;
    assert_eq!((&fields["exitCode"], &fields["timedOut"]), (&json!(124), &json!(true)));
}

#[tokio::test]
async fn wrong_arguments_are_named_with_what_is_accepted() {
    let world = World::new().await;
    for (tool, arguments, expected) in [
        (
            "exec",
            json!({}),
            "command: is missing; give command, a line for sh, or argv",
        ),
        (
            "exec",
            json!({ "command": "x", "argv": ["x"] }),
            "argv: command is given as well",
        ),
        (
            "exec",
            json!({ "command": 3 }),
            "command: expected a string or null, got 3",
        ),
        ("exec", json!({ "argv": [] }), "argv: expected a program"),
        (
            "exec",
            json!({ "command": "x", "timeout": 3 }),
            "timeout: is no argument; did you mean timeoutMs?",
        ),
        (
            "exec",
            json!({ "command": "x", "timeoutMs": 0 }),
            "timeoutMs: expected an integer or null of at least 1, got 0",
        ),
        (
            "exec",
            json!({ "command": "x", "timeoutMs": -1 }),
            "timeoutMs: expected an integer",
        ),
        (
            "exec",
            json!({ "command": "x", "env": { "A=": "b" } }),
            "cannot be an environment variable",
        ),
        (
            "exec",
            json!({ "command": "x", "cwd": "../x" }),
            "cwd: \"../x\" contains ..",
        ),
        ("exec", json!({ "command": "x", "cwd": "/none" }), "ENOENT"),
        ("read_file", json!({}), "path: is missing; expected a string"),
        ("read_file", json!({ "path": "" }), "path: expected a path"),
        ("read_file", json!({ "path": "/etc", "length": 3 }), "list_directory"),
        (
            "read_file",
            json!({ "path": "/etc/passwd", "offset": 0, "maxLines": 1 }),
            "a range of bytes or of lines",
        ),
        ("write_file", json!({ "path": "x" }), "content: is missing"),
        (
            "write_file",
            json!({ "path": "x", "base64": "%" }),
            "base64: is no base64",
        ),
        (
            "edit_file",
            json!({ "path": "x", "edits": [] }),
            "edits: expected a list",
        ),
        ("find_files", json!({ "pattern": "[" }), "pattern: [ without its ]"),
        (
            "process_output",
            json!({ "pid": 12345 }),
            "was not started by process_start",
        ),
        ("process_kill", json!({ "pid": -1 }), "pid: expected an integer"),
    ] {
        let (said, fields) = world.refused(tool, arguments.clone()).await;
        assert!(said.contains(expected), "{tool} {arguments}: {said}");
        assert!(fields["code"].is_string() && fields["message"].is_string(), "{fields}");
    }
    let error = world.try_call("exce", json!({})).await.unwrap_err();
    let ServiceError::McpError(error) = error else {
        panic!("{error}")
    };
    assert_eq!(
        (error.code.0, &*error.message),
        (-32602, "Unknown tool: exce; did you mean exec?")
    );
}

#[tokio::test]
async fn output_is_cut_in_its_middle_and_says_so() {
    let world = World::new().await;
    let fields = world
        .fields("exec", json!({ "command": "seq 1 100000", "maxOutputBytes": 20 }))
        .await;
    assert_eq!(
        fields["stdout"],
        "1\n2\n3\n4\n5\n\n[... 588875 bytes left out ...]\n99\n100000\n"
    );
    let cut = json!([{ "limit": "maxOutputBytes", "observed": 588_895, "cap": 20, "field": "stdout" }]);
    assert_eq!(fields["truncated"], cut);
    let (said, fields) = world
        .refused("exec", json!({ "command": "x", "maxOutputBytes": 1_u64 << 40 }))
        .await;
    assert!(
        said.starts_with("limit_exceeded: maxOutputBytes: 1099511627776 is more than mcp.maxOutputBytes"),
        "{said}"
    );
    let limit =
        json!({ "limit": "mcp.maxOutputBytes", "observed": 1_u64 << 40, "cap": 1 << 20, "field": "maxOutputBytes" });
    assert_eq!(fields["limit"], limit);
}

#[tokio::test]
async fn started_processes_are_read_written_and_stopped() {
    let world = World::new().await;
    let started = world
        .fields(
            "process_start",
            json!({ "command": "echo ready; while read l; do echo got $l; done; echo end >&2" }),
        )
        .await;
    let pid = started["pid"].clone();
    let first = world
        .fields("process_output", json!({ "pid": pid, "waitMs": 60_000 }))
        .await;
    assert_eq!((&first["stdout"], &first["running"]), (&json!("ready\n"), &json!(true)));
    world
        .fields("process_input", json!({ "pid": pid, "text": "a\n" }))
        .await;
    let from = first["stdoutNext"].clone();
    let second = world
        .fields(
            "process_output",
            json!({ "pid": pid, "stdoutFrom": from, "waitMs": 60_000 }),
        )
        .await;
    assert_eq!(second["stdout"], "got a\n");
    world
        .fields("process_input", json!({ "pid": pid, "base64": "Yg==", "close": true }))
        .await;
    let seen = json!({ "pid": pid, "stdoutFrom": 1000, "stderrFrom": 1000, "waitMs": 60_000 });
    let ended = world.fields("process_output", seen).await;
    assert_eq!((&ended["running"], &ended["exitCode"]), (&json!(false), &json!(0)));
    let all = world.fields("process_output", json!({ "pid": pid })).await;
    assert_eq!(
        (&all["stdout"], &all["stderr"]),
        (&json!("ready\ngot a\n"), &json!("end\n"))
    );

    let endless = world
        .fields("process_start", json!({ "argv": ["sh", "-c", "sleep 1000 & wait"] }))
        .await["pid"]
        .clone();
    let killed = world
        .fields(
            "process_kill",
            json!({ "pid": endless, "signal": "SIGKILL", "waitMs": 60_000 }),
        )
        .await;
    assert_eq!((&killed["running"], &killed["exitCode"]), (&json!(false), &json!(137)));
    // With its descendants.
    world.vm.idle().await;
    let (said, _) = world
        .refused("process_kill", json!({ "pid": endless, "signal": "SIGNONE" }))
        .await;
    assert!(said.contains("signal: \"SIGNONE\" is no signal"), "{said}");
    let all = world.fields("process_status", json!({})).await;
    assert_eq!(all["processes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_table_of_processes_is_bounded_and_forgets_the_ended_first() {
    let mut limits = Limits::default();
    limits.max_processes = 2;
    limits.max_process_log_bytes = 8;
    let world = World::of(AgentOs::builder(), limits).await;
    let short = world
        .fields("process_start", json!({ "command": "echo 0123456789" }))
        .await["pid"]
        .clone();
    let kept = world
        .fields(
            "process_output",
            json!({ "pid": short, "stdoutFrom": 100, "stderrFrom": 100, "waitMs": 60_000 }),
        )
        .await;
    assert_eq!(kept["running"], false);
    let kept = world.fields("process_output", json!({ "pid": short })).await;
    assert_eq!(
        (&kept["stdout"], &kept["stdoutNext"]),
        (&json!("3456789\n"), &json!(11))
    );
    let lost = json!([{ "limit": "mcp.maxProcessLogBytes", "observed": 11, "cap": 8, "field": "stdout" }]);
    assert_eq!(kept["truncated"], lost);
    world.fields("process_start", json!({ "command": "sleep 1000" })).await;
    world.fields("process_start", json!({ "command": "sleep 1000" })).await;
    let (said, _) = world.refused("process_output", json!({ "pid": short })).await;
    assert!(said.contains("Process not found"), "{said}");
    let (_, fields) = world.refused("process_start", json!({ "command": "sleep 1000" })).await;
    assert_eq!(
        fields["limit"],
        json!({ "limit": "mcp.maxProcesses", "observed": 3, "cap": 2, "field": "running processes" })
    );
    // They end with their server.
    let vm = world.vm.clone();
    drop(world);
    vm.idle().await;
}

#[tokio::test]
async fn a_cancelled_call_kills_its_command() {
    let mut world = World::new().await;
    let request = Request::new(params("exec", json!({ "command": "echo begun; sleep 1000 & wait" })));
    let request = ClientRequest::CallToolRequest(request);
    let handle = world
        .client
        .send_cancellable_request(request, PeerRequestOptions::no_options())
        .await
        .unwrap();
    // It runs when it has written.
    loop {
        match world.told.recv().await.unwrap() {
            Told::Progress(progress) if progress.message.as_deref() == Some("begun") => break,
            Told::Progress(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!world.vm.running().is_empty());
    handle.cancel(Some("enough".to_owned())).await.unwrap();
    world.vm.idle().await;
    // The server goes on.
    assert_eq!(
        world.fields("exec", json!({ "command": "echo on" })).await["stdout"],
        "on\n"
    );
}

#[tokio::test]
async fn progress_grows() {
    let mut world = World::new().await;
    let world_call = world.client.call_tool(params(
        "exec",
        json!({ "command": "for i in 1 2 3; do echo $i; sleep 0.15; done", "timeoutMs": 9000 }),
    ));
    world_call.await.unwrap();
    let mut told = Vec::new();
    while let Ok(Told::Progress(progress)) = world.told.try_recv() {
        told.push(progress);
    }
    assert!(told.len() >= 3, "{told:?}");
    assert!(told.is_sorted_by(|a, b| a.progress < b.progress), "{told:?}");
    assert!(told.iter().all(|progress| progress.total == Some(9.0)), "{told:?}");
    assert!(
        told.iter().any(|progress| progress.message.as_deref() == Some("2")),
        "{told:?}"
    );
}

#[tokio::test]
async fn calls_beyond_the_bound_are_refused_at_once() {
    let mut limits = Limits::default();
    limits.max_concurrent_calls = 1;
    let mut world = World::of(AgentOs::builder(), limits).await;
    let request = Request::new(params("exec", json!({ "command": "echo begun; sleep 1000" })));
    let request = ClientRequest::CallToolRequest(request);
    let handle = world
        .client
        .send_cancellable_request(request, PeerRequestOptions::no_options())
        .await
        .unwrap();
    world.told.recv().await.unwrap();
    let (_, fields) = world.refused("stat", json!({ "path": "/" })).await;
    assert_eq!(
        fields["limit"],
        json!({ "limit": "mcp.maxConcurrentCalls", "observed": 2, "cap": 1, "field": "calls" })
    );
    handle.cancel(None).await.unwrap();
    world.vm.idle().await;
}

#[tokio::test]
async fn the_policy_of_the_vm_decides() {
    let policy = json!({ "fs": { "default": "allow", "rules": [{ "mode": "deny", "operations": ["write"], "paths": ["/home/user/kept/**"] }] } });
    let world = World::of(AgentOs::builder().permissions(policy), Limits::default()).await;
    world
        .fields("write_file", json!({ "path": "free", "content": "x" }))
        .await;
    let (said, fields) = world
        .refused("write_file", json!({ "path": "kept/x", "content": "x" }))
        .await;
    assert_eq!(fields["code"], "EACCES", "{said}");
    assert!(said.contains("/home/user/kept"), "{said}");
    let (said, _) = world
        .refused("write_file", json!({ "path": "/proc/x", "content": "x" }))
        .await;
    assert!(said.contains("EROFS"), "{said}");
}

#[tokio::test]
async fn the_tools_of_the_host_are_tools() {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let forecast = Tool::new(
        schema.clone(),
        async |input: Value, _: ToolContext| match input["city"].as_str() {
            Some("Nowhere") => Err(ToolError::user("there is no such city")),
            city => Ok(json!({ "city": city, "temperature": 22 })),
        },
    );
    let kit = ToolKit::new("weather", "Weather data").tool("forecast", forecast.description("Forecast for a city"));
    let world = World::of(AgentOs::builder().tool_kit(kit), Limits::default()).await;
    let tools = world.client.list_all_tools().await.unwrap();
    let tool = tools
        .iter()
        .find(|tool| tool.name == "weather__forecast")
        .expect("the tool");
    assert_eq!(tool.description.as_deref(), Some("Forecast for a city"));
    assert_eq!(Value::Object((*tool.input_schema).clone()), schema);
    let fields = world.fields("weather__forecast", json!({ "city": "Paris" })).await;
    assert_eq!(fields, json!({ "city": "Paris", "temperature": 22 }));
    let (said, fields) = world.refused("weather__forecast", json!({ "city": "Nowhere" })).await;
    assert_eq!(
        (said.as_str(), &fields["code"]),
        ("EXECUTION_ERROR: there is no such city", &json!("EXECUTION_ERROR"))
    );
    let (said, _) = world.refused("weather__forecast", json!({ "town": 3 })).await;
    assert!(said.starts_with("VALIDATION_ERROR"), "{said}");
}

#[tokio::test]
#[allow(deprecated, reason = "later versions of the protocol leave logging to others")]
async fn calls_are_recorded_for_clients_that_ask() {
    let mut world = World::new().await;
    world.call("exec", json!({ "command": "true" })).await;
    world
        .client
        .set_level(SetLevelRequestParams::new(LoggingLevel::Info))
        .await
        .unwrap();
    world.call("exec", json!({ "command": "true" })).await;
    world.call("stat", json!({ "path": "/none" })).await;
    let mut records = Vec::new();
    while let Ok(told) = world.told.try_recv() {
        if let Told::Logged(record) = told {
            records.push(record);
        }
    }
    // None from before the level was set, none below it.
    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(
        (&records[0]["tool"], &records[0]["event"]),
        (&json!("exec"), &json!("ended"))
    );
    assert_eq!(
        (&records[1]["event"], &records[1]["failure"]["code"]),
        (&json!("failed"), &json!("ENOENT"))
    );
}

#[tokio::test]
async fn a_vm_that_is_gone_says_so() {
    let world = World::new().await;
    world.vm.dispose().await;
    let call = tokio::time::timeout(
        Duration::from_secs(60),
        world.refused("exec", json!({ "command": "true" })),
    );
    assert_eq!(call.await.unwrap().1["code"], "vm_disposed");
}
