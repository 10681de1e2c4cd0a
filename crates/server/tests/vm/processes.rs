//! Actions on processes.

use crate::support::{Client, json, list, members, text};
use agentos_server::{SecretRequest, SecretSource, SecretText, Value, VmDefinition, VmOptions};
use bytes::Bytes;
use serde_json::json;

#[tokio::test]
async fn commands_run_to_their_end() {
    let vm = Client::new().await;
    let result = vm.ok("exec", ("echo out; echo err >&2; exit 3",)).await;
    assert_eq!(
        text(&result),
        json!({ "exitCode": 3, "stdout": "out\n", "stderr": "err\n" })
    );
    let options = json(json!({ "env": { "A": "b" }, "cwd": "/tmp", "stdin": "typed", "filePath": "x.sh" }));
    let result = vm.ok("exec", ("pwd; echo $A; cat", options)).await;
    assert_eq!(text(&result)["stdout"], "/tmp\nb\ntyped");
    let options = json(json!({ "encoding": "buffer", "captureStdio": true }));
    let result = vm.ok("exec", ("printf hi", options)).await;
    assert_eq!(result.get("stdout"), Some(&Value::Bytes(Bytes::from("hi"))));
    let result = vm.ok("exec", ("echo x", json(json!({ "captureStdio": false })))).await;
    assert_eq!(text(&result), json!({ "exitCode": 0, "stdout": "", "stderr": "" }));
}

#[tokio::test]
async fn argument_vectors_meet_no_shell() {
    let vm = Client::new().await;
    let argv = json(json!(["echo", "$HOME", "a b"]));
    assert_eq!(text(&vm.ok("execArgv", (argv,)).await)["stdout"], "$HOME a b\n");
    let (code, message) = vm.err("execArgv", (json(json!(["no-such-program"])),)).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("agentos/ENOENT", "command not found: no-such-program")
    );
    assert_eq!(
        vm.err("execArgv", (json(json!([])),)).await.0,
        "agentos/invalid_argument"
    );
}

#[tokio::test]
async fn a_command_that_takes_too_long_ends_with_124() {
    let vm = Client::new().await;
    let result = text(
        &vm.ok("exec", ("echo begun; sleep 100", json(json!({ "timeout": 300 }))))
            .await,
    );
    assert_eq!(result["exitCode"], 124);
    assert_eq!(result["timedOut"], true);
    assert_eq!(result["stdout"], "begun\n");
    let (code, message) = vm.err("exec", ("true", json(json!({ "timeout": 0 })))).await;
    assert_eq!(code, "agentos/invalid_argument");
    assert!(message.contains("options.timeout"), "{message}");
}

#[tokio::test]
async fn frozen_clocks_stand_still_while_a_command_computes() {
    let vm = Client::new().await;
    let script = "a=$EPOCHREALTIME; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; [ $a = $EPOCHREALTIME ]; echo $?";
    for (mitigation, said) in [("freeze", "0\n"), ("off", "1\n")] {
        let options = || json(json!({ "timingMitigation": mitigation }));
        let result = vm.ok("exec", (script, options())).await;
        assert_eq!(text(&result)["stdout"], said, "{mitigation}");
        let argv = json(json!(["sh", "-c", script]));
        assert_eq!(
            text(&vm.ok("execArgv", (argv, options())).await)["stdout"],
            said,
            "{mitigation}"
        );
    }
    let code = "a=$EPOCHREALTIME; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; [ $a = $EPOCHREALTIME ]";
    let args = json(json!(["-c", code]));
    let options = json(json!({ "timingMitigation": "freeze" }));
    let spawned = vm.ok("spawn", list(vec!["sh".into(), args, options])).await;
    let exit = vm.ok("waitProcess", (spawned.get("pid").unwrap().clone(),)).await;
    assert_eq!(exit, Value::from(0));
    let wrong = json(json!({ "timingMitigation": "stop" }));
    assert_eq!(vm.err("exec", ("true", wrong)).await.0, "agentos/invalid_argument");
}

