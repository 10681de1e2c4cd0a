//! Programs that stay as they are or change between two starts, on a filesystem whose clock stands still unless it is told to go on.

use super::*;
use crate::loader;
use agentos_kernel::clock::{Clock, Instant};
use agentos_kernel::cred::Credentials;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{FileType, FsContext, FsQuota, MemoryFs, Mode, NewNode, Vfs};
use agentos_kernel::{Errno, Result};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::task::Waker;

const SECOND: i64 = 1_000_000_000;
/// When the program is written for the first time.
const BEGIN: i64 = 1_000 * SECOND;
/// Where a program says at which address it begins.
const ENTRY: u64 = 24;

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn instant(&self) -> Instant {
        Instant(1)
    }

    fn wake_at(&self, _deadline: Instant, _waker: &Waker) {}
}

/// Gives copies of its files to the host, as an image gives the files themselves.
struct Copying {
    inner: Arc<MemoryFs>,
    given: AtomicUsize,
}

impl Copying {
    fn directly<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        call()
    }
}

impl Filesystem for Copying {
    fn kind(&self) -> &'static str {
        "image"
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

    fn host_file(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        self.given.fetch_add(1, Ordering::Relaxed);
        let mut at = 0;
        let copy = crate::program::copy(&mut |_, into| {
            let count = self.inner.read(ino, at, into)?;
            at += count as u64;
            Ok(count)
        })?;
        Ok(Some(copy))
    }

    agentos_kernel::pass_filesystem_calls! { @ directly;
        fn lookup(&self, dir: Ino, name: &[u8]) -> Attr;
        fn parent(&self, dir: Ino) -> Ino;
        fn getattr(&self, ino: Ino) -> Attr;
        fn setattr(&self, ino: Ino, set: &agentos_kernel::vfs::SetAttr) -> Attr;
        fn readlink(&self, ino: Ino) -> Vec<u8>;
        fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Attr;
        fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Attr;
        fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Attr;
        fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Attr;
        fn unlink(&self, dir: Ino, name: &[u8]) -> ();
        fn rmdir(&self, dir: Ino, name: &[u8]) -> ();
        fn rename(
            &self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: agentos_kernel::vfs::RenameFlags
        ) -> ();
        fn readdir(
            &self, dir: Ino, position: u64,
            emit: &mut dyn FnMut(agentos_kernel::vfs::DirEntry<'_>) -> core::ops::ControlFlow<()>
        ) -> ();
        fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> usize;
        fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> usize;
        fn append(&self, ino: Ino, data: &[u8]) -> (usize, u64);
        fn retain(&self, ino: Ino) -> ();
        fn statfs(&self) -> agentos_kernel::vfs::StatFs;
    }
}

/// A program on such a filesystem, of the kernel with this number.
struct Program {
    kernel: usize,
    clock: Arc<Hand>,
    fs: Arc<Copying>,
    file: InodeHandle,
    _vfs: Vfs,
}

impl Program {
    fn new(kernel: usize) -> Self {
        let counter = |path| Counter::new(path, "", 1 << 30, Errno::ENOSPC);
        let quota = Arc::new(FsQuota {
            bytes: counter("bytes"),
            inodes: counter("inodes"),
        });
        let clock = Arc::new(Hand(AtomicI64::new(BEGIN)));
        let inner = MemoryFs::new(clock.clone(), quota);
        let node = NewNode {
            kind: FileType::Regular,
            mode: Mode::new(0o755),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
        };
        let ino = inner.create(inner.root(), b"program", &node).unwrap().ino;
        assert_eq!(inner.write(ino, 0, loader::BYTES), Ok(loader::BYTES.len()));
        let given = AtomicUsize::new(0);
        let fs = Arc::new(Copying { inner, given });
        let vfs = Vfs::new(fs.clone());
        let (cred, root) = (Credentials::root(), vfs.root());
        let file = vfs
            .resolve(&FsContext::new(&cred, &root), None, b"/program", true)
            .unwrap();
        Self {
            kernel,
            clock,
            fs,
            file: InodeHandle::new(file),
            _vfs: vfs,
        }
    }

