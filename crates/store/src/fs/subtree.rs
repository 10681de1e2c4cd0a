//! A directory of a durable filesystem as a filesystem of its own: one for each persistent path of a VM.

use core::ops::ControlFlow;
use std::sync::Arc;

use agentos_kernel::Errno;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::error::Result;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{
    Attr, DirEntry, Features, FileType, Filesystem, NAME_MAX, NewNode, RenameFlags, SeekTarget, SetAttr, Settling,
    StatFs, XattrMode,
};

use super::DurableFs;

/// What is below one top-level directory of a [`DurableFs`]. Its files keep their inode numbers.
pub struct Subtree {
    fs: Arc<DurableFs>,
    root: Ino,
}

impl DurableFs {
    /// The tree that is stored for the persistent path `path`; made from `node` if there is none yet, which then is its root
    /// directory. Trees of paths that nobody asks for stay as they are.
    ///
    /// # Errors
    /// `ENAMETOOLONG` for a path of more than 255 bytes, each slash and percent sign counting three, `EINVAL` for an empty
    /// one; those of [`Filesystem::mkdir`].
    pub fn subtree(self: &Arc<Self>, path: &[u8], node: &NewNode) -> Result<Arc<Subtree>> {
        if let Some(found) = self.find_subtree(path)? {
            return Ok(found);
        }
        let made = self.mkdir(self.root(), &stored_name(path)?, node)?;
        Ok(self.view(made.ino))
    }

    /// The tree that is stored for the persistent path `path`, if there is one.
    ///
    /// # Errors
    /// As [`subtree`](Self::subtree).
    pub fn find_subtree(self: &Arc<Self>, path: &[u8]) -> Result<Option<Arc<Subtree>>> {
        match self.lookup(self.root(), &stored_name(path)?) {
            Ok(found) if found.kind == FileType::Directory => Ok(Some(self.view(found.ino))),
            Ok(_) => Err(Errno::ENOTDIR.into()),
            Err(error) if error == Errno::ENOENT => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn view(self: &Arc<Self>, root: Ino) -> Arc<Subtree> {
        Arc::new(Subtree {
            fs: Arc::clone(self),
            root,
        })
    }
}

impl Subtree {
    /// The filesystem that this is a part of.
    pub fn filesystem(&self) -> &Arc<DurableFs> {
        &self.fs
    }
}

/// The name that stands for a path: no two paths have the same, and none holds a slash.
fn stored_name(path: &[u8]) -> Result<Vec<u8>> {
    if path.is_empty() || path.contains(&0) {
        return Err(Errno::EINVAL.into());
    }
    let mut name = Vec::with_capacity(path.len() + 8);
    for byte in path {
        match byte {
            b'/' => name.extend_from_slice(b"%2F"),
            b'%' => name.extend_from_slice(b"%25"),
            other => name.push(*other),
        }
    }
    match name.len() > NAME_MAX {
        true => Err(Errno::ENAMETOOLONG.into()),
        false => Ok(name),
    }
}

impl Filesystem for Subtree {
    fn kind(&self) -> &'static str {
        self.fs.kind()
    }

    fn features(&self) -> Features {
        self.fs.features()
    }

    fn root(&self) -> Ino {
        self.root
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.fs.lookup(dir, name)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        match dir == self.root {
            true => Ok(dir),
            false => self.fs.parent(dir),
        }
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.fs.getattr(ino)
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        self.fs.setattr(ino, set)
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        self.fs.readlink(ino)
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.fs.create(dir, name, node)
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.fs.mkdir(dir, name, node)
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Result<Attr> {
        self.fs.symlink(dir, name, target, node)
    }

    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.fs.link(ino, dir, name)
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Attr> {
        self.fs.create_unnamed(node)
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.fs.unlink(dir, name)
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.fs.rmdir(dir, name)
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.fs.rename(dir, name, to_dir, to_name, flags)
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.fs.readdir(dir, position, emit)
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.fs.read(ino, offset, buf)
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        self.fs.write(ino, offset, data)
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        self.fs.append(ino, data)
    }

    fn touch(&self, ino: Ino) -> Result<()> {
        self.fs.touch(ino)
    }

    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        self.fs.seek(ino, offset, target)
    }

    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        self.fs.allocate(ino, offset, len, keep_size, punch)
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        self.fs.retain(ino)
    }

    fn release(&self, ino: Ino) {
        self.fs.release(ino);
    }

    fn fsync(&self, ino: Ino, data_only: bool) -> Result<()> {
        self.fs.fsync(ino, data_only)
    }

    fn sync(&self) -> Result<()> {
        self.fs.sync()
    }

    fn begin_fsync(&self, ino: Ino, data_only: bool) -> Result<Option<Settling>> {
        self.fs.begin_fsync(ino, data_only)
    }

    fn begin_sync(&self) -> Result<Option<Settling>> {
        self.fs.begin_sync()
    }

    fn begin_room(&self) -> Result<Option<Settling>> {
        self.fs.begin_room()
    }

    fn statfs(&self) -> Result<StatFs> {
        self.fs.statfs()
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.fs.getxattr(ino, name)
    }

    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        self.fs.setxattr(ino, name, value, mode)
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        self.fs.listxattr(ino)
    }

    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        self.fs.removexattr(ino, name)
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        match ino == self.root {
            true => Err(Errno::ENOENT.into()),
            false => self.fs.name_of(ino),
        }
    }

    fn now(&self) -> Timestamp {
        Filesystem::now(&*self.fs)
    }
}
