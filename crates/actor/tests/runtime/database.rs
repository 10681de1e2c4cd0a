//! The user's database: from actions and hooks, over sleep and destroy, within its bounds.

use std::sync::Arc;
use std::time::Duration;

use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, Conn, ConnectRequest, CreateOptions,
    Db, Failure, HookContext, Registry, RegistryBuilder, Transport, UserLimits,
};
use agentos_value::{ActorError, ActorId, Key, Value};

/// An actor whose actions are statements, and whose hooks count its visitors.
struct Notes {
    limits: Option<UserLimits>,
    hooks: bool,
}

const NOTES: Notes = Notes {
    limits: Some(UserLimits::DEFAULT),
    hooks: false,
};

impl ActorDefinition for Notes {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        Some(match name {
            "stored" => ActionKind::Stored,
            _ => ActionKind::Awake,
        })
    }

    fn boot<'a>(&'a self, _ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(NOTES) as Arc<dyn Actor>) })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(run(ctx.db(), call.args))
    }

    fn user_database<'a>(&'a self, _ctx: ActorContext) -> BoxFuture<'a, Result<Option<UserLimits>, Failure>> {
        Box::pin(async { Ok(self.limits) })
    }

    fn on_before_connect<'a>(&'a self, ctx: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            match params.as_str() {
                Some(sql) => ctx.db().execute(sql, vec![]).await.map(drop),
                None => Ok(()),
            }
        })
    }

    fn on_connect<'a>(&'a self, ctx: HookContext, _conn: Conn) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            if self.hooks {
                let sql = "CREATE TABLE IF NOT EXISTS visits (at INTEGER); INSERT INTO visits VALUES (1)";
                ctx.db().execute(sql, vec![]).await?;
            }
            Ok(())
        })
    }

    fn on_before_action<'a>(
        &'a self,
        ctx: HookContext,
        action: &'a str,
        _args: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            if action == "endless" {
                ctx.db().execute(ENDLESS, vec![]).await?;
            }
            Ok(())
        })
    }
}

impl Actor for Notes {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(run(ctx.db(), call.args))
    }
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

async fn run(db: Db, mut args: Vec<Value>) -> Result<Value, Failure> {
    let sql = args.remove(0).as_str().unwrap_or_default().to_owned();
    let rows = db.execute(sql, args).await.map_err(|failure| match failure {
        // Tests want to see what an author of statements sees.
        Failure::Internal(error) => ActorError::user("sql", error.to_string()).into(),
        public => public,
    })?;
    Ok(Value::Array(rows.into_iter().map(Value::Object).collect()))
}

struct World {
    registry: Registry,
    id: ActorId,
    directory: Option<tempfile::TempDir>,
}

impl World {
    async fn on_disk(notes: Notes) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let builder = Registry::builder().data_dir(directory.path());
        let mut world = Self::of(builder, notes).await;
        world.directory = Some(directory);
        world
    }

    async fn of(builder: RegistryBuilder, notes: Notes) -> Self {
        let registry = builder.define("notes", notes).build().unwrap();
        let key = Key::new(["k"]);
        let made = registry.get_or_create("notes", &key, CreateOptions::default());
        let id = made.await.unwrap().0.id;
        Self {
            registry,
            id,
            directory: None,
        }
    }

    async fn call(&self, action: &str, args: Vec<Value>) -> Result<Value, ActorError> {
        let http = ConnectRequest::new(Transport::Http);
        self.registry.call(&self.id, http, action, args).await
    }

    async fn sql(&self, sql: &str) -> Result<Value, ActorError> {
        self.call("run", vec![sql.into()]).await
    }

    fn file(&self) -> std::path::PathBuf {
        let root = self.directory.as_ref().unwrap().path();
        root.join("vms").join(self.id.as_str()).join("user.sqlite")
    }
}

