//! The user's database (`db`) of a VM, from hooks.

use crate::bounds::limited;
use crate::support::{Client, json, text};
use agentos_server::agentos::Limits;
use agentos_server::{
    ActorError, Failure, HookContext, HookSet, Registry, Value, VmDefinition, VmDefinitionBuilder, VmHooks, VmOptions,
};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

/// Runs what is told to `setMode` as a statement: the one action that no VM is booted for here.
#[derive(Clone, Default)]
struct Sql(Arc<Mutex<Vec<serde_json::Value>>>);

impl VmHooks for Sql {
    fn hooks(&self) -> HookSet {
        HookSet {
            before_action: true,
            ..HookSet::default()
        }
    }

    async fn on_before_action(&self, c: HookContext, action: &str, args: &[Value]) -> Result<(), Failure> {
        if action != "setMode" {
            return Ok(());
        }
        let sql = args[0].as_str().unwrap_or_default().to_owned();
        let rows = c.db().execute(sql, args[1..].to_vec()).await;
        let rows = rows.map_err(|failure| match failure {
            Failure::Internal(error) => ActorError::user("sql", error.to_string()).into(),
            public => public,
        })?;
        let rows = rows.into_iter().map(Value::Object).collect();
        Err(ActorError::user("rows", "").with_metadata(Value::Array(rows)).into())
    }

    fn on_audit_event(&self, event: &serde_json::Value) {
        self.0.lock().push(event.clone());
    }
}

/// What a statement gave: the rows, or the error.
async fn sql(vm: &Client, statement: &str) -> Result<serde_json::Value, ActorError> {
    let error = vm.call("setMode", (statement,)).await.unwrap_err();
    match error.code.as_ref() {
        "rows" => Ok(text(&error.metadata.unwrap())),
        _ => Err(error),
    }
}

fn with_db(builder: VmDefinitionBuilder) -> VmDefinition {
    builder.hooks(Sql::default()).db(true).build().unwrap()
}

#[tokio::test]
async fn hooks_have_a_database_that_outlives_the_vm_and_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let builder = Registry::builder().vm("vm", with_db(VmDefinition::builder()));
    let vm = Client::of(builder.data_dir(directory.path()).build().unwrap()).await;
    sql(&vm, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
        .await
        .unwrap();
    vm.ok("sleepVm", ()).await;
    assert_eq!(
        sql(&vm, "SELECT a FROM t").await.unwrap(),
        json!([{ "a": 1 }, { "a": 2 }])
    );
    let files = directory.path().join("vms").join(vm.id.as_str());
    assert!(files.join("user.sqlite").exists());
    let status = text(&vm.ok("vmStatus", ()).await);
    let used = status["limits"].as_array().unwrap();
    let used = used.iter().find(|limit| limit["name"] == "maxDatabaseBytes").unwrap();
    assert!(used["observed"].as_u64().unwrap() >= 8192, "{used}");
    let error = sql(&vm, "ATTACH 'vm.sqlite' AS other").await.unwrap_err();
    assert!(error.is("user", "sql"), "{error}");
    vm.actors.destroy(&vm.id).await.unwrap();
    assert!(!files.exists());
}

#[tokio::test]
async fn there_is_no_database_unless_it_is_asked_for() {
    let definition = VmDefinition::builder().hooks(Sql::default()).build().unwrap();
    let vm = Client::asleep(definition).await;
    assert!(sql(&vm, "SELECT 1").await.unwrap_err().is("agentos", "unsupported"));
}

#[tokio::test]
async fn the_file_is_bounded_warned_about_and_audited() {
    let directory = tempfile::tempdir().unwrap();
    let hooks = Sql::default();
    let limits = json!({ "sqlite": { "maxDatabaseBytes": 100 << 10 } });
    let definition = limited(limits).hooks(hooks.clone()).db(true).build().unwrap();
    let builder = Registry::builder().vm("vm", definition).data_dir(directory.path());
    let vm = Client::of(builder.build().unwrap()).await;
    vm.subscribe("limitWarning");
    sql(&vm, "CREATE TABLE t (b)").await.unwrap();
    let error = loop {
        if let Err(error) = sql(&vm, "INSERT INTO t VALUES (zeroblob(10000))").await {
            break error;
        }
    };
    assert!(error.is("agentos", "limit_exceeded"), "{error}");
    assert!(error.message.contains("limits.sqlite.maxDatabaseBytes"), "{error}");
    let (_, warning) = vm.event().await;
    assert_eq!(text(&warning)["limit"], "maxDatabaseBytes");
    let size = std::fs::metadata(directory.path().join("vms").join(vm.id.as_str()).join("user.sqlite"));
    assert!(size.unwrap().len() <= 100 << 10);
    let seen = hooks.0.lock().clone();
    let refused = seen.iter().find(|event| event["event"] == "security.limit.exceeded");
    let refused = refused.expect("an entry of the audit trail");
    assert_eq!(
        (&refused["limit"], &refused["capacity"], &refused["vm"]),
        (&json!("maxDatabaseBytes"), &json!(100 << 10), &json!("vm"))
    );
}

#[tokio::test]
async fn a_result_is_bounded() {
    let vm = Client::asleep(with_db(limited(json!({ "sqlite": { "maxResultBytes": 5000 } })))).await;
    let error = sql(&vm, "SELECT zeroblob(6000) AS b").await.unwrap_err();
    assert!(error.is("agentos", "limit_exceeded"), "{error}");
    let metadata = text(&error.metadata.unwrap());
    assert_eq!(
        (&metadata["configurationPath"], &metadata["unit"], &metadata["capacity"]),
        (&json!("limits.sqlite.maxResultBytes"), &json!("bytes"), &json!(5000))
    );
    assert_eq!(sql(&vm, "SELECT 1 AS one").await.unwrap(), json!([{ "one": 1 }]));
}

#[tokio::test]
async fn an_endless_statement_is_interrupted() {
    let vm = Client::asleep(with_db(limited(json!({ "sqlite": { "queryTimeoutMs": 50 } })))).await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let error = sql(&vm, endless).await.unwrap_err();
    assert!(error.is("agentos", "limit_exceeded"), "{error}");
    assert_eq!(
        text(&error.metadata.unwrap())["configurationPath"],
        "limits.sqlite.queryTimeoutMs"
    );
}

#[tokio::test]
async fn limits_can_differ_from_vm_to_vm() {
    let definition = VmDefinition::builder()
        .options_per_vm(|request| async move {
            let mut limits = Limits::default();
            let most = u64::try_from(request.input.as_int().unwrap_or(1)).unwrap_or(1);
            limits.set("cron.maxJobs", most).map_err(Failure::internal)?;
            Ok(VmOptions::new().limits(limits))
        })
        .build()
        .unwrap();
    let vm = Client::asleep(definition).await;
    let job = json(json!({ "schedule": "0 0 1 1 *", "action": { "type": "exec", "command": "true" } }));
    vm.ok("scheduleCron", (job.clone(),)).await;
    assert_eq!(vm.err("scheduleCron", (job.clone(),)).await.0, "agentos/limit_exceeded");
    vm.ok("exists", ("/",)).await;
    assert_eq!(vm.err("scheduleCron", (job,)).await.0, "agentos/limit_exceeded");
}
