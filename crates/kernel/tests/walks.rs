//! Ways through directories that are kept for a moment: they save steps, and never lead to where a path does not lead any more.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use agentos_kernel::clock::Timestamp;
use agentos_kernel::cred::Credentials;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::memory::{FsQuota, MemoryFs};
use agentos_kernel::vfs::{
    Filesystem, FsContext, Location, Mode, MountOptions, OpenOptions, RenameFlags, SetTime, Vfs,
};
use agentos_kernel::{Errno, Result};
use common::ManualClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A filesystem that counts what it is asked.
struct Counting {
    inner: Arc<dyn Filesystem>,
    asked: AtomicUsize,
}

impl Counting {
    fn counted<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        call()
    }
}

impl Filesystem for Counting {
    fn kind(&self) -> &'static str {
        "counting"
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn release(&self, ino: Ino) {
        self.inner.release(ino);
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    agentos_kernel::pass_filesystem_calls!(counted);
}

struct World {
    fs: Arc<Counting>,
    vfs: Vfs,
    root: Location,
    cred: Credentials,
    user: Credentials,
}

fn memory() -> Arc<MemoryFs> {
    let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    MemoryFs::new(Arc::new(ManualClock::default()), quota)
}

impl World {
    /// With directories `/a/b/c/d` and files in them, of the superuser.
    fn new() -> Self {
        let fs = Arc::new(Counting {
            inner: memory(),
            asked: AtomicUsize::new(0),
        });
        let vfs = Vfs::new(Arc::clone(&fs) as Arc<dyn Filesystem>);
        vfs.keep_walks(true);
        let mut user = Credentials::root();
        (user.ruid, user.euid, user.suid) = (Uid::USER, Uid::USER, Uid::USER);
        (user.rgid, user.egid, user.sgid) = (Gid::USER, Gid::USER, Gid::USER);
        let world = Self {
            root: vfs.root(),
            fs,
            vfs,
            cred: Credentials::root(),
            user,
        };
        for dir in ["/a", "/a/b", "/a/b/c", "/a/b/c/d"] {
            world.mkdir(dir);
            world.make(&format!("{dir}/file"));
        }
        world
    }

    fn cx(&self) -> FsContext<'_> {
        FsContext::new(&self.cred, &self.root)
    }

    fn mkdir(&self, path: &str) {
        self.vfs
            .mkdir(&self.cx(), None, path.as_bytes(), Mode::new(0o755))
            .unwrap();
    }

    fn make(&self, path: &str) {
        let options = OpenOptions {
            write: true,
            create: true,
            mode: Mode::new(0o644),
            ..OpenOptions::default()
        };
        self.vfs.open(&self.cx(), None, path.as_bytes(), options).unwrap();
    }

    fn rename(&self, from: &str, to: &str, flags: RenameFlags) {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        self.vfs.rename(&self.cx(), None, from, None, to, flags).unwrap();
    }

    fn find(&self, path: &str) -> Result<Ino, Errno> {
        let found = self.vfs.stat(&self.cx(), None, path.as_bytes(), true);
        found.map(|stat| stat.attr.ino).map_err(|error| error.errno())
    }

    fn find_as_user(&self, path: &str) -> Result<Ino, Errno> {
        let cx = FsContext::new(&self.user, &self.root);
        let found = self.vfs.stat(&cx, None, path.as_bytes(), true);
        found.map(|stat| stat.attr.ino).map_err(|error| error.errno())
    }

    /// How often the filesystem is asked for one look at a path.
    fn asked(&self, path: &str) -> usize {
        self.fs.asked.swap(0, Ordering::Relaxed);
        let _ = self.find(path);
        self.fs.asked.swap(0, Ordering::Relaxed)
    }
}

/// Does something while a way is kept: it was walked just before, so often that it is, and no longer ago than it is kept.
fn after<T>(world: &World, paths: &[&str], act: impl FnOnce() -> T) -> T {
    for path in paths.iter().chain(paths) {
        let _ = world.find(path);
        let _ = world.find_as_user(path);
    }
    act()
}

#[test]
fn a_way_that_was_walked_is_one_step() {
    let world = World::new();
    world.vfs.keep_walks(false);
    let first = world.asked("/a/b/c/d/file");
    assert!(first >= 5, "{first}");
    world.vfs.keep_walks(true);
    // However slow this machine is: of so many looks one comes soon enough.
    let least = || (0..1000).map(|_| world.asked("/a/b/c/d/file")).min().unwrap();
    assert_eq!(least(), 1);
    let absent = (0..1000).map(|_| world.asked("/a/b/c/d/absent")).min().unwrap();
    assert_eq!((absent, world.find("/a/b/c/d/absent")), (1, Err(Errno::ENOENT)));
    world.vfs.keep_walks(false);
    assert_eq!(least(), first);
}

