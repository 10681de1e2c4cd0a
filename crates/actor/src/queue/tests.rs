//! Queues: order, completion, redelivery, waiting senders, bounds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentos_value::{ActorError, ActorId, Key, Value};
use tokio::sync::mpsc;

use super::*;
use crate::clock::ManualClock;
use crate::{
    ActionCall, ActionKind, Actor, ActorDefinition, Boot, BoxFuture, ConnectRequest, Connection, CreateOptions,
    HookContext, HookSet, Registry, Transport,
};

/// An actor whose queues the test reads: each boot hands its context over.
struct Consumer(mpsc::UnboundedSender<ActorContext>);

impl ActorDefinition for Consumer {
    fn hooks(&self) -> HookSet {
        HookSet {
            before_action: true,
            ..HookSet::default()
        }
    }

    fn action_kind(&self, _name: &str) -> Option<ActionKind> {
        None
    }

    fn has_queue(&self, name: &str) -> bool {
        matches!(name, "jobs" | "other" | "secret")
    }

    fn boot<'a>(&'a self, ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        self.0.send(ctx).unwrap();
        Box::pin(async { Ok(Arc::new(Idle) as Arc<dyn Actor>) })
    }

    fn on_before_action<'a>(
        &'a self,
        _ctx: HookContext,
        action: &'a str,
        args: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>> {
        let allowed = action != "queue/secret" && args.len() == 1;
        let refusal = ActorError::user("forbidden", "Forbidden").into();
        Box::pin(std::future::ready(if allowed { Ok(()) } else { Err(refusal) }))
    }
}

struct Idle;

impl Actor for Idle {
    fn action<'a>(&'a self, _ctx: ActorContext, _call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async { Ok(Value::Null) })
    }
}

struct Fixture {
    registry: Registry,
    clock: ManualClock,
    contexts: mpsc::UnboundedReceiver<ActorContext>,
    id: ActorId,
}

async fn fixture(directory: Option<&Path>) -> Fixture {
    let (sender, contexts) = mpsc::unbounded_channel();
    let clock = ManualClock::at(1000);
    let builder = Registry::builder()
        .define("consumer", Consumer(sender))
        .clock(clock.clone());
    let registry = match directory {
        Some(directory) => builder.data_dir(directory).build().unwrap(),
        None => builder.build().unwrap(),
    };
    let made = registry
        .get_or_create("consumer", &Key::new(["k"]), CreateOptions::default())
        .await
        .unwrap();
    Fixture {
        registry,
        clock,
        contexts,
        id: made.0.id,
    }
}

impl Fixture {
    async fn connect(&self) -> Connection {
        self.registry
            .connect(&self.id, ConnectRequest::new(Transport::Internal))
            .await
            .unwrap()
    }

    async fn send(&self, queue: &str, body: i64) -> Result<SendOutcome, ActorError> {
        self.connect().await.send(queue, Value::from(body), None).await
    }
}

fn bodies(messages: &[Message]) -> Vec<i64> {
    messages
        .iter()
        .map(|message| message.body().as_int().unwrap())
        .collect()
}

fn completable() -> TakeOptions {
    TakeOptions {
        completable: true,
        ..TakeOptions::default()
    }
}

#[tokio::test]
async fn messages_keep_their_order_and_are_taken_once() {
    let mut fixture = fixture(None).await;
    for number in 0..5 {
        let queue = if number == 2 { "other" } else { "jobs" };
        assert_eq!(fixture.send(queue, number).await, Ok(SendOutcome::Completed(None)));
    }
    let queues = fixture.contexts.recv().await.unwrap().queues();
    let jobs = TakeOptions {
        names: vec!["jobs".into()],
        ..TakeOptions::default()
    };
    assert_eq!(bodies(&queues.next_batch(&jobs, 2).await.unwrap()), [0, 1]);
    assert_eq!(
        bodies(&queues.next_batch(&TakeOptions::default(), 10).await.unwrap()),
        [2, 3, 4]
    );
    let waits = {
        let queues = queues.clone();
        tokio::spawn(async move { queues.next(&TakeOptions::default()).await })
    };
    queues.push("jobs", &Value::from(9)).await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap().unwrap().body(), &Value::from(9));
}

