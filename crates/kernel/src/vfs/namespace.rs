//! The mount table of a VM: which filesystem covers which directory.
//!
//! Each mount but the first covers a directory of another one and holds it, so that it cannot go away. A mount knows the
//! mounts on its own directories; finding out that a directory is none costs one load. The references between a mount and
//! those on top of it are cut by unmounting, or by dropping the [`Vfs`].

use crate::errno::Errno;
use crate::error::Result;
use crate::id::{DeviceId, Ino};
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::context::FsContext;
use crate::vfs::filesystem::{Filesystem, Holders, NativeUse};
use crate::vfs::location::Location;
use crate::vfs::locks::LockTable;
use crate::vfs::mounted::{self, MountedFs};
use crate::vfs::news::News;
use crate::vfs::rules::Rules;
use crate::vfs::settle::{self, Settle, Settling};
use crate::vfs::walks::Watch;
use crate::vfs::{MOUNTS_MAX, walk};
use core::fmt;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::task::{Poll, Waker};
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// The filesystems of one VM, seen as one tree.
pub struct Vfs {
    root: Arc<Mount>,
    /// Every mount in the order of mounting, the root first.
    table: Mutex<Vec<Arc<Mount>>>,
    next_device: AtomicU64,
    locks: LockTable,
    news: Arc<News>,
    rules: Option<Box<Rules>>,
}

/// How to mount.
#[derive(Debug, Clone, Default)]
pub struct MountOptions {
    /// Refuse every change with `EROFS`.
    pub read_only: bool,
    /// Never record access times.
    pub no_atime: bool,
    /// What the mount table shows as its source; the kind of filesystem if empty.
    pub source: String,
}

/// One row of the mount table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MountInfo {
    /// Absolute path of the mount point, as it was mounted.
    pub path: Vec<u8>,
    /// Kind of the filesystem.
    pub kind: &'static str,
    /// Source, as given in the options.
    pub source: String,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Whether access times are recorded.
    pub atime: bool,
    /// Device of its files.
    pub dev: DeviceId,
    /// The filesystem.
    pub filesystem: Arc<dyn Filesystem>,
}

/// One mounted filesystem.
pub struct Mount {
    /// What everything goes through.
    pub(crate) fs: Arc<dyn Filesystem>,
    /// The same, where natives may use its files and others may watch them.
    mounted: Option<Arc<MountedFs>>,
    /// What was mounted.
    given: Arc<dyn Filesystem>,
    pub(crate) dev: DeviceId,
    pub(crate) root: Ino,
    /// The directory underneath; none for the root of the VM.
    pub(crate) covered: Option<Location>,
    /// Locations that are inside.
    pub(crate) pins: AtomicUsize,
    pub(crate) read_only: bool,
    pub(crate) no_atime: bool,
    pub(crate) no_set_id: bool,
    pub(crate) confined: bool,
    /// The root of a VM, of files that only this VM changes.
    pub(crate) is_own: bool,
    path: Vec<u8>,
    source: String,
    /// Bit `ino % 64` is set if a directory with such a number may be covered.
    covers: AtomicU64,
    children: RwLock<Children>,
}

/// Mounts by the directories that they cover.
type Children = SmallVec<[(Ino, Arc<Mount>); 2]>;

impl Vfs {
    /// A tree of one filesystem.
    pub fn new(root: Arc<dyn Filesystem>) -> Self {
        let news = Arc::<News>::default();
        let dev = DeviceId(FIRST_DEVICE);
        let mounted = mount_layer(&root, dev, &news);
        let root = Mount::new((root, mounted), dev, None, b"/".to_vec(), MountOptions::default());
        Self {
            news,
            table: Mutex::new(vec![Arc::clone(&root)]),
            root,
            next_device: AtomicU64::new(FIRST_DEVICE + 1),
            locks: LockTable::default(),
            rules: None,
        }
    }

    /// Puts all operations from now on under these rules.
    pub(crate) fn set_rules(&mut self, rules: Option<Rules>) {
        self.rules = rules.map(Box::new);
    }

    /// The rules that operations are under.
    pub(super) fn rules(&self) -> Option<&Rules> {
        self.rules.as_deref()
    }

