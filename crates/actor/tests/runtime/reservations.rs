//! Reservations that nobody uses: they are given up with whatever storage a failed acceptance left, never under somebody who
//! is about to be accepted, and a process that ends in the middle leaves nothing that the next one cannot finish.

use std::path::Path;
use std::time::Duration;

use agentos_actor::{HookSet, RegistryLimits};
use agentos_store::{DiskSpace, Headroom};
use agentos_store_faults::{Disk, Fault};
use agentos_value::Key;

use crate::support::{Probe, Trouble, World, http, until};

const HOUR: Duration = Duration::from_secs(3600);

fn headroom() -> Headroom {
    Headroom::with(0, 0, || Ok(DiskSpace { total: 100, free: 100 }))
}

/// A registry on a disk that fails when told to.
fn world(directory: &Path, disk: &Disk, probe: Probe, limits: RegistryLimits) -> World {
    World::with(probe, |builder| {
        let builder = builder.data_dir(directory).headroom(headroom()).limits(limits);
        builder.sqlite_vfs(disk.vfs())
    })
}

fn quiet() -> Probe {
    Probe::new(HookSet::default(), |options| options.wake_on_connect = false)
}

/// How many actors have a directory.
fn stored(directory: &Path) -> usize {
    directory.join("vms").read_dir().unwrap().count()
}

/// The first steps one by one, and then some of the others: each takes a registry or two.
const fn next(step: u64) -> u64 {
    step + 1 + step / 4
}

fn key() -> Key {
    Key::new(["a"])
}

/// Lets an acceptance fail at its steps.
#[tokio::test]
async fn storage_that_a_failed_acceptance_left_goes_with_the_reservation() {
    let (mut left, mut step) = (0, 0);
    loop {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::below(directory.path());
        let world = world(directory.path(), &disk, quiet(), RegistryLimits::default());
        let actor = world.actor("a").await;
        disk.fail(disk.count() + step, Fault::Io, true);
        let accepted = world.call(&actor, "state", vec![]).await;
        disk.heal();
        if accepted.is_ok() {
            // It takes fewer steps than that.
            world.registry.drain().await;
            break;
        }
        left += usize::from(stored(directory.path()) > 0);
        world.pass_until(HOUR, || world.registry.metrics().destroyed == 1).await;
        assert_eq!(stored(directory.path()), 0, "step {step}");
        assert_eq!(world.registry.get("probe", &key()).unwrap(), None, "step {step}");
        let error = world.call(&actor, "state", vec![]).await.unwrap_err();
        assert!(error.is("actor", "not_found"), "step {step}: {error}");
        // The key works again.
        let again = world.actor("a").await;
        world.call(&again, "state", vec![]).await.unwrap();
        world.registry.drain().await;
        step = next(step);
    }
    assert!(left > 0 && step > 3, "{left} of {step} failures left storage");
}

#[tokio::test]
async fn a_reservation_that_somebody_is_about_to_use_stays() {
    let directory = tempfile::tempdir().unwrap();
    let hooks = HookSet {
        connect: true,
        ..HookSet::default()
    };
    let probe = Probe::new(hooks, |options| options.wake_on_connect = false);
    probe.trouble("onConnect", Trouble::Wait);
    let mut limits = RegistryLimits::default();
    (limits.hook_timeout, limits.open_timeout) = (100_000 * HOUR, 100_000 * HOUR);
    let world = world(directory.path(), &Disk::below(directory.path()), probe, limits);
    let actor = world.actor("a").await;
    let (registry, id) = (world.registry.clone(), actor.id.clone());
    let call = tokio::spawn(async move { registry.call(&id, http(), "state", vec![]).await });
    until(|| world.probe.logged("onConnect") == 1).await;
    // Those that nobody uses go, twice, and this one does not go with them.
    for gone in 1..=2 {
        world.actor("b").await;
        world
            .pass_until(HOUR, || world.registry.metrics().destroyed == gone)
            .await;
    }
    assert!(world.registry.get("probe", &key()).unwrap().is_some());
    world.probe.0.wait_gate.add_permits(1);
    call.await.unwrap().unwrap();
    assert_eq!(stored(directory.path()), 1);
    world.registry.drain().await;
}

/// Ends the process at steps of giving up, as far as its disk is concerned.
#[tokio::test]
async fn a_crash_in_the_middle_is_completed_or_never_happened() {
    let (mut completed, mut step) = (0, 0);
    loop {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::below(directory.path());
        let whole = {
            let world = world(directory.path(), &disk, quiet(), RegistryLimits::default());
            let actor = world.actor("a").await;
            // As an acceptance leaves it that failed at its very end.
            std::fs::create_dir_all(directory.path().join("vms").join(actor.id.as_str())).unwrap();
            let at = disk.count() + step;
            disk.fail(at, Fault::Io, true);
            let destroyed = || world.registry.metrics().destroyed == 1;
            world.pass_until(HOUR, || disk.count() > at || destroyed()).await;
            let whole = destroyed() && disk.count() <= at;
            world.registry.halt().await;
            whole
        };
        disk.heal();
        let world = world(directory.path(), &disk, quiet(), RegistryLimits::default());
        match world.registry.get("probe", &key()).unwrap() {
            Some(info) => assert!(!info.accepted && !whole, "step {step}"),
            None => {
                completed += 1;
                assert_eq!(stored(directory.path()), 0, "step {step}");
            }
        }
        let actor = world.actor("a").await;
        world.call(&actor, "state", vec![]).await.unwrap();
        assert_eq!(stored(directory.path()), 1, "step {step}");
        world.registry.destroy(&actor.id).await.unwrap();
        assert_eq!(stored(directory.path()), 0, "step {step}");
        world.registry.drain().await;
        if whole {
            break;
        }
        step = next(step);
    }
    assert!(completed > 1 && step > 1, "{completed} of {step}");
}
