//! A writable filesystem over shared, read-only ones.
//!
//! The upper filesystem takes every change; the lowers, top to bottom, show through where nothing was changed, and are
//! never written. They must not change while they are in use.
//!
//! * **Whiteout**: a character device 0:0 in the upper, which hides a name of the lowers.
//! * **Directories** are merged by name, or by the list in the upper directory's attribute `trusted.overlay.lowers`, which
//!   every directory has that was copied up, renamed, or created where a lower one was hidden; an empty list makes it opaque.
//!   Renaming a directory of a lower therefore moves no content.
//! * **Copy-up**: the first change of a lower file or directory makes a copy in the upper (with the directories that lead
//!   there). The copy carries the inode number of the original (`trusted.overlay.origin`), so that the number never changes.
//!   Hard links of a lower file stay links of one another: all of them show the copy, which is kept in an index (hidden
//!   names in the root of the upper) while a lower shows it under further names.
//!
//! Listings show the names of the lowers first, whether or not they were copied up, and then those that only the upper has,
//! so that a copy-up in the midst of a listing neither hides nor repeats an entry.
//!
//! One lock covers the tree; content is read without it. Nodes are remembered once seen: as many as the lowers have files,
//! plus those of the upper, which its quota bounds. What must appear at once (a new file in place of a whiteout) is made
//! under a work name in the same directory and renamed; work names are never shown.

mod copy;
mod listing;
mod lookup;
mod names;
mod node;
mod rename;
#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::{Attr, FileType, SetAttr, StatFs};
use crate::vfs::filesystem::{
    Blob, DirEntry, Features, Filesystem, Holders, NativeUse, NewNode, RenameFlags, SeekTarget, XattrMode,
};
use crate::vfs::settle::Settling;
use core::ops::ControlFlow;
use node::Tree;
use parking_lot::Mutex;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A writable filesystem over read-only ones. See the head of the module.
pub struct OverlayFs {
    upper: Arc<dyn Filesystem>,
    root: Ino,
    tree: Mutex<Tree>,
}

/// Attributes of the upper that belong to the overlay, and are not shown.
const PRIVATE: &[u8] = b"trusted.overlay.";

impl OverlayFs {
    /// Lays `upper` over `lowers`, the topmost first. At most 255 lowers.
    ///
    /// # Errors
    /// `EINVAL` for too many lowers.
    pub fn new(upper: Arc<dyn Filesystem>, lowers: Vec<Arc<dyn Filesystem>>) -> Result<Arc<Self>> {
        let tree = Tree::new(Arc::clone(&upper), lowers)?;
        Ok(Arc::new(Self {
            upper,
            root: tree.root(),
            tree: Mutex::new(tree),
        }))
    }

    /// The filesystem and inode that hold the content of a file now.
    fn content(&self, ino: Ino) -> Result<(Arc<dyn Filesystem>, Ino)> {
        self.tree.lock().content(ino)
    }

    /// The upper inode of a file, which is copied up if need be.
    fn upper_of(&self, ino: Ino) -> Result<Ino> {
        self.tree.lock().copy_up(ino, u64::MAX)
    }
}

