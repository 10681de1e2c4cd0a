//! System calls that make, move and remove names.

use super::{AtFlags, Dir};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::IoResult;
use crate::process::process::Process;
use crate::vfs::{FileType, Mode, RenameFlags, Settle};
use core::task::Waker;
use core::time::Duration;

impl Process {
    /// Creates a directory.
    ///
    /// # Errors
    /// Those of `mkdir(2)`.
    pub fn mkdir(&self, dir: Dir, path: &[u8], mode: Mode) -> Result<()> {
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .mkdir(&self.cx()?.fs(), base.as_ref(), path, mode)
            .map(drop)
    }

    /// Creates a file, FIFO, socket or device.
    ///
    /// # Errors
    /// Those of `mknod(2)`.
    pub fn mknod(&self, dir: Dir, path: &[u8], kind: FileType, mode: Mode, rdev: u64) -> Result<()> {
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .mknod(&self.cx()?.fs(), base.as_ref(), path, kind, mode, rdev)
            .map(drop)
    }

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// Those of `symlink(2)`.
    pub fn symlink(&self, target: &[u8], dir: Dir, path: &[u8]) -> Result<()> {
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .symlink(&self.cx()?.fs(), target, base.as_ref(), path)
            .map(drop)
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// Those of `linkat(2)`.
    pub fn link(&self, old: (Dir, &[u8]), new: (Dir, &[u8]), flags: AtFlags) -> Result<()> {
        let cx = self.cx()?;
        let new_base = self.base(new.0, new.1)?;
        let vfs = self.kernel().vfs();
        if let Some(file) = self.itself(old.0, old.1, flags)? {
            let location = file.location().ok_or(Errno::EXDEV)?;
            return vfs.link_location(&cx.fs(), location, new_base.as_ref(), new.1);
        }
        let old_base = self.base(old.0, old.1)?;
        let follow = flags.contains(AtFlags::FOLLOW);
        vfs.link(&cx.fs(), old_base.as_ref(), old.1, new_base.as_ref(), new.1, follow)
    }

    /// Text of a symbolic link.
    ///
    /// # Errors
    /// Those of `readlink(2)`.
    pub fn readlink(&self, dir: Dir, path: &[u8]) -> Result<Vec<u8>> {
        let base = self.base(dir, path)?;
        self.kernel().vfs().readlink(&self.cx()?.fs(), base.as_ref(), path)
    }

    /// As [`Vfs::steady_directory`](crate::vfs::Vfs::steady_directory), for what this process may be told.
    pub fn steady_directory(&self, path: &[u8]) -> Option<Duration> {
        let cx = self.cx().ok()?;
        self.kernel().vfs().steady_directory(&cx.fs(), path)
    }

    /// Removes a name that is no directory.
    ///
    /// # Errors
    /// Those of `unlink(2)`.
    pub fn unlink(&self, dir: Dir, path: &[u8]) -> Result<()> {
        let base = self.base(dir, path)?;
        self.kernel().vfs().unlink(&self.cx()?.fs(), base.as_ref(), path)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Those of `rmdir(2)`.
    pub fn rmdir(&self, dir: Dir, path: &[u8]) -> Result<()> {
        let base = self.base(dir, path)?;
        self.kernel().vfs().rmdir(&self.cx()?.fs(), base.as_ref(), path)
    }

    /// Renames, replaces or exchanges.
    ///
    /// # Errors
    /// Those of `renameat2(2)`.
    pub fn rename(&self, old: (Dir, &[u8]), new: (Dir, &[u8]), flags: RenameFlags) -> Result<()> {
        let cx = self.cx()?;
        let (old_base, new_base) = (self.base(old.0, old.1)?, self.base(new.0, new.1)?);
        self.kernel()
            .vfs()
            .rename(&cx.fs(), old_base.as_ref(), old.1, new_base.as_ref(), new.1, flags)
    }

    /// Absolute path without symbolic links, `.` and `..`; everything must exist.
    ///
    /// # Errors
    /// Those of `realpath(3)`.
    pub fn realpath(&self, dir: Dir, path: &[u8], flags: AtFlags) -> Result<Vec<u8>> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::ENOENT)?;
            return self.kernel().vfs().path_of(&cx.fs(), location);
        }
        let base = self.base(dir, path)?;
        self.kernel().vfs().realpath(&cx.fs(), base.as_ref(), path)
    }

    /// Makes everything durable; as [`fsync`](Self::fsync).
    ///
    /// # Errors
    /// `EIO`.
    pub fn sync_all(&self, settle: &mut Settle, waker: &Waker) -> IoResult<()> {
        let vfs = self.kernel().vfs();
        self.waiting_for_disk(waker, |waker| settle.poll(|| vfs.begin_sync(), waker))
    }
}
