//! The VM as an actor.
//!
//! The runtime decides when there is a VM; this is what it then does. A boot resolves the options, opens the durable files,
//! and makes a VM that costs microseconds; the end of an actor ends the VM in order. Actions, events and hooks go through
//! unchanged in both directions.

use crate::actions;
use crate::audit::AuditTrail;
use crate::errors::{from_sdk, from_store};
use crate::machine::{CronExecutor, Durable, Emit, Machine};
use crate::options::Persist;
use crate::secrets::Secrets;
use crate::shared::{Shared, warn};
use crate::vm_limits;
use agentos::Via;
use agentos_actor::cron::Cron;
use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, ActorOptions, Boot, BoxFuture, ByteStream, Conn,
    Failure, HookContext, HookSet, PreviewBounds, ShutdownReason, UserLimits,
};
use agentos_value::{ActorError, ActorId, Object, Value};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

/// VMs of one definition, as the runtime knows them.
pub(crate) struct VmActors(pub(crate) Arc<Shared>);

/// A booted VM, as the runtime knows it.
struct VmActor {
    shared: Arc<Shared>,
    machine: Arc<Machine>,
    trail: Arc<AuditTrail>,
}

/// Part of the shutdown budget that is kept for killing and flushing.
const RESERVE: u32 = 10;

impl VmActors {
    async fn boot_vm(&self, ctx: ActorContext, boot: Boot) -> Result<Arc<dyn Actor>, Failure> {
        let options = self.0.options(&ctx, boot.input).await?;
        let trail = Arc::new(AuditTrail::new(&ctx, Arc::clone(&self.0.plan.hooks)));
        let (paths, all) = (options.persistent_paths(), *options.persisted() == Persist::All);
        let quota = agentos::quota(&options.limits);
        let database = ctx.database().clone();
        let durable = match ctx.directory().is_none() || (paths.is_empty() && !all) {
            true => Durable::default(),
            false => {
                let quota = Arc::clone(&quota);
                tokio::task::spawn_blocking(move || Durable::open(&database, quota))
                    .await
                    .map_err(Failure::internal)?
                    .inspect_err(|error| trail.storage_failed(error))
                    .map_err(|error| from_store(&error))?
            }
        };
        durable.watch({
            let trail = Arc::clone(&trail);
            move |error| trail.storage_failed(error)
        });
        let secrets = Secrets::new(
            self.0.plan.secret_source.clone(),
            Arc::clone(&options.client_secrets),
            ctx.key().clone(),
            ctx.actor_id().clone(),
        );
        // What is created and destroyed is the actor; this is one boot of it.
        let builder = options.builder.quota(quota).audit_life(false);
        let builder = durable.mount(builder, &paths, all).map_err(|errno| {
            ActorError::agentos(errno.name(), format!("{errno}, opening the persistent directories"))
        })?;
        let caller = agentos::ToolCaller::new(ctx.key().parts().to_vec(), ctx.actor_id().as_str());
        let builder = listen(builder.tool_caller(caller), ctx.clone(), Arc::clone(&trail));
        let vm = builder.create().await.map_err(from_sdk)?;
        // Persistent directories that were just made belong to the first boot.
        durable.settled().await?;
        let emit = {
            let ctx = ctx.clone();
            Emit::new(move |event| ctx.emit(event))
        };
        let machine = Arc::new(Machine::new(vm, durable, secrets, self.0.bounds(&ctx), emit));
        let sessions = crate::sessions::open(&machine, &ctx, &self.0.plan.hooks).await?;
        machine.set_sessions(sessions);
        self.0.booted(ctx.actor_id(), &machine);
        trail.life("security.vm.booted");
        ctx.broadcast("vmBooted", vec![Value::Object(Object::new())]);
        let jobs = Shared::cron_jobs(&ctx, machine.vm.limits())?;
        let host = Arc::new(CronExecutor::new(&machine, ctx.clone()));
        machine.set_cron(Cron::start(jobs, host, Arc::clone(ctx.clock())).await?);
        Ok(Arc::new(VmActor {
            shared: Arc::clone(&self.0),
            machine,
            trail,
        }))
    }
}

/// Passes on what the VM reports.
fn listen(builder: agentos::Builder, ctx: ActorContext, trail: Arc<AuditTrail>) -> agentos::Builder {
    builder.on_event(move |event| match event {
        agentos::Event::LimitWarning(warning) => warn(&ctx, warning),
        agentos::Event::Audit(entry) => {
            if let agentos::AuditKind::LimitExceeded { limit, .. } | agentos::AuditKind::ProcessKilled { limit, .. } =
                &entry.kind
            {
                ctx.limit_exceeded(limit.configuration_path, entry.count);
            }
            trail.record(entry);
        }
        _ => {}
    })
}

/// The runtime asks for the kind first, and there is none.
fn no_action(name: &str) -> Failure {
    ActorError::actor("action_not_found", format!("there is no action {name:?}")).into()
}

fn shutdown_event(reason: ShutdownReason) -> Vec<Value> {
    vec![Value::object([("reason", reason.as_str())])]
}

