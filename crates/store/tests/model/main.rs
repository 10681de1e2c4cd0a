//! Random operations, on the memory filesystem and on the durable one at the same time: every result and error number, and
//! everything that can be seen of every inode, must be the same, also after the durable one was closed and opened again.
//!
//! `AGENTOS_MODEL_SEED` repeats a run, `AGENTOS_MODEL_OPS` sets its length.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../kernel/tests/vfs_model/guest.rs"]
mod guest;
#[path = "../../../kernel/tests/vfs_model/op.rs"]
mod op;
mod raw;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use agentos_kernel::Errno;
use agentos_kernel::cred::Credentials;
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{Filesystem, FsQuota, MemoryFs, NewNode, OverlayFs};
use agentos_store::fs::{DurableFs, FsLimits};
use common::{Home, Still, difference, survey};
use guest::Guest;
use op::{Abilities, Random};

/// Operations in all, at least.
const OPS: u64 = 60_000;
/// Operations on one pair of filesystems.
const ROUND: u64 = 5_000;

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
    given.unwrap_or(default)
}

fn quota(bytes: u64) -> Arc<FsQuota> {
    let counter = |path, cap| Counter::new(path, "", cap, Errno::ENOSPC);
    Arc::new(FsQuota {
        bytes: counter("limits.resources.maxFilesystemBytes", bytes),
        inodes: counter("limits.resources.maxInodeCount", 10_000),
    })
}

struct Pair {
    seed: u64,
    home: Home,
    clock: Arc<Still>,
    cap: u64,
    limits: FsLimits,
    memory: (Arc<MemoryFs>, Guest),
    durable: (Arc<DurableFs>, Guest),
}

impl Pair {
    fn new(seed: u64, cap: u64, limits: FsLimits) -> Self {
        let clock = Arc::new(Still::default());
        let home = Home::new();
        let memory = MemoryFs::new(clock.clone(), quota(cap));
        let durable = home.open(clock.clone(), quota(cap), limits);
        Self {
            seed,
            home,
            clock,
            cap,
            limits,
            memory: (memory.clone(), Guest::new(memory, Credentials::root(), 3)),
            durable: (durable.clone(), Guest::new(durable, Credentials::root(), 3)),
        }
    }

    fn run(&mut self, random: &mut Random, may: &Abilities) {
        for index in 0..ROUND {
            self.clock.0.fetch_add(1, Ordering::Relaxed);
            let op = random.op(may);
            let (memory, durable) = (self.memory.1.apply(&op), self.durable.1.apply(&op));
            assert!(
                memory == durable,
                "operation {index} (seed {}): {op:?}\n  memory: {memory:?}\n  durable: {durable:?}",
                self.seed
            );
            match random.below(1000) {
                0 => self.compare(index, "as it is"),
                1 => self.reopen(index),
                2..=10 => self.durable.0.sync().unwrap(),
                _ => {}
            }
        }
        self.reopen(ROUND);
    }

    /// Closes everything that is open, and opens the durable one anew.
    fn reopen(&mut self, index: u64) {
        self.memory.1.close_all();
        self.durable.1.close_all();
        self.compare(index, "before closing");
        let placeholder = MemoryFs::new(self.clock.clone(), quota(self.cap));
        let depth = 3;
        self.durable.1 = Guest::new(placeholder, Credentials::root(), depth);
        let before = self.durable.0.charged();
        self.durable.0.sync().unwrap();
        self.durable.0.database().close().unwrap();
        let database = self.home.database().unwrap();
        let report = DurableFs::check(&database).unwrap();
        assert!(
            report.is_sound(),
            "after operation {index} (seed {}): {report:?}",
            self.seed
        );
        database.close().unwrap();
        self.durable.0 = self.home.open(self.clock.clone(), quota(self.cap), self.limits);
        assert_eq!(
            self.durable.0.charged(),
            before,
            "charges are kept (seed {})",
            self.seed
        );
        self.compare(index, "after opening again");
        self.durable.1 = Guest::new(self.durable.0.clone(), Credentials::root(), depth);
        self.memory.1 = Guest::new(self.memory.0.clone(), Credentials::root(), depth);
    }