#[tokio::test]
async fn a_message_stays_until_it_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = fixture(Some(directory.path())).await;
    fixture.send("jobs", 1).await.unwrap();
    fixture.send("jobs", 2).await.unwrap();
    let ctx = fixture.contexts.recv().await.unwrap();
    let queues = ctx.queues();
    let first = queues.next(&completable()).await.unwrap().unwrap();
    let second = queues.next(&completable()).await.unwrap().unwrap();
    assert_eq!((first.attempts(), second.body()), (0, &Value::from(2)));
    assert_eq!(
        fixture.registry.status(&fixture.id).unwrap().awake_because,
        ["queue:jobs"]
    );
    second.complete(Value::Null).await.unwrap();
    drop(first);
    let again = queues.next(&completable()).await.unwrap().unwrap();
    assert_eq!((again.attempts(), again.body()), (1, &Value::from(1)));
    // The actor stops with the message in hand; the next generation gets it.
    fixture.registry.sleep(&fixture.id).await.unwrap();
    assert!(queues.next(&completable()).await.unwrap().is_none());
    drop(again);
    fixture.send("jobs", 3).await.unwrap();
    let queues = fixture.contexts.recv().await.unwrap().queues();
    let mut iter = queues.iter(TakeOptions::completable("jobs"));
    let message = iter.next().await.unwrap().unwrap();
    assert_eq!((message.attempts(), message.body()), (2, &Value::from(1)));
    message.complete(Value::Null).await.unwrap();
    assert_eq!(iter.next().await.unwrap().unwrap().body(), &Value::from(3));
}

#[tokio::test]
async fn a_sender_gets_the_value_that_its_message_is_completed_with() {
    let mut fixture = fixture(None).await;
    let connection = fixture.connect().await;
    let send = tokio::spawn(async move {
        connection
            .send("jobs", Value::from(4), Some(Duration::from_secs(5)))
            .await
    });
    let queues = fixture.contexts.recv().await.unwrap().queues();
    let message = queues.next(&completable()).await.unwrap().unwrap();
    assert_eq!((message.queue(), message.sent_at_ms()), ("jobs", 1000));
    message.complete(Value::from("done")).await.unwrap();
    assert_eq!(
        send.await.unwrap(),
        Ok(SendOutcome::Completed(Some(Value::from("done"))))
    );
    // One that is taken plainly is complete then.
    let connection = fixture.connect().await;
    let send = tokio::spawn(async move {
        connection
            .send("jobs", Value::from(5), Some(Duration::from_secs(5)))
            .await
    });
    assert_eq!(
        queues.next(&TakeOptions::default()).await.unwrap().unwrap().body(),
        &Value::from(5)
    );
    assert_eq!(send.await.unwrap(), Ok(SendOutcome::Completed(Some(Value::Undefined))));
}

#[tokio::test]
async fn a_sender_waits_no_longer_than_it_said_and_its_message_stays() {
    let mut fixture = fixture(None).await;
    let connection = fixture.connect().await;
    let send = tokio::spawn(async move {
        connection
            .send("jobs", Value::from(4), Some(Duration::from_secs(5)))
            .await
    });
    let queues = fixture.contexts.recv().await.unwrap().queues();
    while fixture.registry.status(&fixture.id).unwrap().phase != crate::Phase::Ready {
        tokio::task::yield_now().await;
    }
    while !send.is_finished() {
        fixture.clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert_eq!(send.await.unwrap(), Ok(SendOutcome::TimedOut));
    assert_eq!(
        queues.next(&TakeOptions::default()).await.unwrap().unwrap().body(),
        &Value::from(4)
    );
    let patience = TakeOptions {
        timeout: Some(Duration::from_secs(1)),
        ..TakeOptions::default()
    };
    let none = tokio::spawn(async move { queues.next(&patience).await });
    while !none.is_finished() {
        fixture.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert!(none.await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn queues_are_bounded_and_guarded() {
    let fixture = fixture(None).await;
    let connection = fixture.connect().await;
    let refused = async |queue: &str, body: Value| connection.send(queue, body, None).await.unwrap_err();
    assert!(refused("missing", Value::Null).await.is("queue", "unsupported"));
    assert!(refused("secret", Value::Null).await.is("user", "forbidden"));
    let large = refused("jobs", Value::from("x".repeat(65 << 10))).await;
    assert!(
        large.is("agentos", "limit_exceeded") && large.message.contains("maxMessageBytes"),
        "{large}"
    );
    for number in 0..1000 {
        connection.send("jobs", Value::from(number), None).await.unwrap();
    }
    let full = refused("jobs", Value::Null).await;
    assert!(
        full.is("agentos", "limit_exceeded") && full.message.contains("maxMessages"),
        "{full}"
    );
    connection.send("other", Value::Null, None).await.unwrap();
}
