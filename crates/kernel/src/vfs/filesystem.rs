//! The one trait that a filesystem implements, at the level of inodes.
//!
//! Contract:
//!
//! * Names are single components: never empty, `.`, `..`, longer than 255 bytes, nor holding `/` or NUL. The caller has
//!   checked that, and permissions, and that the filesystem is not mounted read-only.
//! * `Ino`s stay valid while the inode has a name or is retained ([`Filesystem::retain`]); a stale one is `ESTALE`, never a
//!   panic or another file's bytes.
//! * Methods are called from many threads at once. Each is atomic with respect to the others.
//! * A method may touch the host's disk, and does not wait for anything a guest does.

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Pid, Uid};
use crate::vfs::attr::{Attr, FileType, Mode, SetAttr, StatFs};
use crate::vfs::location::Jump;
use crate::vfs::settle::Settling;
use bytes::Bytes;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// What to create.
#[derive(Debug, Clone, Copy)]
pub struct NewNode {
    /// Kind: not a directory for `create`, always one for `mkdir`.
    pub kind: FileType,
    /// Permissions, umask already applied.
    pub mode: Mode,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Device number for device inodes.
    pub rdev: u64,
}

/// One entry of a directory listing.
#[derive(Debug, Clone, Copy)]
pub struct DirEntry<'a> {
    /// Name, any bytes but `/` and NUL.
    pub name: &'a [u8],
    /// Inode.
    pub ino: Ino,
    /// Kind.
    pub kind: FileType,
    /// Position after this entry, for the next call. Never 0.
    pub next: u64,
}

/// Flags of `renameat2(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RenameFlags {
    /// Replace the target.
    #[default]
    Replace,
    /// `EEXIST` if the target exists.
    NoReplace,
    /// Exchange both.
    Exchange,
}

/// What `lseek(2)` looks for with `SEEK_DATA` and `SEEK_HOLE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekTarget {
    /// First byte of data at or after the offset.
    Data,
    /// First hole at or after the offset; the end of file is one.
    Hole,
}

/// Modes of `setxattr(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XattrMode {
    /// Create or replace.
    #[default]
    Any,
    /// `EEXIST` if present.
    Create,
    /// `ENODATA` if absent.
    Replace,
}

/// Properties of a filesystem that the layers above act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Nothing can be changed: every mutation is `EROFS` (the layers above refuse first).
    pub read_only: bool,
    /// The content can change behind the kernel's back, so nothing may be remembered about it.
    pub volatile: bool,
    /// A call may take long (a network): executors should not run it on a guest's scheduling thread.
    pub slow: bool,
    /// Generated content: sizes are not known before reading.
    pub pseudo: bool,
    /// Symbolic links stored here may not lead out of the filesystem (`EACCES`).
    pub confined: bool,
    /// Inodes never have set-id bits.
    pub no_set_id: bool,
    /// Access times are kept by the implementation, or not at all.
    pub own_atime: bool,
}

/// Immutable bytes with a process-wide identity, so that what was learnt about them (a compiled module) can be found again.
///
/// The bytes may be lazy: a bundled program whose compiled form is at hand is run without its bytes ever being unpacked.
/// Length, digest and head of a lazy blob are known beforehand; [`bytes`](Self::bytes) loads the rest.
pub struct Blob {
    id: u64,
    len: u64,
    digest: OnceLock<[u8; 32]>,
    head: Bytes,
    bytes: OnceLock<Bytes>,
    load: Option<Box<dyn Fn() -> Bytes + Send + Sync>>,
    commands: Option<Commands>,
}

/// The commands that one program can be.
#[derive(Debug, Clone)]
struct Commands {
    /// Called by this name, the program is the command that its first argument names.
    itself: Box<[u8]>,
    /// All others.
    others: Box<[Box<[u8]>]>,
}

/// Bytes of a blob's head: enough to see what kind of program it is.
const HEAD: usize = 256;

impl Blob {
    /// Wraps bytes under a new identity.
    pub fn new(bytes: impl Into<Bytes>) -> Arc<Self> {
        let bytes: Bytes = bytes.into();
        Arc::new(Self {
            id: Self::next_id(),
            len: bytes.len() as u64,
            digest: OnceLock::new(),
            head: bytes.slice(..bytes.len().min(HEAD)),
            bytes: OnceLock::from(bytes),
            load: None,
            commands: None,
        })
    }

