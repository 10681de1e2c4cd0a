//! Actors whose code is JavaScript.
//!
//! The runtime is the one of all actors: identity, sleep and wake, connections, durable state, schedules. An awake actor is an
//! *instance* on both sides, known by a number; what its code does to it comes as deeds on that number. Deeds that change the
//! state are made on the JavaScript thread in the order of the code, so that the state that is stored last is the last one.

use super::hooks::{Dispatch, JsHooks, connection, key, not_serving};
use agentos_server::actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, ActorOptions, Boot, BoxFuture, Conn, KeepAwake,
    ScheduledAction, ShutdownReason, UserLimits,
};
use agentos_server::{ActorError, Failure, HookContext, HookSet, SdkActor, Value, VmHooks};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Actors of one kind.
pub(super) struct JsActors {
    name: String,
    plan: SdkActor,
    hooks: JsHooks,
    dispatch: Arc<Dispatch>,
}

/// An awake actor.
struct JsActor {
    instance: u32,
    name: String,
    dispatch: Arc<Dispatch>,
}

/// Awake actors by number, for what their code does.
#[derive(Default)]
pub(super) struct Instances {
    next: AtomicU32,
    awake: Mutex<HashMap<u32, Instance>>,
}

struct Instance {
    ctx: ActorContext,
    held: HashMap<i64, KeepAwake>,
}

impl JsActors {
    /// Actors of this name.
    pub(super) fn new(name: &str, plan: SdkActor, dispatch: Arc<Dispatch>) -> Self {
        Self {
            name: name.to_owned(),
            hooks: JsHooks::of_actor(name, plan.hooks, Arc::clone(&dispatch)),
            plan,
            dispatch,
        }
    }
}

impl ActorDefinition for JsActors {
    fn options(&self) -> ActorOptions {
        self.plan.options.clone()
    }

    fn hooks(&self) -> HookSet {
        self.plan.hooks
    }

    fn authenticates(&self) -> bool {
        self.plan.hooks.before_connect
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        self.plan
            .actions
            .iter()
            .any(|action| action == name)
            .then_some(ActionKind::Awake)
    }

    fn action_names(&self) -> Vec<String> {
        self.plan.actions.clone()
    }

    fn user_database<'a>(&'a self, _ctx: ActorContext) -> BoxFuture<'a, Result<Option<UserLimits>, Failure>> {
        Box::pin(std::future::ready(Ok(self.plan.db.then(UserLimits::default))))
    }

    fn boot<'a>(&'a self, ctx: ActorContext, boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async move {
            let context = Value::object([
                ("key", key(ctx.key().parts())),
                ("actorId", Value::from(ctx.actor_id().as_str())),
                ("name", Value::from(ctx.name())),
                ("input", boot.input),
            ]);
            let state = ctx.state();
            let actor = JsActor {
                instance: self.dispatch.instances.open(ctx),
                name: self.name.clone(),
                dispatch: Arc::clone(&self.dispatch),
            };
            let args = vec![Value::from(i64::from(actor.instance)), Value::Bool(boot.first), state];
            self.dispatch.call(&self.name, "boot", context, args).await?;
            Ok(Arc::new(actor) as Arc<dyn Actor>)
        })
    }

    fn on_before_connect<'a>(&'a self, ctx: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.hooks.on_before_connect(ctx, params))
    }

    fn create_conn_state<'a>(&'a self, ctx: HookContext, params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(self.hooks.create_conn_state(ctx, params))
    }

    fn on_connect<'a>(&'a self, ctx: HookContext, conn: Conn) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.hooks.on_connect(ctx, conn))
    }

    fn on_disconnect<'a>(&'a self, ctx: HookContext, conn: Conn) -> BoxFuture<'a, ()> {
        Box::pin(self.hooks.on_disconnect(ctx, conn))
    }

    fn on_before_action<'a>(
        &'a self,
        ctx: HookContext,
        action: &'a str,
        args: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.hooks.on_before_action(ctx, action, args))
    }

    fn can_receive<'a>(&'a self, ctx: HookContext, event: &'a str, args: &'a [Value]) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let payload = args.first().cloned().unwrap_or(Value::Undefined);
            self.hooks.can_receive(ctx, event, &payload).await
        })
    }
}

impl JsActor {
    async fn ends(&self, ctx: &ActorContext, hook: &'static str) {
        let context = Value::object([
            ("key", key(ctx.key().parts())),
            ("actorId", Value::from(ctx.actor_id().as_str())),
        ]);
        let args = vec![Value::from(i64::from(self.instance))];
        if let Err(failure) = self.dispatch.call(&self.name, hook, context, args).await {
            tracing::error!(target: "agentos::hooks", definition = self.name, hook, error = %failure, "a hook failed");
        }
    }
}

impl Actor for JsActor {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let mut context = vec![
                ("key", key(ctx.key().parts())),
                ("actorId", Value::from(ctx.actor_id().as_str())),
                ("name", Value::from(ctx.name())),
            ];
            if let Some(conn) = &call.conn {
                context.push(("conn", connection(conn)));
            }
            let args = vec![
                Value::from(i64::from(self.instance)),
                call.name.into(),
                Value::Array(call.args),
            ];
            self.dispatch
                .call(&self.name, "action", Value::object(context), args)
                .await
        })
    }

    fn on_sleep<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.ends(&ctx, "onSleep").await })
    }

    fn on_destroy<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.ends(&ctx, "onDestroy").await })
    }

    fn on_shutdown<'a>(&'a self, _ctx: ActorContext, _reason: ShutdownReason) -> BoxFuture<'a, ()> {
        // Work that the code said it still does ends with the generation.
        self.dispatch.instances.release(self.instance);
        Box::pin(std::future::ready(()))
    }
}

