//! A kind of actor that writes down what happens to it and misbehaves on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, ActorInfo, ActorOptions, Boot, BoxFuture, ByteStream,
    Conn, ConnectRequest, CreateOptions, Event, Failure, HookContext, HookSet, ManualClock, Outgoing, Registry,
    RegistryBuilder, ShutdownReason, Transport,
};
use agentos_value::{ActorError, Key, Value};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What the probes of one test do, and did.
#[derive(Clone)]
pub struct Probe(pub Arc<Inner>);

pub struct Inner {
    pub log: Mutex<Vec<String>>,
    pub options: ActorOptions,
    pub hooks: HookSet,
    /// Steps that misbehave: `boot`, `onConnect` and so on, with how.
    pub trouble: Mutex<Vec<(String, Trouble)>>,
    /// Boots take one permit each, if there is such a gate.
    pub boot_gate: Option<Semaphore>,
    /// The action `wait` takes one permit.
    pub wait_gate: Semaphore,
    pub booted: AtomicUsize,
    /// Boots let clients in who do not want to wait.
    early: AtomicBool,
    /// Called at each step, with what is written down.
    pub at_step: Mutex<Option<AtStep>>,
}

type AtStep = Box<dyn Fn(&str) + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// An error for clients.
    Refuse,
    /// An error that is not for clients.
    Fail,
    Panic,
    /// Never ends.
    Hang,
    /// Takes a permit of the gate that the action `wait` takes one of.
    Wait,
}

pub const ALL_HOOKS: HookSet = HookSet::ALL;

impl Probe {
    pub fn new(hooks: HookSet, change: impl FnOnce(&mut ActorOptions)) -> Self {
        Self::gated(hooks, change, None)
    }

    /// A probe whose boots wait for permits.
    pub fn gated(hooks: HookSet, change: impl FnOnce(&mut ActorOptions), boots: Option<usize>) -> Self {
        let mut options = ActorOptions::default();
        change(&mut options);
        Self(Arc::new(Inner {
            log: Mutex::default(),
            options,
            hooks,
            trouble: Mutex::default(),
            boot_gate: boots.map(Semaphore::new),
            wait_gate: Semaphore::new(0),
            booted: AtomicUsize::new(0),
            early: AtomicBool::new(false),
            at_step: Mutex::new(None),
        }))
    }

    /// Lets clients in who do not want to wait, as soon as a boot begins.
    pub fn serve_early(&self) {
        self.0.early.store(true, Ordering::Relaxed);
    }

    pub fn note(&self, what: impl Into<String>) {
        let what = what.into();
        if let Some(at_step) = &*self.0.at_step.lock() {
            at_step(&what);
        }
        self.0.log.lock().push(what);
    }

    /// Takes what was written down.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.log.lock())
    }

    pub fn logged(&self, what: &str) -> usize {
        self.0.log.lock().iter().filter(|line| line.starts_with(what)).count()
    }

    pub fn trouble(&self, step: &str, how: Trouble) {
        self.0.trouble.lock().push((step.to_owned(), how));
    }

    pub fn no_trouble(&self) {
        self.0.trouble.lock().clear();
    }

    /// Writes a step down and misbehaves if that is wanted.
    async fn step(&self, step: &str) -> Result<(), Failure> {
        self.note(step);
        let how = self
            .0
            .trouble
            .lock()
            .iter()
            .find(|(name, _)| name == step)
            .map(|(_, how)| *how);
        match how {
            None => Ok(()),
            Some(Trouble::Refuse) => Err(ActorError::user("forbidden", "Forbidden").into()),
            Some(Trouble::Fail) => Err(Failure::internal("secret")),
            Some(Trouble::Panic) => panic!("secret"),
            Some(Trouble::Hang) => std::future::pending().await,
            Some(Trouble::Wait) => {
                self.0.wait_gate.acquire().await.map_err(Failure::internal)?.forget();
                Ok(())
            }
        }
    }
}

impl ActorDefinition for Probe {
    fn options(&self) -> ActorOptions {
        self.0.options.clone()
    }

    fn hooks(&self) -> HookSet {
        self.0.hooks
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        match name {
            "echo" | "wait" | "emit" | "add" | "fail" | "panic" | "chain" | "keep" | "crash" | "read" | "kv"
            | "trap" => Some(ActionKind::Awake),
            "state" | "sleep" | "destroy" | "preview" | "revoke" | "previews" => Some(ActionKind::Stored),
            _ => None,
        }
    }

    fn allowed_while_stopping(&self, name: &str) -> bool {
        assert!(name != "trap", "secret");
        name == "read"
    }

