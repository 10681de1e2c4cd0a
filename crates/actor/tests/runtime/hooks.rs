//! The schedule of hooks: order, refusals, deadlines, and that nothing exists before it has succeeded.

use std::time::Duration;

use crate::support::{ALL_HOOKS, Probe, Trouble, World, http, read, socket, until};
use agentos_actor::HookSet;
use agentos_value::{ActorError, INTERNAL_MESSAGE, Value};

fn is_masked(error: &ActorError) -> bool {
    error.is("internal", "internal_error")
        && error.message == INTERNAL_MESSAGE
        && error
            .metadata
            .as_ref()
            .is_some_and(|metadata| metadata.get("correlationId").is_some())
        && !format!("{error:?}").contains("secret")
}

#[tokio::test]
async fn hooks_run_in_order_for_every_call() {
    let world = World::new(Probe::new(ALL_HOOKS, |_| {}));
    let actor = world.actor("a").await;
    assert_eq!(
        world.call(&actor, "echo", vec![Value::from(1)]).await,
        Ok(Value::from(1))
    );
    until(|| world.probe.logged("onDisconnect") == 1).await;
    let log = world.probe.log();
    let expected = [
        "onBeforeConnect",
        "createConnState",
        "onConnect",
        "onBeforeAction echo",
        "boot",
        "booted 1 true",
        "onDisconnect",
    ];
    assert_eq!(log.len(), expected.len(), "{log:?}");
    assert!(
        log.iter()
            .zip(expected)
            .all(|(line, expected)| line.starts_with(expected)),
        "{log:?}"
    );
    // A reading action runs all hooks but boots nothing, and the next call finds the actor awake.
    world.registry.sleep(&actor.id).await.unwrap();
    world.probe.log();
    assert_eq!(world.call(&actor, "state", vec![]).await, Ok(Value::Null));
    until(|| world.probe.logged("onDisconnect") == 1).await;
    assert_eq!(world.probe.logged("on"), 4);
    assert_eq!((world.probe.logged("boot"), world.phase(&actor)), (0, "asleep"));
}

#[tokio::test]
async fn a_refusal_at_any_step_leaves_nothing_behind() {
    for step in ["onBeforeConnect", "createConnState", "onConnect"] {
        for how in [Trouble::Refuse, Trouble::Fail, Trouble::Panic] {
            let world = World::on_disk(Probe::new(ALL_HOOKS, |_| {}));
            let actor = world.actor("a").await;
            world.probe.trouble(step, how);
            let error = world.registry.connect(&actor.id, socket()).await.unwrap_err();
            if how == Trouble::Refuse {
                assert_eq!(error, ActorError::user("forbidden", "Forbidden"));
            } else {
                assert!(is_masked(&error), "{error:?}");
            }
            let info = world.registry.find(&actor.id).unwrap().unwrap();
            assert!(!info.accepted);
            let vms = world.directory.as_ref().unwrap().path().join("vms");
            assert_eq!(vms.read_dir().unwrap().count(), 0, "{step}: no directory");
            assert_eq!(world.registry.status(&actor.id).unwrap().connections, 0);
            assert_eq!((world.probe.logged("onDisconnect"), world.probe.logged("boot")), (0, 0));
            // The same reservation is accepted once its hooks agree.
            world.probe.no_trouble();
            world.registry.connect(&actor.id, http()).await.unwrap();
            assert!(world.registry.find(&actor.id).unwrap().unwrap().accepted);
            assert_eq!(vms.read_dir().unwrap().count(), 1);
        }
    }
}

#[tokio::test]
async fn hooks_have_deadlines() {
    for step in ["onBeforeConnect", "createConnState", "onConnect"] {
        let world = World::new(Probe::new(ALL_HOOKS, |_| {}));
        let actor = world.actor("a").await;
        world.probe.trouble(step, Trouble::Hang);
        let connect = world.registry.connect(&actor.id, socket());
        let (error, passed) = world.pass_while(Duration::from_millis(100), connect).await;
        let error = error.unwrap_err();
        assert!(
            error.is("auth", "auth_timeout") && error.message.contains(step),
            "{error:?}"
        );
        assert!(passed >= Duration::from_secs(5), "{passed:?}");
    }
}

