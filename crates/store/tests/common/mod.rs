//! What the tests of the durable filesystem share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "a test may fail")]

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{Attr, FileType, Filesystem, FsQuota, SeekTarget};
use agentos_store::Database;
use agentos_store::database::Options;
use agentos_store::fs::{DurableFs, FsLimits};
use agentos_store::tables::VM_SCHEMA;
use tempfile::TempDir;

/// A clock that stands still until it is moved.
#[derive(Default)]
pub struct Still(pub AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &core::task::Waker) {}
}

thread_local! {
    /// Directories of filesystems that nobody else keeps; gone with the thread of the test.
    static KEPT: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

/// A directory with a database, which may be opened again and again.
pub struct Home {
    pub dir: TempDir,
    pub vfs: Option<String>,
}

impl Home {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            vfs: None,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("vm.sqlite")
    }

    pub fn database(&self) -> agentos_store::Result<Database> {
        let mut options = Options::default();
        options.vfs = self.vfs.clone();
        Database::open(&self.path(), &VM_SCHEMA, options)
    }

    pub fn open(&self, clock: Arc<dyn Clock>, quota: Arc<FsQuota>, limits: FsLimits) -> Arc<DurableFs> {
        DurableFs::open(&self.database().unwrap(), clock, quota, limits).unwrap()
    }

    /// What is opened in a directory that lives as long as this thread.
    pub fn kept(self, open: impl FnOnce(&Self) -> Arc<DurableFs>) -> Arc<DurableFs> {
        let fs = open(&self);
        KEPT.with_borrow_mut(|kept| kept.push(self.dir));
        fs
    }

    /// A filesystem whose directory lives as long as this thread.
    pub fn forgotten(self, quota: Arc<FsQuota>, limits: FsLimits) -> Arc<DurableFs> {
        self.kept(|home| home.open(Arc::new(Still::default()), quota, limits))
    }
}

/// Everything that can be seen of an inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: Vec<u8>,
    pub attr: Attr,
    pub position: u64,
    pub content: Vec<u8>,
    pub data: Vec<(u64, u64)>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Everything that can be seen of a filesystem, in the order of its listings.
pub fn survey(fs: &dyn Filesystem) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut todo = vec![(Vec::new(), fs.root(), 0)];
    while let Some((path, ino, position)) = todo.pop() {
        let attr = fs.getattr(ino).unwrap();
        if attr.kind == FileType::Directory {
            fs.readdir(ino, 0, &mut |entry| {
                let path = [&path, b"/".as_slice(), entry.name].concat();
                todo.push((path, entry.ino, entry.next));
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        all.push(look(fs, path, position, ino, attr));
    }
    all
}

fn look(fs: &dyn Filesystem, path: Vec<u8>, position: u64, ino: Ino, attr: Attr) -> Seen {
    let (mut content, mut data) = (Vec::new(), Vec::new());
    match attr.kind {
        FileType::Symlink => content = fs.readlink(ino).unwrap(),
        FileType::Regular => {
            let mut at = 0;
            while let Ok(start) = fs.seek(ino, at, SeekTarget::Data) {
                at = fs.seek(ino, start, SeekTarget::Hole).unwrap();
                data.push((start, at));
                let mut bytes = vec![0xee; (at - start) as usize];
                assert_eq!(fs.read(ino, start, &mut bytes).unwrap(), bytes.len());
                content.extend(bytes);
            }
        }
        _ => {}
    }
    let names = fs.listxattr(ino).unwrap();
    let xattrs = names.into_iter().map(|name| {
        let value = fs.getxattr(ino, &name).unwrap();
        (name, value)
    });
    Seen {
        path,
        attr,
        position,
        content,
        data,
        xattrs: xattrs.collect(),
    }
}

/// The first difference between two surveys.
pub fn difference(ours: &[Seen], theirs: &[Seen]) -> Option<String> {
    for (ours, theirs) in ours.iter().zip(theirs) {
        if ours != theirs {
            let short = |seen: &Seen| {
                let mut seen = seen.clone();
                seen.content.truncate(64);
                format!("{seen:?}")
            };
            let at = ours.content.iter().zip(&theirs.content).position(|(a, b)| a != b);
            return Some(format!("content at {at:?}\n  {}\n  {}", short(ours), short(theirs)));
        }
    }
    (ours.len() != theirs.len()).then(|| format!("{} and {} inodes", ours.len(), theirs.len()))
}
