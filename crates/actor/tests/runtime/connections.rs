//! Connections: order, slowness, hibernation, bounds.

use std::time::Duration;

use agentos_actor::{HookSet, Outgoing, RegistryLimits};
use agentos_value::Value;

use crate::support::{Probe, World, read, socket, until};

fn world(change: impl FnOnce(&mut RegistryLimits)) -> World {
    let mut limits = RegistryLimits::default();
    change(&mut limits);
    World::with(
        Probe::new(HookSet::default(), |options| options.wake_on_connect = false),
        |builder| builder.limits(limits),
    )
}

#[tokio::test]
async fn events_of_an_action_come_before_its_reply_and_only_to_subscribers() {
    let world = world(|_| {});
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    let other = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("tick", true).unwrap();
    connection.subscribe("tick", true).unwrap();
    other.subscribe("tick", true).unwrap();
    other.subscribe("tick", false).unwrap();
    other.subscribe("unknown", false).unwrap();
    connection.dispatch(u64::MAX, "emit", vec![Value::from(2)]).unwrap();
    assert_eq!(
        read(&connection, 3).await,
        ["tick 0".to_owned(), "tick 1".to_owned(), format!("reply {}", u64::MAX)]
    );
    other.dispatch(1, "echo", vec![]).unwrap();
    assert_eq!(read(&other, 1).await, ["reply 1"]);
}

#[tokio::test]
async fn actions_of_one_connection_run_concurrently() {
    let world = world(|_| {});
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.dispatch(1, "wait", vec![]).unwrap();
    connection.dispatch(2, "echo", vec![]).unwrap();
    assert_eq!(read(&connection, 1).await, ["reply 2"]);
    world.probe.0.wait_gate.add_permits(1);
    assert_eq!(read(&connection, 1).await, ["reply 1"]);
}

#[tokio::test]
async fn a_slow_connection_loses_events_is_told_so_and_holds_up_nobody() {
    let world = world(|limits| limits.connection_queue_events = 10);
    let actor = world.actor("a").await;
    let slow = world.registry.connect(&actor.id, socket()).await.unwrap();
    let quick = world.registry.connect(&actor.id, socket()).await.unwrap();
    for connection in [&slow, &quick] {
        connection.subscribe("tick", true).unwrap();
        connection.subscribe("streamError", true).unwrap();
    }
    slow.dispatch(1, "emit", vec![Value::from(5)]).unwrap();
    assert_eq!(read(&quick, 5).await.len(), 5);
    quick.dispatch(1, "emit", vec![Value::from(10)]).unwrap();
    assert_eq!(read(&quick, 11).await.last().unwrap(), "reply 1");
    let read = read(&slow, 12).await;
    assert_eq!(read[..2], ["streamError 5", "reply 1"]);
    assert_eq!(read[2..], (0..10).map(|n| format!("tick {n}")).collect::<Vec<_>>());
    assert_eq!(world.registry.metrics().events_lost, 5);
}

#[tokio::test]
async fn too_many_actions_in_flight_are_refused_until_answers_are_taken() {
    let world = world(|limits| limits.max_in_flight_actions = 3);
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    for tag in 0..3 {
        connection.dispatch_ready().await;
        connection.dispatch(tag, "echo", vec![]).unwrap();
    }
    // Answers that nobody takes count as well.
    until(|| world.registry.metrics().actions == 3).await;
    let error = connection.dispatch(9, "echo", vec![]).unwrap_err();
    assert!(error.is("agentos", "limit_exceeded") && error.message.contains("maxInFlightActionsPerConnection"));
    {
        let ready = connection.dispatch_ready();
        let mut ready = std::pin::pin!(ready);
        assert!(
            tokio::time::timeout(Duration::from_millis(1), ready.as_mut())
                .await
                .is_err()
        );
        assert!(matches!(connection.next().await, Outgoing::Reply { .. }));
        ready.await;
    }
    connection.dispatch(9, "echo", vec![]).unwrap();
    assert_eq!(read(&connection, 3).await.len(), 3);
}