fn rows(rows: &[&[(&str, Value)]]) -> Value {
    let row = |members: &&[(&str, Value)]| Value::object(members.iter().cloned());
    Value::Array(rows.iter().map(row).collect())
}

#[tokio::test]
async fn rows_are_objects_and_outlive_sleep_until_destroy() {
    let world = World::on_disk(NOTES).await;
    world.sql("CREATE TABLE t (a, b, c, d)").await.unwrap();
    assert!(world.file().exists());
    let args = vec![
        "INSERT INTO t VALUES (?, ?, ?, ?)".into(),
        Value::from(1_i64 << 60),
        Value::from("x"),
        Value::Bytes(vec![0, 255].into()),
        Value::Bool(true),
    ];
    world.call("run", args).await.unwrap();
    world.registry.sleep(&world.id).await.unwrap();
    let expected = rows(&[&[
        ("a", Value::from(1_i64 << 60)),
        ("b", Value::from("x")),
        ("c", Value::Bytes(vec![0, 255].into())),
        ("d", Value::Int(1)),
    ]]);
    // From storage, without waking the actor.
    assert_eq!(
        world.call("stored", vec!["SELECT * FROM t".into()]).await.unwrap(),
        expected
    );
    assert_eq!(world.registry.status(&world.id).unwrap().phase.as_str(), "asleep");
    assert_eq!(world.sql("SELECT * FROM t").await.unwrap(), expected);
    let refused = world.call("run", vec!["SELECT ?".into(), Value::Date(1.0)]).await;
    assert!(refused.unwrap_err().is("agentos", "invalid_argument"));
    world.registry.destroy(&world.id).await.unwrap();
    assert!(!world.file().exists());
}

#[tokio::test]
async fn a_registry_in_memory_keeps_it_as_long_as_the_actor() {
    let world = World::of(Registry::builder(), NOTES).await;
    world
        .sql("CREATE TABLE t (a); INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2)")
        .await
        .unwrap();
    world.registry.sleep(&world.id).await.unwrap();
    let count = world.sql("SELECT count(*) AS n FROM t").await.unwrap();
    assert_eq!(
        count,
        rows(&[&[("n", Value::Int(1))]]),
        "an open transaction ends with sleep"
    );
    world.registry.destroy(&world.id).await.unwrap();
    let key = Key::new(["k"]);
    let made = world.registry.get_or_create("notes", &key, CreateOptions::default());
    let id = made.await.unwrap().0.id;
    let http = ConnectRequest::new(Transport::Http);
    let gone = world
        .registry
        .call(&id, http, "run", vec!["SELECT * FROM t".into()])
        .await;
    assert!(gone.unwrap_err().message.contains("no such table"));
}

#[tokio::test]
async fn hooks_use_it_once_there_is_storage() {
    let world = World::on_disk(Notes { hooks: true, ..NOTES }).await;
    // Whoever is not accepted makes no files.
    let early = ConnectRequest::new(Transport::Http).params(Value::from("CREATE TABLE x (a)"));
    let refused = world.registry.connect(&world.id, early).await.unwrap_err();
    assert!(refused.is("agentos", "no_storage"), "{refused}");
    assert!(!world.file().parent().unwrap().exists());
    for visits in 1..3 {
        let count = world.sql("SELECT count(*) AS n FROM visits").await.unwrap();
        assert_eq!(count, rows(&[&[("n", Value::Int(visits))]]));
    }
    let http = ConnectRequest::new(Transport::Http).params(Value::from("DELETE FROM visits"));
    world.registry.connect(&world.id, http).await.unwrap();
    let count = world.sql("SELECT count(*) AS n FROM visits").await.unwrap();
    assert_eq!(count, rows(&[&[("n", Value::Int(2))]]));
}

#[tokio::test]
async fn there_is_none_unless_the_definition_says_so() {
    let world = World::on_disk(Notes { limits: None, ..NOTES }).await;
    assert!(world.sql("SELECT 1").await.unwrap_err().is("agentos", "unsupported"));
    assert!(!world.file().exists());
}

