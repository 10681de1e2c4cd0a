//! Two trees, of which one keeps ways: whatever is done to both, by whomever and from wherever, comes to the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use agentos_kernel::cred::Credentials;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::memory::{FsQuota, MemoryFs};
use agentos_kernel::vfs::{
    Access, Filesystem, FsContext, Location, Mode, MountOptions, OpenOptions, Opened, OverlayFs, RenameFlags, Vfs,
};
use agentos_kernel::{Errno, Result};
use common::ManualClock;
use std::sync::Arc;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A path of a few directories of few names, so that most of them are there at some time.
    fn path(&mut self) -> String {
        let mut path = String::from(if self.below(3) == 0 { "" } else { "/" });
        for at in 0..=self.below(4) {
            let names = ["a", "b", "c", "d", "a", "b", "..", "."];
            path += if at > 0 { "/" } else { "" };
            path += self.of::<&str>(&names);
        }
        path + if self.below(8) == 0 { "/" } else { "" }
    }
}

fn memory() -> Arc<MemoryFs> {
    let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    MemoryFs::new(Arc::new(ManualClock::default()), quota)
}

struct Tree {
    vfs: Vfs,
    root: Location,
    /// Where relative paths begin.
    cwd: Location,
}

impl Tree {
    fn new(layered: bool, keeps: bool) -> Self {
        let below = Vfs::new(memory());
        let (root, cred) = (below.root(), Credentials::root());
        let cx = FsContext::new(&cred, &root);
        for dir in ["/a", "/a/b", "/a/b/c", "/b", "/c"] {
            below.mkdir(&cx, None, dir.as_bytes(), Mode::new(0o755)).unwrap();
        }
        let fs: Arc<dyn Filesystem> = match layered {
            true => OverlayFs::new(memory(), vec![Arc::clone(root.filesystem())]).unwrap(),
            false => Arc::clone(root.filesystem()),
        };
        let vfs = Vfs::new(fs);
        vfs.keep_walks(keeps);
        let root = vfs.root();
        let cwd = root.clone();
        Self { vfs, root, cwd }
    }

    fn step(&mut self, step: &Step, who: &Credentials) -> Result<String> {
        let (vfs, base) = (&self.vfs, Some(&self.cwd));
        let cx = FsContext::new(who, &self.root);
        let path = step.path.as_bytes();
        match step.what {
            0 | 1 => vfs.mkdir(&cx, base, path, Mode::new(step.mode)).map(drop)?,
            2 => vfs.rmdir(&cx, base, path)?,
            3 | 4 => vfs.rename(&cx, base, path, base, step.other.as_bytes(), step.flags)?,
            5 | 6 => vfs.chmod(&cx, base, path, Mode::new(step.mode), true)?,
            7 => vfs.chown(&cx, base, path, Some(Uid(step.mode)), Some(Gid(step.mode)), true)?,
            8 => vfs.symlink(&cx, step.other.as_bytes(), base, path).map(drop)?,
            9 => vfs.unlink(&cx, base, path)?,
            10 => vfs.mount(path, memory(), MountOptions::default())?,
            11 => vfs.unmount(path)?,
            12 => {
                let options = OpenOptions {
                    write: true,
                    create: true,
                    mode: Mode::new(step.mode),
                    ..OpenOptions::default()
                };
                vfs.open(&cx, base, path, options).map(drop)?;
            }
            13 => {
                let options = OpenOptions {
                    path_only: true,
                    directory: true,
                    ..OpenOptions::default()
                };
                if let Opened::Inode(handle) = vfs.open(&cx, base, path, options)? {
                    self.cwd = handle.location().clone();
                }
            }
            14 => vfs.access(&cx, base, path, Access::WRITE, true, true)?,
            _ => {
                let stat = vfs.stat(&cx, base, path, step.what.is_multiple_of(2))?;
                let (attr, mode) = (stat.attr, stat.attr.mode.bits());
                return Ok(format!(
                    "{:?} {:?} {mode:o} {:?} {}",
                    attr.ino, attr.kind, attr.uid, attr.nlink
                ));
            }
        }
        Ok(String::new())
    }
}

#[derive(Debug)]
struct Step {
    what: usize,
    path: String,
    other: String,
    mode: u32,
    flags: RenameFlags,
    as_root: bool,
}

impl Step {
    fn roll(dice: &mut Dice) -> Self {
        Self {
            what: dice.below(24),
            path: dice.path(),
            other: dice.path(),
            mode: *dice.of(&[0o755, 0o777, 0o700, 0o555, 0o711, 0o1777, 0, 1000]),
            flags: *dice.of(&[
                RenameFlags::Replace,
                RenameFlags::Replace,
                RenameFlags::Exchange,
                RenameFlags::NoReplace,
            ]),
            as_root: dice.below(2) == 0,
        }
    }
}

fn compare(layered: bool, seed: u64) {
    let mut dice = Dice(seed);
    let root = Credentials::root();
    let mut user = Credentials::root();
    (user.ruid, user.euid, user.suid) = (Uid(1000), Uid(1000), Uid(1000));
    (user.rgid, user.egid, user.sgid) = (Gid(1000), Gid(1000), Gid(1000));
    let (mut plain, mut keeping) = (Tree::new(layered, false), Tree::new(layered, true));
    let mut done = Vec::new();
    for _ in 0..400 {
        let step = Step::roll(&mut dice);
        let who = if step.as_root { &root } else { &user };
        let [wanted, found] =
            [&mut plain, &mut keeping].map(|tree| tree.step(&step, who).map_err(|error| error.errno()));
        done.push(format!("{step:?}: {wanted:?}"));
        assert_eq!(found, wanted, "seed {seed}, layered {layered}:\n{}", done.join("\n"));
    }
}

#[test]
fn ways_that_are_kept_change_nothing() {
    for seed in 1..300_u64 {
        for layered in [false, true] {
            compare(layered, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
    }
}

#[test]
fn a_directory_does_not_go_into_itself_whatever_was_kept() {
    for mode in [0o755, 0o700, 0o500, 0o000] {
        let tree = Tree::new(false, true);
        let root = Credentials::root();
        let cx = FsContext::new(&root, &tree.root);
        for turn in 0..50 {
            let (dir, inside) = (format!("/c/dir{}", turn % 2), format!("/c/dir{}/in", turn % 2));
            tree.vfs.mkdir(&cx, None, dir.as_bytes(), Mode::new(0o755)).unwrap();
            for _ in 0..2 {
                let _ = tree.vfs.stat(&cx, None, inside.as_bytes(), true);
            }
            tree.vfs
                .chmod(&cx, None, dir.as_bytes(), Mode::new(mode), true)
                .unwrap();
            let into = |way: &str| {
                let renamed = tree
                    .vfs
                    .rename(&cx, None, dir.as_bytes(), None, way.as_bytes(), RenameFlags::Replace);
                renamed.map_err(|error| error.errno())
            };
            assert_eq!(into(&inside), Err(Errno::EINVAL));
            let moved = format!("/c/moved{turn}");
            assert_eq!(into(&moved), Ok(()));
            assert_eq!(into(&inside), Err(Errno::ENOENT));
        }
    }
}
