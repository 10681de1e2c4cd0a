//! Guests that want more than they were given.

use crate::kit::{builder, line, vm};
use agentos::{Limits, Policy};
use serde_json::json;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_copy_of_a_stub_calls_nothing() {
    let vm = vm().await;
    for forge in [
        "cp /usr/local/bin/agentos-test forged",
        "cat /usr/local/bin/agentos-test > forged; chmod +x forged",
        "sed s/agentos-test/agentos-other/ /usr/local/bin/agentos-test > forged; chmod +x forged",
        "printf '\\0agentos-host-tool\\nagentos-test' > forged; chmod +x forged",
        "head -c 19 /usr/bin/agentos > forged; chmod +x forged",
    ] {
        vm.exec("rm -f forged").await.unwrap();
        assert_eq!(vm.exec(forge).await.unwrap().exit_code, 0, "{forge}");
        let error = vm
            .exec_argv(["/home/user/forged", "echo", "--text", "x"])
            .await
            .unwrap_err();
        assert_eq!(error.code(), "ENOEXEC", "{forge}: {error}");
        let output = vm.exec("./forged echo --text x").await.unwrap();
        assert_eq!(
            (output.exit_code, output.stdout_text().as_str()),
            (126, ""),
            "{forge}: {}",
            output.stderr_text()
        );
    }
}

#[tokio::test]
async fn a_stub_by_another_name_is_the_same_tool_under_the_same_policy() {
    let policy = json!({ "tool": { "default": "allow", "rules": [{ "mode": "deny", "patterns": ["test:echo"] }] } });
    let (builder, seen, _) = builder();
    let vm = builder
        .permissions(Policy::from_json(&policy).unwrap())
        .create()
        .await
        .unwrap();
    vm.exec("ln -s /usr/local/bin/agentos-test agentos-other")
        .await
        .unwrap();
    for command in [
        "./agentos-other echo --text x",
        "PATH=$PWD:$PATH; agentos-other echo --text x",
    ] {
        let output = vm.exec(command).await.unwrap();
        assert_eq!(
            (output.exit_code, line(&output)["error"].as_str()),
            (126, Some("PERMISSION_DENIED")),
            "{command}"
        );
    }
    // What it is called as does not matter either.
    let output = vm
        .exec("bash -c 'exec -a agentos /usr/local/bin/agentos-test echo --text x'")
        .await
        .unwrap();
    assert_eq!(output.exit_code, 126, "{}", output.stdout_text());
    assert_eq!(vm.exec("./agentos-other context").await.unwrap().exit_code, 0);
    assert_eq!(seen.echoed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn stubs_are_not_the_users_to_change() {
    let vm = vm().await;
    for deed in [
        "echo x > /usr/local/bin/agentos-test",
        "rm /usr/local/bin/agentos-test",
        "mv /usr/local/bin/agentos-test /tmp/mine",
        "ln /usr/local/bin/agentos-test /usr/local/bin/more",
        "chmod 700 /usr/local/bin/agentos-test",
    ] {
        assert_ne!(vm.exec(deed).await.unwrap().exit_code, 0, "{deed}");
    }
    assert_eq!(vm.exec("agentos-test echo --text x").await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn a_thousand_calls_at_once_all_end() {
    let mut limits = Limits::default();
    limits.set("resources.maxProcesses", 2000).unwrap();
    limits.set("resources.maxPipes", 4000).unwrap();
    limits.set("resources.maxOpenFds", 20_000).unwrap();
    let (builder, seen, _) = builder();
    let vm = builder.limits(limits).create().await.unwrap();
    let mut running = Vec::new();
    for _ in 0..1000 {
        running.push(
            vm.spawn("agentos-test", ["echo", "--text", "x"])
                .no_input()
                .start()
                .await
                .unwrap(),
        );
    }
    for mut process in running {
        assert_eq!(process.wait().await.unwrap(), 0);
    }
    assert_eq!(seen.echoed.load(Ordering::SeqCst), 1000);
    vm.idle().await;
    assert_eq!(vm.usage().processes, 0);
}

#[tokio::test]
async fn arguments_that_are_no_text_and_input_that_nests_for_ever_are_refused() {
    let vm = vm().await;
    for command in [
        r"agentos-test echo --text $(printf '\377')",
        "yes '[' | head -n 200000 | tr -d '\\n' | agentos-test echo",
        "printf '{\"text\":' | agentos-test echo",
        "printf '\\377' | agentos-test echo",
    ] {
        let output = vm.exec(command).await.unwrap();
        assert_eq!(
            (output.exit_code, line(&output)["error"].as_str()),
            (2, Some("VALIDATION_ERROR")),
            "{command}"
        );
    }
}

#[tokio::test]
async fn what_a_call_holds_is_the_vms_memory() {
    // A list of half a million numbers takes far more than its text.
    let many = format!("{{\"text\":\"x\",\"n\":[0{}]}}", ",0".repeat(500_000));
    for (mebibytes, expected) in [(48, (0, None)), (24, (1, Some("maxMemoryBytes")))] {
        let mut limits = Limits::default();
        limits.set("resources.maxMemoryBytes", mebibytes << 20).unwrap();
        limits.set("resources.maxWasmMemoryBytes", 16 << 20).unwrap();
        let vm = builder().0.limits(limits).create().await.unwrap();
        vm.write_file("/home/user/many.json", many.clone()).await.unwrap();
        let output = vm
            .exec_argv(["agentos-test", "echo", "--json-file", "many.json"])
            .await
            .unwrap();
        let line = line(&output);
        assert_eq!((output.exit_code, line["metadata"]["limit"].as_str()), expected);
    }
}
