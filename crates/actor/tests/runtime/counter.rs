//! A small actor of one's own, from its definition to its events.

use std::sync::Arc;

use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, ConnectRequest, CreateOptions,
    Failure, Outgoing, Registry, Transport,
};
use agentos_store::{DiskSpace, Headroom};
use agentos_value::{ActorError, Key, Value};

struct Counter;

impl ActorDefinition for Counter {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        match name {
            "increment" => Some(ActionKind::Awake),
            "count" => Some(ActionKind::Stored),
            _ => None,
        }
    }

    fn boot<'a>(&'a self, _ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Counter) as Arc<dyn Actor>) })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, _call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move { Ok(ctx.state()) })
    }
}

impl Actor for Counter {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let by = match call.args.first() {
                None => 1,
                Some(by) => by
                    .as_int()
                    .ok_or_else(|| ActorError::user("not_a_number", "give a number"))?,
            };
            let count = ctx.update_state(|state| {
                *state = Value::from(state.as_int().unwrap_or(0) + by);
                state.clone()
            })?;
            ctx.broadcast("changed", vec![count.clone()]);
            Ok(count)
        })
    }
}

#[tokio::test]
async fn a_counter_counts_and_tells() {
    tell(Registry::builder().define("counter", Counter).build().unwrap()).await;
}

#[tokio::test]
async fn a_counter_is_kept_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let build = || {
        Registry::builder()
            .define("counter", Counter)
            .data_dir(directory.path())
            .build()
    };
    tell(build().unwrap()).await;
    let (key, http) = (Key::new(["kept"]), || ConnectRequest::new(Transport::Http));
    let registry = build().unwrap();
    let (info, _) = registry
        .get_or_create("counter", &key, CreateOptions::default())
        .await
        .unwrap();
    registry
        .call(&info.id, http(), "increment", vec![Value::from(5)])
        .await
        .unwrap();
    registry.drain().await;
    drop(registry);
    let registry = build().unwrap();
    assert_eq!(registry.get("counter", &key).unwrap().unwrap().id, info.id);
    assert_eq!(
        registry.call(&info.id, http(), "count", vec![]).await,
        Ok(Value::Int(5))
    );
    registry.drain().await;
}

async fn tell(registry: Registry) {
    let key = Key::new(["a"]);
    let (info, created) = registry
        .get_or_create("counter", &key, CreateOptions::default())
        .await
        .unwrap();
    assert!(created);
    let http = || ConnectRequest::new(Transport::Http);
    assert_eq!(
        registry.call(&info.id, http(), "increment", vec![Value::from(5)]).await,
        Ok(Value::Int(5))
    );
    let error = registry
        .call(&info.id, http(), "increment", vec![Value::from("x")])
        .await
        .unwrap_err();
    assert!(error.is("user", "not_a_number"));
    let error = registry.call(&info.id, http(), "nothing", vec![]).await.unwrap_err();
    assert!(error.is("actor", "action_not_found"));

    let connection = registry
        .connect(&info.id, ConnectRequest::new(Transport::Socket))
        .await
        .unwrap();
    connection.subscribe("changed", true).unwrap();
    connection.dispatch(7, "increment", vec![]).unwrap();
    let Outgoing::Event(event) = connection.next().await else {
        panic!("the event comes first")
    };
    assert_eq!(
        (event.name.as_str(), &event.args[..]),
        ("changed", &[Value::Int(6)][..])
    );
    assert_eq!(
        connection.next().await,
        Outgoing::Reply {
            tag: 7,
            result: Ok(Value::Int(6))
        }
    );

    registry.sleep(&info.id).await.unwrap();
    assert_eq!(
        registry.call(&info.id, http(), "count", vec![]).await,
        Ok(Value::Int(6))
    );
    assert_eq!(registry.status(&info.id).unwrap().phase.as_str(), "asleep");
    connection.dispatch(8, "increment", vec![]).unwrap();
    let Outgoing::Event(_) = connection.next().await else {
        panic!("the connection hibernated")
    };
    assert_eq!(
        connection.next().await,
        Outgoing::Reply {
            tag: 8,
            result: Ok(Value::Int(7))
        }
    );

    registry.destroy(&info.id).await.unwrap();
    let Outgoing::Close(close) = connection.next().await else {
        panic!("destroyed")
    };
    assert_eq!((close.code, close.reason.as_str()), (1000, "actor.destroyed"));
    assert!(
        registry
            .call(&info.id, http(), "count", vec![])
            .await
            .unwrap_err()
            .is("actor", "not_found")
    );
    let (again, created) = registry
        .get_or_create("counter", &key, CreateOptions::default())
        .await
        .unwrap();
    assert!(created && again.id != info.id);
    registry.drain().await;
}

#[tokio::test]
async fn a_counter_on_a_full_disk_still_tells_its_count() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let free = Arc::new(AtomicU64::new(100));
    let measured = free.clone();
    let headroom = Headroom::with(10, 0, move || {
        let free = measured.load(Ordering::Relaxed);
        Ok(DiskSpace { total: 100, free })
    });
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::builder()
        .define("counter", Counter)
        .data_dir(directory.path())
        .headroom(headroom)
        .build()
        .unwrap();
    let key = Key::new(["k"]);
    let (counter, _) = registry
        .get_or_create("counter", &key, CreateOptions::default())
        .await
        .unwrap();
    let connection = registry
        .connect(&counter.id, ConnectRequest::new(Transport::Internal))
        .await
        .unwrap();
    assert_eq!(connection.call("increment", vec![]).await.unwrap(), Value::from(1));
    free.store(9, Ordering::Relaxed);
    // A measurement is used for a moment.
    let refused = loop {
        if let Err(error) = connection.call("increment", vec![]).await {
            break error;
        }
    };
    assert!(refused.is("agentos", "ENOSPC"), "{refused}");
    // A refused change has no effect, and the next one that is acknowledged is kept.
    let count = connection.call("count", vec![]).await.unwrap().as_int().unwrap();
    free.store(100, Ordering::Relaxed);
    let after = loop {
        if let Ok(after) = connection.call("increment", vec![]).await {
            break after;
        }
    };
    assert_eq!(after, Value::from(count + 1));
    registry.sleep(&counter.id).await.unwrap();
    assert_eq!(connection.call("count", vec![]).await, Ok(after));
}
