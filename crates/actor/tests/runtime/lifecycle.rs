//! States and their order: one boot for all, back-off, sleep and what prevents it, stop, crash, destroy, drain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agentos_actor::{Clock as _, HookSet, RegistryLimits};
use agentos_value::{Key, Value};

use crate::support::{Probe, Trouble, World, http, read, socket, until};

const NONE: HookSet = HookSet {
    before_connect: false,
    conn_state: false,
    connect: false,
    disconnect: false,
    before_action: false,
    can_receive: false,
};

/// Deadlines that a test is not about are far away: simulated time runs much faster than work.
const FAR: Duration = Duration::from_secs(1_000_000);

fn quiet() -> Probe {
    Probe::new(NONE, |options| {
        options.wake_on_connect = false;
        options.boot_timeout = FAR;
        options.action_timeout = FAR;
    })
}

#[tokio::test]
async fn concurrent_first_actions_share_one_boot() {
    let probe = Probe::gated(NONE, |_| {}, Some(0));
    let world = Arc::new(World::new(probe));
    let actor = world.actor("a").await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (world, actor) = (Arc::clone(&world), actor.clone());
        calls.spawn(async move { world.call(&actor, "echo", vec![Value::from(number)]).await });
    }
    until(|| world.registry.status(&actor.id).unwrap().connections == 50).await;
    until(|| world.phase(&actor) == "booting").await;
    world.probe.0.boot_gate.as_ref().unwrap().add_permits(1);
    while let Some(answer) = calls.join_next().await {
        assert!(answer.unwrap().is_ok());
    }
    assert_eq!(world.probe.0.booted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_failed_boot_fails_who_waited_and_is_tried_again_after_its_back_off() {
    let world = World::new(quiet());
    let actor = world.actor("a").await;
    world.probe.trouble("boot", Trouble::Fail);
    let error = world.call(&actor, "echo", vec![]).await.unwrap_err();
    assert!(
        error.is("agentos", "vm_boot_failed") && !format!("{error:?}").contains("secret"),
        "{error:?}"
    );
    assert_eq!(world.phase(&actor), "failed");
    assert_eq!(world.probe.log(), ["boot", "boot failed: vm_boot_failed"]);
    // The next one waits for the back-off, whose length doubles, and then fails with the new boot.
    for expected in [100, 200, 400] {
        let before = world.probe.logged("boot failed");
        let (error, passed) = tokio::join!(
            world.call(&actor, "echo", vec![]),
            world.pass_until(Duration::from_millis(10), || world.probe.logged("boot failed") > before)
        );
        assert!(error.unwrap_err().is("agentos", "vm_boot_failed"));
        assert!(passed >= Duration::from_millis(expected), "{passed:?} {expected}");
    }
    world.probe.no_trouble();
    let (answer, _) = tokio::join!(
        world.call(&actor, "echo", vec![Value::from(1)]),
        world.pass_until(Duration::from_millis(100), || world.phase(&actor) == "ready")
    );
    assert_eq!(answer, Ok(Value::from(1)));
}

#[tokio::test]
async fn boots_that_panic_or_refuse_fail() {
    for how in [Trouble::Refuse, Trouble::Panic] {
        let world = World::new(quiet());
        let actor = world.actor("a").await;
        world.probe.trouble("boot", how);
        let error = world.call(&actor, "echo", vec![]).await.unwrap_err();
        assert!(error.is("agentos", "vm_boot_failed"), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"));
        let cause = error
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.get("cause"))
            .unwrap();
        let code = cause.get("code").and_then(Value::as_str);
        assert_eq!(
            code,
            Some(if how == Trouble::Refuse {
                "forbidden"
            } else {
                "internal_error"
            })
        );
    }
}

#[tokio::test]
async fn a_boot_has_a_deadline() {
    let world = World::new(Probe::new(NONE, |_| {}));
    let actor = world.actor("a").await;
    world.probe.trouble("boot", Trouble::Hang);
    let (registry, id) = (world.registry.clone(), actor.id.clone());
    let call = tokio::spawn(async move { registry.call(&id, http(), "echo", vec![]).await });
    until(|| world.probe.logged("boot") == 1).await;
    world.clock.advance(Duration::from_millis(29_999));
    world.resting().await;
    assert_eq!(world.phase(&actor), "booting");
    world.clock.advance(Duration::from_millis(1));
    assert!(call.await.unwrap().unwrap_err().is("agentos", "vm_boot_failed"));
}

#[tokio::test]
async fn an_actor_sleeps_when_nothing_has_kept_it_awake_for_its_idle_time() {
    let world = World::on_disk(quiet());
    let actor = world.actor("a").await;
    world.call(&actor, "add", vec![Value::from(1)]).await.unwrap();
    assert_eq!(world.phase(&actor), "ready");
    // An open connection does not keep it awake.
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    let asleep = || world.phase(&actor) == "asleep";
    let stopping = || world.probe.logged("onShutdown") == 1;
    let passed = world.pass_until(Duration::from_secs(10), stopping).await;
    assert!((880..1000).contains(&passed.as_secs()), "{passed:?}");
    until(asleep).await;
    assert_eq!(
        world.probe.log(),
        ["boot", "booted 1 true", "onShutdown sleep", "onSleep"]
    );
    // An action in flight does, and so does a guard.
    connection.dispatch(1, "wait", vec![]).unwrap();
    until(|| world.probe.logged("waiting") == 1).await;
    world.call(&actor, "keep", vec![]).await.unwrap();
    assert_eq!(
        world.registry.status(&actor.id).unwrap().awake_because,
        ["request", "process:7"]
    );
    for _ in 0..100 {
        world.clock.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
    }
    assert_eq!(world.phase(&actor), "ready");
    world.probe.0.wait_gate.add_permits(2);
    until(|| world.registry.status(&actor.id).unwrap().awake_because.is_empty()).await;
    let passed = world.pass_until(Duration::from_secs(10), stopping).await;
    assert!((880..1100).contains(&passed.as_secs()), "{passed:?}");
    until(asleep).await;
    assert_eq!(world.probe.logged("booted 2 false"), 1);
    assert_eq!(world.call(&actor, "state", vec![]).await, Ok(Value::from(1)));
}

#[tokio::test]
async fn idle_time_zero_means_never() {
    let world = World::new(Probe::new(NONE, |options| options.idle_timeout = Duration::ZERO));
    let actor = world.actor("a").await;
    world.call(&actor, "echo", vec![]).await.unwrap();
    for _ in 0..50 {
        world.clock.advance(Duration::from_secs(86_400));
        tokio::task::yield_now().await;
    }
    assert_eq!(world.phase(&actor), "ready");
}

#[tokio::test]
async fn a_connection_wakes_its_actor_after_its_hooks_and_does_not_wait() {
    let probe = Probe::gated(NONE, |_| {}, Some(0));
    let world = World::new(probe);
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("vmBooted", true).unwrap();
    until(|| world.phase(&actor) == "booting").await;
    world.probe.0.boot_gate.as_ref().unwrap().add_permits(1);
    assert_eq!(read(&connection, 1).await, ["vmBooted"]);
    until(|| world.phase(&actor) == "ready").await;
}

#[tokio::test]
async fn work_that_arrives_during_a_stop_waits_and_wakes_again() {
    let world = World::on_disk(quiet());
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    for event in ["vmShutdown", "vmBooted"] {
        connection.subscribe(event, true).unwrap();
    }
    connection.dispatch(1, "add", vec![]).unwrap();
    assert_eq!(read(&connection, 2).await, ["vmBooted", "reply 1"]);
    world.probe.trouble("onSleep", Trouble::Hang);
    let (registry, id) = (world.registry.clone(), actor.id.clone());
    let sleeping = tokio::spawn(async move { registry.sleep(&id).await });
    until(|| world.phase(&actor) == "stopping" && world.probe.logged("onSleep") == 1).await;
    connection.dispatch(2, "add", vec![]).unwrap();
    assert_eq!(read(&connection, 1).await, ["vmShutdown sleep"]);
    world.probe.no_trouble();
    // The budget of the stop ends it.
    world.clock.advance(Duration::from_secs(35));
    until(|| world.probe.logged("booted") == 2).await;
    assert_eq!(read(&connection, 2).await, ["vmBooted", "reply 2"]);
    sleeping.await.unwrap().unwrap();
    assert_eq!(world.call(&actor, "state", vec![]).await, Ok(Value::from(2)));
    assert_eq!(world.probe.logged("booted 2 false"), 1);
}

#[tokio::test]
async fn actions_that_a_stop_finds_running_are_cut_off_with_an_error_that_no_client_retries() {
    let world = World::new(quiet());
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.dispatch(1, "wait", vec![]).unwrap();
    until(|| world.probe.logged("waiting") == 1).await;
    world.registry.sleep(&actor.id).await.unwrap();
    assert_eq!(read(&connection, 1).await, ["error 1 actor/action_aborted"]);
    assert_eq!((world.phase(&actor), world.probe.logged("waited")), ("asleep", 0));
}

#[tokio::test]
async fn listeners_may_read_after_the_announcement_of_a_shutdown() {
    let world = World::new(Probe::new(NONE, |options| {
        options.wake_on_connect = false;
        options.shutdown_event = "vmShutdown";
    }));
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("vmShutdown", true).unwrap();
    connection.call("echo", vec![]).await.unwrap();
    let resting = world.resting().await;
    let (registry, id) = (world.registry.clone(), actor.id.clone());
    let sleeping = tokio::spawn(async move { registry.sleep(&id).await });
    assert_eq!(read(&connection, 1).await, ["vmShutdown sleep"]);
    until(|| world.clock.sleepers() > resting).await;
    assert_eq!(connection.call("read", vec![Value::from(1)]).await, Ok(Value::from(1)));
    assert_eq!(world.probe.logged("onSleep"), 0);
    world
        .pass_until(Duration::from_millis(100), || world.phase(&actor) == "asleep")
        .await;
    sleeping.await.unwrap().unwrap();
    assert_eq!(world.probe.0.booted.load(Ordering::Relaxed), 1);
    // Work for the next wake ends the moment early.
    connection.call("echo", vec![]).await.unwrap();
    let before = world.clock.now_ms();
    let (registry, id) = (world.registry.clone(), actor.id.clone());
    let sleeping = tokio::spawn(async move { registry.sleep(&id).await });
    assert_eq!(read(&connection, 1).await, ["vmShutdown sleep"]);
    connection.call("echo", vec![]).await.unwrap();
    sleeping.await.unwrap().unwrap();
    assert_eq!(world.clock.now_ms(), before);
}

#[tokio::test]
async fn a_crash_ends_the_generation_and_the_next_use_boots() {
    let world = World::on_disk(quiet());
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("vmShutdown", true).unwrap();
    let _ = connection.call("crash", vec![]).await;
    assert_eq!(read(&connection, 1).await, ["vmShutdown error"]);
    assert_eq!(connection.call("echo", vec![Value::from(1)]).await, Ok(Value::from(1)));
    let log = world.probe.log();
    assert_eq!(
        log,
        ["boot", "booted 1 true", "onShutdown error", "boot", "booted 2 false"]
    );
}

#[tokio::test]
async fn panics_and_errors_of_one_action_harm_nobody_else() {
    let world = World::new(quiet());
    let (actor, other) = (world.actor("a").await, world.actor("b").await);
    for action in ["panic", "fail"] {
        let error = world.call(&actor, action, vec![]).await.unwrap_err();
        assert!(
            error.is("internal", "internal_error") && !format!("{error:?}").contains("secret"),
            "{error:?}"
        );
    }
    // So does a definition that panics where it only had to answer a question.
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.dispatch(1, "trap", vec![]).unwrap();
    assert_eq!(read(&connection, 1).await, ["error 1 internal/internal_error"]);
    let error = world.call(&actor, "trap", vec![]).await.unwrap_err();
    assert!(error.is("internal", "internal_error"), "{error:?}");
    assert_eq!(
        world.call(&actor, "echo", vec![Value::from(1)]).await,
        Ok(Value::from(1))
    );
    assert_eq!(
        world.call(&other, "echo", vec![Value::from(1)]).await,
        Ok(Value::from(1))
    );
    assert_eq!(world.probe.0.booted.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_action_has_a_deadline() {
    let world = World::new(Probe::new(NONE, |options| {
        options.action_timeout = Duration::from_secs(7);
    }));
    let actor = world.actor("a").await;
    world.call(&actor, "echo", vec![]).await.unwrap();
    let call = world.call(&actor, "wait", vec![]);
    let (error, passed) = world.pass_while(Duration::from_millis(500), call).await;
    assert!(error.unwrap_err().is("actor", "action_timed_out"));
    assert!(passed >= Duration::from_secs(7), "{passed:?}");
}

#[tokio::test]
async fn destroy_works_in_every_phase() {
    for phase in ["reserved", "asleep", "booting", "ready", "stopping", "failed"] {
        let probe = Probe::gated(NONE, |options| options.wake_on_connect = false, Some(0));
        let world = World::on_disk(probe);
        let gate = world.probe.0.boot_gate.as_ref().unwrap();
        let actor = world.actor("a").await;
        let mut waiting = None;
        if phase != "reserved" {
            drop(world.registry.connect(&actor.id, http()).await.unwrap());
        }
        match phase {
            "booting" => {
                let (registry, id) = (world.registry.clone(), actor.id.clone());
                waiting = Some(tokio::spawn(
                    async move { registry.call(&id, http(), "echo", vec![]).await },
                ));
                until(|| world.phase(&actor) == "booting").await;
            }
            "failed" => {
                gate.add_permits(1);
                world.probe.trouble("boot", Trouble::Fail);
                world.call(&actor, "echo", vec![]).await.unwrap_err();
            }
            "ready" | "stopping" => {
                gate.add_permits(1);
                world.call(&actor, "echo", vec![]).await.unwrap();
            }
            _ => {}
        }
        if phase == "stopping" {
            world.probe.trouble("onSleep", Trouble::Hang);
            let (registry, id) = (world.registry.clone(), actor.id.clone());
            tokio::spawn(async move { registry.sleep(&id).await });
            until(|| world.probe.logged("onSleep") == 1).await;
        }
        let expected = if phase == "reserved" { "asleep" } else { phase };
        assert_eq!(world.phase(&actor), expected, "{phase}");
        world.registry.destroy(&actor.id).await.unwrap();
        if let Some(waiting) = waiting {
            assert!(waiting.await.unwrap().unwrap_err().is("actor", "not_found"));
        }
        assert_eq!(world.registry.find(&actor.id).unwrap(), None, "{phase}");
        let vms = world.directory.as_ref().unwrap().path().join("vms");
        assert_eq!(vms.read_dir().unwrap().count(), 0, "{phase}");
        assert!(
            world
                .registry
                .destroy(&actor.id)
                .await
                .unwrap_err()
                .is("actor", "not_found")
        );
        assert!(
            world
                .call(&actor, "echo", vec![])
                .await
                .unwrap_err()
                .is("actor", "not_found")
        );
        let runs = matches!(phase, "ready" | "stopping");
        assert_eq!(world.probe.logged("onDestroy"), usize::from(runs), "{phase}");
        // The key makes a new actor at once.
        let again = world.actor("a").await;
        assert_ne!(again.id, actor.id);
        world.registry.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_a_destruction_overtakes_finds_no_actor() {
    let world = World::on_disk(quiet());
    for round in 0..40 {
        let actor = world.actor("a").await;
        let (registry, id) = (world.registry.clone(), actor.id.clone());
        let making = tokio::spawn(async move { registry.connect(&id, http()).await });
        // Sooner and later.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        world.registry.destroy(&actor.id).await.unwrap();
        if let Err(error) = making.await.unwrap() {
            assert!(error.is("actor", "not_found"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn an_actor_can_destroy_itself_and_still_answer() {
    let world = World::new(quiet());
    let actor = world.actor("a").await;
    world.call(&actor, "echo", vec![]).await.unwrap();
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("vmShutdown", true).unwrap();
    connection.dispatch(1, "destroy", vec![]).unwrap();
    let mut read = read(&connection, 3).await;
    assert_eq!(read.pop().unwrap(), "close 1000 actor.destroyed");
    read.sort();
    assert_eq!(read, ["reply 1", "vmShutdown destroy"]);
    assert_eq!(world.registry.find(&actor.id).unwrap(), None);
}

#[tokio::test]
async fn an_action_answered_from_storage_puts_its_actor_to_sleep_without_waiting_for_itself() {
    let world = World::on_disk(quiet());
    let actor = world.actor("a").await;
    world.call(&actor, "add", vec![]).await.unwrap();
    // Simulated time stands still, so whatever waits for a deadline would never end.
    world.call(&actor, "sleep", vec![]).await.unwrap();
    assert_eq!(world.phase(&actor), "asleep");
    world.call(&actor, "sleep", vec![]).await.unwrap();
    assert_eq!(world.call(&actor, "state", vec![]).await, Ok(Value::from(1)));
    assert_eq!(world.probe.logged("booted"), 1);
}

#[tokio::test]
async fn storage_that_is_damaged_boots_nothing_and_harms_nobody_else() {
    let mut probe = quiet();
    Arc::get_mut(&mut probe.0).unwrap().options.shutdown_event = "vmShutdown";
    let world = World::on_disk(probe);
    let (actor, other) = (world.actor("a").await, world.actor("b").await);
    for actor in [&actor, &other] {
        world.call(actor, "add", vec![]).await.unwrap();
    }
    world.registry.sleep(&actor.id).await.unwrap();
    let vm = world
        .directory
        .as_ref()
        .unwrap()
        .path()
        .join("vms")
        .join(actor.id.as_str());
    std::fs::remove_file(vm.join("vm.sqlite-wal")).ok();
    std::fs::write(vm.join("vm.sqlite"), [0x55; 8192]).unwrap();
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("vmShutdown", true).unwrap();
    connection.dispatch(1, "echo", vec![]).unwrap();
    let read = read(&connection, 2).await;
    assert_eq!(read, ["vmShutdown error", "error 1 agentos/storage_corrupt"]);
    assert_eq!(world.phase(&actor), "failed");
    assert_eq!(std::fs::read(vm.join("vm.sqlite")).unwrap(), [0x55; 8192]);
    assert_eq!(world.call(&other, "add", vec![]).await, Ok(Value::from(2)));
    world.registry.destroy(&actor.id).await.unwrap();
}

#[tokio::test]
async fn drain_finishes_what_runs_puts_all_to_sleep_and_lets_clients_come_back() {
    let world = World::on_disk(quiet());
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.dispatch(1, "wait", vec![]).unwrap();
    until(|| world.probe.logged("waiting") == 1).await;
    let registry = world.registry.clone();
    let draining = tokio::spawn(async move { registry.drain().await });
    until(|| world.registry.is_draining()).await;
    let error = world.call(&actor, "echo", vec![]).await.unwrap_err();
    assert!(error.is("guard", "service_unavailable"), "{error:?}");
    connection.dispatch(2, "echo", vec![]).unwrap();
    assert_eq!(read(&connection, 1).await, ["error 2 guard/service_unavailable"]);
    let key = Key::new(["new"]);
    let error = world
        .registry
        .get_or_create("probe", &key, Default::default())
        .await
        .unwrap_err();
    assert!(error.is("guard", "service_unavailable"), "{error:?}");
    world.probe.0.wait_gate.add_permits(1);
    draining.await.unwrap();
    assert_eq!(read(&connection, 2).await, ["reply 1", "close 1012 ws.going_away"]);
    assert_eq!(world.probe.logged("onSleep"), 1);
}

#[tokio::test]
async fn a_drain_cuts_off_what_takes_longer_than_its_budget() {
    let world = World::new(Probe::new(NONE, |options| {
        options.shutdown_budget = Duration::from_secs(3);
    }));
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.dispatch(1, "wait", vec![]).unwrap();
    until(|| world.probe.logged("waiting") == 1).await;
    let (read, (), passed) = tokio::join!(
        read(&connection, 2),
        world.registry.drain(),
        world.pass_until(Duration::from_millis(100), || world.probe.logged("onSleep") == 1)
    );
    assert_eq!(read, ["error 1 actor/action_aborted", "close 1012 ws.going_away"]);
    assert!(passed >= Duration::from_secs(3), "{passed:?}");
}

#[tokio::test]
async fn a_wake_that_takes_too_long_is_given_up() {
    let probe = Probe::gated(
        NONE,
        |options| options.boot_timeout = Duration::from_secs(1000),
        Some(0),
    );
    let world = World::new(probe);
    let actor = world.actor("a").await;
    let (error, passed) = tokio::join!(
        world.call(&actor, "echo", vec![]),
        world.pass_until(Duration::from_secs(1), || world.registry.metrics().actions == 1)
    );
    assert!(error.unwrap_err().is("guard", "service_unavailable"));
    assert!(passed >= Duration::from_secs(90), "{passed:?}");
}

#[tokio::test]
async fn a_chain_of_calls_is_bounded() {
    let world = World::with(quiet(), |builder| {
        let mut limits = RegistryLimits::default();
        limits.max_call_depth = 5;
        builder.limits(limits)
    });
    let actor = world.actor("a").await;
    let error = world.call(&actor, "chain", vec![]).await.unwrap_err();
    assert!(
        error.is("agentos", "limit_exceeded") && error.message.contains("maxCallDepth"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_registry_that_is_dropped_lets_go_of_its_actors() {
    let world = World::on_disk(quiet());
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.dispatch(1, "wait", vec![]).unwrap();
    until(|| world.probe.logged("waiting") == 1).await;
    let weak = Arc::downgrade(&world.probe.0);
    let World {
        registry,
        probe,
        directory,
        ..
    } = world;
    drop((registry, probe));
    assert_eq!(
        connection.next().await,
        agentos_actor::Outgoing::Close(agentos_actor::CloseReason::going_away())
    );
    drop(connection);
    until(|| weak.strong_count() == 0).await;
    drop(directory);
}
