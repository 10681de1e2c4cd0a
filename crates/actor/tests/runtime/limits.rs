//! Bounds of a registry: each is reached, and nothing beyond it happens.

use std::net::IpAddr;
use std::time::Duration;

use agentos_actor::{ActorFilter, CreateOptions, HookSet, RegistryLimits};
use agentos_value::{Key, Value};

use crate::support::{Probe, World, http, socket, until};

fn world(change: impl FnOnce(&mut RegistryLimits)) -> World {
    let mut limits = RegistryLimits::default();
    change(&mut limits);
    World::with(
        Probe::new(HookSet::default(), |options| options.wake_on_connect = false),
        |builder| builder.limits(limits),
    )
}

#[tokio::test]
async fn connections_of_one_actor_are_bounded() {
    let world = world(|limits| limits.max_connections = 3);
    let (actor, other) = (world.actor("a").await, world.actor("b").await);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(world.registry.connect(&actor.id, socket()).await.unwrap());
    }
    let error = world.call(&actor, "echo", vec![]).await.unwrap_err();
    assert!(error.is("guard", "service_unavailable"), "{error:?}");
    world.call(&other, "echo", vec![]).await.unwrap();
    open.pop();
    world.call(&actor, "echo", vec![]).await.unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_cannot_pile_up_actions() {
    let world = world(|limits| limits.max_connections = 3);
    let actor = world.actor("a").await;
    for _ in 0..3 {
        let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
        connection.dispatch(1, "wait", vec![]).unwrap();
    }
    until(|| world.probe.logged("waiting") == 3).await;
    assert!(
        world
            .call(&actor, "echo", vec![])
            .await
            .unwrap_err()
            .is("guard", "service_unavailable")
    );
    world.probe.0.wait_gate.add_permits(3);
    until(|| world.registry.metrics().actions == 3).await;
    world.call(&actor, "echo", vec![]).await.unwrap();
}

#[tokio::test]
async fn the_longest_idle_actor_makes_room_for_another() {
    let world = world(|limits| limits.max_awake = 2);
    let actors = [world.actor("a").await, world.actor("b").await, world.actor("c").await];
    world.call(&actors[0], "echo", vec![]).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.call(&actors[1], "echo", vec![]).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.call(&actors[2], "echo", vec![]).await.unwrap();
    let phases = || actors.each_ref().map(|actor| world.phase(actor));
    assert_eq!(phases(), ["asleep", "ready", "ready"]);
    world.clock.advance(Duration::from_secs(1));
    world.call(&actors[1], "echo", vec![]).await.unwrap();
    world.call(&actors[0], "echo", vec![]).await.unwrap();
    assert_eq!(phases(), ["ready", "ready", "asleep"]);
    assert_eq!(world.registry.metrics().awake, 2);
    // With nobody idle there is no room.
    let busy: Vec<_> = [0, 1]
        .map(|at| {
            let (registry, id) = (world.registry.clone(), actors[at].id.clone());
            tokio::spawn(async move { registry.call(&id, http(), "wait", vec![]).await })
        })
        .into();
    until(|| world.probe.logged("waiting") == 2).await;
    let error = world.call(&actors[2], "echo", vec![]).await.unwrap_err();
    assert!(
        error.is("agentos", "limit_exceeded") && error.message.contains("maxAwakeVms"),
        "{error:?}"
    );
    world.probe.0.wait_gate.add_permits(2);
    for task in busy {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_number_of_actors_is_bounded() {
    let world = world(|limits| limits.max_actors = 2);
    let first = world.actor("a").await;
    world.actor("b").await;
    let create = async |key: &str| {
        world
            .registry
            .create("probe", &Key::new([key]), CreateOptions::default())
            .await
    };
    let error = create("c").await.unwrap_err();
    assert!(
        error.is("agentos", "limit_exceeded") && error.message.contains("maxVms"),
        "{error:?}"
    );
    world.registry.destroy(&first.id).await.unwrap();
    create("c").await.unwrap();
}

#[tokio::test]
async fn names_keys_and_inputs_are_checked() {
    let world = world(|limits| limits.input_bytes = 100);
    let create = async |name: &str, key: Key, input: Value| {
        let options = CreateOptions {
            input,
            ..CreateOptions::default()
        };
        world.registry.create(name, &key, options).await
    };
    assert!(
        create("nothing", Key::new(["a"]), Value::Null)
            .await
            .unwrap_err()
            .is("actor", "not_registered")
    );
    for key in [Key::new([""]), Key::new(["a,b"]), Key::new(["x".repeat(129)])] {
        assert!(
            create("probe", key, Value::Null)
                .await
                .unwrap_err()
                .is("actor", "invalid_params")
        );
    }
    let large = Value::from("x".repeat(101));
    assert!(
        create("probe", Key::new(["a"]), large)
            .await
            .unwrap_err()
            .is("actor", "invalid_params")
    );
    let made = create("probe", Key::new(["a"]), Value::Null).await.unwrap();
    let error = create("probe", Key::new(["a"]), Value::Null).await.unwrap_err();
    assert!(error.is("actor", "duplicate_key"));
    let metadata = error.metadata.unwrap();
    assert_eq!(
        metadata.get("existing_actor_id").and_then(Value::as_str),
        Some(made.id.as_str())
    );
    let listed = world
        .registry
        .list(&ActorFilter {
            name: Some("probe".into()),
            ..ActorFilter::default()
        })
        .unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test]
async fn an_address_may_reserve_so_many_ids_that_nobody_accepted() {
    let world = world(|limits| limits.max_unaccepted_creates = 3);
    let peer: IpAddr = "203.0.113.9".parse().unwrap();
    let create = async |key: &str| {
        let options = CreateOptions {
            peer: Some(peer),
            ..CreateOptions::default()
        };
        world.registry.create("probe", &Key::new([key]), options).await
    };
    let first = create("a").await.unwrap();
    create("b").await.unwrap();
    create("c").await.unwrap();
    assert!(create("d").await.unwrap_err().is("guard", "too_many_requests"));
    // One that is accepted counts no more.
    world.registry.connect(&first.id, http()).await.unwrap();
    create("d").await.unwrap();
    assert!(create("e").await.unwrap_err().is("guard", "too_many_requests"));
    world.clock.advance(Duration::from_secs(60));
    create("e").await.unwrap();
}

#[tokio::test]
async fn subscriptions_and_call_parameters_are_bounded() {
    let world = world(|limits| limits.max_subscriptions = 2);
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("a", true).unwrap();
    connection.subscribe("b", true).unwrap();
    connection.subscribe("b", true).unwrap();
    assert!(
        connection
            .subscribe("c", true)
            .unwrap_err()
            .is("agentos", "limit_exceeded")
    );
    connection.subscribe("a", false).unwrap();
    connection.subscribe("c", true).unwrap();
    let large = socket().params("x".repeat(1 << 20));
    assert!(
        world
            .registry
            .connect(&actor.id, large)
            .await
            .unwrap_err()
            .is("actor", "invalid_params")
    );
}

#[tokio::test]
async fn a_state_that_is_too_large_is_refused_and_the_old_one_stays() {
    let world = world(|_| {});
    let actor = world.actor("a").await;
    world.call(&actor, "add", vec![Value::from(3)]).await.unwrap();
    assert_eq!(world.call(&actor, "kv", vec![]).await, Ok(Value::from(1)));
    assert_eq!(world.call(&actor, "state", vec![]).await, Ok(Value::from(3)));
}