    /// Covers the directory at absolute `path` by `fs`. Whether somebody may is for the caller to ask
    /// ([`may_mount`](Self::may_mount)).
    ///
    /// # Errors
    /// `ENOENT` and `ENOTDIR` for the path, `EBUSY` if something is mounted there already, `ENOSPC` beyond 256 mounts.
    pub fn mount(&self, path: &[u8], fs: Arc<dyn Filesystem>, options: MountOptions) -> Result<()> {
        let root = self.root();
        let cred = crate::cred::Credentials::root();
        let cx = FsContext::new(&cred, &root).trusted();
        let _alone = self.alone();
        self.mount_at(&cx, path, fs, options).map_err(walk::gone)
    }

    fn mount_at(&self, cx: &FsContext<'_>, path: &[u8], fs: Arc<dyn Filesystem>, options: MountOptions) -> Result<()> {
        let place = walk::resolve(cx, None, path, true)?;
        if place.attr.kind != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        if place.attr.ino == place.mount.root {
            return Err(Errno::EBUSY.into());
        }
        let mut table = self.table.lock();
        if table.len() >= MOUNTS_MAX {
            return Err(Errno::ENOSPC.into());
        }
        // Two mounts of one filesystem share its device number, so that hard links are recognisable across them.
        let known = table.iter().find(|mount| Arc::ptr_eq(&mount.given, &fs));
        let (dev, mounted) = match known {
            Some(mount) => (mount.dev, mount.mounted.clone()),
            None => {
                let dev = DeviceId(self.next_device.fetch_add(1, Ordering::Relaxed));
                (dev, mount_layer(&fs, dev, &self.news))
            }
        };
        let covered = Location::new(&place.mount, place.attr.ino, FileType::Directory)?;
        let mount = Mount::new((fs, mounted), dev, Some(covered), path.to_vec(), options);
        place.mount.cover(place.attr.ino, &mount)?;
        self.news.walks.changed();
        table.push(mount);
        Ok(())
    }

    /// Uncovers the directory at absolute `path`.
    ///
    /// # Errors
    /// `EINVAL` if nothing is mounted there, `EBUSY` while a file, a working directory or another mount is inside.
    pub fn unmount(&self, path: &[u8]) -> Result<()> {
        let root = self.root();
        let cred = crate::cred::Credentials::root();
        let cx = FsContext::new(&cred, &root).trusted();
        let _alone = self.alone();
        self.unmount_at(&cx, path).map_err(walk::gone)
    }

    fn unmount_at(&self, cx: &FsContext<'_>, path: &[u8]) -> Result<()> {
        let place = walk::resolve(cx, None, path, true)?;
        let mount = place.mount;
        let (Some(covered), true) = (&mount.covered, place.attr.ino == mount.root) else {
            return Err(Errno::EINVAL.into());
        };
        let mut table = self.table.lock();
        if mount.pins.load(Ordering::Acquire) > 0 {
            return Err(Errno::EBUSY.into());
        }
        if let Some(mounted) = &mount.mounted {
            // What natives wrote and nobody has open any more.
            mounted.write_back()?;
        }
        covered.mount().uncover(&mount);
        self.news.walks.forget();
        table.retain(|known| !Arc::ptr_eq(known, &mount));
        Ok(())
    }

    /// The mount table, in the order of mounting.
    pub fn mounts(&self) -> Vec<MountInfo> {
        self.table.lock().iter().map(|mount| mount.info()).collect()
    }

    /// The root directory.
    pub fn root(&self) -> Location {
        // A root inode always has a name, so that holding it cannot fail; a filesystem that says otherwise still gets a
        // location, whose operations then report the error.
        let _ = self.root.fs.retain(self.root.root);
        Location::adopt(&self.root, self.root.root, FileType::Directory)
    }

    /// Advisory locks.
    pub fn locks(&self) -> &LockTable {
        &self.locks
    }

    /// Flushes every mounted filesystem; the first error is reported after all were tried.
    pub fn sync(&self) -> Result<()> {
        let mounts: Vec<_> = self.table.lock().iter().map(|mount| Arc::clone(&mount.fs)).collect();
        mounts.iter().map(|fs| fs.sync()).fold(Ok(()), Result::and)
    }

    /// As [`sync`](Self::sync), for a caller that must not be kept waiting.
    ///
    /// # Errors
    /// What failed at once, if there is nothing to wait for.
    pub(crate) fn begin_sync(&self) -> Result<Option<Settling>> {
        let mounts: Vec<_> = self.table.lock().iter().map(|mount| Arc::clone(&mount.fs)).collect();
        let (mut settling, mut begun) = (Vec::new(), Ok(()));
        for fs in mounts {
            match fs.begin_sync() {
                Ok(wait) => settling.extend(wait),
                Err(error) => begun = begun.and(Err(error)),
            }
        }
        match settling.is_empty() {
            true => begun.map(|()| None),
            false => Ok(Some(settle::all(settling, begun))),
        }
    }
}

