//! Random operations, on the kernel's filesystems and on a real directory of the host at the same time: every result, every
//! error number and the whole tree must be the same.
//!
//! The host's directory is on `/dev/shm` where that is a `tmpfs`, so that holes and block counts can be compared as well.
//! `AGENTOS_MODEL_SEED` repeats a run, `AGENTOS_MODEL_OPS` sets its length.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod guest;
mod host;
mod op;
mod tree;

use agentos_kernel::cred::Credentials;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::vfs::{Filesystem, HostDirFs, MemoryFs, OverlayFs};
use guest::{DEPTH, Guest, clock, quota};
use host::Host;
use op::{Abilities, Op, Outcome, Random, Stat, Value};
use rustix::fs::{self, Mode, OFlags};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// Operations of each kind of filesystem, at least.
const OPS: u64 = 100_000;
/// Operations after which the trees are compared, and a new one is begun.
const ROUND: u64 = 5_000;

/// A directory of the host, and what can be compared there.
struct Place {
    dir: Arc<tempfile::TempDir>,
    tmpfs: bool,
    root: bool,
    may: Abilities,
}

/// What is known to differ.
#[derive(Debug, Clone, Copy, Default)]
struct Ignore {
    dir_nlink: bool,
    nlink: bool,
    blocks: bool,
    owner: bool,
    holes: bool,
}

impl Place {
    fn new() -> Self {
        const TMPFS: i64 = 0x0102_1994;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let shm = PathBuf::from("/dev/shm");
        let tmpfs = fs::statfs("/dev/shm").is_ok_and(|stat| stat.f_type == TMPFS);
        let dir = if tmpfs { tempfile::tempdir_in(shm).ok() } else { None };
        let tmpfs = dir.is_some();
        let dir = dir.unwrap_or_else(|| tempfile::tempdir().unwrap());
        let root = rustix::process::geteuid().is_root();
        std::fs::write(dir.path().join("probe"), "").unwrap();
        let probe = dir.path().join("probe");
        let xattr = fs::setxattr(&probe, "user.probe", b"", fs::XattrFlags::empty()).is_ok();
        std::fs::remove_file(probe).unwrap();
        let may = Abilities {
            chown: root,
            special: true,
            set_id: true,
            unnamed: root && tmpfs,
            xattr,
            reserve: tmpfs,
        };
        Self {
            dir: Arc::new(dir),
            tmpfs,
            root,
            may,
        }
    }

    fn cred(&self) -> Credentials {
        let uid = Uid(rustix::process::geteuid().as_raw());
        Credentials::new(uid, Gid(rustix::process::getegid().as_raw()))
    }

    fn with_reserve(&self, reserve: bool) -> Self {
        Self {
            dir: Arc::clone(&self.dir),
            may: Abilities { reserve, ..self.may },
            ..*self
        }
    }

    /// A new tree under test, deep below a directory called `name`.
    fn tree(&self, name: &str) -> Host {
        let top = self.dir.path().join(name);
        let path = top.join("p/".repeat(DEPTH));
        std::fs::create_dir_all(&path).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path| fs::open(path, flags, Mode::empty()).unwrap();
        Host::new(open(path), open(top))
    }
}

