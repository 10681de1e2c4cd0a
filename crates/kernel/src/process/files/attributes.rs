//! Attributes of files.

use super::{AtFlags, Dir};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{AccessMode, IoResult, OpenFile};
use crate::id::{Fd, Gid, Uid};
use crate::process::process::{Cx, Process};
use crate::process::signal::{SigInfo, Signal};
use crate::vfs::{Access, Mode, SetTime, Settle, Stat, StatFs, access};
use core::sync::atomic::Ordering;
use core::task::Waker;

impl Process {
    /// `stat(2)`, `lstat(2)` and `fstatat(2)`.
    ///
    /// # Errors
    /// Those of path resolution.
    pub fn stat(&self, dir: Dir, path: &[u8], flags: AtFlags) -> Result<Stat> {
        if let Some(file) = self.itself(dir, path, flags)? {
            return Ok(self.shown_stat(file.stat()?));
        }
        let base = self.base(dir, path)?;
        let follow = flags.contains(AtFlags::FOLLOW);
        let stat = self
            .kernel()
            .vfs()
            .stat(&self.cx()?.fs(), base.as_ref(), path, follow)?;
        Ok(self.shown_stat(stat))
    }

    /// Whether there is something at a path, links at the end not followed. For executors that have to guess which path a
    /// program means; it is no operation of the policy, and no answer to a guest.
    pub fn leads_somewhere(&self, path: &[u8]) -> bool {
        let look = |cx: &Cx| self.kernel().vfs().stat(&cx.fs().trusted(), None, path, false).is_ok();
        self.cx().is_ok_and(|cx| look(&cx))
    }

    /// Attributes of a file that an executor holds on behalf of the process.
    ///
    /// # Errors
    /// Those of the filesystem.
    pub fn stat_of(&self, file: &OpenFile) -> Result<Stat> {
        Ok(self.shown_stat(file.stat()?))
    }

