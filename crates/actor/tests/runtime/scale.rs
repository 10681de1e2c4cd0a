//! Many actors: a burst without a failure, sleep that costs no memory, and no trace of what is gone.

use std::sync::Arc;
use std::time::Duration;

use agentos_actor::{CreateOptions, HookSet};
use agentos_value::{Key, Value};

use crate::support::{Probe, World, http, until};

fn probe() -> Probe {
    Probe::new(HookSet::default(), |options| options.wake_on_connect = false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_200_creations_has_no_failure() {
    let world = Arc::new(World::on_disk(probe()));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200_i64 {
        let world = Arc::clone(&world);
        calls.spawn(async move {
            let actor = world.actor(&number.to_string()).await;
            world.call(&actor, "add", vec![Value::from(number)]).await
        });
    }
    let mut sum = 0;
    while let Some(answer) = calls.join_next().await {
        sum += answer.unwrap().unwrap().as_int().unwrap();
    }
    assert_eq!(sum, 199 * 200 / 2);
    assert_eq!(world.registry.metrics().awake, 200);
    world.registry.drain().await;
    assert_eq!(
        (world.registry.metrics().awake, world.probe.logged("onSleep")),
        (0, 200)
    );
}

#[tokio::test]
async fn sleeping_actors_take_no_memory() {
    let world = World::new(probe());
    for number in 0..300 {
        let key = Key::new([number.to_string()]);
        let (actor, _) = world
            .registry
            .get_or_create("probe", &key, CreateOptions::default())
            .await
            .unwrap();
        world.registry.call(&actor.id, http(), "add", vec![]).await.unwrap();
        world.registry.sleep(&actor.id).await.unwrap();
    }
    // Stores stay open for a moment.
    world
        .pass_until(Duration::from_secs(1), || world.registry.metrics().held == 0)
        .await;
    let metrics = world.registry.metrics();
    assert_eq!(
        (metrics.actors, metrics.awake, metrics.boots, metrics.sleeps),
        (300, 0, 300, 300)
    );
}

#[tokio::test]
async fn a_thousand_lives_leave_nothing() {
    let world = World::new(probe());
    let resting = world.resting().await;
    for _ in 0..1000 {
        let actor = world.actor("a").await;
        world.call(&actor, "echo", vec![]).await.unwrap();
        world.registry.destroy(&actor.id).await.unwrap();
    }
    world
        .pass_until(Duration::from_secs(1), || world.registry.metrics().held == 0)
        .await;
    assert_eq!(
        (world.registry.metrics().actors, world.registry.metrics().awake),
        (0, 0)
    );
    until(|| world.clock.sleepers() == resting).await;
    assert_eq!(Arc::strong_count(&world.probe.0), 2, "the definition and this test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_events_that_nobody_reads_harms_no_neighbour() {
    let mut limits = agentos_actor::RegistryLimits::default();
    limits.connection_queue_events = 100;
    let world = World::with(probe(), |builder| builder.limits(limits));
    let (flooded, neighbour) = (world.actor("flooded").await, world.actor("neighbour").await);
    let mut connections = Vec::new();
    for _ in 0..8 {
        let connection = world
            .registry
            .connect(&flooded.id, crate::support::socket())
            .await
            .unwrap();
        connection.subscribe("tick", true).unwrap();
        connections.push(connection);
    }
    // Everybody listens before the first event.
    for connection in &connections {
        for tag in 0..5 {
            connection.dispatch(tag, "emit", vec![Value::from(1000)]).unwrap();
        }
    }
    for number in 0..200 {
        let answer = world.call(&neighbour, "echo", vec![Value::from(number)]).await;
        assert_eq!(answer, Ok(Value::from(number)));
    }
    until(|| world.registry.metrics().actions == 240).await;
    assert_eq!(world.registry.metrics().events_sent, 8 * 5 * 1000 * 8);
    // Each still gets all its answers, and the newest events.
    for connection in &connections {
        let read = crate::support::read(connection, 105).await;
        assert_eq!(read.iter().filter(|line| line.starts_with("reply")).count(), 5);
        assert_eq!(read.iter().filter(|line| line.starts_with("tick")).count(), 100);
    }
    world.registry.drain().await;
}