    fn boot<'a>(&'a self, ctx: ActorContext, boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async move {
            if self.0.early.load(Ordering::Relaxed) {
                ctx.serve_early(Arc::new(self.clone()));
            }
            if let Some(gate) = &self.0.boot_gate {
                gate.acquire().await.map_err(Failure::internal)?.forget();
            }
            self.step("boot").await?;
            self.0.booted.fetch_add(1, Ordering::Relaxed);
            self.note(format!("booted {} {}", ctx.generation(), boot.first));
            ctx.broadcast("vmBooted", vec![boot.input]);
            Ok(Arc::new(self.clone()) as Arc<dyn Actor>)
        })
    }

    fn on_boot_failed<'a>(&'a self, ctx: ActorContext, error: &'a ActorError) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            ctx.broadcast("vmShutdown", vec![Value::object([("reason", "error")])]);
            self.note(format!("boot failed: {}", error.code));
        })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            self.note(format!("stored {}", call.name));
            match call.name.as_str() {
                "state" => Ok(ctx.state()),
                "sleep" => {
                    ctx.sleep().await?;
                    Ok(Value::Null)
                }
                "preview" => {
                    let made = ctx
                        .create_preview(80, call.args.first().and_then(Value::as_int))
                        .await?;
                    Ok(Value::from(made.token))
                }
                "revoke" => {
                    ctx.revoke_preview(call.args[0].as_str().unwrap_or_default()).await?;
                    Ok(Value::Null)
                }
                "previews" => Ok(Value::from(ctx.list_previews()?.len() as i64)),
                _ => {
                    ctx.destroy().await?;
                    Ok(Value::Null)
                }
            }
        })
    }

    fn on_before_connect<'a>(&'a self, ctx: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            assert!(ctx.conn().is_none());
            self.step("onBeforeConnect").await?;
            if params.get("token").is_some_and(|token| token.as_str() == Some("bad")) {
                return Err(ActorError::user("forbidden", "Forbidden").into());
            }
            Ok(())
        })
    }

    fn create_conn_state<'a>(&'a self, _: HookContext, params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            self.step("createConnState").await?;
            Ok(params.get("state").cloned().unwrap_or(params))
        })
    }

    fn on_connect<'a>(&'a self, _: HookContext, _: Conn) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.step("onConnect"))
    }

    fn on_disconnect<'a>(&'a self, _: HookContext, conn: Conn) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.note(format!("onDisconnect {}", conn.id())) })
    }

    fn on_before_action<'a>(
        &'a self,
        ctx: HookContext,
        action: &'a str,
        _: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>> {
        assert!(ctx.conn().is_some());
        self.note(format!("onBeforeAction {action}"));
        Box::pin(async move {
            let how = self
                .0
                .trouble
                .lock()
                .iter()
                .find(|(name, _)| name == "onBeforeAction")
                .map(|(_, how)| *how);
            match how {
                Some(_) => self.step("onBeforeAction").await,
                None => Ok(()),
            }
        })
    }

    fn can_receive<'a>(&'a self, _: HookContext, event: &'a str, args: &'a [Value]) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            match args.first().and_then(Value::as_int) {
                Some(13) => panic!("secret"),
                Some(14) => std::future::pending().await,
                number => event != "secret" && number != Some(12),
            }
        })
    }
}

impl Actor for Probe {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let first = call.args.first().cloned().unwrap_or_default();
            match call.name.as_str() {
                "echo" | "read" => Ok(first),
                "wait" => {
                    self.note("waiting");
                    self.0.wait_gate.acquire().await.map_err(Failure::internal)?.forget();
                    self.note("waited");
                    Ok(first)
                }
                "emit" => {
                    for number in 0..first.as_int().unwrap_or(1) {
                        ctx.emit(Event::new("tick", vec![Value::from(number)]).scope("process", 1));
                    }
                    Ok(Value::Null)
                }
                "add" => Ok(ctx.update_state(|state| {
                    *state = Value::from(state.as_int().unwrap_or(0) + first.as_int().unwrap_or(1));
                    state.clone()
                })?),
                "kv" => {
                    ctx.kv().put(b"key".to_vec(), b"value".to_vec()).await?;
                    Ok(Value::from(ctx.kv().list(b"k", None, 10)?.len() as i64))
                }
                "fail" => Err(Failure::internal("secret")),
                "panic" => panic!("secret"),
                "chain" => {
                    let client = ctx.client();
                    Ok(client.call(ctx.actor_id(), Value::Null, "chain", vec![]).await?)
                }
                "keep" => {
                    let guard = ctx.keep_awake("process:7");
                    let probe = self.clone();
                    tokio::spawn(async move {
                        let permit = probe.0.wait_gate.acquire().await;
                        drop(guard);
                        permit.map(tokio::sync::SemaphorePermit::forget)
                    });
                    Ok(Value::Null)
                }
                _ => {
                    ctx.crash(Failure::internal("died"));
                    Ok(Value::Null)
                }
            }
        })
    }

    fn on_shutdown<'a>(&'a self, ctx: ActorContext, reason: ShutdownReason) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            ctx.broadcast("vmShutdown", vec![Value::object([("reason", reason.as_str())])]);
            self.note(format!("onShutdown {}", reason.as_str()));
        })
    }

    fn on_sleep<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            assert!(ctx.abort_signal().is_cancelled());
            // Trouble here is not an error that anybody gets.
            let _ = self.step("onSleep").await;
        })
    }

    fn on_destroy<'a>(&'a self, _: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.note("onDestroy") })
    }

    fn open_port<'a>(&'a self, _: u16) -> BoxFuture<'a, Result<Box<dyn ByteStream>, Failure>> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(far);
                tokio::io::copy(&mut read, &mut write).await
            });
            Ok(Box::new(near) as Box<dyn ByteStream>)
        })
    }
}