impl Drop for JsActor {
    fn drop(&mut self) {
        self.dispatch.instances.close(self.instance);
    }
}

impl Instances {
    fn open(&self, ctx: ActorContext) -> u32 {
        let instance = self.next.fetch_add(1, Ordering::Relaxed);
        let held = HashMap::new();
        self.awake.lock().insert(instance, Instance { ctx, held });
        instance
    }

    fn close(&self, instance: u32) {
        let closed = self.awake.lock().remove(&instance);
        drop(closed);
    }

    fn release(&self, instance: u32) {
        let held = self
            .awake
            .lock()
            .get_mut(&instance)
            .map(|awake| std::mem::take(&mut awake.held));
        drop(held);
    }

    fn context(&self, instance: u32) -> Result<ActorContext, ActorError> {
        let found = self.awake.lock().get(&instance).map(|awake| awake.ctx.clone());
        found.ok_or_else(not_serving)
    }

    /// What an actor's code does to it, at once.
    pub(super) fn deed(&self, instance: u32, deed: &str, args: Vec<Value>) -> Result<Value, ActorError> {
        let ctx = self.context(instance)?;
        let mut args = args.into_iter();
        match deed {
            "save" => {
                let state = args.next().unwrap_or_default();
                ctx.set_state(state).map_err(|failure| failure.publish("state"))?;
            }
            "broadcast" => match args.next() {
                Some(Value::Text(event)) => ctx.broadcast(event, args.collect()),
                _ => return Err(wrong("broadcast: the name of the event must be a string")),
            },
            "conns" => return Ok(Value::Array(ctx.conns().iter().map(connection).collect())),
            "hold" => {
                let (number, reason) = (args.next().and_then(|number| number.as_int()), args.next());
                let reason = reason.as_ref().and_then(Value::as_str).unwrap_or("promise").to_owned();
                let guard = ctx.keep_awake(reason);
                if let (Some(number), Some(awake)) = (number, self.awake.lock().get_mut(&instance)) {
                    awake.held.insert(number, guard);
                }
            }
            "release" => {
                let number = args.next().and_then(|number| number.as_int()).unwrap_or_default();
                let guard = self
                    .awake
                    .lock()
                    .get_mut(&instance)
                    .and_then(|awake| awake.held.remove(&number));
                drop(guard);
            }
            other => return Err(wrong(&format!("an actor has no {other}"))),
        }
        Ok(Value::Undefined)
    }

    /// What an actor's code does to it and waits for.
    pub(super) async fn call(&self, instance: u32, deed: &str, args: Vec<Value>) -> Result<Value, ActorError> {
        let ctx = self.context(instance)?;
        let failed = |failure: Failure| failure.publish("schedule");
        let mut args = args.into_iter();
        match deed {
            "execute" => {
                let Some(Value::Text(sql)) = args.next() else {
                    return Err(wrong("db.execute: the statement must be a string"));
                };
                return super::reach::rows(ctx.db(), sql, args.collect()).await;
            }
            "settle" => ctx.settle().await.map_err(failed)?,
            "after" | "at" => {
                let Some(time) = args.next().as_ref().and_then(Value::as_f64) else {
                    return Err(wrong("schedule: the time must be a number of milliseconds"));
                };
                let Some(Value::Text(action)) = args.next() else {
                    return Err(wrong("schedule: the name of the action must be a string"));
                };
                let id = match deed {
                    "after" => {
                        let delay = Duration::try_from_secs_f64(time.max(0.0) / 1000.0);
                        let delay = delay.map_err(|_| wrong("schedule: the delay is too long"))?;
                        ctx.schedule().after(delay, &action, args.collect()).await
                    }
                    _ => ctx.schedule().at(time as i64, &action, args.collect()).await, // saturates
                };
                return id.map(Value::from).map_err(failed);
            }
            "cancel" => {
                let Some(Value::Text(id)) = args.next() else {
                    return Err(wrong("schedule.cancel: the id must be a string"));
                };
                return ctx.schedule().cancel(&id).await.map(Value::Bool).map_err(failed);
            }
            "list" => {
                let listed = ctx.schedule().list().map_err(failed)?;
                return Ok(Value::Array(listed.into_iter().map(scheduled).collect()));
            }
            // Both wait for the end of the actor's work, of which this is a part.
            "sleep" => drop(tokio::spawn(async move {
                if let Err(error) = ctx.sleep().await {
                    tracing::warn!(target: "agentos::hooks", actor = %ctx.actor_id(), %error, "an actor that sleeps lost something");
                }
            })),
            "destroy" => drop(tokio::spawn(async move {
                if let Err(error) = ctx.destroy().await {
                    tracing::warn!(target: "agentos::hooks", actor = %ctx.actor_id(), %error, "the actor was not destroyed");
                }
            })),
            other => return Err(wrong(&format!("an actor has no {other}"))),
        }
        Ok(Value::Undefined)
    }
}

fn scheduled(action: ScheduledAction) -> Value {
    Value::object([
        ("id", Value::from(action.id)),
        ("action", Value::from(action.action)),
        ("args", Value::Array(action.args)),
        ("at", Value::from(action.due_at_ms)),
    ])
}

fn wrong(text: &str) -> ActorError {
    ActorError::agentos("invalid_argument", text.to_owned())
}
