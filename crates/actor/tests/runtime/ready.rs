//! Clients that do not want to wait until an actor is ready (`skip-ready-wait`): they are answered while it starts, once it says
//! so, and while it stops.

use std::time::Duration;

use agentos_actor::{ActorInfo, ConnectRequest, HookSet};
use agentos_value::{ActorError, Value};

use crate::support::{Probe, Trouble, World, http, socket, until};

/// Deadlines are far away: simulated time runs much faster than work.
const FAR: Duration = Duration::from_secs(1_000_000);

fn quiet(boots: Option<usize>) -> Probe {
    let none = HookSet::default();
    let change = |options: &mut agentos_actor::ActorOptions| {
        options.wake_on_connect = false;
        options.boot_timeout = FAR;
        options.action_timeout = FAR;
    };
    Probe::gated(none, change, boots)
}

/// Calls an action in a task of its own.
fn call(world: &World, actor: &ActorInfo, request: ConnectRequest, action: &'static str) -> Call {
    let (registry, id) = (world.registry.clone(), actor.id.clone());
    tokio::spawn(async move { registry.call(&id, request, action, vec![Value::from(1)]).await })
}

type Call = tokio::task::JoinHandle<Result<Value, ActorError>>;

fn at_once() -> ConnectRequest {
    http().skip_ready_wait(true)
}

#[tokio::test]
async fn who_does_not_wait_is_answered_while_the_actor_starts() {
    let probe = quiet(Some(0));
    probe.serve_early();
    let world = World::new(probe);
    let actor = world.actor("a").await;
    // The call itself wakes the actor, and is answered before the boot has ended.
    assert_eq!(
        call(&world, &actor, at_once(), "add").await.unwrap(),
        Ok(Value::from(1))
    );
    assert_eq!((world.phase(&actor), world.probe.logged("booted")), ("booting", 0));
    let waiting = call(&world, &actor, http(), "add");
    world.resting().await;
    assert!(!waiting.is_finished());
    // What is in flight goes on over the end of the boot.
    let going_on = call(&world, &actor, at_once(), "wait");
    until(|| world.probe.logged("waiting") == 1).await;
    world.probe.0.boot_gate.as_ref().unwrap().add_permits(1);
    assert_eq!(waiting.await.unwrap(), Ok(Value::from(2)));
    world.probe.0.wait_gate.add_permits(1);
    assert_eq!(going_on.await.unwrap(), Ok(Value::from(1)));
}

#[tokio::test]
async fn an_actor_that_says_nothing_early_is_waited_for() {
    let world = World::new(quiet(Some(0)));
    let actor = world.actor("a").await;
    let waiting = call(&world, &actor, at_once(), "echo");
    world.resting().await;
    assert!(!waiting.is_finished());
    world.probe.0.boot_gate.as_ref().unwrap().add_permits(1);
    assert_eq!(waiting.await.unwrap(), Ok(Value::from(1)));
}

#[tokio::test]
async fn a_boot_that_fails_cuts_off_what_it_has_let_in() {
    let probe = quiet(Some(0));
    probe.serve_early();
    probe.trouble("boot", Trouble::Fail);
    let world = World::new(probe);
    let actor = world.actor("a").await;
    let early = call(&world, &actor, at_once(), "wait");
    until(|| world.probe.logged("waiting") == 1).await;
    world.probe.0.boot_gate.as_ref().unwrap().add_permits(1);
    let error = early.await.unwrap().unwrap_err();
    assert!(error.is("actor", "action_aborted"), "{error:?}");
    until(|| world.phase(&actor) == "failed").await;
}

#[tokio::test]
async fn who_does_not_wait_is_answered_while_the_actor_stops() {
    let world = World::new(quiet(None));
    let actor = world.actor("a").await;
    world.call(&actor, "echo", vec![]).await.unwrap();
    let open = world
        .registry
        .connect(&actor.id, socket().skip_ready_wait(true))
        .await
        .unwrap();
    world.probe.trouble("onSleep", Trouble::Wait);
    let (registry, id) = (world.registry.clone(), actor.id.clone());
    let sleeping = tokio::spawn(async move { registry.sleep(&id).await });
    until(|| world.probe.logged("onSleep") == 1).await;
    assert_eq!(
        call(&world, &actor, at_once(), "echo").await.unwrap(),
        Ok(Value::from(1))
    );
    assert_eq!(open.call("echo", vec![Value::from(2)]).await, Ok(Value::from(2)));
    assert_eq!((world.phase(&actor), world.probe.logged("booted")), ("stopping", 1));
    // Others wait for the next generation, and what still runs when the stop is over is cut off.
    let (waiting, cut_off) = (
        call(&world, &actor, http(), "echo"),
        call(&world, &actor, at_once(), "wait"),
    );
    until(|| world.probe.logged("waiting") == 1).await;
    // The stop goes on; it has waited for the longest time.
    world.probe.0.wait_gate.add_permits(1);
    assert_eq!(waiting.await.unwrap(), Ok(Value::from(1)));
    assert!(cut_off.await.unwrap().unwrap_err().is("actor", "action_aborted"));
    assert_eq!(world.probe.logged("booted"), 2);
    sleeping.await.unwrap().unwrap();
}