/// What natives and watchers need of a filesystem. What generates its content has neither.
fn mount_layer(fs: &Arc<dyn Filesystem>, dev: DeviceId, news: &Arc<News>) -> Option<Arc<MountedFs>> {
    (!fs.features().pseudo).then(|| MountedFs::new(Arc::clone(fs), dev, news))
}

/// For whoever runs native programs.
impl Vfs {
    /// Who watches what.
    pub fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// Has ways through directories of the root be kept from now on (`walks`), or not any more. For whoever has many paths walked.
    pub fn keep_walks(&self, on: bool) {
        self.news.walks.keep(on);
    }

    /// Has `watch` told of everything that what [`steady_directory`](Self::steady_directory) says depends on. False if there is
    /// somebody already who is told.
    pub fn watch_walks(&self, watch: Arc<dyn Watch>) -> bool {
        self.news.walks.watch(watch)
    }

    /// Has nobody told of it any more.
    pub fn unwatch_walks(&self) {
        self.news.walks.unwatch();
    }

    /// Writes back what natives have changed in files that their filesystem does not share with them. The first failure is
    /// told; each is told again by the next `fsync` of its file.
    ///
    /// # Errors
    /// Those of the filesystems: `ENOSPC`, `EIO`.
    pub fn write_back(&self) -> Result<()> {
        self.each_mounted()
            .iter()
            .map(|mounted| mounted.write_back())
            .fold(Ok(()), Result::and)
    }

    /// Counts what natives have written, and takes files back that they do not have open any more, as `holders` says of a
    /// description of theirs. Looks at bytes, so it may take long.
    pub fn tidy_natives(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        let each = self.each_mounted().into_iter().map(|mounted| mounted.tidy(holders));
        each.fold(NativeUse::default(), NativeUse::and)
    }

    /// As [`sync`](Self::sync), without keeping the thread. Called again with the same `settle` until it is ready.
    ///
    /// # Errors
    /// Those of the disks.
    pub fn poll_sync(&self, settle: &mut Settle, waker: &Waker) -> Poll<Result<()>> {
        settle.poll(|| self.begin_sync(), waker)
    }

    /// Whether natives use a copy of a file, which is written back.
    pub fn has_native_copy(&self, file: &Location) -> bool {
        file.mount()
            .mounted
            .as_ref()
            .is_some_and(|mounted| mounted.has_copy(file.ino()))
    }

    /// Whether there are files of which natives use a copy.
    pub fn has_native_copies(&self) -> bool {
        let mounts = self.table.lock();
        mounts
            .iter()
            .any(|mount| mount.mounted.as_ref().is_some_and(|mounted| mounted.copies() > 0))
    }

    /// Whether bytes have to be copied before natives can have a file.
    pub fn needs_native_copy(&self, file: &Location, write: bool) -> bool {
        file.mount().mounted.is_some() && !file.filesystem().shares_natively(file.ino(), write)
    }

    /// Natives may write to a file through a mapping from now on.
    pub fn note_mapping(&self, file: &Location) {
        if let Some(mounted) = &file.mount().mounted {
            mounted.note_mapping(file.ino());
        }
    }

    /// Natives have changed the bytes of a file (`mask::MODIFY`), or closed one that was open for writing.
    pub fn native_news(&self, file: &Location, bits: u32) {
        if let Some(mounted) = &file.mount().mounted {
            mounted.native_news(file.ino(), bits);
        }
    }

    /// Bytes that may still be added to the filesystem of a file, less what natives have added that is not counted yet. Where there is
    /// more than `plenty` twice over, what they have added is what it was at the last look ([`tidy_natives`](Self::tidy_natives)):
    /// asking for the size of every copy at each open would take the longer the more there are.
    ///
    /// # Errors
    /// Those of `statfs(2)`.
    pub fn native_room(&self, file: &Location, plenty: u64) -> Result<u64> {
        let room = mounted::room_of(&file.filesystem().statfs()?);
        let Some(mounted) = &file.mount().mounted else {
            return Ok(room);
        };
        let about = room.saturating_sub(mounted.growth_seen());
        Ok(match about > plenty.saturating_mul(2) {
            true => about,
            false => room.saturating_sub(mounted.growth()),
        })
    }

