//! Sessions of embedded VMs, with an agent that is a shell script in the VM.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, AgentSpec, ApprovalPolicy, Notice, Reply, SessionStatus};
use std::sync::{Arc, Mutex};

const AGENT: &str = include_str!("scripts_agents/agent.sh");

async fn vm(told: &Arc<Mutex<Vec<String>>>) -> AgentOs {
    let told = Arc::clone(told);
    let vm = AgentOs::builder()
        .agent(AgentSpec::new("script", ["/home/user/agent.sh"]))
        .on_session_notice(move |notice| {
            if let Notice::AgentCrashed { restart, .. } = notice {
                told.lock().unwrap().push((*restart).to_owned());
            }
        })
        .create()
        .await
        .unwrap();
    vm.write_file("/home/user/agent.sh", AGENT).await.unwrap();
    vm.exec("chmod +x agent.sh").await.unwrap();
    vm
}

#[tokio::test]
async fn an_agent_in_the_vm_writes_runs_and_is_asked() {
    let vm = vm(&Arc::default()).await;
    let session = vm.session("script").create().await.unwrap();
    let mut kinds = Vec::new();
    let outcome = session
        .prompt("hello there")
        .with_events(|event| {
            kinds.push(
                event.event["params"]["update"]["sessionUpdate"]
                    .as_str()
                    .map(str::to_owned),
            );
        })
        .await
        .unwrap();
    assert_eq!(outcome.text, "hello there");
    let expected = [Some("user_message_chunk"), Some("agent_message_chunk"), None];
    assert_eq!(kinds, expected.map(|kind| kind.map(str::to_owned)));

    let prompt = tokio::spawn(session.prompt("write /home/user/made content").into_future());
    let mut events = session.events(0).unwrap();
    while events.next().await.unwrap().unwrap().event["params"]["update"]["toolCallId"] != "t1" {}
    let request = loop {
        match session.pending().pop() {
            Some(request) => break request,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(request.paths.as_deref(), Some(&["/home/user/made".to_owned()][..]));
    assert_eq!(request.tool_kind.as_deref(), Some("edit"));
    assert!(!vm.exists("/home/user/made").await.unwrap());
    session
        .respond(&request.permission_id, Reply::Always, None)
        .await
        .unwrap();
    assert_eq!(prompt.await.unwrap().unwrap().text, "written");
    assert_eq!(vm.read_text("/home/user/made").await.unwrap(), "content");
    assert_eq!(
        session.prompt("write /home/user/again x").await.unwrap().text,
        "written",
        "the grant"
    );
    assert_eq!(session.prompt("run cat made again").await.unwrap().text, "contentx");
    let screen = session.prompt("screen").await.unwrap().text;
    assert_eq!(
        screen.split_whitespace().collect::<Vec<_>>(),
        ["30", "90", "40", "120"],
        "a real terminal"
    );
    // What was approved is still what a guest may do.
    let refused = session.prompt("write /etc/passwd x").await.unwrap().text;
    assert!(
        refused.starts_with("failed: ") && refused.contains("EACCES"),
        "{refused}"
    );
    let refused = session
        .prompt("write /etc/agentos/instructions.md x")
        .await
        .unwrap()
        .text;
    assert!(refused.contains("read-only"), "{refused}");

    assert!(vm.running_without_agents().is_empty() && !vm.running().is_empty());
    let path = format!("/etc/agentos/sessions/{}.instructions.md", session.id());
    assert!(vm.read_text(&path).await.unwrap().contains("agentOS virtual machine"));
    session.close().await.unwrap();
    assert_eq!(session.record().unwrap().status, SessionStatus::Closed);
    vm.idle().await;
}

#[tokio::test]
async fn an_agent_that_dies_is_restarted_with_the_conversation() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let vm = vm(&told).await;
    let session = vm
        .session("script")
        .policy(ApprovalPolicy::RejectAll)
        .create()
        .await
        .unwrap();
    assert_eq!(session.prompt("write /home/user/x y").await.unwrap().text, "refused");
    let error = session.prompt("die").await.unwrap_err();
    assert_eq!(error.code(), "agent_crashed");
    assert_eq!(error.metadata()["exitCode"], 9);
    assert_eq!(error.metadata()["stderrTail"], "last words\n");
    assert_eq!(
        session.prompt("still here").await.unwrap().stop_reason(),
        Some("end_turn")
    );
    assert_eq!(*told.lock().unwrap(), ["restarted"]);
    let transcript = vm
        .read_text(format!("/etc/agentos/sessions/{}.md", session.id()))
        .await
        .unwrap();
    assert!(transcript.contains("## Agent\n\nrefused"), "{transcript}");
}

#[tokio::test]
async fn sessions_do_not_keep_a_vm() {
    let vm = vm(&Arc::default()).await;
    let session = vm.session("script").create().await.unwrap();
    let mut events = session.events(0).unwrap();
    drop(vm);
    // With the VM its agent is gone, and what asks for it hears so.
    assert!(session.prompt("x").await.is_err());
    assert!(events.ready().unwrap().is_none());
    let vm = AgentOs::create().await.unwrap();
    let error = vm.session("claud").create().await.unwrap_err();
    assert!(
        error.code() == "agent_not_installed" && error.to_string().contains("did you mean claude?"),
        "{error}"
    );
}
