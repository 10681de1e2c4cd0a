//! Events of the VM itself, and who gets them.

use crate::support::{Client, json, text};
use agentos_server::{
    ActorError, Conn, Failure, HookContext, HookSet, Value, VmDefinition, VmHooks, VmOptions, agentos::Limits,
};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn booting_and_ending_are_announced() {
    let vm = Client::new().await;
    vm.subscribe("vmBooted");
    vm.subscribe("vmShutdown");
    vm.ok("exists", ("/",)).await;
    assert_eq!(vm.event().await, ("vmBooted".to_owned(), json(json!({}))));
    vm.ok("sleepVm", ()).await;
    assert_eq!(
        vm.event().await,
        ("vmShutdown".to_owned(), json(json!({ "reason": "sleep" })))
    );
    vm.ok("exists", ("/",)).await;
    assert_eq!(vm.event().await.0, "vmBooted");
}

#[tokio::test]
async fn limits_warn_before_they_are_reached() {
    let mut limits = Limits::default();
    limits.set("maxProcesses", 10).unwrap();
    let options = VmOptions::new().limits(limits);
    let vm = Client::with(VmDefinition::builder().options(options).build().unwrap()).await;
    vm.subscribe("limitWarning");
    for _ in 0..9 {
        vm.ok("spawn", ("sleep", json(json!(["1000"])))).await;
    }
    let (_, warning) = vm.event().await;
    let warning = text(&warning);
    assert_eq!(
        (&warning["limit"], &warning["category"], &warning["capacity"]),
        (&json!("maxProcesses"), &json!("resources"), &json!(10))
    );
    assert!(warning["message"].as_str().unwrap().contains("maxProcesses"));
    for _ in 0..2 {
        let _ = vm.call("spawn", ("sleep", json(json!(["1000"])))).await;
    }
    let error = vm.call("spawn", ("sleep", json(json!(["1000"])))).await.unwrap_err();
    assert_eq!(error.code, "limit_exceeded");
    let metadata = text(&error.metadata.unwrap());
    assert_eq!(metadata["configurationPath"], "limits.resources.maxProcesses");
    assert_eq!(
        (&metadata["unit"], &metadata["errno"]),
        (&json!("count"), &json!("EAGAIN"))
    );
}

/// Hooks that pass on the names of the audit trail.
struct Auditor(tokio::sync::mpsc::UnboundedSender<String>);

impl VmHooks for Auditor {
    fn hooks(&self) -> HookSet {
        HookSet::default()
    }

    fn on_audit_event(&self, event: &serde_json::Value) {
        // A test that has ended listens no more.
        let _ = self.0.send(event["event"].as_str().unwrap_or_default().to_owned());
    }
}

#[tokio::test]
async fn exceeded_limits_are_counted_under_their_configuration_path() {
    use agentos_server::actor::{ConnectRequest, CreateOptions, Transport};
    let (told, mut trail) = tokio::sync::mpsc::unbounded_channel();
    let mut limits = Limits::default();
    limits.set("maxProcesses", 2).unwrap();
    let definition = VmDefinition::builder()
        .options(VmOptions::new().limits(limits))
        .hooks(Auditor(told));
    let registry = agentos_server::Registry::builder()
        .vm("vm", definition.build().unwrap())
        .build()
        .unwrap();
    let actors = registry.actors();
    let key = agentos_value::Key::new(["k"]);
    let made = actors.get_or_create("vm", &key, CreateOptions::default()).await;
    let id = made.unwrap().0.id;
    let connect = actors.connect(&id, ConnectRequest::new(Transport::Http));
    let connection = connect.await.unwrap();
    let sleep = || vec!["sleep".into(), json(json!(["1000"]))];
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(connection.call("spawn", sleep()).await.is_ok());
    }
    assert!(outcomes.contains(&true) && outcomes.contains(&false), "{outcomes:?}");
    while trail.recv().await.unwrap() != "security.limit.exceeded" {}
    // It is counted before it is told.
    let counted = actors.metrics().limits_exceeded;
    let [("limits.resources.maxProcesses", count)] = counted[..] else {
        panic!("{counted:?}");
    };
    assert!(count >= 1);
}

/// Hooks that let in who knows the word, allow reading only, and hide the end of processes.
struct Doorkeeper(Arc<Mutex<Vec<String>>>);

impl VmHooks for Doorkeeper {
    fn hooks(&self) -> HookSet {
        let mut hooks = HookSet::default();
        (hooks.before_connect, hooks.before_action, hooks.can_receive) = (true, true, true);
        (hooks.connect, hooks.disconnect) = (true, true);
        hooks
    }

    async fn on_before_connect(&self, c: HookContext, params: Value) -> Result<(), Failure> {
        self.0.lock().push(format!("before {}", c.key()));
        match params.get("word").and_then(Value::as_str) {
            Some("sesame") => Ok(()),
            Some(_) => Err(ActorError::user("forbidden", "Forbidden").into()),
            None => Err(Failure::internal("no word")),
        }
    }

    async fn on_connect(&self, _c: HookContext, conn: Conn) -> Result<(), Failure> {
        self.0
            .lock()
            .push(format!("connect {}", conn.params().get("word").is_some()));
        Ok(())
    }

    async fn on_disconnect(&self, _c: HookContext, _conn: Conn) {
        self.0.lock().push("disconnect".to_owned());
    }

    async fn on_before_action(&self, _c: HookContext, action: &str, args: &[Value]) -> Result<(), Failure> {
        self.0.lock().push(format!("{action} {}", args.len()));
        match action {
            "writeFile" => Err(ActorError::user("read_only", "Reading only").into()),
            _ => Ok(()),
        }
    }

    async fn can_receive(&self, _c: HookContext, event: &str, payload: &Value) -> bool {
        event != "processExit" && payload.as_object().is_some()
    }

    fn on_audit_event(&self, event: &serde_json::Value) {
        self.0.lock().push(format!(
            "audit {} {}",
            event["event"].as_str().unwrap(),
            event["actorId"].is_string()
        ));
    }
}

#[tokio::test]
async fn hooks_decide() {
    use agentos_server::actor::{ConnectRequest, CreateOptions, Transport};
    let log = Arc::new(Mutex::new(Vec::new()));
    let definition = VmDefinition::builder()
        .hooks(Doorkeeper(Arc::clone(&log)))
        .build()
        .unwrap();
    let registry = agentos_server::Registry::builder()
        .vm("vm", definition)
        .build()
        .unwrap();
    let actors = registry.actors();
    let key = agentos_value::Key::new(["k"]);
    let id = actors
        .get_or_create("vm", &key, CreateOptions::default())
        .await
        .unwrap()
        .0
        .id;
    let connect = |params: Value| actors.connect(&id, ConnectRequest::new(Transport::Http).params(params));
    let refused = connect(json(json!({ "word": "x" }))).await.unwrap_err();
    assert!(refused.is("user", "forbidden") && refused.message == "Forbidden");
    let masked = connect(Value::Null).await.unwrap_err();
    assert!(masked.is("internal", "internal_error"), "{masked:?}");
    let open = connect(json(json!({ "word": "sesame" }))).await.unwrap();
    let error = open.call("writeFile", vec!["/a".into(), "b".into()]).await.unwrap_err();
    assert!(error.is("user", "read_only"));
    open.call("exists", vec!["/".into()]).await.unwrap();
    drop(open);
    let lines = log.lock().clone();
    for expected in ["before k", "connect true", "writeFile 2", "exists 1"] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:?}");
    }
}