#[tokio::test]
async fn errors_name_the_limit_and_no_file() {
    let limits = UserLimits {
        database_bytes: 64 << 10,
        result_bytes: 1000,
        query_timeout: Duration::from_millis(50),
    };
    let limits = Some(limits);
    let world = World::on_disk(Notes { limits, ..NOTES }).await;
    world.sql("CREATE TABLE t (b)").await.unwrap();
    for (sql, field, unit, capacity) in [
        (
            "INSERT INTO t VALUES (zeroblob(60000)), (zeroblob(60000))",
            "maxDatabaseBytes",
            "bytes",
            65536,
        ),
        ("SELECT zeroblob(2000)", "maxResultBytes", "bytes", 1000),
        (ENDLESS, "queryTimeoutMs", "ms", 50),
    ] {
        let error = world.sql(sql).await.unwrap_err();
        assert!(error.is("agentos", "limit_exceeded"), "{sql}: {error}");
        let metadata = error.metadata.unwrap();
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(text("configurationPath"), Some(format!("limits.sqlite.{field}")));
        assert_eq!(
            (text("limit"), text("unit")),
            (Some(field.to_owned()), Some(unit.to_owned()))
        );
        assert_eq!(metadata.get("capacity"), Some(&Value::Int(capacity)));
    }
    for sql in [
        "ATTACH '/etc/passwd' AS x",
        "SELECT load_extension('x')",
        "PRAGMA journal_mode = OFF",
        "SELEKT",
    ] {
        let error = world.sql(sql).await.unwrap_err();
        assert!(
            error.is("user", "sql") && !error.message.contains("user.sqlite"),
            "{sql}: {error}"
        );
    }
    assert_eq!(
        world.sql("SELECT 1 AS one").await.unwrap(),
        rows(&[&[("one", Value::Int(1))]])
    );
}

#[tokio::test]
async fn a_hook_that_takes_too_long_leaves_no_statement_behind() {
    let mut limits = agentos_actor::RegistryLimits::default();
    // Long enough for the hooks of the statement that is no endless one, on a busy machine too.
    limits.hook_timeout = Duration::from_secs(2);
    let world = World::of(Registry::builder().limits(limits), NOTES).await;
    let error = world.call("endless", vec![]).await.unwrap_err();
    assert!(
        error.is("auth", "auth_timeout") || error.code == "auth_timeout",
        "{error}"
    );
    // The statement was interrupted, or this one would wait for its 30 s.
    world.sql("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn the_program_reaches_actors_past_their_hooks() {
    let notes = Notes { hooks: true, ..NOTES };
    let world = World::of(Registry::builder(), notes).await;
    let client = world.registry.client();
    // Nobody has connected, so there is no actor yet: the program's own call makes it, and no hook counts a visitor.
    let visits = "SELECT count(*) AS n FROM sqlite_master";
    let none = client.act(&world.id, "run", vec![visits.into()]).await.unwrap();
    assert_eq!(none, rows(&[&[("n", 0.into())]]));
    assert_eq!(client.info(&world.id).unwrap().key, Key::new(["k"]));
    world.sql("SELECT 1").await.unwrap();
    let db = client.db(&world.id, None).unwrap();
    let counted = db.execute("SELECT count(*) AS n FROM visits", vec![]).await.unwrap();
    assert_eq!(counted.first().and_then(|row| row.get("n")), Some(&1.into()));
    assert!(client.conn(&world.id, "nobody").is_none());
    let unknown = client.act(&ActorId::from_bits(1), "run", vec![]).await.unwrap_err();
    assert!(unknown.is("actor", "not_found"), "{unknown}");
    drop(world);
    let gone = client.act(&ActorId::from_bits(1), "run", vec![]).await.unwrap_err();
    assert!(
        gone.is("guard", "service_unavailable") || gone.is("actor", "not_found"),
        "{gone}"
    );
}
