//! Power losses at every step of SQLite, errors at every step, and killed processes: nothing acknowledged is lost, and what
//! is found is a state that the filesystem had.
//!
//! The model is the filesystem itself, whose likeness to the memory filesystem another test shows: after each operation
//! everything that can be seen is noted. After a crash it must look like one of those states, not older than the last one
//! that was acknowledged as durable.
//!
//! `AGENTOS_CRASH_CUTS` says at how many steps the power is lost (0: at all), `AGENTOS_MODEL_SEED` repeats a run.
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
mod killed;
#[path = "../../../kernel/tests/vfs_model/op.rs"]
mod op;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agentos_kernel::cred::Credentials;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::vfs::{FileType, Filesystem, Mode, NewNode};
use agentos_store::Database;
use agentos_store::database::Options;
use agentos_store::fs::{DurableFs, FsLimits};
use agentos_store::tables::VM_SCHEMA;
use agentos_store_faults::{Disk, Fault, Step, Survivors};
use common::{Still, survey};
use guest::{Guest, quota};
use op::{Abilities, Random};

/// Operations of one run.
const OPS: u64 = 250;

const MAY: Abilities = Abilities {
    chown: true,
    special: true,
    set_id: true,
    unnamed: true,
    xattr: true,
    reserve: true,
};

pub(crate) fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
    given.unwrap_or(default)
}

fn seed() -> u64 {
    number("AGENTOS_MODEL_SEED", 20_261_126)
}

/// Everything that can be seen of a filesystem, as one number.
fn look(fs: &dyn Filesystem) -> u64 {
    let mut hasher = DefaultHasher::new();
    for mut seen in survey(fs) {
        std::mem::take(&mut seen.content).hash(&mut hasher);
        format!("{seen:?}").hash(&mut hasher);
    }
    hasher.finish()
}

/// A filesystem at work on a disk that fails.
struct World {
    dir: tempfile::TempDir,
    clock: Arc<Still>,
    disk: Disk,
    /// What was seen after each operation.
    history: Vec<u64>,
    /// The last operation that is acknowledged as durable.
    acknowledged: usize,
}

impl World {
    fn new(disk: Disk) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
            disk,
            history: Vec::new(),
            acknowledged: 0,
        }
    }

    fn open(&self, lazy: Duration) -> agentos_store::Result<Arc<DurableFs>> {
        open(self.dir.path(), Some(self.disk.vfs()), &self.clock, lazy)
    }

    /// Works, and asks for durability now and then; whether it was granted is noted.
    fn work(&mut self, fs: &Arc<DurableFs>, random: &mut Random) {
        self.history.push(look(&**fs));
        let mut guest = Guest::new(fs.clone(), Credentials::root(), 1);
        for _ in 0..OPS {
            self.history.push(look(&**fs));
            self.clock.0.fetch_add(1, Ordering::Relaxed);
            let _ = guest.apply(&random.op(&MAY));
            if random.below(12) == 0 && fs.sync().is_ok() {
                self.history.push(look(&**fs));
                self.acknowledge();
            }
        }
        guest.close_all();
        self.history.push(look(&**fs));
        if fs.sync().is_ok() {
            self.acknowledge();
        }
    }

    /// Rewrites a large file again and again, so that SQLite folds its journal into the database meanwhile.
    fn work_in_bulk(&mut self, fs: &Arc<DurableFs>, random: &mut Random) {
        self.history.push(look(&**fs));
        let node = NewNode {
            kind: FileType::Regular,
            mode: Mode::new(0o644),
            uid: Uid::USER,
            gid: Gid::USER,
            rdev: 0,
        };
        let ino = fs.create(fs.root(), b"bulk", &node).unwrap().ino;
        for round in 0..24 {
            self.clock.0.fetch_add(1, Ordering::Relaxed);
            for _ in 0..80 {
                let at = random.below(300) * 4096 + random.below(2) * 2048;
                fs.write(ino, at, &[round; 4096]).unwrap();
            }
            self.history.push(look(&**fs));
            fs.sync().unwrap();
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        self.acknowledged = self.history.len() - 1;
        self.disk.mark(self.acknowledged as u64);
    }
}

fn open(dir: &Path, vfs: Option<&str>, clock: &Arc<Still>, lazy: Duration) -> agentos_store::Result<Arc<DurableFs>> {
    let mut options = Options::default();
    options.vfs = vfs.map(str::to_owned);
    options.lazy_delay = lazy;
    let database = Database::open(&dir.join("vm.sqlite"), &VM_SCHEMA, options)?;
    let mut limits = FsLimits::default();
    limits.cache_bytes = 100_000;
    DurableFs::open(&database, clock.clone(), quota(), limits)
}

/// Opens what a power loss left, and says which of the states it is.
fn recover(steps: &[Step], survivors: Survivors, history: &[u64], clock: &Arc<Still>) -> Result<usize, String> {
    let dir = tempfile::tempdir().unwrap();
    Step::image(steps, survivors, dir.path()).unwrap();
    let fs = open(dir.path(), None, clock, Duration::ZERO).map_err(|error| format!("does not open: {error}"))?;
    let report = DurableFs::check(fs.database()).map_err(|error| error.to_string())?;
    if !report.is_sound() {
        return Err(format!("{report:?}"));
    }
    let seen = look(&*fs);
    let acknowledged = steps.iter().rev().find_map(|step| match step {
        Step::Mark(mark) => Some(*mark as usize),
        _ => None,
    });
    let least = acknowledged.unwrap_or(0);
    let state = history.iter().skip(least).position(|state| *state == seen);
    fs.database().close().unwrap();
    match state {
        Some(at) => Ok(least + at),
        None if history.contains(&seen) => Err("an acknowledged state is lost".to_owned()),
        None => Err("a state that never was".to_owned()),
    }
}