impl Filesystem for OverlayFs {
    fn kind(&self) -> &'static str {
        "overlay"
    }

    fn features(&self) -> Features {
        self.upper.features()
    }

    fn root(&self) -> Ino {
        self.root
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.tree.lock().look(dir, name)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        let tree = self.tree.lock();
        let node = tree.node(dir)?;
        match node.kind {
            FileType::Directory => Ok(node.parent),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.tree.lock().attr(ino)
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        let mut tree = self.tree.lock();
        if set.size.is_some() && tree.node(ino)?.kind != FileType::Regular {
            return Err(Errno::EINVAL.into());
        }
        let upper = tree.copy_up(ino, set.size.unwrap_or(u64::MAX))?;
        self.upper.setattr(upper, set)?;
        tree.attr(ino)
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        let (fs, ino) = self.content(ino)?;
        fs.readlink(ino)
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        if node.kind == FileType::CharDevice && node.rdev == 0 {
            // That would be a whiteout.
            return Err(Errno::EPERM.into());
        }
        self.tree
            .lock()
            .make(dir, name, &|fs, at, name| fs.create(at, name, node))
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.tree
            .lock()
            .make(dir, name, &|fs, at, name| fs.mkdir(at, name, node))
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Result<Attr> {
        self.tree
            .lock()
            .make(dir, name, &|fs, at, name| fs.symlink(at, name, target, node))
    }

    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.tree.lock().link(ino, dir, name)
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Attr> {
        let attr = self.upper.create_unnamed(node)?;
        Ok(self.tree.lock().add_unnamed(&attr))
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.tree.lock().unlink(dir, name)
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.tree.lock().rmdir(dir, name)
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.tree.lock().rename((dir, name), (to_dir, to_name), flags)
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        listing::list(&self.tree, dir, position, emit)
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let (fs, ino) = self.content(ino)?;
        fs.read(ino, offset, buf)
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        self.upper.write(self.upper_of(ino)?, offset, data)
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        self.upper.append(self.upper_of(ino)?, data)
    }

    fn records_access(&self, ino: Ino) -> bool {
        self.tree.lock().node(ino).is_ok_and(|node| node.upper.is_some())
    }

    fn touch(&self, ino: Ino) -> Result<()> {
        let upper = self.tree.lock().node(ino)?.upper;
        match upper {
            Some(upper) => self.upper.touch(upper),
            // Reading a lower file changes nothing.
            None => Ok(()),
        }
    }

    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        let (fs, ino) = self.content(ino)?;
        fs.seek(ino, offset, target)
    }

    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        self.upper.allocate(self.upper_of(ino)?, offset, len, keep_size, punch)
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        self.tree.lock().retain(ino)
    }

    fn release(&self, ino: Ino) {
        self.tree.lock().release(ino);
    }

    fn fsync(&self, ino: Ino, data_only: bool) -> Result<()> {
        let upper = self.tree.lock().node(ino)?.upper;
        upper.map_or(Ok(()), |upper| self.upper.fsync(upper, data_only))
    }

    fn sync(&self) -> Result<()> {
        self.upper.sync()
    }

    fn begin_fsync(&self, ino: Ino, data_only: bool) -> Result<Option<Settling>> {
        let upper = self.tree.lock().node(ino)?.upper;
        upper.map_or(Ok(None), |upper| self.upper.begin_fsync(upper, data_only))
    }

    fn begin_sync(&self) -> Result<Option<Settling>> {
        self.upper.begin_sync()
    }

    fn begin_room(&self) -> Result<Option<Settling>> {
        self.upper.begin_room()
    }

    fn statfs(&self) -> Result<StatFs> {
        self.upper.statfs()
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        if name.starts_with(PRIVATE) {
            return Err(Errno::ENODATA.into());
        }
        let (fs, ino) = self.content(ino)?;
        fs.getxattr(ino, name)
    }

    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        if name.starts_with(PRIVATE) {
            return Err(Errno::EPERM.into());
        }
        self.upper.setxattr(self.upper_of(ino)?, name, value, mode)
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let (fs, ino) = self.content(ino)?;
        let mut names = fs.listxattr(ino)?;
        names.retain(|name| !name.starts_with(PRIVATE));
        Ok(names)
    }

    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        // What is not there needs no copy.
        self.getxattr(ino, name)?;
        self.upper.removexattr(self.upper_of(ino)?, name)
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        let tree = self.tree.lock();
        let node = tree.node(ino)?;
        let name = node.name.as_ref().ok_or(Errno::ENOENT)?;
        Ok((node.parent, name.to_vec()))
    }

    fn native(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        if write {
            return self.upper.native(self.upper_of(ino)?, true);
        }
        let (fs, ino) = self.content(ino)?;
        fs.native(ino, false)
    }

    fn native_in_use(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        match self.content(ino)? {
            (fs, inner) if Arc::ptr_eq(&fs, &self.upper) => fs.native_in_use(inner, write),
            // Files of layers are those of other VMs, too, which must not hear of its locks.
            _ => Ok(None),
        }
    }

    fn shares_natively(&self, ino: Ino, write: bool) -> bool {
        match self.content(ino) {
            // What is changed is copied up first.
            Ok((fs, inner)) => (!write || Arc::ptr_eq(&fs, &self.upper)) && fs.shares_natively(inner, write),
            Err(_) => false,
        }
    }

    fn tidy_natives(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        self.upper.tidy_natives(holders)
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        let (fs, ino) = self.content(ino).ok()?;
        fs.blob(ino)
    }

    fn host_file(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        let (fs, ino) = self.content(ino)?;
        fs.host_file(ino)
    }

    fn now(&self) -> Timestamp {
        self.upper.now()
    }
}