/// Longer than anybody waits, and short enough for every clock: 100 years.
const NO_DEADLINE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl ActorDefinition for VmActors {
    fn options(&self) -> ActorOptions {
        let mut options = self.0.plan.actor.clone();
        options.boot_timeout = Duration::from_millis(self.0.limits.boot_timeout_ms);
        options
    }

    fn hooks(&self) -> HookSet {
        self.0.plan.hooks.hooks()
    }

    fn authenticates(&self) -> bool {
        self.0.plan.hooks.authenticates()
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        actions::find(name).map(actions::Action::kind)
    }

    fn action_names(&self) -> Vec<String> {
        actions::all().map(|action| action.name.to_owned()).collect()
    }

    /// A prompt has a budget of its own, which waiting for an approval counts to (limits.md section 4.4).
    fn action_timeout(&self, name: &str) -> Option<Duration> {
        actions::is_prompt(name).then_some(NO_DEADLINE)
    }

    fn allowed_while_stopping(&self, name: &str) -> bool {
        actions::is_reading(name)
    }

    fn boot<'a>(&'a self, ctx: ActorContext, boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(self.boot_vm(ctx, boot))
    }

    fn on_boot_failed<'a>(&'a self, ctx: ActorContext, _error: &'a ActorError) -> BoxFuture<'a, ()> {
        ctx.broadcast("vmShutdown", shutdown_event(ShutdownReason::Error));
        Box::pin(ready(()))
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let done = match actions::find(&call.name) {
                Some(action) => action.call_stored(Arc::clone(&self.0), ctx.clone(), call.args).await,
                None => Err(no_action(&call.name)),
            };
            if let Err(Failure::Public(error)) = &done {
                self.0.refused(&ctx, error);
            }
            done
        })
    }

    fn user_database<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, Result<Option<UserLimits>, Failure>> {
        Box::pin(async move {
            match self.0.plan.db {
                true => Ok(Some(vm_limits::sqlite(&self.0.limits(&ctx).await?))),
                false => Ok(None),
            }
        })
    }

    fn user_database_used(&self, ctx: &ActorContext, limits: UserLimits, outcome: Result<u64, &ActorError>) {
        match outcome {
            Ok(bytes) => {
                let path = "limits.sqlite.maxDatabaseBytes";
                self.0.used(ctx, &vm_limits::usage(path, bytes, limits.database_bytes));
            }
            Err(error) => self.0.refused(ctx, error),
        }
    }

    fn preview_bounds(&self, id: &ActorId) -> PreviewBounds {
        // What is made at the boot that this request causes holds for those after it.
        let known = self.0.known_limits(id);
        known.map_or_else(PreviewBounds::default, |limits| vm_limits::preview(&limits))
    }

    fn on_audit_event(&self, entry: &serde_json::Value) {
        if entry["event"] == "security.vm.destroyed"
            && let Some(id) = entry["actorId"].as_str().and_then(|id| ActorId::new(id).ok())
        {
            self.0.destroyed(&id);
        }
        self.0.plan.hooks.on_audit_event(entry);
    }

    fn on_before_connect<'a>(&'a self, ctx: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        self.0.plan.hooks.on_before_connect(ctx, params)
    }

    fn create_conn_state<'a>(&'a self, ctx: HookContext, params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
        self.0.plan.hooks.create_conn_state(ctx, params)
    }

    fn on_connect<'a>(&'a self, ctx: HookContext, conn: Conn) -> BoxFuture<'a, Result<(), Failure>> {
        self.0.plan.hooks.on_connect(ctx, conn)
    }

    fn on_disconnect<'a>(&'a self, ctx: HookContext, conn: Conn) -> BoxFuture<'a, ()> {
        self.0.plan.hooks.on_disconnect(ctx, conn)
    }

    fn on_before_action<'a>(
        &'a self,
        ctx: HookContext,
        action: &'a str,
        args: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>> {
        self.0.plan.hooks.on_before_action(ctx, action, args)
    }

    fn can_receive<'a>(&'a self, ctx: HookContext, event: &'a str, args: &'a [Value]) -> BoxFuture<'a, bool> {
        let payload = args.first().unwrap_or(&Value::Undefined);
        self.0.plan.hooks.can_receive(ctx, event, payload)
    }
}

impl Actor for VmActor {
    fn action<'a>(&'a self, _ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            match actions::find(&call.name) {
                Some(action) => {
                    // Without a connection it is the server's own program that calls: a hook of it.
                    let via = if call.conn.is_some() { Via::Client } else { Via::Hook };
                    action.call(Arc::clone(&self.machine), call.args, via).await
                }
                None => Err(no_action(&call.name)),
            }
        })
    }

    fn awake_because(&self) -> Vec<String> {
        self.machine.awake_because()
    }

    fn on_shutdown<'a>(&'a self, ctx: ActorContext, reason: ShutdownReason) -> BoxFuture<'a, ()> {
        ctx.broadcast("vmShutdown", shutdown_event(reason));
        if reason == ShutdownReason::Error {
            self.trail.life("security.vm.failed");
        }
        Box::pin(ready(()))
    }

    fn on_sleep<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let budget = self.shared.plan.actor.shutdown_budget;
            self.machine.stop(budget - budget / RESERVE).await;
            self.shared.ended(ctx.actor_id());
            self.trail.life("security.vm.slept");
        })
    }

    fn save<'a>(&'a self, _ctx: ActorContext) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(self.machine.durable.settled().await?) })
    }

    fn on_destroy<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.machine.kill().await;
            self.shared.ended(ctx.actor_id());
        })
    }

    fn open_port<'a>(&'a self, port: u16) -> BoxFuture<'a, Result<Box<dyn ByteStream>, Failure>> {
        Box::pin(async move {
            let stream = self.machine.vm.connect(port).await.map_err(from_sdk)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}
