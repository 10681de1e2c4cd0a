//! Random lives of actors, several hands at once, against what must always hold:
//!
//! * an actor has at most one generation at a time, and generations only grow;
//! * every call is answered, with a result or a documented error;
//! * what was acknowledged is in the state, and nothing is there twice;
//! * in the end everything is asleep and nothing is left in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, ActorOptions, Boot, BoxFuture, ConnectRequest,
    CreateOptions, Failure, ManualClock, Outgoing, Registry, RegistryLimits, ShutdownReason, Transport,
};
use agentos_value::{ActorError, ActorId, Key, Value};
use parking_lot::Mutex;
use proptest::prelude::*;

/// One thing that a hand does to an actor.
#[derive(Clone, Copy, Debug)]
enum Op {
    Add,
    Read,
    Sleep,
    Crash,
    Destroy,
    /// The next boots of all actors fail, so many of them.
    FailBoots(u8),
    /// Opens a connection, adds over it so many times at once, and leaves.
    Connection(u8),
    Pass(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Add),
        2 => Just(Op::Read),
        3 => Just(Op::Sleep),
        1 => Just(Op::Crash),
        1 => Just(Op::Destroy),
        1 => (0..3_u8).prop_map(Op::FailBoots),
        2 => (1..8_u8).prop_map(Op::Connection),
        2 => (0..2_000_u16).prop_map(Op::Pass),
    ]
}

#[derive(Clone, Default)]
struct Model(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    fail_boots: u8,
    /// Things that the hands have begun or been answered.
    steps: u64,
    actors: HashMap<ActorId, Seen>,
    broken: Vec<String>,
}

#[derive(Default)]
struct Seen {
    active: bool,
    generation: u64,
    acknowledged: i64,
    /// Calls that may or may not have had their effect.
    unknown: i64,
}

impl Model {
    fn end(&self, id: &ActorId, how: &str) {
        let mut world = self.0.lock();
        let seen = world.actors.entry(id.clone()).or_default();
        if !std::mem::replace(&mut seen.active, false) {
            world.broken.push(format!("{id} ended by {how} without being active"));
        }
    }

    fn answered(&self, id: &ActorId, adds: bool, result: &Result<Value, ActorError>) {
        let mut world = self.0.lock();
        let seen = world.actors.entry(id.clone()).or_default();
        match result {
            Ok(_) if adds => seen.acknowledged += 1,
            Ok(_) => {}
            Err(error) if error.is("actor", "action_aborted") => seen.unknown += i64::from(adds),
            Err(error)
                if error.is("actor", "not_found")
                    || error.is("agentos", "vm_boot_failed")
                    || error.is("guard", "service_unavailable") => {}
            Err(error) => world.broken.push(format!("unexpected answer: {error}")),
        }
    }
}

impl ActorDefinition for Model {
    fn options(&self) -> ActorOptions {
        let mut options = ActorOptions::default();
        options.idle_timeout = Duration::from_secs(3);
        // Simulated time runs much faster than the disk.
        options.action_timeout = Duration::from_secs(1_000_000);
        options.boot_timeout = Duration::from_secs(1_000_000);
        options
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        Some(if name == "read" {
            ActionKind::Stored
        } else {
            ActionKind::Awake
        })
    }

    fn boot<'a>(&'a self, ctx: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut world = self.0.lock();
            if world.fail_boots > 0 {
                world.fail_boots -= 1;
                return Err(ActorError::user("boot", "no").into());
            }
            let (id, generation) = (ctx.actor_id().clone(), ctx.generation());
            let seen = world.actors.entry(id.clone()).or_default();
            let (was_active, before) = (std::mem::replace(&mut seen.active, true), seen.generation);
            seen.generation = generation;
            if was_active || generation <= before {
                world.broken.push(format!(
                    "{id}: generation {generation} after {before}, active {was_active}"
                ));
            }
            Ok(Arc::new(self.clone()) as Arc<dyn Actor>)
        })
    }

    fn on_boot_failed<'a>(&'a self, ctx: ActorContext, _: &'a ActorError) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Time ran out after the instance was made; it has been dropped.
            self.0.lock().actors.entry(ctx.actor_id().clone()).or_default().active = false;
        })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, _: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move { Ok(ctx.state()) })
    }
}

impl Actor for Model {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            {
                let mut world = self.0.lock();
                let newest = world.actors.get(ctx.actor_id()).map_or(0, |seen| seen.generation);
                if newest != ctx.generation() {
                    let (id, generation) = (ctx.actor_id(), ctx.generation());
                    world
                        .broken
                        .push(format!("{id}: an action of generation {generation} in {newest}"));
                }
            }
            if call.name == "crash" {
                ctx.crash(Failure::internal("crash"));
                return Ok(Value::Null);
            }
            tokio::task::yield_now().await;
            ctx.update_state(|state| {
                *state = Value::from(state.as_int().unwrap_or(0) + 1);
                state.clone()
            })
        })
    }

    fn on_shutdown<'a>(&'a self, ctx: ActorContext, reason: ShutdownReason) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if reason == ShutdownReason::Error {
                self.end(ctx.actor_id(), "crash");
            }
        })
    }

    fn on_sleep<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.end(ctx.actor_id(), "sleep");
        })
    }

    fn on_destroy<'a>(&'a self, ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // A destruction may overtake a stop that has ended the instance already.
            let mut world = self.0.lock();
            world.actors.entry(ctx.actor_id().clone()).or_default().active = false;
        })
    }
}