    /// Attributes of an open file.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn fstat(&self, fd: Fd) -> Result<Stat> {
        Ok(self.shown_stat(self.file(fd)?.stat()?))
    }

    /// Totals of a filesystem.
    ///
    /// # Errors
    /// Those of path resolution.
    pub fn statfs(&self, dir: Dir, path: &[u8], flags: AtFlags) -> Result<StatFs> {
        if let Some(file) = self.itself(dir, path, flags)? {
            return match file.location() {
                Some(location) => location.filesystem().statfs(),
                None => Ok(StatFs {
                    magic: PIPEFS,
                    block_size: 4096,
                    name_max: 255,
                    ..StatFs::default()
                }),
            };
        }
        let base = self.base(dir, path)?;
        self.kernel().vfs().statfs(&self.cx()?.fs(), base.as_ref(), path)
    }

    /// Whether the filesystem at a path refuses changes, as `statvfs(3)` reports.
    ///
    /// # Errors
    /// Those of path resolution.
    pub fn is_read_only(&self, dir: Dir, path: &[u8], flags: AtFlags) -> Result<bool> {
        if let Some(file) = self.itself(dir, path, flags)? {
            return Ok(file.location().is_some_and(|location| location.mount().is_read_only()));
        }
        let base = self.base(dir, path)?;
        let location = self
            .kernel()
            .vfs()
            .resolve(&self.cx()?.fs(), base.as_ref(), path, true)?;
        Ok(location.mount().is_read_only())
    }

    /// Sets permissions.
    ///
    /// # Errors
    /// Those of `fchmodat(2)`.
    pub fn chmod(&self, dir: Dir, path: &[u8], mode: Mode, flags: AtFlags) -> Result<()> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::EINVAL)?;
            return self.kernel().vfs().chmod_location(&cx.fs(), location, mode);
        }
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .chmod(&cx.fs(), base.as_ref(), path, mode, flags.contains(AtFlags::FOLLOW))
    }

    /// Sets owner and group; absent ones stay.
    ///
    /// # Errors
    /// Those of `fchownat(2)`.
    pub fn chown(&self, dir: Dir, path: &[u8], uid: Option<Uid>, gid: Option<Gid>, flags: AtFlags) -> Result<()> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::EINVAL)?;
            return self.kernel().vfs().chown_location(&cx.fs(), location, uid, gid);
        }
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .chown(&cx.fs(), base.as_ref(), path, uid, gid, flags.contains(AtFlags::FOLLOW))
    }

    /// Sets access and modification time.
    ///
    /// # Errors
    /// Those of `utimensat(2)`.
    pub fn set_times(&self, dir: Dir, path: &[u8], atime: SetTime, mtime: SetTime, flags: AtFlags) -> Result<()> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::EINVAL)?;
            return self.kernel().vfs().set_times_location(&cx.fs(), location, atime, mtime);
        }
        let base = self.base(dir, path)?;
        let follow = flags.contains(AtFlags::FOLLOW);
        self.kernel()
            .vfs()
            .set_times(&cx.fs(), base.as_ref(), path, atime, mtime, follow)
    }

    /// Whether the process may access a file; with its real ids unless [`AtFlags::EACCESS`] is given.
    ///
    /// # Errors
    /// Those of `faccessat(2)`.
    pub fn access(&self, dir: Dir, path: &[u8], want: Access, flags: AtFlags) -> Result<()> {
        if let Some(file) = self.itself(dir, path, flags)? {
            let cred = self.cred();
            let attr = file.stat()?.attr;
            return match flags.contains(AtFlags::EACCESS) {
                true => access::check(&cred, &attr, want),
                false => access::check(&access::with_real_ids(&cred), &attr, want),
            };
        }
        let base = self.base(dir, path)?;
        let (effective, follow) = (flags.contains(AtFlags::EACCESS), flags.contains(AtFlags::FOLLOW));
        self.kernel()
            .vfs()
            .access(&self.cx()?.fs(), base.as_ref(), path, want, effective, follow)
    }

    /// Cuts or extends a file by path.
    ///
    /// # Errors
    /// Those of `truncate(2)`.
    pub fn truncate(&self, dir: Dir, path: &[u8], size: u64) -> Result<()> {
        self.check_size_limit(size)?;
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .truncate(&self.cx()?.fs(), base.as_ref(), path, size)
    }

    /// Cuts or extends an open file.
    ///
    /// # Errors
    /// Those of `ftruncate(2)`.
    pub fn ftruncate(&self, fd: Fd, size: u64) -> Result<()> {
        let file = self.file(fd)?;
        self.check_size_limit(size)?;
        if self.kernel().vfs().is_ruled()
            && let Some(location) = file.location().filter(|_| file.access().contains(AccessMode::WRITE))
        {
            self.kernel().vfs().may_truncate(&self.cx()?.fs(), location)?;
        }
        file.truncate(&self.cred(), size)
    }

    /// Reserves space, or punches a hole.
    ///
    /// # Errors
    /// Those of `fallocate(2)`.
    pub fn allocate(&self, fd: Fd, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        let file = self.file(fd)?;
        if !punch {
            self.check_size_limit(offset.saturating_add(len))?;
        }
        file.allocate(&self.cred(), offset, len, keep_size, punch)
    }

    /// Makes a file durable. Waits without keeping the thread, and as in Linux no signal but a deadly one ends the wait.
    /// Called again with the same `settle` until it is ready.
    ///
    /// # Errors
    /// Those of `fsync(2)`.
    pub fn fsync(&self, fd: Fd, data_only: bool, settle: &mut Settle, waker: &Waker) -> IoResult<()> {
        let file = self.file(fd)?;
        self.waiting_for_disk(waker, |waker| file.poll_sync(data_only, settle, waker))
    }

    /// Waits until what was written is durable, if the description asks for that; the end of every write of a guest. As
    /// [`fsync`](Self::fsync).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn settled(&self, fd: Fd, settle: &mut Settle, waker: &Waker) -> IoResult<()> {
        let file = self.file(fd)?;
        self.waiting_for_disk(waker, |waker| file.poll_settled(settle, waker))
    }

    /// Waits until there is room for a write; the beginning of every write of a guest to a file. As [`fsync`](Self::fsync).
    ///
    /// # Errors
    /// `EBADF`, and those of the disk.
    pub fn room(&self, fd: Fd, settle: &mut Settle, waker: &Waker) -> IoResult<()> {
        let file = self.file(fd)?;
        self.waiting_for_disk(waker, |waker| file.poll_room(settle, waker))
    }

    fn check_size_limit(&self, size: u64) -> Result<()> {
        if size > self.meter.file_size.load(Ordering::Acquire) {
            self.kernel().signal(self.pid(), SigInfo::kernel(Signal::XFSZ));
            return Err(Errno::EFBIG.into());
        }
        Ok(())
    }
}

/// `statfs(2)` type of pipes.
const PIPEFS: u64 = 0x5049_5045;