/// A registry with one kind of actor, `probe`, on a clock that stands still.
pub struct World {
    pub registry: Registry,
    pub probe: Probe,
    pub clock: ManualClock,
    /// Dropped last.
    pub directory: Option<tempfile::TempDir>,
}

impl World {
    pub fn new(probe: Probe) -> Self {
        Self::with(probe, |builder| builder)
    }

    pub fn with(probe: Probe, change: impl FnOnce(RegistryBuilder) -> RegistryBuilder) -> Self {
        let clock = ManualClock::at(1_700_000_000_000);
        let builder = Registry::builder().define("probe", probe.clone()).clock(clock.clone());
        Self {
            registry: change(builder).build().unwrap(),
            probe,
            clock,
            directory: None,
        }
    }

    pub fn on_disk(probe: Probe) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut world = Self::with(probe, |builder| builder.data_dir(directory.path()));
        world.directory = Some(directory);
        world
    }

    pub async fn actor(&self, key: &str) -> ActorInfo {
        let options = CreateOptions {
            input: Value::from("input"),
            ..CreateOptions::default()
        };
        self.registry
            .get_or_create("probe", &Key::new([key]), options)
            .await
            .unwrap()
            .0
    }

    pub async fn call(&self, actor: &ActorInfo, action: &str, args: Vec<Value>) -> Result<Value, ActorError> {
        self.registry.call(&actor.id, http(), action, args).await
    }

    pub fn phase(&self, actor: &ActorInfo) -> &'static str {
        self.registry
            .status(&actor.id)
            .map_or("gone", |status| status.phase.as_str())
    }

    /// Lets simulated time go by in steps while something is done; returns how much did.
    pub async fn pass_while<T>(&self, step: Duration, work: impl Future<Output = T>) -> (T, Duration) {
        let done = std::cell::Cell::new(false);
        let work = async {
            let output = work.await;
            done.set(true);
            output
        };
        tokio::join!(work, self.pass_until(step, || done.get()))
    }

    /// Sleepers when nothing happens.
    pub async fn resting(&self) -> usize {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.clock.sleepers()
    }

    /// Lets simulated time go by in steps until something is so; returns how much did.
    pub async fn pass_until(&self, step: Duration, what: impl Fn() -> bool) -> Duration {
        let mut passed = Duration::ZERO;
        until_async(async || {
            for _ in 0..20 {
                tokio::task::yield_now().await;
                if what() {
                    return true;
                }
            }
            self.clock.advance(step);
            passed += step;
            false
        })
        .await;
        passed
    }
}

pub fn http() -> ConnectRequest {
    ConnectRequest::new(Transport::Http)
}

pub fn socket() -> ConnectRequest {
    ConnectRequest::new(Transport::Socket)
}

/// Waits for something to be so; a wait that takes very long is a failure instead of a hang.
pub async fn until(what: impl Fn() -> bool) {
    until_async(async || what()).await;
}

async fn until_async(mut what: impl AsyncFnMut() -> bool) {
    let started = std::time::Instant::now();
    while !what().await {
        assert!(started.elapsed() < Duration::from_secs(120), "it does not happen");
        tokio::task::yield_now().await;
    }
}

/// What a client reads, in short form, up to `count` things.
pub async fn read(connection: &agentos_actor::Connection, count: usize) -> Vec<String> {
    let mut read = Vec::new();
    for _ in 0..count {
        read.push(match connection.next().await {
            Outgoing::Event(event) => {
                let first = event.args.first();
                let detail = first.map_or(String::new(), |value| match value {
                    Value::Int(number) => format!(" {number}"),
                    other => other
                        .get("reason")
                        .or_else(|| other.get("skipped"))
                        .map_or(String::new(), |value| {
                            format!(
                                " {}",
                                value
                                    .as_str()
                                    .map_or_else(|| value.as_int().unwrap_or(0).to_string(), str::to_owned)
                            )
                        }),
                });
                format!("{}{detail}", event.name)
            }
            Outgoing::Reply { tag, result } => match result {
                Ok(_) => format!("reply {tag}"),
                Err(error) => format!("error {tag} {}/{}", error.group, error.code),
            },
            Outgoing::Close(close) => format!("close {} {}", close.code, close.reason),
            other => format!("{other:?}"),
        });
    }
    read
}