    /// Each filesystem once.
    fn each_mounted(&self) -> Vec<Arc<MountedFs>> {
        let mut all: Vec<Arc<MountedFs>> = Vec::new();
        for mount in self.table.lock().iter() {
            if let Some(mounted) = &mount.mounted
                && !all.iter().any(|known| Arc::ptr_eq(known, mounted))
            {
                all.push(Arc::clone(mounted));
            }
        }
        all
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // A way that is kept holds the mount that keeps it.
        self.news.walks.keep(false);
        // Children hold their parents and are held by them.
        for mount in self.table.get_mut().drain(..) {
            mount.children.write().clear();
        }
    }
}

impl fmt::Debug for Vfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table.lock().iter()).finish()
    }
}

/// Device numbers below are left to character devices and the like.
const FIRST_DEVICE: u64 = 32;

impl Mount {
    fn new(
        (given, mounted): (Arc<dyn Filesystem>, Option<Arc<MountedFs>>),
        dev: DeviceId,
        covered: Option<Location>,
        path: Vec<u8>,
        options: MountOptions,
    ) -> Arc<Self> {
        let fs = match &mounted {
            Some(mounted) => Arc::clone(mounted) as Arc<dyn Filesystem>,
            None => Arc::clone(&given),
        };
        let features = fs.features();
        let is_own = covered.is_none() && !features.volatile && !features.pseudo;
        Arc::new(Self {
            root: fs.root(),
            mounted,
            given,
            dev,
            covered,
            pins: AtomicUsize::new(0),
            read_only: options.read_only || features.read_only,
            no_atime: options.no_atime || features.own_atime || features.pseudo,
            no_set_id: features.no_set_id,
            confined: features.confined,
            is_own,
            path,
            source: options.source,
            covers: AtomicU64::new(0),
            children: RwLock::new(SmallVec::new()),
            fs,
        })
    }

    /// One that is in no tree, and covers nothing.
    pub(super) fn apart(fs: Arc<dyn Filesystem>, dev: DeviceId, options: MountOptions) -> Arc<Self> {
        Self::new((fs, None), dev, None, Vec::new(), options)
    }

    /// The mounted filesystem.
    pub fn filesystem(&self) -> &Arc<dyn Filesystem> {
        &self.fs
    }

    /// Whether changes are refused.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// `EROFS` if changes are refused.
    pub(crate) fn writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Errno::EROFS.into());
        }
        Ok(())
    }

    /// The mount that covers directory `dir`, if any.
    pub(crate) fn child(&self, dir: Ino) -> Option<Arc<Self>> {
        if self.covers.load(Ordering::Acquire) & bit(dir) == 0 {
            return None;
        }
        let children = self.children.read();
        children
            .iter()
            .find(|(ino, _)| *ino == dir)
            .map(|(_, mount)| Arc::clone(mount))
    }

    /// Whether `attr` is a directory that a mount covers, or the root of this one.
    pub(crate) fn is_mount_point(&self, attr: &Attr) -> bool {
        attr.kind == FileType::Directory && (attr.ino == self.root || self.child(attr.ino).is_some())
    }

    /// Whether this mount is `other` or lies inside it.
    pub(crate) fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mut mount = self;
        loop {
            if Arc::ptr_eq(mount, other) {
                return true;
            }
            match &mount.covered {
                Some(below) => mount = below.mount(),
                None => return false,
            }
        }
    }

    fn cover(&self, dir: Ino, mount: &Arc<Self>) -> Result<()> {
        let mut children = self.children.write();
        if children.iter().any(|(ino, _)| *ino == dir) {
            return Err(Errno::EBUSY.into());
        }
        children.push((dir, Arc::clone(mount)));
        self.covers.fetch_or(bit(dir), Ordering::AcqRel);
        Ok(())
    }

    fn uncover(&self, mount: &Arc<Self>) {
        let mut children = self.children.write();
        children.retain(|(_, known)| !Arc::ptr_eq(known, mount));
        let covers = children.iter().fold(0, |bits, (ino, _)| bits | bit(*ino));
        self.covers.store(covers, Ordering::Release);
    }

    fn info(&self) -> MountInfo {
        let source = if self.source.is_empty() {
            self.fs.kind().to_owned()
        } else {
            self.source.clone()
        };
        MountInfo {
            path: self.path.clone(),
            kind: self.fs.kind(),
            source,
            read_only: self.read_only,
            atime: !self.no_atime,
            dev: self.dev,
            filesystem: Arc::clone(&self.given),
        }
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Mount({} on {})",
            self.fs.kind(),
            String::from_utf8_lossy(&self.path)
        )
    }
}

fn bit(ino: Ino) -> u64 {
    1 << (ino.0 % 64)
}