    /// A blob whose bytes come from `load` when first needed. They must have the given length, SHA-256 and beginning; a
    /// loader that fails returns other bytes (for instance none), which reads as an empty or shorter file.
    pub fn lazy(
        len: u64,
        digest: [u8; 32],
        mut head: Bytes,
        load: impl Fn() -> Bytes + Send + Sync + 'static,
    ) -> Arc<Self> {
        head.truncate(HEAD);
        Arc::new(Self {
            id: Self::next_id(),
            len,
            digest: OnceLock::from(digest),
            head,
            bytes: OnceLock::new(),
            load: Some(Box::new(load)),
            commands: None,
        })
    }

    /// Says that the bytes are a program of several commands: the last component of its first argument decides which, or, if
    /// that is `itself`, that of the second. The policy judges such a program by what it is going to be. Only of use before
    /// the blob is shared.
    #[must_use]
    pub fn with_commands<N: AsRef<str>>(
        mut self: Arc<Self>,
        itself: &str,
        commands: impl IntoIterator<Item = N>,
    ) -> Arc<Self> {
        let others = commands.into_iter().map(|name| name.as_ref().as_bytes().into());
        if let Some(blob) = Arc::get_mut(&mut self) {
            blob.commands = Some(Commands {
                itself: itself.as_bytes().into(),
                others: others.collect(),
            });
        }
        self
    }

    /// The command that the program will be when it is started with these arguments; none for a program that is only one, or
    /// for one that will not be any that is known.
    pub(crate) fn command<'a>(&self, argv: &'a [Vec<u8>]) -> Option<&'a [u8]> {
        let commands = self.commands.as_ref()?;
        let called = last_component(argv.first()?);
        let called = match argv.get(1) {
            Some(first) if *called == *commands.itself => last_component(first),
            _ => called,
        };
        let known = |name: &[u8]| *name == *commands.itself || commands.others.iter().any(|other| **other == *name);
        known(called).then_some(called)
    }

    fn next_id() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Identity, unique in this process for its lifetime.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first bytes, at most 256, without loading the rest.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// SHA-256 of the bytes, computed by `hash` when it is not known yet.
    pub fn digest(&self, hash: impl FnOnce(&[u8]) -> [u8; 32]) -> [u8; 32] {
        *self.digest.get_or_init(|| hash(self.bytes()))
    }

    /// The bytes, loaded when first needed.
    pub fn bytes(&self) -> &Bytes {
        self.bytes
            .get_or_init(|| self.load.as_ref().map_or_else(Bytes::new, |load| load()))
    }
}

/// What follows the last slash.
fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

impl core::fmt::Debug for Blob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Blob")
            .field("id", &self.id)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Who has a file open, natively.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holders {
    /// Nobody, and nobody has it mapped.
    None,
    /// Some, who only read.
    Readers,
    /// Some, who may write.
    Writers,
}

/// What natives have made of a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NativeUse {
    /// Files that they have open.
    pub open: u64,
    /// Files that take a descriptor of this process still, open or not.
    pub left: u64,
    /// Bytes that they have written beyond what may be stored.
    pub excess: u64,
    /// Size of the largest file that they have open for writing.
    pub largest: u64,
    /// The most bytes that may be added to a filesystem in which they have one open for writing; none if they have none.
    pub room: Option<u64>,
}

impl NativeUse {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            open: self.open + other.open,
            left: self.left + other.left,
            excess: self.excess.max(other.excess),
            largest: self.largest.max(other.largest),
            room: self.room.max(other.room),
        }
    }
}

