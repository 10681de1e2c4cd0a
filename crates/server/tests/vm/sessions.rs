//! Sessions of a server's VM, with an agent that is a shell script in it.

use crate::support::{Client, json, list, text};
use agentos::{AgentSpec, Reply};
use agentos_server::actor::{ManualClock, Transport};
use agentos_server::{Failure, HookContext, Registry, Value, VmDefinition, VmHooks, VmOptions};
use serde_json::json as j;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const AGENT: &str = include_str!("../../../agentos/tests/scripts_agents/agent.sh");

/// Hears everything, and lets agents write `/home/user/free`.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Arc<Mutex<Vec<String>>>);

impl VmHooks for Hooks {
    async fn on_session_event(&self, _c: HookContext, _session_id: &str, event: &Value) {
        let update = event.get("params").and_then(|params| params.get("update"));
        let kind = update
            .and_then(|update| update.get("sessionUpdate"))
            .or_else(|| event.get("method"));
        self.0
            .lock()
            .unwrap()
            .push(kind.and_then(Value::as_str).unwrap_or_default().to_owned());
    }

    async fn on_permission_request(
        &self,
        _c: HookContext,
        _session_id: &str,
        request: &Value,
    ) -> Result<Option<Reply>, Failure> {
        let path = request
            .get("paths")
            .and_then(|paths| paths.as_array()?.first()?.as_str());
        match path {
            Some("/home/user/free") => Ok(Some(Reply::Once)),
            Some("/home/user/broken") => Err(Failure::internal("broken")),
            _ => Ok(None),
        }
    }
}

pub(crate) fn definition(hooks: Hooks) -> VmDefinition {
    let options = VmOptions::default().agent(AgentSpec::new("script", ["/home/user/agent.sh"]));
    VmDefinition::builder().options(options).hooks(hooks).build().unwrap()
}

pub(crate) async fn install(vm: &Client) {
    vm.ok("writeFile", ("/home/user/agent.sh", AGENT)).await;
    vm.ok("exec", ("chmod +x agent.sh",)).await;
}

async fn create(vm: &Client) -> String {
    let record = text(&vm.ok("createSession", ("script",)).await);
    assert_eq!(
        (record["status"].clone(), record["agentInfo"]["name"].clone()),
        (j!("live"), j!("script"))
    );
    record["sessionId"].as_str().unwrap().to_owned()
}

