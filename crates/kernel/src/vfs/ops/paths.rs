//! Paths of inodes: `realpath(3)`, `getcwd(3)`, `readlink(2)`.

use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::policy::Operation;
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::context::FsContext;
use crate::vfs::handle::touch;
use crate::vfs::location::{Location, Object};
use crate::vfs::namespace::Vfs;
use crate::vfs::walk::{self, Node, Target, Walker, gone};
use crate::vfs::{PATH_MAX, walk::Last};
use core::time::Duration;
use std::sync::Arc;

impl Vfs {
    /// Holds what `path` names. `follow`: a symbolic link at the end is followed. Being somewhere is no operation of the policy.
    ///
    /// # Errors
    /// Those of `path_resolution(7)`.
    pub fn resolve(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], follow: bool) -> Result<Location> {
        self.ruled(cx, |cx| walk::resolve(cx, base, path, follow)?.hold())
    }

    /// Holds the file at `path`, which is to be run: an operation `read` of the policy. With it come the attributes by which it was
    /// found, so that nobody has to ask for them again.
    ///
    /// # Errors
    /// Those of `path_resolution(7)`.
    pub fn resolve_program(&self, cx: &FsContext<'_>, path: &[u8]) -> Result<(Location, Attr)> {
        self.find_program(cx, path)?.map_err(|_| Errno::EACCES.into())
    }

    /// As [`resolve_program`](Self::resolve_program), for who knows what to do with an object behind a magic link.
    pub(crate) fn find_program(
        &self,
        cx: &FsContext<'_>,
        path: &[u8],
    ) -> Result<core::result::Result<(Location, Attr), Object>> {
        self.ruled(cx, |cx| {
            let node = match walk::find(cx, None, path, true)? {
                Target::Node(node) => node,
                Target::Object(object) => return Ok(Err(object)),
            };
            cx.may(Operation::FsRead, &node)?;
            cx.may_inspect(&node.mount, node.attr.ino)?;
            Ok(Ok((node.hold()?, node.attr)))
        })
    }

    /// Text of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` for anything else.
    pub fn readlink(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<Vec<u8>> {
        self.ruled(cx, |cx| {
            let node = walk::resolve(cx, base, path, false)?;
            cx.may(Operation::FsReadlink, &node)?;
            cx.may_inspect(&node.mount, node.attr.ino)?;
            if node.attr.kind != FileType::Symlink {
                return Err(Errno::EINVAL.into());
            }
            if let Ok(location) = node.hold() {
                touch(&location);
            }
            node.mount.fs.readlink_for(node.attr.ino, cx.caller)
        })
    }

    /// For how long everybody in the VM may be told, without asking again, that the absolute `path` names a directory and no link,
    /// unless [`Watch`](crate::vfs::Watch) is told of a change. None where that depends on who asks, and while no ways are kept.
    pub fn steady_directory(&self, cx: &FsContext<'_>, path: &[u8]) -> Option<Duration> {
        self.ruled(cx, |cx| walk::steady(cx, path)).ok().flatten()
    }

    /// Absolute path of what `path` names, without symbolic links, `.` and `..`.
    ///
    /// # Errors
    /// Those of path resolution: everything must exist.
    pub fn realpath(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<Vec<u8>> {
        self.ruled(cx, |cx| self.realpath_under(cx, base, path))
    }

    fn realpath_under(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<Vec<u8>> {
        let mut walker = Walker::start(cx, base, path)?;
        loop {
            let last = walker.up_to_last()?;
            let Last::Name(name) = &last else {
                walker.look(&last)?;
                cx.may(Operation::FsStat, walker.node())?;
                return self.path_of(cx, &walker.node().hold()?);
            };
            let found = walker.node().lookup(name)?;
            if found.kind == FileType::Symlink {
                walker.follow(&found)?;
                continue;
            }
            let mut real = self.path_of(cx, &walker.node().hold()?)?;
            walker.land(found, &last)?;
            let walk::Target::Node(node) = walker.finish()? else {
                return Err(Errno::ENOENT.into());
            };
            cx.may(Operation::FsStat, &node)?;
            cx.may_inspect(&node.mount, node.attr.ino)?;
            if node.attr.kind == FileType::Directory {
                return self.path_of(cx, &node.hold()?);
            }
            if real.len() > 1 {
                real.push(b'/');
            }
            real.extend_from_slice(name);
            return Ok(real);
        }
    }

    /// Absolute path of an inode as seen from the root of `cx`; of a file with several names one of them.
    ///
    /// # Errors
    /// `ENOENT` if it has no name any more or lies outside the root, `ENAMETOOLONG` beyond 4095 bytes.
    pub fn path_of(&self, cx: &FsContext<'_>, location: &Location) -> Result<Vec<u8>> {
        let here = |location: &Location| {
            let node = Node::at(location).map_err(gone)?;
            Ok::<_, Error>((node.mount, node.attr.ino, node.attr.nlink == 0))
        };
        let (mut mount, mut ino, mut is_removed) = here(location)?;
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut length = 0;
        loop {
            if ino == cx.root.ino() && Arc::ptr_eq(&mount, cx.root.mount()) {
                break;
            }
            if ino == mount.root {
                let below = mount.covered.clone().ok_or(Errno::ENOENT)?;
                (mount, ino, is_removed) = here(&below)?;
                continue;
            }
            if is_removed {
                return Err(Errno::ENOENT.into());
            }
            let (parent, name) = mount.fs.name_of(ino).map_err(gone)?;
            length += name.len() + 1;
            if length > PATH_MAX {
                return Err(Errno::ENAMETOOLONG.into());
            }
            names.push(name);
            // A directory in which something has a name has not been removed, so it does not have to be asked.
            (ino, is_removed) = (parent, false);
        }
        let mut path = Vec::with_capacity(length.max(1));
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }
}