#[tokio::test]
async fn environments_refer_to_secrets_that_clients_may_use() {
    let source = SecretSource::hook(|request: SecretRequest| async move {
        let value = format!("value of {} for {}", request.name, request.key);
        Ok((request.name != "GONE").then(|| SecretText::new(value)))
    });
    let options = VmOptions::new().client_secrets(["A", "GONE"]);
    let definition = VmDefinition::builder().options(options).secret_source(source);
    let vm = Client::with(definition.build().unwrap()).await;
    let env = |name: &str| json(json!({ "env": { "X": { "secret": name }, "Y": "plain" } }));
    let result = vm.ok("exec", ("echo $X, $Y", env("A"))).await;
    assert_eq!(text(&result)["stdout"], "value of A for k, plain\n");
    for (name, expected) in [("B", "clientSecrets"), ("GONE", "a secret that the host has")] {
        for action in ["exec", "spawn"] {
            let args = match action {
                "exec" => vec!["true".into(), env(name)],
                _ => vec!["true".into(), Value::Array(vec![]), env(name)],
            };
            let (code, message) = vm.err(action, list(args)).await;
            assert_eq!(code, "agentos/invalid_argument");
            assert!(
                message.contains("options.env.X.secret") && message.contains(expected),
                "{message}"
            );
        }
    }
    let shell = json(json!({ "env": { "X": { "secret": "B" } } }));
    assert_eq!(vm.err("openShell", (shell,)).await.0, "agentos/invalid_argument");
    let more = json(json!({ "env": { "X": { "secret": "A", "other": 1 } } }));
    assert!(vm.err("exec", ("true", more)).await.1.contains("options.env.X.other"));
}

#[tokio::test]
async fn a_vm_without_software_has_no_shell() {
    let options = agentos_server::VmOptions::new().software([]);
    let vm = Client::with(
        agentos_server::VmDefinition::builder()
            .options(options)
            .build()
            .unwrap(),
    )
    .await;
    let error = vm.call("exec", ("true",)).await.unwrap_err();
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        ("ENOENT", "command not found: sh")
    );
}

#[tokio::test]
async fn a_spawned_process_announces_its_output_and_then_its_end_once() {
    let vm = Client::new().await;
    vm.subscribe("processOutput");
    vm.subscribe("processExit");
    let spawned = vm
        .ok("spawn", ("sh", json(json!(["-c", "cat; echo bye >&2; exit 4"]))))
        .await;
    assert_eq!(members(&spawned), ["pid"]);
    let pid = spawned.get("pid").unwrap().clone();
    vm.ok("writeProcessStdin", (pid.clone(), "one\n")).await;
    let (name, payload) = vm.event().await;
    assert_eq!(name, "processOutput");
    assert_eq!(members(&payload), ["pid", "stream", "data"]);
    assert_eq!(payload.get("data"), Some(&Value::Bytes(Bytes::from("one\n"))));
    vm.ok("writeProcessStdin", (pid.clone(), Bytes::from("two\n"))).await;
    vm.ok("closeProcessStdin", (pid.clone(),)).await;
    let mut said = Vec::new();
    loop {
        let (name, payload) = vm.event().await;
        if name == "processExit" {
            assert_eq!(text(&payload), json!({ "pid": text(&pid), "exitCode": 4 }));
            break;
        }
        said.push((text(&payload)["stream"].clone(), text(&payload)["data"].clone()));
    }
    assert_eq!(
        said,
        [(json!("stdout"), json!("two\n")), (json!("stderr"), json!("bye\n"))]
    );
    assert_eq!(vm.ok("waitProcess", (pid.clone(),)).await, Value::Int(4));
    assert_eq!(vm.err("writeProcessStdin", (pid, "x")).await.0, "agentos/EPIPE");
}

#[tokio::test]
async fn processes_are_listed_and_signalled() {
    let vm = Client::new().await;
    vm.subscribe("processExit");
    let pid = vm
        .ok("spawn", ("sleep", json(json!(["1000"]))))
        .await
        .get("pid")
        .unwrap()
        .clone();
    let record = json!({ "pid": text(&pid), "command": "sleep", "args": ["1000"], "running": true, "exitCode": null });
    assert_eq!(text(&vm.ok("listProcesses", ()).await), json!([record]));
    assert_eq!(text(&vm.ok("getProcess", (pid.clone(),)).await), record);
    let all = vm.ok("allProcesses", ()).await;
    let info = &all.as_array().unwrap()[0];
    assert_eq!(
        members(info),
        [
            "pid",
            "ppid",
            "pgid",
            "sid",
            "driver",
            "command",
            "args",
            "cwd",
            "status",
            "exitCode",
            "startTime",
            "exitTime"
        ]
    );
    assert_eq!(info.get("cwd").unwrap().as_str(), Some("/home/user"));
    assert_eq!(info.get("status").unwrap().as_str(), Some("running"));
    let tree = vm.ok("processTree", ()).await;
    assert_eq!(
        tree.as_array().unwrap()[0].get("children"),
        Some(&Value::Array(Vec::new()))
    );
    vm.ok("signalProcess", (pid.clone(), "SIGUSR1")).await;
    let (_, payload) = vm.event().await;
    assert_eq!(
        text(&payload),
        json!({ "pid": text(&pid), "exitCode": 138, "signal": "SIGUSR1" })
    );
    // What has ended can be stopped any number of times.
    for action in ["stopProcess", "killProcess"] {
        vm.ok(action, (pid.clone(),)).await;
    }
    assert_eq!(text(&vm.ok("getProcess", (pid,)).await)["exitCode"], 138);
}

