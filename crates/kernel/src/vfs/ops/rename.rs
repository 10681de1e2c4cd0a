//! `rename(2)` and `renameat2(2)`.

use super::absent;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::access::{self, Access};
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::context::FsContext;
use crate::vfs::filesystem::RenameFlags;
use crate::vfs::location::Location;
use crate::vfs::namespace::Vfs;
use crate::vfs::walk::{self, Node, Parent};
use std::sync::Arc;

impl Vfs {
    /// Moves a name.
    ///
    /// # Errors
    /// Those of `rename(2)`; `EXDEV` between mounts, `EBUSY` for a mount point.
    pub fn rename(
        &self,
        cx: &FsContext<'_>,
        old_base: Option<&Location>,
        old: &[u8],
        new_base: Option<&Location>,
        new: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        self.ruled_alone(cx, |cx| {
            let from = walk::parent(cx, old_base, old)?;
            let to = walk::parent(cx, new_base, new)?;
            rename(cx, &from, &to, flags)
        })
    }
}

fn rename(cx: &FsContext<'_>, from: &Parent, to: &Parent, flags: RenameFlags) -> Result<()> {
    if !Arc::ptr_eq(&from.dir.mount, &to.dir.mount) {
        return Err(Errno::EXDEV.into());
    }
    let name = from.name(Errno::EBUSY)?;
    let special = if flags == RenameFlags::NoReplace {
        Errno::EEXIST
    } else {
        Errno::EBUSY
    };
    let to_name = to.name(special)?;
    let fs = &from.dir.mount.fs;
    from.dir.mount.writable()?;
    let source = from.dir.lookup(name)?;
    let target = absent(to.dir.lookup(to_name))?;
    check_policy(
        cx,
        (&from.dir, name, &source),
        (&to.dir, to_name, target.as_ref()),
        flags,
    )?;
    check_form(from, to, &source, target.as_ref(), flags)?;
    check_descent(&from.dir, &to.dir, &source, target.as_ref(), flags)?;
    if target.is_some_and(|target| target.ino == source.ino) {
        return Ok(());
    }
    check_rights(cx, &from.dir, &to.dir, &source, target.as_ref(), flags)?;
    fs.rename(from.dir.attr.ino, name, to.dir.attr.ino, to_name, flags)
}

/// What moves, and in an exchange also what moves the other way.
fn check_policy(
    cx: &FsContext<'_>,
    from: (&Node, &[u8], &Attr),
    to: (&Node, &[u8], Option<&Attr>),
    flags: RenameFlags,
) -> Result<()> {
    let (old, new) = ((from.0, from.1), (to.0, to.1));
    cx.may_move(old, new, (from.2.ino, from.2.kind))?;
    match to.2 {
        Some(target) if flags == RenameFlags::Exchange => cx.may_move(new, old, (target.ino, target.kind)),
        _ => Ok(()),
    }
}

/// Existence of the target and trailing slashes.
fn check_form(from: &Parent, to: &Parent, source: &Attr, target: Option<&Attr>, flags: RenameFlags) -> Result<()> {
    match (flags, target) {
        (RenameFlags::NoReplace, Some(_)) => return Err(Errno::EEXIST.into()),
        (RenameFlags::Exchange, None) => return Err(Errno::ENOENT.into()),
        (RenameFlags::Exchange, Some(target)) if to.slash && target.kind != FileType::Directory => {
            return Err(Errno::ENOTDIR.into());
        }
        _ => {}
    }
    if source.kind != FileType::Directory && (from.slash || (to.slash && flags != RenameFlags::Exchange)) {
        return Err(Errno::ENOTDIR.into());
    }
    Ok(())
}

/// Neither may be an ancestor of where the other goes.
fn check_descent(from: &Node, to: &Node, source: &Attr, target: Option<&Attr>, flags: RenameFlags) -> Result<()> {
    if from.attr.ino == to.attr.ino {
        return Ok(());
    }
    if source.kind == FileType::Directory && is_ancestor(to, source.ino)? {
        return Err(Errno::EINVAL.into());
    }
    if let Some(target) = target
        && target.kind == FileType::Directory
        && is_ancestor(from, target.ino)?
    {
        let exchange = flags == RenameFlags::Exchange;
        return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY }.into());
    }
    Ok(())
}

fn check_rights(
    cx: &FsContext<'_>,
    from: &Node,
    to: &Node,
    source: &Attr,
    target: Option<&Attr>,
    flags: RenameFlags,
) -> Result<()> {
    let is_dir = source.kind == FileType::Directory;
    let exchange = flags == RenameFlags::Exchange;
    access::may_delete(cx.cred, &from.attr, source, is_dir)?;
    match target {
        None => access::may_create(cx.cred, &to.attr)?,
        Some(target) => {
            let as_directory = if exchange {
                target.kind == FileType::Directory
            } else {
                is_dir
            };
            access::may_delete(cx.cred, &to.attr, target, as_directory)?;
        }
    }
    if from.attr.ino != to.attr.ino {
        // Moving a directory changes its `..`.
        if is_dir {
            access::check(cx.cred, source, Access::WRITE)?;
        }
        if let Some(target) = target
            && exchange
            && target.kind == FileType::Directory
        {
            access::check(cx.cred, target, Access::WRITE)?;
        }
    }
    let busy = |attr: &Attr| from.mount.is_mount_point(attr);
    if busy(source) || target.is_some_and(busy) {
        return Err(Errno::EBUSY.into());
    }
    Ok(())
}

/// Whether directory `ancestor` is `dir` or above it.
fn is_ancestor(dir: &Node, ancestor: Ino) -> Result<bool> {
    let fs = &dir.mount.fs;
    let mut at = dir.attr.ino;
    // Bounded, because a filesystem of the user's may have circles.
    for _ in 0..DEPTH_MAX {
        if at == ancestor {
            return Ok(true);
        }
        let parent = fs.parent(at)?;
        if parent == at {
            return Ok(false);
        }
        at = parent;
    }
    Err(Errno::ELOOP.into())
}

/// Directories above one another that a rename looks through.
const DEPTH_MAX: u32 = 1 << 20;
