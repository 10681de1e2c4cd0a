//! What the runtime of actors costs: `cargo bench -p agentos-actor --bench actors [DIRECTORY]`.
//!
//! The directory should be on the disk that is of interest; the default is that of temporary files. The actor does nothing,
//! so what is measured is the runtime alone.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement may fail, and prints"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, ConnectRequest, CreateOptions,
    Failure, HookContext, HookSet, Registry, Transport,
};
use agentos_value::{ActorId, Key, Value};

struct Idle;

impl ActorDefinition for Idle {
    fn hooks(&self) -> HookSet {
        HookSet {
            before_connect: true,
            conn_state: true,
            connect: true,
            before_action: true,
            ..HookSet::default()
        }
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        Some(if name == "stored" {
            ActionKind::Stored
        } else {
            ActionKind::Awake
        })
    }

    fn boot<'a>(&'a self, _: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Idle) as Arc<dyn Actor>) })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, _: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move { Ok(ctx.state()) })
    }

    fn create_conn_state<'a>(&'a self, _: HookContext, params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move { Ok(params) })
    }
}

impl Actor for Idle {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            if call.name == "add" {
                ctx.update_state(|state| *state = Value::from(state.as_int().unwrap_or(0) + 1))?;
            }
            Ok(call.args.into_iter().next().unwrap_or_default())
        })
    }
}

struct Bench {
    registry: Registry,
}

impl Bench {
    async fn actor(&self, key: &str) -> ActorId {
        let made = self
            .registry
            .get_or_create("idle", &Key::new([key]), CreateOptions::default())
            .await;
        made.unwrap().0.id
    }

    async fn call(&self, id: &ActorId, action: &str) {
        let request = ConnectRequest::new(Transport::Http).params("token");
        self.registry
            .call(id, request, action, vec![Value::from(1)])
            .await
            .unwrap();
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (half, most) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{what:<52} p50 {half:>9.1?}   p99 {most:>9.1?}   of {}", times.len());
}

async fn sample(count: usize, mut run: impl AsyncFnMut()) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        run().await;
        times.push(started.elapsed());
    }
    times
}

/// Bytes of memory that the process holds.
fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
}

#[tokio::main]
async fn main() {
    let directory = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = directory.map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(parent).unwrap();
    let registry = Registry::builder()
        .define("idle", Idle)
        .data_dir(directory.path())
        .build()
        .unwrap();
    let bench = Bench { registry };
    let id = bench.actor("one").await;
    bench.call(&id, "echo").await;
    report(
        "action with four hooks, awake",
        sample(20_000, async || bench.call(&id, "echo").await).await,
    );
    report(
        "the same, changing the state durably",
        sample(1_000, async || bench.call(&id, "add").await).await,
    );
    let mut wakes = Vec::new();
    for _ in 0..200 {
        bench.registry.sleep(&id).await.unwrap();
        wakes.extend(sample(1, async || bench.call(&id, "echo").await).await);
    }
    report("wake by an action", wakes);
    bench.registry.sleep(&id).await.unwrap();
    report(
        "action answered from storage, asleep",
        sample(2_000, async || bench.call(&id, "stored").await).await,
    );
    burst(&bench).await;
    sleeping(&bench).await;
    bench.registry.drain().await;
}

async fn burst(bench: &Bench) {
    let started = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let bench = Bench {
            registry: bench.registry.clone(),
        };
        calls.spawn(async move {
            let id = bench.actor(&format!("burst {number}")).await;
            bench.call(&id, "echo").await;
        });
    }
    let answered = calls.join_all().await.len();
    println!(
        "{:<52} {:>9.1?}",
        format!("{answered} actors created, booted and called at once"),
        started.elapsed()
    );
}

async fn sleeping(bench: &Bench) {
    const ACTORS: i64 = 10_000;
    let before = resident();
    let mut made = tokio::task::JoinSet::new();
    for hand in 0..50 {
        let bench = Bench {
            registry: bench.registry.clone(),
        };
        made.spawn(async move {
            for number in 0..ACTORS / 50 {
                bench.actor(&format!("sleeping {hand} {number}")).await;
            }
        });
    }
    made.join_all().await;
    let held = resident() - before;
    println!(
        "{:<52} {:>9} bytes",
        "memory of one more sleeping actor, of 10000",
        held / ACTORS
    );
}