const KEYS: [&str; 2] = ["a", "b"];

async fn act(registry: Registry, model: Model, clock: ManualClock, ops: Vec<(usize, Op)>) {
    for (key, op) in ops {
        model.0.lock().steps += 1;
        let key = Key::new([KEYS[key]]);
        let Ok((info, _)) = registry.get_or_create("model", &key, CreateOptions::default()).await else {
            continue;
        };
        let id = info.id;
        let http = ConnectRequest::new(Transport::Http);
        match op {
            Op::Add => model.answered(&id, true, &registry.call(&id, http, "add", vec![]).await),
            Op::Read => model.answered(&id, false, &registry.call(&id, http, "read", vec![]).await),
            Op::Crash => model.answered(&id, false, &registry.call(&id, http, "crash", vec![]).await),
            Op::Sleep => drop(registry.sleep(&id).await),
            Op::Destroy => drop(registry.destroy(&id).await),
            Op::FailBoots(count) => model.0.lock().fail_boots = count,
            Op::Pass(ms) => clock.advance(Duration::from_millis(u64::from(ms))),
            Op::Connection(adds) => {
                let socket = ConnectRequest::new(Transport::Socket);
                let Ok(connection) = registry.connect(&id, socket).await else {
                    continue;
                };
                let sent = (0..adds)
                    .filter(|tag| connection.dispatch(u64::from(*tag), "add", vec![]).is_ok())
                    .count();
                let mut answers = std::collections::HashSet::new();
                while answers.len() < sent {
                    match connection.next().await {
                        Outgoing::Reply { tag, result } => {
                            model.0.lock().steps += 1;
                            model.answered(&id, true, &result);
                            if !answers.insert(tag) {
                                model.0.lock().broken.push(format!("{tag} was answered twice"));
                            }
                        }
                        // Destroyed: what was not answered may have happened.
                        Outgoing::Close(_) => break,
                        _ => {}
                    }
                }
                let missing = i64::try_from(sent - answers.len()).unwrap();
                model.0.lock().actors.entry(id).or_default().unknown += missing;
            }
        }
    }
}

async fn live(directory: Option<&std::path::Path>, hands: Vec<Vec<(usize, Op)>>) -> Vec<String> {
    let (model, clock) = (Model::default(), ManualClock::at(1_700_000_000_000));
    let mut limits = RegistryLimits::default();
    // Simulated time runs much faster than work, which shall not be cut off for it.
    limits.hook_timeout = Duration::from_secs(1_000_000);
    limits.wake_timeout = Duration::from_secs(1_000_000);
    limits.open_timeout = Duration::from_secs(1_000_000);
    let mut builder = Registry::builder()
        .define("model", model.clone())
        .clock(clock.clone())
        .limits(limits);
    if let Some(directory) = directory {
        builder = builder.data_dir(directory);
    }
    let registry = builder.build().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for ops in hands {
        tasks.spawn(act(registry.clone(), model.clone(), clock.clone(), ops));
    }
    // Time goes by while they act, so that nothing waits for ever; slowly, because work is real. How long all of it takes is up
    // to the disk; that nothing at all happens any more is a failure.
    let (mut steps, mut since) = (0, std::time::Instant::now());
    while !tasks.is_empty() {
        tokio::select! {
            done = tasks.join_next() => done.unwrap().unwrap(),
            () = tokio::task::yield_now() => clock.advance(Duration::from_millis(5)),
        }
        let now = model.0.lock().steps;
        if now != std::mem::replace(&mut steps, now) {
            since = std::time::Instant::now();
        }
        assert!(since.elapsed() < Duration::from_secs(120), "a call is not answered");
    }
    model.0.lock().fail_boots = 0;
    for key in KEYS {
        let Some(info) = registry.get("model", &Key::new([key])).unwrap() else {
            continue;
        };
        if !info.accepted {
            continue;
        }
        let http = ConnectRequest::new(Transport::Http);
        let state = registry
            .call(&info.id, http, "read", vec![])
            .await
            .unwrap()
            .as_int()
            .unwrap_or(0);
        let mut world = model.0.lock();
        let seen = world.actors.entry(info.id.clone()).or_default();
        let may_be = seen.acknowledged..=seen.acknowledged + seen.unknown;
        if !may_be.contains(&state) {
            world
                .broken
                .push(format!("{}: state {state} is not in {may_be:?}", info.id));
        }
    }
    registry.drain().await;
    let mut world = model.0.lock();
    let active: Vec<_> = world
        .actors
        .iter()
        .filter(|(_, seen)| seen.active)
        .map(|(id, _)| id.to_string())
        .collect();
    world
        .broken
        .extend(active.into_iter().map(|id| format!("{id} is active after the drain")));
    drop(registry);
    std::mem::take(&mut world.broken)
}

fn hands() -> impl Strategy<Value = Vec<Vec<(usize, Op)>>> {
    prop::collection::vec(prop::collection::vec((0..KEYS.len(), op()), 1..25), 1..5)
}

/// Some random lives; as many as `AGENTOS_LIVES` says.
fn config(usual: u32) -> ProptestConfig {
    let wanted = std::env::var("AGENTOS_LIVES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: wanted.unwrap_or(usual),
        max_shrink_iters: 100,
        max_shrink_time: 120_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn lives_in_memory(hands in hands()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        prop_assert_eq!(runtime.block_on(live(None, hands)), Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn lives_on_disk(hands in hands()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        prop_assert_eq!(runtime.block_on(live(Some(directory.path()), hands)), Vec::<String>::new());
    }
}
