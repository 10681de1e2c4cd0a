//! Removing names: `unlink(2)`, `rmdir(2)`.

use crate::errno::Errno;
use crate::error::Result;
use crate::policy::Operation;
use crate::vfs::access;
use crate::vfs::attr::FileType;
use crate::vfs::context::FsContext;
use crate::vfs::location::Location;
use crate::vfs::namespace::Vfs;
use crate::vfs::walk::{self, Last};

impl Vfs {
    /// Removes the name of anything but a directory.
    ///
    /// # Errors
    /// Those of `unlink(2)`; a directory is `EISDIR`.
    pub fn unlink(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<()> {
        self.ruled(cx, |cx| unlink(cx, base, path))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Those of `rmdir(2)`; a mount point is `EBUSY`.
    pub fn rmdir(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<()> {
        self.ruled(cx, |cx| rmdir(cx, base, path))
    }
}

fn unlink(cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<()> {
    let parent = walk::parent(cx, base, path)?;
    let name = parent.name(Errno::EISDIR)?;
    let dir = &parent.dir;
    cx.may_in(Operation::FsRm, dir, name)?;
    dir.mount.writable()?;
    let victim = dir.lookup(name)?;
    if parent.slash {
        let directory = victim.kind == FileType::Directory;
        return Err(if directory { Errno::EISDIR } else { Errno::ENOTDIR }.into());
    }
    access::may_delete(cx.cred, &dir.attr, &victim, false)?;
    dir.mount.fs.unlink(dir.attr.ino, name)
}

fn rmdir(cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<()> {
    let parent = walk::parent(cx, base, path)?;
    let name = match &parent.last {
        Last::Name(name) => name,
        Last::Dot => return Err(Errno::EINVAL.into()),
        Last::DotDot => return Err(Errno::ENOTEMPTY.into()),
        _ => return Err(Errno::EBUSY.into()),
    };
    let dir = &parent.dir;
    cx.may_in(Operation::FsRm, dir, name)?;
    dir.mount.writable()?;
    let victim = dir.lookup(name)?;
    access::may_delete(cx.cred, &dir.attr, &victim, true)?;
    if dir.mount.is_mount_point(&victim) {
        return Err(Errno::EBUSY.into());
    }
    dir.mount.fs.rmdir(dir.attr.ino, name)
}