/// A tree of inodes.
pub trait Filesystem: Send + Sync + 'static {
    /// Name of the kind, as `/proc/mounts` shows it.
    fn kind(&self) -> &'static str;

    /// Properties; constant over the life of the filesystem.
    fn features(&self) -> Features {
        Features::default()
    }

    /// The root directory.
    fn root(&self) -> Ino;

    /// Finds `name` in `dir`. `ENOENT`, `ENOTDIR`.
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr>;

    /// The directory that holds directory `dir`; the root's parent is the root.
    fn parent(&self, dir: Ino) -> Result<Ino>;

    /// Attributes.
    fn getattr(&self, ino: Ino) -> Result<Attr>;

    /// Changes attributes, all or none, and returns the new ones. `ENOSPC`, `EFBIG`.
    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr>;

    /// Target of a symbolic link.
    fn readlink(&self, ino: Ino) -> Result<Vec<u8>>;

    /// Creates a non-directory. `EEXIST`, `ENOSPC`, `ENOTDIR`.
    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr>;

    /// Creates a directory. `EEXIST`, `ENOSPC`, `EMLINK`.
    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr>;

    /// Creates a symbolic link.
    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Result<Attr>;

    /// Adds a name to a non-directory. `EMLINK`, `EEXIST`.
    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr>;

    /// Creates a regular file without a name, retained once; [`link`](Self::link) may name it.
    fn create_unnamed(&self, node: &NewNode) -> Result<Attr> {
        let _ = node;
        Err(Errno::EOPNOTSUPP.into())
    }

    /// Removes the name of a non-directory. `EISDIR`.
    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()>;

    /// Removes an empty directory. `ENOTEMPTY`, `ENOTDIR`.
    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()>;

    /// Moves a name with all of `rename(2)`'s cases: same inode is a no-op, a directory replaces only an empty directory,
    /// nothing moves into its own descendant (`EINVAL`).
    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()>;

    /// Lists `dir` from `position` (0 = start), without `.` and `..`, until `emit` breaks. An entry that exists throughout
    /// is reported exactly once even when others come and go between calls.
    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()>;

    /// Reads at `offset`; 0 at or past the end. Holes read as zeros. Does not touch `atime` (see [`touch`](Self::touch)).
    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Writes at `offset`, extending the file. May store less than given when a quota runs out in the middle; `ENOSPC` when
    /// nothing fits. Sets `mtime` and `ctime`.
    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize>;

    /// Writes at the end, atomically with other appends. Returns the count and the offset after the last byte.
    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)>;

    /// Makes `content` the whole content of an empty regular file without copying it, all or nothing (`ENOSPC`). False, and
    /// nothing has changed, where it must be written instead. The caller answers for that nothing but `content` keeps its
    /// memory, and that there is no more of that than it has bytes: that much is what a quota is charged with.
    fn adopt(&self, ino: Ino, content: Bytes) -> Result<bool> {
        let _ = (ino, content);
        Ok(false)
    }

    /// Whether a read access of a file is recorded at all. Where it is not, nobody has to ask for its times.
    fn records_access(&self, ino: Ino) -> bool {
        let _ = ino;
        true
    }

    /// Records a read access now (relatime is decided above).
    fn touch(&self, ino: Ino) -> Result<()> {
        let _ = ino;
        Ok(())
    }

    /// Finds data or a hole. `ENXIO` past the end.
    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        let size = self.getattr(ino)?.size;
        match target {
            _ if offset >= size => Err(Errno::ENXIO.into()),
            SeekTarget::Data => Ok(offset),
            SeekTarget::Hole => Ok(size),
        }
    }

    /// Reserves (`fallocate` mode 0) or, with `punch`, deallocates a range.
    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        let _ = (ino, offset, len, keep_size, punch);
        Err(Errno::EOPNOTSUPP.into())
    }

    /// Keeps the inode alive without a name, counted; an open file or working directory holds one.
    fn retain(&self, ino: Ino) -> Result<()>;

    /// Gives one [`retain`](Self::retain) back; an inode without names and holders is freed.
    fn release(&self, ino: Ino);

    /// Makes content (and, unless `data_only`, attributes) durable.
    fn fsync(&self, ino: Ino, data_only: bool) -> Result<()> {
        let _ = (ino, data_only);
        Ok(())
    }

    /// Makes everything durable.
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// As [`fsync`](Self::fsync), for a caller that must not be kept waiting: begins, and gives what to wait for, if anything.
    /// A filesystem that has to wait for a disk should have one of its own; what it gives must not depend on further calls.
    fn begin_fsync(&self, ino: Ino, data_only: bool) -> Result<Option<Settling>> {
        self.fsync(ino, data_only)?;
        Ok(None)
    }

    /// As [`sync`](Self::sync), for a caller that must not be kept waiting.
    fn begin_sync(&self) -> Result<Option<Settling>> {
        self.sync()?;
        Ok(None)
    }

    /// What a caller that must not be kept waiting has to wait for before it writes, if anything. A filesystem that lets
    /// writers wait until less of what they wrote is on its way to the disk should have one; its own wait is then for those
    /// who do not ask.
    fn begin_room(&self) -> Result<Option<Settling>> {
        Ok(None)
    }

    /// Totals.
    fn statfs(&self) -> Result<StatFs>;

    /// Value of an extended attribute. `ENODATA`, `EOPNOTSUPP`.
    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        let _ = (ino, name);
        Err(Errno::EOPNOTSUPP.into())
    }

    /// Sets an extended attribute. `ENOSPC` beyond 64 KiB an inode.
    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        let _ = (ino, name, value, mode);
        Err(Errno::EOPNOTSUPP.into())
    }

    /// Names of extended attributes.
    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let _ = ino;
        Ok(Vec::new())
    }

    /// Removes an extended attribute.
    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        let _ = (ino, name);
        Err(Errno::EOPNOTSUPP.into())
    }

    /// A name of the inode and the directory that holds it, for `getcwd(3)`. `ENOENT` if it has none. Of several names of a
    /// file any may be given. The default searches the parent of a directory and knows nothing of other files.
    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        let parent = self.parent(ino)?;
        let mut found = None;
        self.readdir(parent, 0, &mut |entry| {
            if entry.ino == ino {
                found = Some(entry.name.to_vec());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        found.map(|name| (parent, name)).ok_or_else(|| Errno::ENOENT.into())
    }

    /// Target of a symbolic link whose text depends on who asks (`/proc/self`).
    fn readlink_for(&self, ino: Ino, caller: Pid) -> Result<Vec<u8>> {
        let _ = caller;
        self.readlink(ino)
    }

    /// Where a magic link leads, for links that are not followed by their text. Asked before the text is read.
    fn jump(&self, ino: Ino, caller: Pid) -> Result<Option<Jump>> {
        let _ = (ino, caller);
        Ok(None)
    }

    /// Content generated when the file is opened, on behalf of `caller`: the open file then reads from it, and never calls
    /// [`read`](Self::read). Asked only if [`Features::pseudo`] is set.
    fn generate(&self, ino: Ino, caller: Pid) -> Result<Option<Bytes>> {
        let _ = (ino, caller);
        Ok(None)
    }

    /// Whether process `caller` may look at what an inode says about another process. `EACCES`. Asked only where the policy has
    /// rules about processes, and only if [`Features::pseudo`] is set.
    fn may_inspect(&self, ino: Ino, caller: Pid) -> Result<()> {
        let _ = (ino, caller);
        Ok(())
    }

    /// A new description, on the host, of the bytes of a regular file, for programs that run natively: what they write through it
    /// everybody sees at once, and the other way round. With `write` it can be written too. None where files have no such; then
    /// natives get copies. The caller has checked permissions. `ENOSPC`, `EISDIR`.
    fn native(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        if write { Ok(None) } else { self.host_file(ino) }
    }

    /// A new description of what natives have of a file, if they may have any of it; nothing is moved or copied for that. It is for
    /// locks, so `write` is what it is opened with where the host permits, and nobody writes through it.
    fn native_in_use(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        let _ = (ino, write);
        Ok(None)
    }

    /// Whether [`native`](Self::native) gives a file's own bytes without copying them first.
    fn shares_natively(&self, ino: Ino, write: bool) -> bool {
        let _ = (ino, write);
        true
    }

    /// Counts what natives have written, and takes files back that no native has open any more, as `holders` says of a
    /// description of theirs.
    fn tidy_natives(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        let _ = holders;
        NativeUse::default()
    }

    /// What was open for writing was closed: news for those who watch.
    fn closed(&self, ino: Ino) {
        let _ = ino;
    }

    /// The whole content without a copy, where the file is backed by an unchanged immutable image.
    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        let _ = ino;
        None
    }

    /// A file of the host that holds this content, opened anew for reading (so its position is the caller's own): a native
    /// program may be handed it in place of reads, and shares its pages with everything else that reads it. Never one that can
    /// be written through, and never one whose content is the VM's to change. `None` where there is no such file.
    fn host_file(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        let _ = ino;
        Ok(None)
    }

    /// A new description for reading of a file that natives made themselves and that the VM knows by a descriptor of theirs alone
    /// ([`Location::of_unnamed`]). To them it is no file of the VM, whoever opens it.
    ///
    /// [`Location::of_unnamed`]: crate::vfs::Location::of_unnamed
    fn natives_own(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        let _ = ino;
        Ok(None)
    }

    /// Current time of the filesystem's clock, for callers that need one that agrees with its timestamps.
    fn now(&self) -> Timestamp;
}

impl core::fmt::Debug for dyn Filesystem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Filesystem({})", self.kind())
    }
}