#[test]
fn what_is_moved_or_removed_is_not_found_where_it_was() {
    let world = World::new();
    let file = world.find("/a/b/c/file").unwrap();
    after(&world, &["/a/b/c/file"], || {
        world.rename("/a/b", "/a/x", RenameFlags::Replace);
    });
    assert_eq!(
        (world.find("/a/b/c/file"), world.find("/a/x/c/file")),
        (Err(Errno::ENOENT), Ok(file))
    );
    world.mkdir("/a/b");
    world.mkdir("/a/b/c");
    let gone = world.find("/a/b/c/file");
    assert_eq!(gone, Err(Errno::ENOENT));
    after(&world, &["/a/b/c/file", "/a/x/c/file"], || {
        world.rename("/a/b", "/a/x", RenameFlags::Exchange);
    });
    assert_eq!(
        (world.find("/a/b/c/file"), world.find("/a/x/c/file")),
        (Ok(file), Err(Errno::ENOENT))
    );
    after(&world, &["/a/x/c/file", "/a/x/c/../c/file"], || {
        world.vfs.rmdir(&world.cx(), None, b"/a/x/c").unwrap();
    });
    assert_eq!(world.find("/a/x/c/file"), Err(Errno::ENOENT));
    world.make("/a/x/c");
    assert_eq!(world.find("/a/x/c/file"), Err(Errno::ENOTDIR));
}

#[test]
fn a_directory_that_is_shut_is_shut_at_once() {
    let world = World::new();
    let path = "/a/b/c/file";
    let chmod = |path: &str, mode| {
        world
            .vfs
            .chmod(&world.cx(), None, path.as_bytes(), Mode::new(mode), true)
            .unwrap();
    };
    let file = world.find(path).unwrap();
    for shut in ["/a", "/a/b", "/a/b/c"] {
        after(&world, &[path], || chmod(shut, 0o700));
        assert_eq!(
            (world.find(path), world.find_as_user(path)),
            (Ok(file), Err(Errno::EACCES)),
            "{shut}"
        );
        // Who may pass leaves nothing to who may not.
        after(&world, &[path], || ());
        assert_eq!(world.find_as_user(path), Err(Errno::EACCES), "{shut}");
        chmod(shut, 0o755);
        assert_eq!(world.find_as_user(path), Ok(file), "{shut}");
    }
}

#[test]
fn mounts_and_links_on_the_way_are_seen_at_once() {
    let world = World::new();
    let (path, file) = ("/a/b/c/file", world.find("/a/b/c/file").unwrap());
    let other = memory();
    after(&world, &[path], || {
        world.vfs.mount(b"/a/b", other, MountOptions::default()).unwrap();
    });
    assert_eq!(world.find(path), Err(Errno::ENOENT));
    after(&world, &[path], || world.vfs.unmount(b"/a/b").unwrap());
    assert_eq!(world.find(path), Ok(file));
    let link = |target: &[u8]| world.vfs.symlink(&world.cx(), target, None, b"/a/link").unwrap();
    link(b"b/c");
    after(&world, &["/a/link/file"], || {
        world.vfs.unlink(&world.cx(), None, b"/a/link").unwrap();
    });
    link(b"b");
    assert_eq!(
        (world.find("/a/link/file"), world.find("/a/link/d")),
        (world.find("/a/b/file"), Err(Errno::ENOENT))
    );
}

#[test]
fn who_asks_for_a_directory_on_the_way_is_told_what_it_is_now() {
    let world = World::new();
    let times = |path: &str| {
        world
            .vfs
            .stat(&world.cx(), None, path.as_bytes(), true)
            .unwrap()
            .attr
            .mtime
    };
    for path in ["/a/b/c/.", "/a/b/c/d/..", "/a/b/c/"] {
        after(&world, &[path, "/a/b/c/file"], || ());
        world.make(&format!("/a/b/c/new{}", path.len()));
        assert_eq!(times(path), times("/a/b/c"), "{path}");
        after(&world, &[path], || {
            let at = SetTime::At(Timestamp(7));
            world.vfs.set_times(&world.cx(), None, b"/a/b/c", at, at, true).unwrap();
        });
        assert_eq!(times(path), Timestamp(7), "{path}");
    }
}

#[test]
fn what_is_kept_keeps_no_filesystem() {
    let World { fs, vfs, root, .. } = after_walks();
    let held = Arc::downgrade(&fs);
    drop((fs, root));
    assert!(held.upgrade().is_some());
    drop(vfs);
    assert!(held.upgrade().is_none());
}

/// A tree of which some ways are kept.
fn after_walks() -> World {
    let world = World::new();
    assert!((0..1000).any(|_| world.asked("/a/b/c/d/file") == 1));
    world
}
