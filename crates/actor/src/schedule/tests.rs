//! Schedules in simulated time: the actor sleeps for days, wakes when it is due, and calls what it set.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentos_value::{ActorId, Key, Value};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::*;
use crate::clock::ManualClock;
use crate::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, ConnectRequest, CreateOptions,
    Registry, Transport,
};

const DAY: Duration = Duration::from_secs(86_400);

/// An actor that is reminded: `remind(ms, what)`, `forget(id)`, and `ring(what)`, which tells the test.
#[derive(Clone)]
struct Reminder {
    rings: mpsc::UnboundedSender<String>,
    /// What `ring` waits for, if anything.
    hold: Arc<Mutex<Option<Arc<Notify>>>>,
}

impl ActorDefinition for Reminder {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        match name {
            "forget" | "list" => Some(ActionKind::Stored),
            "remind" | "ring" => Some(ActionKind::Awake),
            _ => None,
        }
    }

    fn boot<'a>(&'a self, _ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(self.clone()) as Arc<dyn Actor>) })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            match call.name.as_str() {
                "list" => Ok(Value::from(ctx.schedule().list()?.len() as i64)),
                _ => Ok(Value::from(
                    ctx.schedule().cancel(call.args[0].as_str().unwrap()).await?,
                )),
            }
        })
    }
}

impl Actor for Reminder {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            if call.name == "remind" {
                let delay = Duration::from_millis(call.args[0].as_int().unwrap().unsigned_abs());
                let action = if call.args[1].as_str() == Some("missing") {
                    "missing"
                } else {
                    "ring"
                };
                return Ok(Value::from(
                    ctx.schedule().after(delay, action, vec![call.args[1].clone()]).await?,
                ));
            }
            let hold = self.hold.lock().clone();
            let text = call.args[0].as_str().unwrap().to_owned();
            self.rings.send(text.clone()).unwrap();
            if let Some(hold) = hold {
                hold.notified().await;
            }
            if text == "fail" {
                return Err(Failure::internal("asked to fail"));
            }
            Ok(Value::Null)
        })
    }
}

struct Fixture {
    registry: Registry,
    clock: ManualClock,
    rings: mpsc::UnboundedReceiver<String>,
    reminder: Reminder,
    id: ActorId,
}

async fn fixture(directory: Option<&Path>) -> Fixture {
    let (sender, rings) = mpsc::unbounded_channel();
    let reminder = Reminder {
        rings: sender,
        hold: Arc::default(),
    };
    let clock = ManualClock::at(1_000_000);
    let registry = build(directory, &reminder, &clock);
    let made = registry
        .get_or_create("reminder", &Key::new(["k"]), CreateOptions::default())
        .await
        .unwrap();
    Fixture {
        registry,
        clock,
        rings,
        reminder,
        id: made.0.id,
    }
}

fn build(directory: Option<&Path>, reminder: &Reminder, clock: &ManualClock) -> Registry {
    let builder = Registry::builder()
        .define("reminder", reminder.clone())
        .clock(clock.clone());
    match directory {
        Some(directory) => builder.data_dir(directory).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

impl Fixture {
    async fn call(&self, action: &str, args: Vec<Value>) -> Value {
        let request = ConnectRequest::new(Transport::Internal);
        let connection = self.registry.connect(&self.id, request).await.unwrap();
        connection.call(action, args).await.unwrap()
    }

    async fn remind(&self, after: Duration, what: &str) -> String {
        let args = vec![Value::from(after.as_millis() as i64), Value::from(what)];
        self.call("remind", args).await.as_str().unwrap().to_owned()
    }

    /// Moves the clock until the actor rings: in large steps up to `limit`, and then slowly, because the machine may lag
    /// behind the clock.
    async fn ring_after(&mut self, limit: Duration) -> String {
        let mut passed = Duration::ZERO;
        loop {
            if let Ok(ring) = self.rings.try_recv() {
                return ring;
            }
            let (step, patience) = if passed < limit { (600, 20) } else { (60, 1000) };
            self.clock.advance(Duration::from_secs(step));
            passed += Duration::from_secs(step);
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits until nothing is scheduled any more.
    async fn nothing_left(&self) {
        while self.call("list", vec![]).await != Value::from(0) {
            self.clock.advance(Duration::from_secs(1));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn an_actor_sleeps_for_days_and_wakes_when_it_is_due() {
    let mut fixture = fixture(None).await;
    fixture.remind(3 * DAY, "later").await;
    fixture.remind(Duration::ZERO, "now").await;
    assert_eq!(fixture.rings.recv().await.unwrap(), "now");
    fixture.registry.sleep(&fixture.id).await.unwrap();
    assert_eq!(fixture.call("list", vec![]).await, Value::from(1));
    assert_eq!(fixture.ring_after(4 * DAY).await, "later");
    let passed = fixture.clock.now_ms() - 1_000_000;
    assert!(passed >= 3 * 86_400_000, "{passed}");
}

#[tokio::test]
async fn a_schedule_survives_the_registry_and_wakes_in_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = fixture(Some(directory.path())).await;
    fixture.remind(2 * DAY, "later").await;
    let taken_back = fixture.remind(DAY, "never").await;
    assert_eq!(
        fixture.call("forget", vec![Value::from(taken_back.as_str())]).await,
        Value::from(true)
    );
    assert_eq!(
        fixture.call("forget", vec![Value::from(taken_back)]).await,
        Value::from(false)
    );
    fixture.registry.drain().await;
    fixture.clock.advance(5 * DAY);
    fixture.registry = build(Some(directory.path()), &fixture.reminder, &fixture.clock);
    assert_eq!(fixture.rings.recv().await.unwrap(), "later");
}

#[tokio::test]
async fn an_action_that_fails_or_is_unknown_is_called_once() {
    let mut fixture = fixture(None).await;
    fixture.remind(Duration::ZERO, "fail").await;
    fixture.remind(Duration::ZERO, "missing").await;
    assert_eq!(fixture.rings.recv().await.unwrap(), "fail");
    fixture.nothing_left().await;
    fixture.remind(Duration::ZERO, "next").await;
    assert_eq!(fixture.rings.recv().await.unwrap(), "next");
}

#[tokio::test]
async fn an_action_that_is_cut_short_is_called_again() {
    let mut fixture = fixture(None).await;
    *fixture.reminder.hold.lock() = Some(Arc::default());
    fixture.remind(Duration::ZERO, "again").await;
    assert_eq!(fixture.rings.recv().await.unwrap(), "again");
    let (registry, id) = (fixture.registry.clone(), fixture.id.clone());
    let sleep = tokio::spawn(async move { registry.sleep(&id).await });
    // The shutdown budget passes; then the call is cut off.
    *fixture.reminder.hold.lock() = None;
    while !sleep.is_finished() {
        fixture.clock.advance(Duration::from_secs(31));
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(fixture.ring_after(DAY).await, "again");
    fixture.nothing_left().await;
}

#[tokio::test]
async fn an_actor_that_is_stopped_with_something_due_is_woken_at_once() {
    let mut fixture = fixture(None).await;
    *fixture.reminder.hold.lock() = Some(Arc::default());
    fixture.remind(Duration::ZERO, "again").await;
    assert_eq!(fixture.rings.recv().await.unwrap(), "again");
    *fixture.reminder.hold.lock() = None;
    // The clock stands still, so the regular look at the index does not come.
    fixture.registry.sleep(&fixture.id).await.unwrap();
    let ring = tokio::time::timeout(Duration::from_secs(60), fixture.rings.recv());
    assert_eq!(ring.await.expect("woken without the clock").unwrap(), "again");
    fixture.nothing_left().await;
}
