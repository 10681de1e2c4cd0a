//! A sleeping actor costs a row on disk: ten thousand of them, and looking each of them up, leave less than 1 KiB of memory
//! each.

#![allow(clippy::print_stdout, reason = "the number is of interest")]

use agentos_store::database::Options;
use agentos_store::{HostIndex, NewActor};

/// Memory of this process that is its own, in bytes.
fn private_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line
            .and_then(|line| line.split_whitespace().nth(1))
            .and_then(|word| word.parse::<u64>().ok());
        number.unwrap_or(0)
    };
    (kib("Private_Dirty:") + kib("Private_Clean:")) * 1024
}

#[test]
fn ten_thousand_sleeping_actors_take_less_than_a_kilobyte_each() {
    const ACTORS: u64 = 10_000;
    let directory = tempfile::tempdir().unwrap();
    let index = HostIndex::open(&directory.path().join("host.sqlite"), Options::default()).unwrap();
    let enter = |number: u64| {
        index.get_or_create(NewActor {
            actor_id: format!("actor{number:020}"),
            name: "vm".into(),
            key: format!("tenant/{number}/{}", "k".repeat(100)),
            created_at: 1,
            ..NewActor::default()
        })
    };
    enter(0).wait().unwrap();
    let before = private_bytes();
    let tickets: Vec<_> = (1..=ACTORS).map(enter).collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    for number in 1..=ACTORS {
        let id = format!("actor{number:020}");
        let actor = index.get(&id).unwrap().unwrap();
        assert_eq!(index.find("vm", &actor.key).unwrap().unwrap().actor_id, id);
        drop(index.set_due(&id, Some(1_000_000)));
    }
    index.database().flush().wait().unwrap();
    let each = private_bytes().saturating_sub(before) / ACTORS;
    assert!(before > 0 && each < 1024, "{each} bytes each");
    println!("{each} bytes for each sleeping actor");
    assert_eq!(index.count(), Ok(ACTORS + 1));
}