/// The steps around the flushes.
fn around_flushes(steps: &[Step]) -> Vec<usize> {
    let flushes = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| matches!(step, Step::Sync { .. }));
    flushes.flat_map(|(at, _)| [at, at + 1]).collect()
}

/// The steps after which the power is lost.
fn cuts(steps: &[Step]) -> Vec<usize> {
    let wanted = match number("AGENTOS_CRASH_CUTS", 50) {
        0 => steps.len(),
        wanted => wanted as usize,
    };
    let stride = (steps.len() / wanted).max(1);
    (0..=steps.len()).rev().step_by(stride).collect()
}

fn lose_power_everywhere(lazy: Duration, seed: u64) {
    println!("seed {seed}");
    let mut world = World::new(Disk::new());
    let fs = world.open(lazy).unwrap();
    world.work(&fs, &mut Random(seed));
    fs.database().close().unwrap();
    drop(fs);
    let cuts = cuts(&world.disk.steps());
    lose_power(&world, &cuts, seed);
}

/// Loses the power after each of the steps, and looks what is found.
fn lose_power(world: &World, cuts: &[usize], seed: u64) {
    // As before the first operation, where nothing was made yet.
    let clock = Arc::new(Still::default());
    let steps = world.disk.steps();
    let mut states = std::collections::BTreeSet::new();
    for cut in cuts {
        let so_far = steps.get(..*cut).unwrap();
        for survivors in [Survivors::None, Survivors::All, Survivors::Some(seed ^ *cut as u64)] {
            match recover(so_far, survivors, &world.history, &clock) {
                Ok(state) => states.insert(state),
                Err(what) => panic!(
                    "after step {cut} of {} (seed {seed}), {survivors:?}: {what}",
                    steps.len()
                ),
            };
        }
    }
    println!("{} steps, {} states found", steps.len(), states.len());
    assert!(states.len() > 5, "power losses find different states");
}

#[test]
fn a_power_loss_loses_nothing_that_was_acknowledged() {
    for round in 0..2 {
        lose_power_everywhere(Duration::from_secs(3600), seed() + round);
    }
}

#[test]
fn a_power_loss_between_lazy_commits_finds_a_state_that_was() {
    for round in 0..2 {
        lose_power_everywhere(Duration::from_millis(1), seed() + 100 + round);
    }
}

#[test]
fn a_power_loss_while_the_journal_is_folded_in_loses_nothing() {
    let mut world = World::new(Disk::new());
    let fs = world.open(Duration::from_secs(3600)).unwrap();
    world.work_in_bulk(&fs, &mut Random(seed()));
    let steps = world.disk.steps();
    let folded = |step: &Step| matches!(step, Step::Write { file, .. } if file == "vm.sqlite");
    let since = steps.iter().position(|step| matches!(step, Step::Mark(_))).unwrap();
    assert!(
        steps.iter().skip(since).filter(|step| folded(step)).count() > 500,
        "the journal is folded in meanwhile"
    );
    fs.database().close().unwrap();
    let all = around_flushes(&world.disk.steps());
    let stride = match number("AGENTOS_CRASH_CUTS", 50) {
        0 => 1,
        wanted => (all.len() * 2 / wanted as usize).max(1),
    };
    // An odd stride meets both sides of flushes.
    let cuts: Vec<usize> = all.into_iter().rev().step_by(stride | 1).collect();
    lose_power(&world, &cuts, seed());
}

#[test]
fn errors_of_the_disk_are_told_and_survived() {
    let total = {
        let mut world = World::new(Disk::new());
        let fs = world.open(Duration::from_secs(3600)).unwrap();
        world.work(&fs, &mut Random(seed()));
        fs.database().close().unwrap();
        world.disk.count()
    };
    let stride = (total / number("AGENTOS_CRASH_CUTS", 15).max(1)).max(1);
    let (mut refused, mut told) = (0, 0);
    for at in (0..total).step_by(stride as usize) {
        for (fault, forever) in [
            (Fault::Io, false),
            (Fault::Full, false),
            (Fault::Io, true),
            (Fault::Full, true),
        ] {
            let mut world = World::new(Disk::new());
            world.disk.fail(at, fault, forever);
            let Ok(fs) = world.open(Duration::from_secs(3600)) else {
                refused += 1;
                continue;
            };
            let label = format!(
                "{fault:?} at step {at} of {total} (seed {}), for ever: {forever}",
                seed()
            );
            world.work(&fs, &mut Random(seed()));
            let now = *world.history.last().unwrap();
            told += u64::from(forever && world.acknowledged < world.history.len() - 1);
            // The power is lost while the disk still fails.
            let clock = Arc::new(Still::default());
            let steps = world.disk.steps();
            recover(&steps, Survivors::None, &world.history, &clock).unwrap_or_else(|what| panic!("{label}: {what}"));
            // Or the disk is mended, and everything gets there after all.
            world.disk.heal();
            assert_eq!(look(&*fs), now, "{label}: what is in memory stays");
            fs.sync().unwrap_or_else(|error| panic!("{label}: {error}"));
            fs.database().close().unwrap();
            let fs = world.open(Duration::ZERO).unwrap();
            assert_eq!(look(&*fs), now, "{label}: after opening again");
            fs.database().close().unwrap();
        }
    }
    println!("{total} steps, {refused} openings refused, {told} failures told");
    assert!(refused > 0 && told > 0);
}
