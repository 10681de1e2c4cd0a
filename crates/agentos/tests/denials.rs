//! Every denial of the permission policy is an entry of the audit trail, whichever scope it is of and whoever asked.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Builder, Event, Policy, Tool, ToolContext, ToolError, ToolKit};
use serde_json::{Value, json};

/// Denials of a VM under these permissions, as `scope.operation resource`, from its creation to its end.
async fn denials(permissions: Value, deed: impl AsyncFnOnce(&AgentOs)) -> Vec<String> {
    denials_of(AgentOs::builder(), permissions, deed).await
}

async fn denials_of(builder: Builder, permissions: Value, deed: impl AsyncFnOnce(&AgentOs)) -> Vec<String> {
    let policy = Policy::from_json(&permissions).unwrap();
    let vm = builder.permissions(policy).create().await.unwrap();
    let mut events = vm.events();
    deed(&vm).await;
    vm.idle().await;
    drop(vm);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        let Event::Audit(entry) = event else { continue };
        let entry = entry.to_json();
        if entry["event"] == "security.permission.denied" {
            assert!(entry["rule"].as_str().unwrap().starts_with("permissions."), "{entry}");
            let text = |field: &str| entry[field].as_str().unwrap().to_owned();
            seen.push(format!("{}.{} {}", text("scope"), text("operation"), text("resource")));
        }
    }
    seen
}

fn deny(scope: &str, operations: &[&str], patterns: &[&str]) -> Value {
    let field = if scope == "fs" { "paths" } else { "patterns" };
    json!({ scope: { "default": "allow", "rules": [{ "mode": "deny", "operations": operations, field: patterns }] } })
}

/// What a script in the VM is denied.
async fn in_a_guest(permissions: Value, script: &str) -> Vec<String> {
    denials(permissions, async |vm| {
        vm.exec(script).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn files() {
    for (operation, script, resource) in [
        ("read", "cat /etc/passwd", "/etc/passwd"),
        ("write", "echo x > /tmp/f", "/tmp/f"),
        ("stat", "stat /etc/passwd", "/etc/passwd"),
        ("readdir", "ls /etc", "/etc"),
        ("create_dir", "mkdir /tmp/d", "/tmp/d"),
        ("symlink", "ln -s x /tmp/l", "/tmp/l"),
        ("chmod", "mkdir /tmp/d; chmod 700 /tmp/d", "/tmp/d"),
        ("rm", "mkdir /tmp/d; rmdir /tmp/d", "/tmp/d"),
    ] {
        let seen = in_a_guest(deny("fs", &[operation], &[resource]), script).await;
        assert_eq!(seen, [format!("fs.{operation} {resource}")], "{script}");
    }
    // Of a client, too.
    let seen = denials(deny("fs", &["read"], &["/etc/passwd"]), async |vm| {
        vm.read_file("/etc/passwd").await.unwrap_err();
    });
    assert_eq!(seen.await, ["fs.read /etc/passwd"]);
}

#[tokio::test]
async fn programs_and_processes() {
    let seen = in_a_guest(deny("childProcess", &["spawn"], &["seq"]), "seq 3").await;
    assert_eq!(seen, ["childProcess.spawn /usr/bin/seq"]);
    let seen = denials(deny("process", &["signal"], &["sleep"]), async |vm| {
        let other = vm.spawn("sleep", ["1000"]).start().await.unwrap();
        vm.exec(format!("kill {}", other.pid())).await.unwrap();
        other.signal(agentos::Signal::Kill).unwrap();
    });
    assert_eq!(seen.await, ["process.signal /usr/bin/sleep"]);
}

#[tokio::test]
async fn variables() {
    // Of a client, whose variable a program does not get to see; the value is nowhere.
    let seen = denials(deny("env", &["read"], &["TOKEN"]), async |vm| {
        let output = vm.exec("echo ${TOKEN-none}").env("TOKEN", "hunter2").await.unwrap();
        assert_eq!(output.stdout_text(), "none\n");
    });
    assert_eq!(seen.await, ["env.read TOKEN"]);
    // Of a guest, for its children.
    let script = "export PATH=/evil:$PATH TOKEN=1; /usr/bin/env | grep -c -e evil -e TOKEN";
    let seen = in_a_guest(deny("env", &["write"], &["TOKEN"]), script).await;
    assert_eq!(seen, ["env.write TOKEN", "env.write TOKEN"], "of env and of grep");
    let seen = in_a_guest(deny("env", &["write"], &["TOKEN"]), "TOKEN=1 exec env").await;
    assert_eq!(seen, ["env.write TOKEN"], "of a program that replaces another");
}

#[tokio::test]
async fn the_network() {
    for (script, denied) in [
        ("nc 93.184.216.34 80", "network.http tcp://93.184.216.34:80"),
        // It binds a port of its own before it sends anything.
        ("echo x | nc -u 93.184.216.34 53", "network.listen udp://127.0.0.1:0"),
    ] {
        let seen = in_a_guest(json!({ "network": "deny" }), script).await;
        assert_eq!(seen, [denied], "{script}");
    }
}

#[tokio::test]
async fn host_tools() {
    let schema = json!({ "type": "object" });
    let tool = Tool::new(schema, async |_: Value, _: ToolContext| Ok::<_, ToolError>("never"));
    let builder = AgentOs::builder().tool_kit(ToolKit::new("weather", "").tool("forecast", tool));
    let seen = denials_of(builder, deny("tool", &["invoke"], &["weather:*"]), async |vm| {
        let output = vm
            .exec("agentos-weather forecast; agentos-weather forecast --help")
            .await
            .unwrap();
        assert!(!output.stdout_text().contains("never"));
    });
    assert_eq!(seen.await, ["tool.invoke weather:forecast"]);
}