    /// What it looks like.
    fn stamp(&self) -> Stamp {
        Stamp::of(&self.file.getattr().unwrap())
    }

    /// Writes over a few of its bytes.
    fn begin_at(&self, entry: u64) {
        let ino = self.file.location().ino();
        assert_eq!(self.fs.inner.write(ino, ENTRY, &entry.to_le_bytes()), Ok(8));
    }

    /// Starts it some time after it was written first: where it begins, by its plan and by the bytes that are mapped.
    fn start(&self, later: i64) -> u64 {
        let now = UNIX_EPOCH + Duration::from_nanos(u64::try_from(BEGIN + later).unwrap());
        let image = crate::program::Image::known_or_new(self.kernel, &self.file, self.stamp(), now).unwrap();
        let mut bytes = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(
            &std::fs::File::from(image.file.try_clone().unwrap()),
            &mut bytes,
            ENTRY,
        )
        .unwrap();
        assert_eq!(u64::from_le_bytes(bytes), image.plan.entry);
        image.plan.entry
    }

    /// How often its file was opened.
    fn opened(&self) -> usize {
        self.fs.given.load(Ordering::Relaxed)
    }
}

#[test]
fn a_file_that_was_just_changed_may_change_again() {
    let now = UNIX_EPOCH + Duration::from_secs(100);
    let stamp = |mtime: i64, ctime: i64| Stamp {
        ino: Ino(1),
        size: 1,
        mtime: Timestamp(mtime * 1_000_000_000),
        ctime: Timestamp(ctime * 1_000_000_000),
    };
    assert!(stamp(97, 97).is_settled(now));
    for (mtime, ctime) in [(99, 97), (97, 99), (101, 97), (-1, 97)] {
        assert!(!stamp(mtime, ctime).is_settled(now), "{mtime} {ctime}");
    }
    assert!(!stamp(0, 0).is_settled(UNIX_EPOCH));
}

#[test]
fn a_change_in_the_same_tick_is_seen_though_nothing_shows_it() {
    let program = Program::new(1);
    let before = program.stamp();
    // As late as another change could still have the same times, and before.
    for (turn, later) in [0, 1, SECOND, 2 * SECOND].into_iter().enumerate() {
        let entry = 0x1000 + turn as u64;
        program.begin_at(entry);
        assert_eq!(program.stamp(), before, "size and times are the same");
        assert_eq!(program.start(later), entry, "{later}");
    }
    assert_eq!(program.opened(), 4);
    forget(1);
}

#[test]
fn a_change_in_another_tick_is_seen_and_else_nothing_is_opened_again() {
    let program = Program::new(2);
    program.begin_at(0x1000);
    let settled = 2 * SECOND + 1;
    for later in [settled, settled, 9 * SECOND, i64::MAX - BEGIN] {
        assert_eq!(program.start(later), 0x1000);
    }
    assert_eq!(program.opened(), 1);
    // A tick later, and then at a time that somebody has set back.
    for (tick, entry) in [(1, 0x1001), (-5 * SECOND, 0x1002)] {
        program.clock.0.fetch_add(tick, Ordering::Relaxed);
        let before = program.stamp();
        program.begin_at(entry);
        assert_ne!(program.stamp(), before);
        assert_eq!(
            (program.stamp().size(), program.start(9 * SECOND)),
            (before.size(), entry)
        );
        assert_eq!(program.start(9 * SECOND), entry);
    }
    assert_eq!(program.opened(), 3);
    forget(2);
    assert_eq!((program.start(9 * SECOND), program.opened()), (0x1002, 4));
    // Of another kernel it is another one.
    let other = Program { kernel: 3, ..program };
    assert_eq!((other.start(9 * SECOND), other.opened()), (0x1002, 5));
    forget(2);
    forget(3);
}