#[tokio::test]
async fn a_connection_hibernates_with_its_state_and_subscriptions() {
    let hooks = HookSet {
        conn_state: true,
        connect: true,
        before_connect: true,
        ..HookSet::default()
    };
    let world = World::on_disk(Probe::new(hooks, |options| options.wake_on_connect = false));
    let actor = world.actor("a").await;
    let params = Value::object([("state", 5)]);
    let connection = world
        .registry
        .connect(&actor.id, socket().params(params.clone()))
        .await
        .unwrap();
    let id = connection.id().to_owned();
    connection.subscribe("tick", true).unwrap();
    for _ in 0..3 {
        connection.dispatch(1, "emit", vec![]).unwrap();
        assert_eq!(read(&connection, 2).await, ["tick 0", "reply 1"]);
        world.registry.sleep(&actor.id).await.unwrap();
    }
    assert_eq!((connection.id(), connection.conn().params()), (id.as_str(), &params));
    assert_eq!(connection.conn().state(), Value::from(5));
    assert_eq!(
        (world.probe.logged("onBeforeConnect"), world.probe.logged("booted")),
        (1, 3)
    );
}

#[tokio::test]
async fn what_waits_for_a_wake_is_bounded_and_beyond_that_the_socket_is_closed() {
    let mut limits = RegistryLimits::default();
    limits.hibernation_queue_messages = 5;
    limits.hibernation_queue_bytes = 10_000;
    let probe = Probe::gated(HookSet::default(), |options| options.wake_on_connect = false, Some(0));
    let world = World::with(probe, |builder| builder.limits(limits));
    let actor = world.actor("a").await;
    let connect = async || world.registry.connect(&actor.id, socket()).await.unwrap();
    let first = connect().await;
    first.dispatch(0, "echo", vec![Value::from("x".repeat(9_000))]).unwrap();
    until(|| world.phase(&actor) == "booting").await;
    let closed = [
        "error 1 guard/service_unavailable",
        "close 1013 guard.service_unavailable",
    ];
    let second = connect().await;
    second
        .dispatch(1, "echo", vec![Value::from("x".repeat(9_000))])
        .unwrap();
    assert_eq!(read(&second, 2).await, closed);
    for tag in 2..6 {
        first.dispatch(tag, "echo", vec![]).unwrap();
    }
    tokio::task::yield_now().await;
    let third = connect().await;
    third.dispatch(1, "echo", vec![]).unwrap();
    assert_eq!(read(&third, 2).await, closed);
    // An HTTP request gets the error alone.
    assert!(
        world
            .call(&actor, "echo", vec![])
            .await
            .unwrap_err()
            .is("guard", "service_unavailable")
    );
    world.probe.0.boot_gate.as_ref().unwrap().add_permits(1);
    let mut answers = read(&first, 5).await;
    answers.sort();
    assert_eq!(answers, ["reply 0", "reply 2", "reply 3", "reply 4", "reply 5"]);
}

#[tokio::test]
async fn a_socket_whose_message_waits_too_long_for_a_wake_is_closed() {
    let probe = Probe::gated(
        HookSet::default(),
        |options| options.boot_timeout = Duration::from_secs(1000),
        Some(0),
    );
    let world = World::with(probe, |builder| builder);
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.dispatch(1, "echo", vec![]).unwrap();
    let (read, passed) = tokio::join!(
        read(&connection, 2),
        world.pass_until(Duration::from_secs(1), || world.registry.metrics().actions == 1)
    );
    assert_eq!(
        read,
        [
            "error 1 guard/service_unavailable",
            "close 1013 guard.service_unavailable"
        ]
    );
    assert!(passed >= Duration::from_secs(90), "{passed:?}");
}

#[tokio::test]
async fn a_closed_connection_takes_nothing_more() {
    let world = world(|_| {});
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("tick", true).unwrap();
    connection.dispatch(1, "emit", vec![]).unwrap();
    until(|| world.registry.metrics().actions == 1).await;
    connection.close(agentos_actor::CloseReason::client());
    assert!(
        connection
            .dispatch(2, "echo", vec![])
            .unwrap_err()
            .is("actor", "connection_closed")
    );
    assert!(
        connection
            .call("echo", vec![])
            .await
            .unwrap_err()
            .is("actor", "connection_closed")
    );
    connection.dispatch_ready().await;
    assert_eq!(read(&connection, 3).await, ["tick 0", "reply 1", "close 1000 "]);
}