#[tokio::test]
async fn all_steps_together_have_one_deadline() {
    let world = World::with(Probe::new(ALL_HOOKS, |_| {}), |builder| {
        let mut limits = agentos_actor::RegistryLimits::default();
        limits.open_timeout = Duration::from_secs(3);
        builder.limits(limits)
    });
    let actor = world.actor("a").await;
    world.probe.trouble("onConnect", Trouble::Hang);
    let connect = world.registry.connect(&actor.id, socket());
    let (error, passed) = world.pass_while(Duration::from_millis(100), connect).await;
    assert!(error.unwrap_err().is("auth", "auth_timeout"));
    assert!((3..5).contains(&passed.as_secs()), "{passed:?}");
}

#[tokio::test]
async fn params_are_null_when_absent_and_a_hook_that_reads_them_refuses() {
    let world = World::new(Probe::new(ALL_HOOKS, |_| {}));
    let actor = world.actor("a").await;
    let accepted = world.registry.connect(&actor.id, socket()).await.unwrap();
    assert_eq!(
        (accepted.conn().params(), accepted.conn().state()),
        (&Value::Null, Value::Null)
    );
    let bad = socket().params(Value::object([("token", "bad")]));
    assert_eq!(
        world.registry.connect(&actor.id, bad).await.unwrap_err(),
        ActorError::user("forbidden", "Forbidden")
    );
    let good = socket().params(Value::object([("token", "good")]));
    let good = world.registry.connect(&actor.id, good).await.unwrap();
    assert_eq!(good.conn().state().get("token").and_then(Value::as_str), Some("good"));
}

#[tokio::test]
async fn a_connection_state_that_is_too_large_refuses() {
    let world = World::with(Probe::new(ALL_HOOKS, |_| {}), |builder| {
        let mut limits = agentos_actor::RegistryLimits::default();
        limits.params_bytes = 1 << 20;
        builder.limits(limits)
    });
    let actor = world.actor("a").await;
    let large = socket().params(Value::object([("state", "x".repeat(64 << 10))]));
    let error = world.registry.connect(&actor.id, large).await.unwrap_err();
    assert!(
        error.is("agentos", "limit_exceeded") && error.message.contains("connStateBytes"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refused_action_leaves_the_connection() {
    let world = World::new(Probe::new(ALL_HOOKS, |_| {}));
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    for how in [Trouble::Refuse, Trouble::Fail, Trouble::Panic] {
        world.probe.trouble("onBeforeAction", how);
        let error = connection.call("echo", vec![]).await.unwrap_err();
        assert!(error.is("user", "forbidden") || is_masked(&error));
        world.probe.no_trouble();
        assert_eq!(connection.call("echo", vec![Value::from(3)]).await, Ok(Value::from(3)));
    }
    world.probe.trouble("onBeforeAction", Trouble::Hang);
    let call = connection.call("echo", vec![]);
    let (error, passed) = world.pass_while(Duration::from_millis(100), call).await;
    assert!(error.unwrap_err().is("auth", "auth_timeout"));
    assert!(passed >= Duration::from_secs(5), "{passed:?}");
}

#[tokio::test]
async fn disconnect_is_told_once_however_the_connection_ends() {
    let world = World::new(Probe::new(ALL_HOOKS, |_| {}));
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.close(agentos_actor::CloseReason::client());
    connection.close(agentos_actor::CloseReason::going_away());
    connection.conn().disconnect("again");
    assert_eq!(read(&connection, 2).await, ["close 1000 ", "close 1000 "]);
    drop(connection);
    let second = world.registry.connect(&actor.id, socket()).await.unwrap();
    let id = second.id().to_owned();
    world.registry.destroy(&actor.id).await.unwrap();
    drop(second);
    until(|| world.probe.logged("onDisconnect") == 2).await;
    assert_eq!(world.probe.logged(&format!("onDisconnect {id}")), 1);
    world.registry.drain().await;
    assert_eq!(world.probe.logged("onDisconnect"), 2);
}

#[tokio::test]
async fn events_are_filtered_for_each_connection_and_a_failing_filter_means_no() {
    let hooks = HookSet {
        can_receive: true,
        ..HookSet::default()
    };
    let world = World::new(Probe::new(hooks, |_| {}));
    let actor = world.actor("a").await;
    let connection = world.registry.connect(&actor.id, socket()).await.unwrap();
    connection.subscribe("tick", true).unwrap();
    connection.dispatch(1, "emit", vec![Value::from(16)]).unwrap();
    until(|| world.registry.metrics().actions == 1).await;
    // Number 14 is never decided.
    let (read, _) = world
        .pass_while(Duration::from_millis(100), read(&connection, 14))
        .await;
    let mut expected: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15]
        .iter()
        .map(|n| format!("tick {n}"))
        .collect();
    expected.push("reply 1".to_owned());
    assert_eq!(read, expected);
}
