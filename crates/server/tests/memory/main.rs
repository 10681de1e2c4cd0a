//! What a sleeping VM keeps in the memory of its server: next to nothing, whether or not it was ever awake.
//!
//! The allocator of this binary counts the bytes that are in use, and SQLite counts its own, so the numbers are exact and do
//! not depend on what an allocator keeps of memory that was given back. The tests of a binary share its allocator, so there is
//! one test here.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, whose number is of interest"
)]

mod counting;

use agentos_server::actor::{ConnectRequest, CreateOptions, ManualClock, Registry as Actors, Transport};
use agentos_server::{Registry, Value, VmDefinition};
use agentos_value::Key;
use std::time::Duration;

/// VMs between two looks at the memory.
const BATCH: usize = 40;
/// Looks; the slope over all but the first is what one more VM costs.
const BATCHES: usize = 4;
/// The most that one may cost: the promise of the specification is 1,024.
const MOST: i64 = 512;

/// Makes VMs by an action that is answered from storage, or by one that wakes them, and then lets them sleep.
async fn make(actors: &Actors, name: &str, woken: bool) {
    for number in 0..BATCH {
        let key = Key::new([format!("{name}-{number}")]);
        let (info, _) = actors
            .get_or_create("vm", &key, CreateOptions::default())
            .await
            .unwrap();
        let call = |action: &'static str, args: Vec<Value>| {
            let request = ConnectRequest::new(Transport::Http);
            actors.call(&info.id, request, action, args)
        };
        if woken {
            call("writeFile", vec!["/home/user/a".into(), "1".into()])
                .await
                .unwrap();
            call("exec", vec!["echo 2 > /home/user/b".into()]).await.unwrap();
            call("sleepVm", vec![]).await.unwrap();
        } else {
            call("listCronJobs", vec![]).await.unwrap();
        }
    }
}

/// Lets the time pass until nothing is held and nobody waits for anything but what the server itself always waits for.
async fn settled(actors: &Actors, clock: &ManualClock, resting: usize) {
    while actors.metrics().held > 0 || clock.sleepers() > resting {
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Bytes in use at each look: of this program, and of SQLite.
async fn looks(actors: &Actors, clock: &ManualClock, resting: usize, woken: bool) -> Vec<(i64, i64)> {
    let mut looks = Vec::new();
    for batch in 0..BATCHES {
        make(actors, &format!("{woken}-{batch}"), woken).await;
        settled(actors, clock, resting).await;
        looks.push((counting::live(), counting::sqlite()));
    }
    looks
}

#[tokio::test]
async fn a_sleeping_vm_keeps_next_to_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_700_000_000_000);
    let builder = Registry::builder().vm("vm", VmDefinition::default());
    let builder = builder.data_dir(directory.path()).clock(clock.clone());
    let registry = builder.build().unwrap();
    let actors = registry.actors().clone();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let resting = clock.sleepers();
    for woken in [false, true] {
        let looks = looks(&actors, &clock, resting, woken).await;
        let (first, last) = (looks[1], looks[BATCHES - 1]);
        let each = |first: i64, last: i64| (last - first) / (BATCH * (BATCHES - 2)) as i64;
        let (own, sqlite) = (each(first.0, last.0), each(first.1, last.1));
        println!("one more VM, woken {woken}: {own} bytes, and {sqlite} of SQLite");
        assert!(
            own + sqlite <= MOST,
            "woken {woken}: {own} bytes, and {sqlite} of SQLite"
        );
    }
    actors.drain().await;
}