fn seed() -> u64 {
    let given = std::env::var("AGENTOS_MODEL_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    given.unwrap_or(20_260_801)
}

/// Repetitions of so many rounds that make the wanted number of operations.
fn repetitions(rounds: u64) -> u64 {
    let given = std::env::var("AGENTOS_MODEL_OPS")
        .ok()
        .and_then(|text| text.parse().ok());
    given.unwrap_or(OPS).div_ceil(ROUND * rounds)
}

/// Runs one round of operations on both sides.
fn round(random: &mut Random, may: &Abilities, guest: &mut Guest, host: &mut Host, ignore: Ignore, label: &str) {
    let mut recent: VecDeque<(Op, Outcome)> = VecDeque::new();
    for index in 0..ROUND {
        let op = random.op(may);
        let (ours, theirs) = (guest.apply(&op), host.apply(&op));
        let (ours, theirs) = (mask(ours, ignore), mask(theirs, ignore));
        if ours != theirs && !tolerated(&op, &ours, ignore) {
            for (op, outcome) in &recent {
                eprintln!("  {op:?} -> {}", short(outcome));
            }
            panic!(
                "{label}: operation {index} (seed {}): {op:?}\n  here: {}\n  host: {}",
                seed(),
                short(&ours),
                short(&theirs)
            );
        }
        recent.push_back((op, ours));
        if recent.len() > 25 {
            recent.pop_front();
        }
    }
    guest.close_all();
    host.close_all();
    let (ours, theirs) = (tree::of_guest(guest, ignore), tree::of_host(host, ignore));
    if let Some(difference) = tree::difference(&ours, &theirs) {
        panic!("{label}: trees differ (seed {}): {difference}", seed());
    }
}

/// Results without what is known to differ.
fn mask(outcome: Outcome, ignore: Ignore) -> Outcome {
    outcome.map(|value| match value {
        Value::Stat(stat) => Value::Stat(mask_stat(stat, ignore)),
        other => other,
    })
}

fn mask_stat(mut stat: Stat, ignore: Ignore) -> Stat {
    let dir = stat.mode & 0o170_000 == 0o040_000;
    let regular = stat.mode & 0o170_000 == 0o100_000;
    if dir {
        // How large a directory is says nothing.
        stat.size = 0;
    }
    if dir && ignore.dir_nlink {
        stat.nlink = stat.nlink.min(1);
    }
    if ignore.nlink {
        stat.nlink = stat.nlink.min(1);
    }
    if ignore.blocks || !regular {
        stat.blocks = 0;
    }
    if ignore.owner {
        (stat.uid, stat.gid) = (0, 0);
    }
    stat
}

/// Differences that are the host's choice.
fn tolerated(op: &Op, ours: &Outcome, ignore: Ignore) -> bool {
    // Linux does not find the data in the last pages of the largest possible file.
    const LAST_PAGES: u64 = i64::MAX as u64 - 2 * 4096;
    let seek = matches!(op, Op::SeekData(..) | Op::SeekHole(..));
    seek && (ignore.holes || matches!(ours, Ok(Value::Count(at)) if *at > LAST_PAGES))
}

fn short(outcome: &Outcome) -> String {
    let text = format!("{outcome:?}");
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

#[test]
fn the_memory_filesystem_is_like_the_hosts() {
    let place = Place::new();
    let ignore = Ignore {
        blocks: !place.tmpfs,
        holes: !place.tmpfs,
        dir_nlink: !place.tmpfs,
        ..Ignore::default()
    };
    let mut random = Random(seed());
    println!("seed {}", seed());
    for index in 0..repetitions(3) {
        // Where room is reserved, data and holes are the host's choice: it may reserve in larger units than pages.
        let reserve = place.may.reserve && index % 2 == 1;
        let (place, ignore) = (
            place.with_reserve(reserve),
            Ignore {
                holes: ignore.holes || reserve,
                ..ignore
            },
        );
        let quota = quota();
        let fs = MemoryFs::new(clock(), quota.clone());
        let mut guest = Guest::new(fs.clone(), place.cred(), DEPTH);
        let mut host = place.tree(&format!("m{index}"));
        round(&mut random, &place.may, &mut guest, &mut host, ignore, "memory");
        // A copy goes its own way, and so does the original.
        let copy = fs.fork(clock(), quota.clone());
        let mut other = place.tree(&format!("m{index}f"));
        tree::materialise(&mut guest, &mut other, place.may.chown);
        let mut forked = Guest::new(copy.clone(), place.cred(), DEPTH);
        // What was only reserved is not copied.
        let unreserved = Ignore { blocks: true, ..ignore };
        round(&mut random, &place.may, &mut forked, &mut other, unreserved, "fork");
        round(&mut random, &place.may, &mut guest, &mut host, ignore, "original");
        // What was charged is given back piece by piece, not only when the filesystem goes.
        for (mut guest, fs) in [(guest, fs), (forked, copy)] {
            tree::clear(&mut guest);
            drop(guest);
            assert_eq!(fs.charged(), (0, 0), "charges leak");
        }
        assert_eq!((quota.bytes.used(), quota.inodes.used()), (0, 0));
    }
}

#[test]
fn the_overlay_is_like_the_hosts() {
    let place = Place::new();
    let ignore = Ignore {
        blocks: true,
        holes: true,
        dir_nlink: true,
        ..Ignore::default()
    };
    let mut random = Random(seed() ^ 1);
    println!("seed {}", seed());
    for index in 0..repetitions(3) {
        let lower = |random: &mut Random, name: &str| {
            let fs = MemoryFs::new(clock(), quota());
            let mut guest = Guest::new(fs.clone(), place.cred(), DEPTH);
            let mut host = place.tree(&format!("o{index}{name}"));
            round(random, &place.may, &mut guest, &mut host, ignore, "lower");
            fs as Arc<dyn Filesystem>
        };
        let mut lowers = vec![lower(&mut random, "a")];
        if index % 2 == 1 {
            lowers.push(lower(&mut random, "b"));
        }
        // Of a lower file's names, one may be hidden by another lower; its count of links does not know that.
        let ignore = Ignore {
            nlink: lowers.len() > 1,
            ..ignore
        };
        let upper_quota = quota();
        let upper = MemoryFs::new(clock(), upper_quota.clone());
        let overlay = OverlayFs::new(upper.clone(), lowers.clone()).unwrap();
        let mut guest = Guest::new(overlay, place.cred(), DEPTH);
        let mut host = place.tree(&format!("o{index}"));
        tree::materialise(&mut guest, &mut host, place.may.chown);
        for _ in 0..2 {
            round(&mut random, &place.may, &mut guest, &mut host, ignore, "overlay");
        }
        // What is stored in the upper is all there is, but for the count of names that lowers have lost.
        let ignore = Ignore { nlink: true, ..ignore };
        let before = tree::of_guest(&mut guest, ignore);
        drop(guest);
        let again = OverlayFs::new(upper, lowers).unwrap();
        let mut guest = Guest::new(again, place.cred(), DEPTH);
        let difference = tree::difference(&tree::of_guest(&mut guest, ignore), &before);
        assert_eq!(difference, None, "after mounting again");
    }
}

#[test]
fn a_host_directory_is_like_itself() {
    let place = Place::new();
    let may = Abilities {
        chown: false,
        special: false,
        set_id: false,
        unnamed: false,
        ..place.may
    };
    let ignore = Ignore {
        owner: true,
        ..Ignore::default()
    };
    // The guest's files belong to its user; whoever may do everything on the host may do so there.
    let cred = if place.root {
        Credentials::root()
    } else {
        Credentials::user()
    };
    let mut random = Random(seed() ^ 2);
    println!("seed {}", seed());
    for index in 0..repetitions(1) {
        let mut host = place.tree(&format!("h{index}"));
        let ours = place.tree(&format!("h{index}g"));
        drop(ours);
        let fs = HostDirFs::open(place.dir.path().join(format!("h{index}g")), false).unwrap();
        let mut guest = Guest::new(fs, cred.clone(), DEPTH);
        round(&mut random, &may, &mut guest, &mut host, ignore, "host directory");
    }
}
