//! Host tools of VMs of a server.

use crate::support::{Client, json, text};
use agentos::{Tool, ToolContext, ToolError, ToolKit};
use agentos_server::{Registry, VmDefinition, VmOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn options() -> VmOptions {
    let who = Tool::new(json!({ "type": "object" }), async |_: Value, call: ToolContext| {
        Ok::<_, ToolError>(json!({ "key": call.caller.key, "actorId": call.caller.actor_id }))
    });
    VmOptions::new().tool_kit(ToolKit::new("ask", "Questions").tool("who", who))
}

fn definition(options: VmOptions) -> VmDefinition {
    VmDefinition::builder().options(options).build().unwrap()
}

/// The result of a call by a client.
async fn asked(vm: &Client) -> Value {
    let output = text(&vm.ok("exec", ("agentos-ask who",)).await);
    let line: Value = serde_json::from_str(output["stdout"].as_str().unwrap()).unwrap();
    assert_eq!(line["ok"], true, "{output}");
    line["result"].clone()
}

#[tokio::test]
async fn tools_are_told_whose_vm_it_is() {
    let vm = Client::with(definition(options())).await;
    assert_eq!(asked(&vm).await, json!({ "key": ["k"], "actorId": vm.id.as_str() }));
}

#[tokio::test]
async fn tools_are_there_after_sleep_wherever_files_are_kept() {
    for options in [options(), options().persist_all(), options().persist(["/usr/local"])] {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::builder()
            .data_dir(dir.path())
            .vm("vm", definition(options))
            .build()
            .unwrap();
        let vm = Client::of(registry).await;
        let first = asked(&vm).await;
        vm.ok("sleepVm", ()).await;
        assert_eq!(asked(&vm).await, first);
    }
}

#[tokio::test]
async fn options_of_a_definition_are_checked_with_their_kits() {
    let kit = ToolKit::new("Not a name", "");
    let error = VmDefinition::builder()
        .options(VmOptions::new().tool_kit(kit))
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("toolKits[0].name: must be"), "{error}");
}

#[tokio::test]
async fn a_vm_that_sleeps_ends_its_calls() {
    let (began, mut begins) = mpsc::unbounded_channel();
    let (ended, mut ends) = mpsc::unbounded_channel();
    let hang = Tool::new(json!({ "type": "object" }), move |_: Value, call: ToolContext| {
        let (over, ended) = (call.cancelled(), ended.clone());
        tokio::spawn(async move {
            over.await;
            let _ = ended.send(());
        });
        let _ = began.send(());
        std::future::pending::<Result<(), ToolError>>()
    });
    let kit = ToolKit::new("ask", "").tool("hang", hang);
    let vm = Client::with(definition(VmOptions::new().tool_kit(kit))).await;
    vm.ok("spawn", ("sh", json(json!(["-c", "agentos-ask hang </dev/null"]))))
        .await;
    begins.recv().await.unwrap();
    vm.ok("sleepVm", ()).await;
    ends.recv().await.unwrap();
}