    fn compare(&self, index: u64, when: &str) {
        let (memory, durable) = (survey(&*self.memory.0), survey(&*self.durable.0));
        if let Some(difference) = difference(&memory, &durable) {
            panic!("after operation {index}, {when} (seed {}): {difference}", self.seed);
        }
        assert_eq!(
            self.memory.0.charged(),
            self.durable.0.charged(),
            "charges after operation {index}, {when} (seed {})",
            self.seed
        );
    }
}

#[test]
fn the_durable_filesystem_is_like_the_one_in_memory() {
    let may = Abilities {
        chown: true,
        special: true,
        set_id: true,
        unnamed: true,
        xattr: true,
        reserve: true,
    };
    let seed = number("AGENTOS_MODEL_SEED", 20_261_126);
    println!("seed {seed}");
    let mut random = Random(seed);
    for round in 0..number("AGENTOS_MODEL_OPS", OPS).div_ceil(ROUND) {
        let mut limits = FsLimits::default();
        if round % 2 == 0 {
            limits.cache_bytes = 30_000;
            limits.dirty_bytes = 200_000;
        }
        let cap = if round % 3 == 2 { 400_000 } else { 1 << 40 };
        Pair::new(seed, cap, limits).run(&mut random, &may);
    }
}

/// An overlay over an upper layer.
fn overlay(upper: Arc<dyn Filesystem>, lower: &Arc<dyn Filesystem>) -> Arc<dyn Filesystem> {
    OverlayFs::new(upper, vec![lower.clone()]).unwrap()
}

#[test]
fn the_durable_filesystem_carries_an_overlay() {
    let seed = number("AGENTOS_MODEL_SEED", 20_261_126) ^ 7;
    println!("seed {seed}");
    let mut random = Random(seed);
    let may = Abilities {
        chown: true,
        special: true,
        set_id: true,
        unnamed: true,
        xattr: true,
        reserve: false,
    };
    for round in 0..number("AGENTOS_MODEL_OPS", OPS).div_ceil(ROUND * 4) {
        let clock = Arc::new(Still::default());
        let lower: Arc<dyn Filesystem> = MemoryFs::new(clock.clone(), quota(1 << 40));
        let mut base = Guest::new(lower.clone(), Credentials::root(), 1);
        for _ in 0..1000 {
            let _ = base.apply(&random.op(&may));
        }
        drop(base);
        let home = Home::new();
        let memory = MemoryFs::new(clock.clone(), quota(1 << 40));
        let tree = || {
            let durable = home.open(clock.clone(), quota(1 << 40), FsLimits::default());
            let root = memory.getattr(memory.root()).unwrap();
            let node = NewNode {
                kind: root.kind,
                mode: root.mode,
                uid: root.uid,
                gid: root.gid,
                rdev: 0,
            };
            durable.subtree(b"/", &node).unwrap()
        };
        for _ in 0..4 {
            let durable = tree();
            let ours = overlay(memory.clone(), &lower);
            let theirs = overlay(durable.clone(), &lower);
            let mut guests = (
                Guest::new(ours.clone(), Credentials::root(), 1),
                Guest::new(theirs.clone(), Credentials::root(), 1),
            );
            for index in 0..ROUND / 4 {
                clock.0.fetch_add(1, Ordering::Relaxed);
                let op = random.op(&may);
                let (memory, durable) = (guests.0.apply(&op), guests.1.apply(&op));
                assert!(
                    memory == durable,
                    "round {round}, operation {index} (seed {seed}): {op:?}\n  memory: {memory:?}\n  durable: {durable:?}"
                );
            }
            drop(guests);
            let seen = |fs: &dyn Filesystem| {
                let mut seen = survey(fs);
                // The durable tree is one directory down.
                seen.iter_mut().for_each(|seen| seen.attr.ino = Default::default());
                seen
            };
            if let Some(difference) = difference(&seen(&*ours), &seen(&*theirs)) {
                panic!("round {round} (seed {seed}): {difference}");
            }
            drop(theirs);
            durable.sync().unwrap();
            durable.filesystem().database().close().unwrap();
        }
    }
}
