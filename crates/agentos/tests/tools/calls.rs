//! Input in every form, results, failures and exit codes.

use crate::kit::{builder, line, vm};
use agentos::{AgentOs, Limits, Policy};
use serde_json::json;
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn input_comes_from_flags_json_a_file_or_standard_input() {
    let vm = vm().await;
    let expected = json!({ "ok": true, "result": { "text": "a b", "count": 2, "loud": true } });
    vm.write_file("/home/user/in.json", r#"{"text":"a b","count":2,"loud":true}"#)
        .await
        .unwrap();
    for command in [
        "agentos-test echo --text 'a b' --count=2 --loud",
        r#"agentos-test echo --json '{"text":"a b","count":2,"loud":true}'"#,
        "agentos-test echo --json-file in.json",
        "cd /; agentos-test echo --json-file=/home/user/in.json",
        "agentos-test echo < in.json",
        "cat in.json | agentos-test echo",
        "/bin/agentos-test echo --text 'a b' --count 2 --loud",
        "/usr/bin/agentos-test echo --text 'a b' --count 2 --loud",
        "/usr/local/bin/agentos-test echo --text 'a b' --count 2 --loud",
    ] {
        let output = vm.exec(command).await.unwrap();
        assert_eq!((output.exit_code, output.stderr_text().as_str()), (0, ""), "{command}");
        assert_eq!(line(&output), expected, "{command}");
    }
}

#[tokio::test]
async fn a_failure_is_a_line_a_message_and_an_exit_code() {
    let vm = vm().await;
    for (command, exit, code, message) in [
        (
            "agentos-test echo",
            2,
            "VALIDATION_ERROR",
            "Missing required flag: --text",
        ),
        (
            "echo '{\"text\":5}' | agentos-test echo",
            2,
            "VALIDATION_ERROR",
            "ToolInputSchemaViolation at $.text: expected string, got 5",
        ),
        (
            "agentos-test echo --text a --count many",
            2,
            "VALIDATION_ERROR",
            "ToolInputSchemaViolation at $.count: expected integer, got \"many\"",
        ),
        (
            "agentos-test echo --json '{}' --text a",
            2,
            "VALIDATION_ERROR",
            "--json and --json-file cannot be combined with one another or with other flags",
        ),
        (
            "agentos-test echo --json-file nowhere",
            2,
            "VALIDATION_ERROR",
            "--json-file nowhere cannot be read: ENOENT",
        ),
        (
            "agentos-test echo --json '{'",
            2,
            "VALIDATION_ERROR",
            "The input is no JSON: ",
        ),
        (
            "agentos-test fail --how input",
            2,
            "VALIDATION_ERROR",
            "ToolInputSchemaViolation at $.how: expected something else",
        ),
        (
            "agentos-test fail --how user",
            1,
            "EXECUTION_ERROR",
            "no more forecasts today",
        ),
        (
            "agentos-test nothing",
            127,
            "UNKNOWN_TOOL",
            "Unknown tool in kit test. Available tools: echo, fail, hang, large, context",
        ),
        (
            "agentos list-tools nothing",
            127,
            "UNKNOWN_TOOL",
            "Unknown kit. Available kits: test",
        ),
    ] {
        let output = vm.exec(command).await.unwrap();
        let reply = line(&output);
        assert_eq!(
            (output.exit_code, &reply["ok"], &reply["error"]),
            (exit, &json!(false), &json!(code)),
            "{command}"
        );
        let told = reply["message"].as_str().unwrap();
        assert!(told.starts_with(message), "{command}: {told}");
        assert_eq!(output.stderr_text(), format!("{told}\n"), "{command}");
    }
}

#[tokio::test]
async fn a_user_error_keeps_its_code_and_data() {
    let output = vm().await.exec("agentos-test fail --how user").await.unwrap();
    let reply = line(&output);
    assert_eq!(
        (&reply["code"], &reply["metadata"]),
        (&json!("quota"), &json!({ "left": 0 }))
    );
}

#[tokio::test]
async fn other_errors_and_panics_are_masked_and_reported() {
    let failures = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&failures);
    let (builder, ..) = builder();
    let builder = builder.on_tool_failure(move |failure| reported.lock().unwrap().push(failure.clone()));
    let vm = builder.create().await.unwrap();
    for how in ["error", "panic"] {
        let output = vm.exec(format!("agentos-test fail --how {how}")).await.unwrap();
        let text = output.stdout_text() + &output.stderr_text();
        assert!(!text.contains("hunter2"), "{text}");
        let failure = failures.lock().unwrap().pop().unwrap();
        assert!(failure.error.contains("hunter2"), "{failure:?}");
        assert_eq!(
            (&*failure.kit, &*failure.tool, failure.correlation_id.len()),
            ("test", "fail", 32)
        );
        let masked = "Internal error. Read the server logs for more details. (correlation id ";
        let expected = format!("{masked}{})", failure.correlation_id);
        let reply = line(&output);
        assert_eq!(
            (output.exit_code, reply["message"].as_str()),
            (1, Some(expected.as_str()))
        );
    }
    // The VM and its tools go on.
    assert_eq!(vm.exec("agentos-test echo --text x").await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn tools_stand_in_pipelines_with_other_programs() {
    let vm = vm().await;
    let script = r#"
        set -o pipefail
        printf '{"text":"%s"}' "$(seq 3 | tr '\n' -)" | agentos-test echo | jq -r .result.text | tr - _
        agentos-test echo --text again | agentos-test echo --json-file /dev/stdin | jq -r .error
        agentos-test fail --how user 2>/dev/null >/dev/null || echo "status $?"
    "#;
    let output = vm.exec(script).await.unwrap();
    assert_eq!(
        output.stdout_text(),
        "1_2_3_\nVALIDATION_ERROR\nstatus 1\n",
        "{}",
        output.stderr_text()
    );
}

#[tokio::test]
async fn a_tool_is_told_who_calls() {
    let caller = agentos::ToolCaller::new(vec!["a".into(), "b".into()], "actor-1");
    let vm = builder().0.tool_caller(caller).create().await.unwrap();
    let output = vm.exec_argv(["agentos-test", "context"]).await.unwrap();
    let result = line(&output)["result"].clone();
    let pid = result["pid"].as_u64().unwrap();
    assert!(pid > 1, "{result}");
    let expected = json!({ "kit": "test", "tool": "context", "pid": pid, "key": ["a", "b"], "actorId": "actor-1" });
    assert_eq!(result, expected);
}

#[tokio::test]
async fn the_policy_decides_by_kit_and_tool_at_every_call() {
    let policy = json!({ "tool": { "default": "allow", "rules": [{ "mode": "deny", "patterns": ["test:e*"] }] } });
    let (builder, seen, _) = builder();
    let vm = builder
        .permissions(Policy::from_json(&policy).unwrap())
        .create()
        .await
        .unwrap();
    let output = vm.exec("agentos-test echo --text x").await.unwrap();
    assert_eq!(output.exit_code, 126);
    let expected = json!({ "ok": false, "error": "PERMISSION_DENIED",
        "message": "EACCES: blocked by tool.invoke policy for test:echo" });
    assert_eq!(line(&output), expected);
    assert_eq!(
        output.stderr_text(),
        "EACCES: blocked by tool.invoke policy for test:echo\n"
    );
    assert_eq!(seen.echoed.load(std::sync::atomic::Ordering::SeqCst), 0);
    // Its help is no call; another tool is another resource.
    assert_eq!(vm.exec("agentos-test echo --help").await.unwrap().exit_code, 0);
    assert_eq!(vm.exec("agentos-test context").await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn a_vm_without_kits_has_no_commands() {
    let vm = AgentOs::create().await.unwrap();
    let output = vm.exec("agentos list-tools").await.unwrap();
    assert_eq!(output.exit_code, 127);
    assert!(!vm.exists("/usr/local/bin/agentos").await.unwrap());
}

#[tokio::test]
async fn the_list_is_for_guests_and_for_prompts() {
    let vm = vm().await;
    let listed = vm.exec("agentos list-tools").await.unwrap().stdout_text();
    assert_eq!(vm.tool_list(), Some(listed.clone()));
    assert!(
        listed.contains("agentos-test: Functions of the test\n  echo     Gives its input back\n"),
        "{listed}"
    );
    assert_eq!(AgentOs::create().await.unwrap().tool_list(), None);
    let kit = vm
        .exec("agentos list-tools test; agentos-test --help; agentos-test")
        .await
        .unwrap()
        .stdout_text();
    assert_eq!(kit.matches("Usage: agentos-test <tool> [flags]").count(), 3, "{kit}");
    let output = vm.exec("agentos list-tools test --json").await.unwrap();
    assert_eq!(line(&output)["result"]["toolKits"][0]["tools"][0]["name"], "echo");
}

#[tokio::test]
async fn a_vm_with_layers_of_its_own_has_its_tools() {
    let image = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(image.path().join("usr/bin")).unwrap();
    let vm = builder().0.image(image.path()).create().await.unwrap();
    for vm in [vm.fork().await.unwrap(), vm] {
        let script =
            "agentos-test echo --text x && /usr/local/bin/agentos-test echo --text x && /usr/bin/agentos list-tools";
        let output = vm.exec(script).await.unwrap();
        assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
    }
}

#[tokio::test]
async fn a_vm_from_an_archive_has_its_tools() {
    let archive = vm().await.snapshot().await.unwrap().to_archive().unwrap();
    let vm = builder().0.snapshot(archive.clone()).create().await.unwrap();
    assert_eq!(vm.exec("agentos-test echo --text x").await.unwrap().exit_code, 0);
    // Without kits what was saved of the commands calls nothing.
    let vm = AgentOs::builder().snapshot(archive).create().await.unwrap();
    assert_ne!(vm.exec("agentos-test echo --text x").await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn copies_of_a_vm_have_its_tools() {
    let vm = vm().await;
    let fork = vm.fork().await.unwrap();
    drop(vm);
    assert_eq!(fork.exec("agentos-test echo --text x").await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn input_and_results_are_bounded() {
    let mut limits = Limits::default();
    limits.set("tools.maxToolInputBytes", 1000).unwrap();
    limits.set("tools.maxToolResultBytes", 1000).unwrap();
    let vm = builder().0.limits(limits).create().await.unwrap();
    let cases = [
        (
            "head -c 2000 /dev/zero | agentos-test echo",
            2,
            "maxToolInputBytes",
            1001,
        ),
        (
            "agentos-test echo --text $(head -c 2000 /dev/zero | tr '\\0' x)",
            2,
            "maxToolInputBytes",
            2006,
        ),
        (
            "agentos-test echo --json $(head -c 2000 /dev/zero | tr '\\0' x)",
            2,
            "maxToolInputBytes",
            2000,
        ),
        ("agentos-test echo --json-file /dev/zero", 2, "maxToolInputBytes", 1001),
        ("agentos-test large --bytes 2000", 1, "maxToolResultBytes", 1001),
    ];
    for (command, exit, limit, observed) in cases {
        let output = vm.exec(command).await.unwrap();
        let reply = line(&output);
        let path = format!("limits.tools.{limit}");
        let expected = json!({ "limit": limit, "observed": observed, "capacity": 1000, "unit": "bytes",
            "operation": "tool", "configurationPath": path });
        assert_eq!(
            (output.exit_code, &reply["metadata"]),
            (exit, &expected),
            "{command}: {reply}"
        );
        let said = format!("limit exceeded: {limit}: {observed} of 1000 bytes ({path})");
        assert_eq!(reply["message"], said, "{command}");
    }
}
