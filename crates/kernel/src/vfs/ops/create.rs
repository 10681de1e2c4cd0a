//! Making names: `mkdir(2)`, `mknod(2)`, `symlink(2)`, `link(2)`.

use super::{absent, new_node};
use crate::errno::Errno;
use crate::error::Result;
use crate::policy::Operation;
use crate::vfs::access;
use crate::vfs::attr::{Attr, FileType, Mode};
use crate::vfs::context::FsContext;
use crate::vfs::location::Location;
use crate::vfs::namespace::Vfs;
use crate::vfs::walk::{self, Node, Parent};
use crate::vfs::{HARD_LINKS_MAX, PATH_MAX};
use std::sync::Arc;

impl Vfs {
    /// Creates a directory.
    ///
    /// # Errors
    /// Those of `mkdir(2)`.
    pub fn mkdir(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], mode: Mode) -> Result<Attr> {
        self.ruled(cx, |cx| {
            let parent = walk::parent(cx, base, path)?;
            let name = vacant(cx, &parent, Operation::FsCreateDir)?;
            let dir = &parent.dir;
            access::may_create(cx.cred, &dir.attr)?;
            let node = new_node(cx, &dir.attr, FileType::Directory, mode, 0);
            dir.mount.fs.mkdir(dir.attr.ino, name, &node)
        })
    }

    /// Creates a regular file, FIFO, socket or device. Devices are for the superuser.
    ///
    /// # Errors
    /// Those of `mknod(2)`.
    pub fn mknod(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        kind: FileType,
        mode: Mode,
        rdev: u64,
    ) -> Result<Attr> {
        match kind {
            FileType::Directory => return Err(Errno::EPERM.into()),
            FileType::Symlink => return Err(Errno::EINVAL.into()),
            _ => {}
        }
        self.ruled(cx, |cx| {
            let parent = walk::parent(cx, base, path)?;
            let name = vacant(cx, &parent, Operation::FsWrite)?;
            let dir = &parent.dir;
            access::may_create(cx.cred, &dir.attr)?;
            let device = matches!(kind, FileType::CharDevice | FileType::BlockDevice);
            if device && !cx.cred.is_root() {
                return Err(Errno::EPERM.into());
            }
            let node = new_node(cx, &dir.attr, kind, mode, if device { rdev } else { 0 });
            dir.mount.fs.create(dir.attr.ino, name, &node)
        })
    }

    /// Creates a symbolic link at `path` with the given text.
    ///
    /// # Errors
    /// Those of `symlink(2)`; `ENAMETOOLONG` beyond 4095 bytes of text.
    pub fn symlink(&self, cx: &FsContext<'_>, target: &[u8], base: Option<&Location>, path: &[u8]) -> Result<Attr> {
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if target.len() > PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if target.contains(&0) {
            return Err(Errno::EINVAL.into());
        }
        self.ruled(cx, |cx| {
            let parent = walk::parent(cx, base, path)?;
            let name = vacant(cx, &parent, Operation::FsSymlink)?;
            let dir = &parent.dir;
            access::may_create(cx.cred, &dir.attr)?;
            let mut node = new_node(cx, &dir.attr, FileType::Symlink, Mode::new(0o777), 0);
            node.mode = Mode::new(0o777);
            dir.mount.fs.symlink(dir.attr.ino, name, target, &node)
        })
    }

    /// Gives the inode at `old` another name, `new`. `follow`: a symbolic link at `old` is followed.
    ///
    /// # Errors
    /// Those of `link(2)`.
    pub fn link(
        &self,
        cx: &FsContext<'_>,
        old_base: Option<&Location>,
        old: &[u8],
        new_base: Option<&Location>,
        new: &[u8],
        follow: bool,
    ) -> Result<()> {
        self.ruled(cx, |cx| {
            let node = walk::resolve(cx, old_base, old, follow)?;
            link_node(cx, &node, new_base, new)
        })
    }

    /// Gives an open inode a name (`linkat(2)` with `AT_EMPTY_PATH`, and how an unnamed file gets one).
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub fn link_location(
        &self,
        cx: &FsContext<'_>,
        location: &Location,
        new_base: Option<&Location>,
        new: &[u8],
    ) -> Result<()> {
        self.ruled(cx, |cx| link_node(cx, &Node::under(cx, location)?, new_base, new))
    }
}

fn link_node(cx: &FsContext<'_>, node: &Node, new_base: Option<&Location>, new: &[u8]) -> Result<()> {
    let parent = walk::parent(cx, new_base, new)?;
    cx.may_alias(node, &parent.dir, parent.name(Errno::EEXIST)?)?;
    let name = vacant(cx, &parent, Operation::FsWrite)?;
    let dir = &parent.dir;
    if !Arc::ptr_eq(&dir.mount, &node.mount) {
        return Err(Errno::EXDEV.into());
    }
    access::may_create(cx.cred, &dir.attr)?;
    if node.attr.kind == FileType::Directory {
        return Err(Errno::EPERM.into());
    }
    if node.attr.nlink >= HARD_LINKS_MAX {
        return Err(Errno::EMLINK.into());
    }
    dir.mount.fs.link(node.attr.ino, dir.attr.ino, name)?;
    Ok(())
}

/// The name that is to be created by `operation`: nothing has it yet, and the mount can be written to.
fn vacant<'a>(cx: &FsContext<'_>, parent: &'a Parent, operation: Operation) -> Result<&'a [u8]> {
    let name = parent.name(Errno::EEXIST)?;
    let dir = &parent.dir;
    cx.may_in(operation, dir, name)?;
    if absent(dir.lookup(name))?.is_some() {
        return Err(Errno::EEXIST.into());
    }
    if parent.slash && operation != Operation::FsCreateDir {
        return Err(Errno::ENOENT.into());
    }
    dir.mount.writable()?;
    Ok(name)
}
