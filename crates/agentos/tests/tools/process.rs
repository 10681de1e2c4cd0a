//! A tool as a process: signals, time, terminals, what is left when it has ended.

use crate::kit::{builder, line};
use agentos::{AgentOs, Limits, ShellOptions, Signal, Tool, ToolContext, ToolError, ToolKit};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn killing_the_process_ends_the_call() {
    let (builder, seen, mut ends) = builder();
    let vm = builder.create().await.unwrap();
    for (signal, code) in [(Signal::Kill, 137), (Signal::Term, 143), (Signal::Int, 130)] {
        let mut process = vm.spawn("agentos-test", ["hang"]).no_input().start().await.unwrap();
        seen.began.acquire().await.unwrap().forget();
        process.signal(signal).unwrap();
        assert_eq!(process.wait().await.unwrap(), code);
        assert_eq!(ends.recv().await, Some(process.pid()));
    }
    nothing_is_left(&vm).await;
}

#[tokio::test]
async fn the_end_of_the_vm_ends_its_calls() {
    let (builder, seen, mut ends) = builder();
    let vm = builder.create().await.unwrap();
    let process = vm.spawn("agentos-test", ["hang"]).no_input().start().await.unwrap();
    seen.began.acquire().await.unwrap().forget();
    let pid = process.pid();
    drop((process, vm));
    assert_eq!(ends.recv().await, Some(pid));
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up() {
    let schema = json!({ "type": "object" });
    let forever = async |_: Value, _: ToolContext| {
        std::future::pending::<()>().await;
        Ok::<_, ToolError>(())
    };
    let kit = ToolKit::new("slow", "").tool("forever", Tool::new(schema, forever).timeout(Duration::from_millis(20)));
    let vm = AgentOs::builder().tool_kit(kit).create().await.unwrap();
    let output = vm.exec("agentos-slow forever").await.unwrap();
    let expected = json!({ "ok": false, "error": "TIMEOUT", "message": "slow:forever did not end within 20 ms" });
    assert_eq!((output.exit_code, line(&output)), (124, expected));
    nothing_is_left(&vm).await;
}

#[tokio::test]
async fn the_default_time_is_a_limit() {
    let mut limits = Limits::default();
    limits.set("tools.defaultToolTimeoutMs", 20).unwrap();
    let vm = builder().0.limits(limits).create().await.unwrap();
    let output = vm.exec("agentos-test hang").await.unwrap();
    assert_eq!(
        (output.exit_code, line(&output)["error"].as_str()),
        (124, Some("TIMEOUT"))
    );
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_in_order() {
    let mut limits = Limits::default();
    limits.set("tools.maxConcurrentCalls", 2).unwrap();
    let (builder, seen, mut ends) = builder();
    let vm = builder.limits(limits).create().await.unwrap();
    let mut processes = Vec::new();
    let hang = async || {
        let process = vm.spawn("agentos-test", ["hang"]).no_input().start();
        process.await.unwrap()
    };
    // The first two have their places before the others come.
    for _ in 0..2 {
        processes.push(hang().await);
        seen.began.acquire().await.unwrap().forget();
    }
    for _ in 0..2 {
        processes.push(hang().await);
    }
    let used = || {
        vm.usage()
            .limits
            .iter()
            .find(|limit| limit.limit == "maxConcurrentCalls")
            .unwrap()
            .observed
    };
    assert_eq!(used(), 2);
    // One that waits can be killed as well, and takes nobody's place.
    processes.remove(3).signal(Signal::Kill).unwrap();
    let first = processes.remove(0);
    first.signal(Signal::Kill).unwrap();
    assert!(ends.recv().await.is_some());
    seen.began.acquire().await.unwrap().forget();
    assert_eq!(used(), 2);
    for mut process in processes {
        process.signal(Signal::Kill).unwrap();
        process.wait().await.unwrap();
    }
    nothing_is_left(&vm).await;
}

#[tokio::test]
async fn a_terminal_is_not_read() {
    let vm = builder().0.create().await.unwrap();
    let shell = vm
        .open_shell(ShellOptions::new("agentos-test").args(&["context"]))
        .await
        .unwrap();
    // It ends although nobody types anything.
    assert_eq!(shell.wait().await.unwrap(), 0);
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_writer() {
    let vm = builder().0.create().await.unwrap();
    let script = "set -o pipefail; agentos-test large --bytes 300000 | head -c 1 >/dev/null; echo $?";
    assert_eq!(vm.exec(script).await.unwrap().stdout_text(), "141\n");
    nothing_is_left(&vm).await;
}

#[tokio::test]
async fn a_tool_can_be_stopped_and_continued() {
    let (builder, seen, mut ends) = builder();
    let vm = builder.create().await.unwrap();
    let mut process = vm.spawn("agentos-test", ["hang"]).no_input().start().await.unwrap();
    seen.began.acquire().await.unwrap().forget();
    process.signal(Signal::Stop).unwrap();
    process.signal(Signal::Cont).unwrap();
    process.signal(Signal::Term).unwrap();
    assert_eq!(process.wait().await.unwrap(), 143);
    assert!(ends.recv().await.is_some());
}

#[tokio::test]
async fn a_program_can_become_a_tool() {
    let vm = builder().0.create().await.unwrap();
    let output = vm.exec("exec agentos-test echo --text replaced").await.unwrap();
    assert_eq!(line(&output)["result"]["text"], "replaced");
}

/// Everything that calls have taken was given back.
async fn nothing_is_left(vm: &AgentOs) {
    vm.idle().await;
    let usage = vm.usage();
    assert_eq!((usage.processes, usage.memory_bytes), (0, 0));
    let calls = usage
        .limits
        .iter()
        .find(|limit| limit.limit == "maxConcurrentCalls")
        .unwrap();
    assert_eq!(calls.observed, 0);
}
