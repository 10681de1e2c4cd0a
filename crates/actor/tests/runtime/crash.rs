//! A process that ends at any step of an actor's life: a copy of the data directory, taken at that step, is what the next
//! process finds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use agentos_actor::HookSet;
use agentos_value::{Key, Value};
use parking_lot::Mutex;

use crate::support::{Probe, World};

/// What a process left behind.
struct Left {
    step: String,
    directory: tempfile::TempDir,
    /// Additions that were acknowledged by then.
    acknowledged: i64,
}

/// A copy of the directory as it is at one instant: other threads may write and remove files meanwhile, so a copy during which
/// anything changed is made again.
fn copy(from: &Path) -> tempfile::TempDir {
    loop {
        let to = tempfile::tempdir().unwrap();
        let before = listing(from);
        if before.is_some() && try_copy(from, to.path()).is_ok() && listing(from) == before {
            return to;
        }
    }
}

/// Every file with its length and the time of its last change; nothing when a file vanished while it was looked at.
fn listing(directory: &Path) -> Option<Vec<(PathBuf, u64, SystemTime)>> {
    let mut files = Vec::new();
    for entry in directory.read_dir().ok()? {
        let path = entry.ok()?.path();
        let metadata = path.metadata().ok()?;
        if metadata.is_dir() {
            files.extend(listing(&path)?);
        } else {
            files.push((path, metadata.len(), metadata.modified().ok()?));
        }
    }
    files.sort();
    Some(files)
}

fn try_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let target = to.join(&name);
        if entry.path().is_dir() {
            try_copy(&entry.path(), &target)?;
        } else if !name.to_string_lossy().ends_with("-shm") {
            // The index of the log is made anew by whoever opens it after a crash.
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_step_can_be_the_last() {
    let world = World::on_disk(Probe::new(
        HookSet {
            connect: true,
            ..HookSet::default()
        },
        |_| {},
    ));
    let (left, acknowledged) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicI64::new(0)));
    {
        let (left, acknowledged) = (Arc::clone(&left), Arc::clone(&acknowledged));
        let from = world.directory.as_ref().unwrap().path().to_owned();
        *world.probe.0.at_step.lock() = Some(Box::new(move |step| {
            let directory = copy(&from);
            let acknowledged = acknowledged.load(Ordering::Relaxed);
            left.lock().push(Left {
                step: step.to_owned(),
                directory,
                acknowledged,
            });
        }));
    }
    let actor = world.actor("a").await;
    for _ in 0..3 {
        for _ in 0..2 {
            let count = world.call(&actor, "add", vec![]).await.unwrap();
            acknowledged.store(count.as_int().unwrap(), Ordering::Relaxed);
            world.probe.note("acknowledged");
        }
        world.registry.sleep(&actor.id).await.unwrap();
        world.probe.note("asleep");
        world.call(&actor, "state", vec![]).await.unwrap();
    }
    let _ = world.call(&actor, "crash", vec![]).await;
    world.call(&actor, "echo", vec![]).await.unwrap();
    world.registry.destroy(&actor.id).await.unwrap();
    world.probe.note("destroyed");
    *world.probe.0.at_step.lock() = None;
    let left = std::mem::take(&mut *left.lock());
    let steps: Vec<_> = left.iter().map(|left| left.step.clone()).collect();
    for step in [
        "onConnect",
        "boot",
        "acknowledged",
        "onShutdown sleep",
        "onSleep",
        "asleep",
        "stored state",
        "onShutdown error",
        "onShutdown destroy",
        "onDestroy",
        "destroyed",
    ] {
        assert!(steps.iter().any(|seen| seen == step), "{step} is missing in {steps:?}");
    }
    for left in left {
        recover(left).await;
    }
}

async fn recover(left: Left) {
    let Left {
        step,
        directory,
        acknowledged,
    } = left;
    let is_destroyed = step.contains("estroy");
    let probe = Probe::new(HookSet::default(), |_| {});
    let world = World::with(probe, |builder| builder.data_dir(directory.path()));
    let vms = directory.path().join("vms");
    let found = world.registry.get("probe", &Key::new(["a"])).unwrap();
    if is_destroyed {
        assert_eq!((found, vms.read_dir().unwrap().count()), (None, 0), "{step}");
    } else {
        let found = found.unwrap();
        // Reserved, until the first hooks have agreed; then it lasts.
        let state = world.call(&found, "state", vec![]).await.unwrap();
        assert_eq!(state.as_int().unwrap_or(0), acknowledged, "{step}");
        assert_eq!(
            world.call(&found, "add", vec![]).await,
            Ok(Value::from(acknowledged + 1)),
            "{step}"
        );
        assert_eq!(vms.read_dir().unwrap().count(), 1, "{step}");
        let booted = world
            .probe
            .log()
            .into_iter()
            .find(|line| line.starts_with("booted"))
            .unwrap();
        let was_booted = acknowledged > 0;
        assert!(!was_booted || booted.ends_with("false"), "{step}: {booted}");
    }
    // The key works again at once, whatever was left.
    let actor = world.actor("a").await;
    world.registry.destroy(&actor.id).await.unwrap();
    assert_eq!(vms.read_dir().unwrap().count(), 0, "{step}");
    world.registry.drain().await;
}

#[tokio::test]
async fn the_input_of_a_creation_survives_until_the_first_boot() {
    let world = World::on_disk(Probe::new(HookSet::default(), |_| {}));
    let actor = world.actor("a").await;
    let copied = copy(world.directory.as_ref().unwrap().path());
    let probe = Probe::new(HookSet::default(), |options| options.wake_on_connect = false);
    let world = World::with(probe, |builder| builder.data_dir(copied.path()));
    let connection = world
        .registry
        .connect(&actor.id, crate::support::socket())
        .await
        .unwrap();
    connection.subscribe("vmBooted", true).unwrap();
    connection.call("echo", vec![]).await.unwrap();
    let agentos_actor::Outgoing::Event(event) = connection.next().await else {
        panic!("no event")
    };
    assert_eq!(event.args, [Value::from("input")]);
    world.registry.drain().await;
}

#[tokio::test]
async fn a_halt_flushes_and_waits_for_nothing() {
    let world = World::on_disk(Probe::new(HookSet::default(), |_| {}));
    let actor = world.actor("a").await;
    let connection = world
        .registry
        .connect(&actor.id, crate::support::socket())
        .await
        .unwrap();
    connection.call("add", vec![Value::from(5)]).await.unwrap();
    connection.dispatch(1, "wait", vec![]).unwrap();
    crate::support::until(|| world.probe.logged("waiting") == 1).await;
    world.registry.halt().await;
    assert_eq!(
        (world.probe.logged("onShutdown"), world.probe.logged("onSleep")),
        (0, 0)
    );
    let directory = world.directory.as_ref().unwrap().path();
    let again = World::with(Probe::new(HookSet::default(), |_| {}), |builder| {
        builder.data_dir(directory)
    });
    assert_eq!(again.call(&actor, "state", vec![]).await, Ok(Value::from(5)));
    again.registry.drain().await;
}