#[tokio::test]
async fn unknown_processes_and_signals_are_named() {
    let vm = Client::new().await;
    for action in [
        "waitProcess",
        "getProcess",
        "stopProcess",
        "killProcess",
        "closeProcessStdin",
    ] {
        let error = vm.call(action, (4711,)).await.unwrap_err();
        assert_eq!(
            (error.code.as_ref(), error.message.as_str()),
            ("process_not_found", "Process not found: 4711")
        );
        assert_eq!(text(&error.metadata.unwrap()), json!({ "pid": 4711 }));
    }
    let pid = vm
        .ok("spawn", ("sleep", json(json!(["1000"]))))
        .await
        .get("pid")
        .unwrap()
        .clone();
    let (code, message) = vm.err("signalProcess", (pid.clone(), "SIGNOTHING")).await;
    assert_eq!(code, "agentos/invalid_argument");
    assert!(message.contains("SIGNOTHING"), "{message}");
    assert_eq!(vm.err("spawn", (5, Value::Null)).await.0, "agentos/invalid_argument");
    vm.ok("killProcess", (pid.clone(),)).await;
    assert_eq!(vm.ok("waitProcess", (pid,)).await, Value::Int(137));
}

#[tokio::test]
async fn a_spawned_process_can_have_its_input_and_its_time() {
    let vm = Client::new().await;
    vm.subscribe("processOutput");
    vm.subscribe("processExit");
    vm.ok("spawn", ("cat", json(json!([])), json(json!({ "stdin": "all of it" }))))
        .await;
    assert_eq!(text(&vm.event().await.1)["data"], "all of it");
    assert_eq!(text(&vm.event().await.1)["exitCode"], 0);
    vm.ok(
        "spawn",
        ("echo", json(json!(["unheard"])), json(json!({ "captureStdio": false }))),
    )
    .await;
    assert_eq!(vm.event().await.0, "processExit");
}

#[tokio::test]
async fn a_spawned_process_that_ran_out_of_its_time_says_so() {
    let vm = Client::new().await;
    vm.subscribe("processExit");
    // One that the signal ends, one that ends politely with a code of its own, and one that must be killed; of the last two
    // a child is left, which does not outlive the time either.
    for script in [
        "exec sleep 1000",
        "trap 'exit 0' TERM; sleep 1000 & while :; do sleep 1; done",
        "trap '' TERM; sleep 1000 & while :; do sleep 1; done",
    ] {
        let options = json(json!({ "timeout": 300, "captureStdio": false }));
        let spawned = vm.ok("spawn", ("sh", json(json!(["-c", script])), options)).await;
        let pid = spawned.get("pid").unwrap().clone();
        assert_eq!(vm.ok("waitProcess", (pid.clone(),)).await, Value::Int(124), "{script}");
        assert_eq!(text(&vm.ok("getProcess", (pid.clone(),)).await)["exitCode"], 124);
        let exit = text(&vm.event().await.1);
        assert_eq!(exit["pid"], text(&pid), "{script}");
        assert_eq!(
            (&exit["exitCode"], &exit["timedOut"]),
            (&json!(124), &json!(true)),
            "{script}"
        );
    }
    // What ends in its time has its own code.
    let options = json(json!({ "timeout": 100_000 }));
    vm.ok("spawn", ("sh", json(json!(["-c", "exit 3"])), options)).await;
    let exit = text(&vm.event().await.1);
    assert_eq!((&exit["exitCode"], &exit["timedOut"]), (&json!(3), &json!(null)));
    // Killing takes no effect before the killed are scheduled.
    vm.ok("exec", ("while ps -e | grep -q '[s]leep 1000'; do sleep 0.01; done",))
        .await;
}

#[tokio::test]
async fn exited_processes_are_forgotten_beyond_the_limit() {
    let mut limits = agentos_server::agentos::Limits::default();
    limits.set("maxRetainedExited", 2).unwrap();
    let options = agentos_server::VmOptions::new().limits(limits);
    let vm = Client::with(
        agentos_server::VmDefinition::builder()
            .options(options)
            .build()
            .unwrap(),
    )
    .await;
    let mut pids = Vec::new();
    for _ in 0..4 {
        let pid = vm
            .ok("spawn", ("true", json(json!([]))))
            .await
            .get("pid")
            .unwrap()
            .clone();
        vm.ok("waitProcess", (pid.clone(),)).await;
        pids.push(pid);
    }
    let kept = vm.ok("listProcesses", ()).await;
    assert_eq!(kept.as_array().unwrap().len(), 2);
    assert_eq!(
        vm.err("getProcess", list(vec![pids[0].clone()])).await.0,
        "agentos/process_not_found"
    );
    vm.ok("getProcess", list(vec![pids[3].clone()])).await;
}