async fn prompt(vm: &Client, id: &str, given: &str) -> String {
    let outcome = text(&vm.ok("sendPrompt", (id, given)).await);
    assert_eq!(outcome["response"]["result"]["stopReason"], "end_turn");
    outcome["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn prompts_events_and_approvals() {
    let hooks = Hooks::default();
    let vm = Client::with(definition(hooks.clone())).await;
    install(&vm).await;
    for event in [
        "sessionEvent",
        "permissionRequest",
        "permissionResolved",
        "agentCrashed",
    ] {
        vm.subscribe(event);
    }
    let id = create(&vm).await;
    assert_eq!(prompt(&vm, &id, "hello").await, "hello");
    let mut seen = Vec::new();
    for seq in 0..3 {
        let (name, payload) = vm.event().await;
        let payload = text(&payload);
        assert_eq!(
            (name.as_str(), payload["seq"].clone(), payload["sessionId"].clone()),
            ("sessionEvent", j!(seq), j!(id))
        );
        seen.push(payload["event"].clone());
    }
    assert_eq!(text(&vm.ok("getEvents", (id.as_str(),)).await), j!(seen));
    let sequenced = text(&vm.ok("getSequencedEvents", (id.as_str(), json(j!({"after": 1})))).await);
    assert_eq!(sequenced, j!([{"sequenceNumber": 2, "notification": seen[2]}]));
    assert_eq!(
        text(&vm.ok("getSessionEvents", (id.as_str(), json(j!({"limit": 1})))).await)[0]["seq"],
        0
    );

    // The hook decides this one, and fails at that one, which a client then decides.
    assert_eq!(prompt(&vm, &id, "write /home/user/free x").await, "written");
    for given in ["broken", "other"] {
        let running = vm.call(
            "sendPrompt",
            list(vec![id.as_str().into(), format!("write /home/user/{given} x").into()]),
        );
        let answering = async {
            loop {
                let (name, payload) = vm.event().await;
                if name == "permissionRequest" {
                    let request = text(&payload)["request"].clone();
                    if request["paths"] == j!([format!("/home/user/{given}")]) {
                        break request["permissionId"].as_str().unwrap().to_owned();
                    }
                }
            }
        };
        let answering = async {
            let permission = answering.await;
            let pending = text(&vm.ok("listPendingPermissions", ()).await);
            assert_eq!(pending[0]["permissionId"], j!(permission));
            let awake = text(&vm.ok("vmStatus", ()).await)["awakeBecause"].clone();
            assert!(
                awake.as_array().unwrap().contains(&j!(format!("prompt:{id}"))),
                "{awake}"
            );
            let scope = json(j!({"scope": {"paths": ["/home/user/**"]}}));
            let args = vec![id.as_str().into(), permission.into(), "always".into(), scope];
            let answer = text(&vm.ok("respondPermission", list(args)).await);
            assert_eq!(answer["result"]["via"], "client");
            let grant = text(&vm.ok("listPermissionGrants", ()).await)[0]["grantId"]
                .as_str()
                .unwrap()
                .to_owned();
            assert_eq!(vm.ok("revokePermissionGrant", (grant,)).await, Value::Bool(true));
        };
        let (outcome, ()) = tokio::join!(running, answering);
        assert_eq!(text(&outcome.unwrap())["text"], "written");
    }
    let error = vm.call("sendPrompt", (id.as_str(), "die")).await.unwrap_err();
    assert!(error.is("agentos", "agent_crashed"));
    assert_eq!(text(&error.metadata.unwrap())["stderrTail"], "last words\n");
    loop {
        let (name, payload) = vm.event().await;
        if name == "agentCrashed" {
            assert_eq!(text(&payload)["restart"], "restarted");
            break;
        }
    }
    for (action, args, code) in [
        (
            "createSession",
            list(vec!["scripd".into()]),
            "agentos/agent_not_installed",
        ),
        (
            "createSession",
            list(vec!["script".into(), json(j!({"cdw": "/"}))]),
            "agentos/invalid_argument",
        ),
        (
            "sendPrompt",
            list(vec!["ses_x".into(), "x".into()]),
            "agentos/session_not_found",
        ),
        (
            "getEvents",
            list(vec![id.as_str().into(), json(j!({"since": 1, "after": 1}))]),
            "agentos/invalid_argument",
        ),
        (
            "respondPermission",
            list(vec![id.as_str().into(), "perm_x".into(), "once".into()]),
            "agentos/permission_not_found",
        ),
        (
            "rawSend",
            list(vec![id.as_str().into(), "session/new".into()]),
            "agentos/invalid_argument",
        ),
    ] {
        assert_eq!(vm.err(action, args).await.0, code, "{action}");
    }
    assert_eq!(text(&vm.ok("getModes", (id.as_str(),)).await), j!(null));
    assert_eq!(
        text(&vm.ok("cancelPrompt", (id.as_str(),)).await)["result"]["cancelled"],
        false
    );
    vm.ok("closeSession", (id.as_str(),)).await;
    assert_eq!(text(&vm.ok("listSessions", ()).await), j!([]));
    // The hook has heard of everything, in order.
    let stored = text(&vm.ok("getEvents", (id.as_str(),)).await)
        .as_array()
        .unwrap()
        .len();
    while hooks.0.lock().unwrap().len() < stored {
        tokio::task::yield_now().await;
    }
    let heard = hooks.0.lock().unwrap().clone();
    assert_eq!(
        (heard.len(), heard[0].as_str(), heard[2].as_str()),
        (stored, "user_message_chunk", "agentos/prompt_end")
    );
    vm.ok("destroySession", (id.as_str(),)).await;
    assert_eq!(
        vm.err("getSession", (id.as_str(),)).await.0,
        "agentos/session_not_found"
    );
}

/// The deadline of actions is 15 minutes, and a prompt may wait for an approval for longer.
#[tokio::test]
async fn a_prompt_is_not_ended_by_the_deadline_of_actions() {
    let clock = ManualClock::at(1_700_000_000_000);
    let registry = Registry::builder()
        .vm("vm", definition(Hooks::default()))
        .clock(clock.clone());
    let vm = Client::of(registry.build().unwrap()).await;
    install(&vm).await;
    vm.subscribe("permissionRequest");
    let id = create(&vm).await;
    let given = list(vec![id.as_str().into(), "write /home/user/late x".into()]);
    let running = vm.call("sendPrompt", given);
    let answering = async {
        let request = text(&vm.event().await.1)["request"].clone();
        clock.advance(Duration::from_secs(7200));
        let permission = request["permissionId"].as_str().unwrap().to_owned();
        let answer = list(vec![id.as_str().into(), permission.into(), "once".into()]);
        vm.ok("respondPermission", answer).await;
    };
    let (outcome, ()) = tokio::join!(running, answering);
    assert_eq!(text(&outcome.unwrap())["text"], "written");
}

#[tokio::test]
async fn sessions_outlive_sleep() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::builder()
        .vm("vm", definition(Hooks::default()))
        .data_dir(folder.path())
        .build()
        .unwrap();
    let vm = Client::over(registry.actors().clone(), Transport::Http).await;
    install(&vm).await;
    let options = json(j!({"env": {"TOKEN": "very-secret"}, "permissionPolicy": "allow_all"}));
    let record = text(&vm.ok("createSession", ("script", options)).await);
    let id = record["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(prompt(&vm, &id, "write /home/user/kept x").await, "written");
    let events = text(&vm.ok("getEvents", (id.as_str(),)).await);
    vm.ok("sleepVm", ()).await;
    assert_eq!(
        text(&vm.ok("listSessions", ()).await),
        j!([{"sessionId": id, "agentType": "script", "status": "suspended"}])
    );
    assert_eq!(text(&vm.ok("getSession", (id.as_str(),)).await)["status"], "suspended");
    assert_eq!(text(&vm.ok("getEvents", (id.as_str(),)).await), events);
    assert_eq!(text(&vm.ok("listPersistedSessions", ()).await)[0]["sessionId"], j!(id));
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
    let resumed = text(&vm.ok("resumeSession", (id.as_str(),)).await);
    assert_eq!(resumed["via"], "transcript");
    // The policy was kept, and so was the environment, sealed.
    assert_eq!(prompt(&vm, &id, "write /home/user/again x").await, "written");
    let transcript = text(&vm.ok("readFile", (format!("/etc/agentos/sessions/{id}.md"),)).await);
    assert!(transcript.as_str().unwrap().contains("## User"));
    vm.ok("sleepVm", ()).await;
    vm.ok("closeSession", (id.as_str(),)).await;
    assert_eq!(
        vm.err("sendPrompt", (id.as_str(), "x")).await.0,
        "agentos/session_not_found"
    );
    vm.ok("sleepVm", ()).await;
    vm.ok("destroySession", (id.as_str(),)).await;
    assert_eq!(text(&vm.ok("listPersistedSessions", ()).await), j!([]));
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
    let stored = walk(folder.path());
    assert!(stored.iter().all(|file| !contains(file, b"very-secret")));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(walk(&path)),
            false => files.push(path),
        }
    }
    files
}

fn contains(file: &std::path::Path, text: &[u8]) -> bool {
    let content = std::fs::read(file).unwrap_or_default();
    content.windows(text.len()).any(|window| window == text)
}
