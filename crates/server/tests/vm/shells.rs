//! Actions on terminals.

use crate::support::{Client, json, text};
use agentos_server::Value;
use serde_json::json;

/// Output of a shell up to a mark that only its result can hold.
async fn until(vm: &Client, mark: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(mark) {
        let (name, payload) = vm.event().await;
        assert_eq!(name, "shellData");
        seen.push_str(text(&payload)["data"].as_str().unwrap());
    }
    seen
}

#[tokio::test]
async fn a_shell_shows_what_is_typed_and_said() {
    let vm = Client::new().await;
    vm.subscribe("shellData");
    vm.subscribe("shellExit");
    let opened = vm
        .ok(
            "openShell",
            (json(json!({ "cols": 100, "rows": 30, "env": { "A": "b" } })),),
        )
        .await;
    assert_eq!(text(&opened), json!({ "shellId": "shell-1" }));
    vm.ok("writeShell", ("shell-1", "echo $((6*7))-$A; stty size\n")).await;
    assert!(until(&vm, "30 100").await.contains("42-b"));
    let shells = text(&vm.ok("listShells", ()).await);
    assert_eq!(shells[0]["command"], "sh");
    assert_eq!(
        (&shells[0]["cols"], &shells[0]["rows"], &shells[0]["running"]),
        (&json!(100), &json!(30), &json!(true))
    );
    vm.ok("resizeShell", ("shell-1", 80, 24)).await;
    vm.ok("writeShell", ("shell-1", "stty size\n")).await;
    until(&vm, "24 80").await;
    vm.ok("writeShell", ("shell-1", "exit 5\n")).await;
    loop {
        let (name, payload) = vm.event().await;
        if name == "shellExit" {
            assert_eq!(text(&payload), json!({ "shellId": "shell-1", "exitCode": 5 }));
            break;
        }
    }
    // One that ended by itself is gone, and closing it is no error.
    assert_eq!(
        vm.err("writeShell", ("shell-1", "x")).await.0,
        "agentos/shell_not_found"
    );
    vm.ok("closeShell", ("shell-1",)).await;
    assert_eq!(text(&vm.ok("listShells", ()).await), json!([]));
}

#[tokio::test]
async fn closing_a_shell_ends_it() {
    let vm = Client::new().await;
    vm.subscribe("shellExit");
    vm.ok("openShell", ()).await;
    vm.ok("openShell", (json(json!({ "command": "sleep", "args": ["1000"] })),))
        .await;
    vm.ok("closeShell", ("shell-2",)).await;
    assert_eq!(
        text(&vm.event().await.1),
        json!({ "shellId": "shell-2", "exitCode": 129 })
    );
    vm.ok("closeShell", ("shell-1",)).await;
    assert_eq!(text(&vm.event().await.1)["shellId"], "shell-1");
}

#[tokio::test]
async fn wrong_shells_and_sizes_are_refused() {
    let vm = Client::new().await;
    for (action, args) in [
        ("writeShell", vec![Value::from("shell-9"), Value::from("x")]),
        ("resizeShell", vec!["shell-9".into(), 1.into(), 1.into()]),
        ("closeShell", vec!["shell-9".into()]),
    ] {
        let error = vm.call(action, crate::support::list(args)).await.unwrap_err();
        assert_eq!(error.code, "shell_not_found");
        assert_eq!(text(&error.metadata.unwrap()), json!({ "shellId": "shell-9" }));
    }
    assert_eq!(
        vm.err("openShell", (json(json!({ "cols": 0 })),)).await.0,
        "agentos/invalid_argument"
    );
    assert_eq!(
        vm.err("openShell", (json(json!({ "command": "nothing" })),)).await.0,
        "agentos/ENOENT"
    );
}
