//! A filesystem in memory: the root of every VM, and `tmpfs`-like mounts.
//!
//! Everything lives in persistent trees behind one lock:
//!
//! ```text
//!   State      inodes: number -> Arc<Inode>          copied by cloning one pointer
//!     Inode    attributes, names, extended attributes
//!       Dir      entries by number and by name       a few: array; many: trees
//!       Content  size, pages by index, image below   pages: Arc<[u8]> of at most 4 KiB
//!         Native   instead of pages: a file in the host's memory, once a native program has opened the file
//! ```
//!
//! [`MemoryFs::fork`] therefore costs the same for ten files as for a million, and both sides share every page, entry and
//! inode until one of them writes it. That is how a VM gets its root filesystem, how a VM is snapshotted, and how it is
//! forked.
//!
//! Who pays: a filesystem charges the quota of its VM for what is written through it, and gives it back when it goes, also
//! when that is only unlinked but still open. A fork is charged with what its original was charged with, so that copying a
//! VM does not lift its limits. What was written under an unlimited quota (the template of all VMs) is free for everyone
//! (see `quota`); a page of it that a VM overwrites is the VM's.
//!
//! Invariants: inode numbers are never used again; the sum of all charges is what the ledger holds; an inode is in the table
//! exactly while it has a name or a holder.

mod content;
mod dir;
mod inode;
mod names;
mod native;
mod pages;
mod quota;
mod rename;
mod state;
#[cfg(test)]
mod tests;
mod xattr;

use crate::clock::{Clock, Timestamp};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Uid};
use crate::vfs::SIZE_MAX;
use crate::vfs::attr::{Attr, FileType, Mode, SetAttr, StatFs};
use crate::vfs::filesystem::{
    Blob, DirEntry, Filesystem, Holders, NativeUse, NewNode, RenameFlags, SeekTarget, XattrMode,
};
use bytes::Bytes;
use content::Content;
use core::ops::ControlFlow;
use dir::Dir;
use inode::Body;
use parking_lot::RwLock;
use rename::Place;
use state::{State, tidy_native};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

pub use quota::FsQuota;

/// `statfs(2)` type of `tmpfs`.
const TMPFS_MAGIC: u64 = 0x0102_1994;
const BLOCK: u64 = pages::PAGE;

/// A filesystem in memory. See the head of the module.
pub struct MemoryFs {
    state: RwLock<State>,
    clock: Arc<dyn Clock>,
}

impl MemoryFs {
    /// An empty filesystem, whose root directory belongs to the superuser and has mode 0755. What is stored is charged to
    /// `quota`; nothing is if its bytes are unlimited (`u64::MAX`).
    pub fn new(clock: Arc<dyn Clock>, quota: Arc<FsQuota>) -> Arc<Self> {
        let state = RwLock::new(State::new(quota, clock.now()));
        Arc::new(Self { state, clock })
    }

    /// A copy of the files as they are now, in constant time (plus a step for each file that is open and deleted, which the
    /// copy lacks). `quota` is charged with what this filesystem has charged to its own, even beyond its cap: what exists
    /// is kept, growth is refused.
    pub fn fork(&self, clock: Arc<dyn Clock>, quota: Arc<FsQuota>) -> Arc<Self> {
        let state = RwLock::new(self.state.read().fork(quota));
        Arc::new(Self { state, clock })
    }

    /// Creates a file that holds an immutable image without copying it. The image itself is charged to nobody; pages of it
    /// that are overwritten later are. [`Filesystem::blob`] gives it back until then.
    ///
    /// # Errors
    /// `EEXIST`, `ENOTDIR`, `ENOSPC` for the name.
    pub fn insert_blob(&self, dir: Ino, name: &[u8], blob: Arc<Blob>, mode: Mode, uid: Uid, gid: Gid) -> Result<Attr> {
        let node = NewNode {
            kind: FileType::Regular,
            mode,
            uid,
            gid,
            rdev: 0,
        };
        let body = Body::Regular(Content::of_blob(blob));
        self.state.write().add(dir, name, body, &node, self.clock.now())
    }

    /// Bytes and inodes that are charged to the quota for this filesystem.
    pub fn charged(&self) -> (u64, u64) {
        self.state.read().ledger.charged()
    }

    fn write_at(&self, ino: Ino, offset: Option<u64>, data: &[u8]) -> Result<(usize, u64)> {
        let now = self.clock.now();
        let mut state = self.state.write();
        let (inode, ledger) = state.file_mut(ino)?;
        let Body::Regular(content) = &mut inode.body else {
            return Err(Errno::EINVAL.into());
        };
        let offset = offset.unwrap_or_else(|| content.size());
        let room = usize::try_from(SIZE_MAX.saturating_sub(offset)).unwrap_or(usize::MAX);
        if room == 0 && !data.is_empty() {
            return Err(Errno::EFBIG.into());
        }
        let count = content.write(ledger, offset, data.get(..room).unwrap_or(data))?;
        if count > 0 {
            inode.modified(now);
        }
        Ok((count, offset + count as u64))
    }
}

impl Filesystem for MemoryFs {
    fn kind(&self) -> &'static str {
        "tmpfs"
    }

    fn root(&self) -> Ino {
        state::ROOT
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let state = self.state.read();
        let ino = state.entry(dir, name)?.ino;
        Ok(state.inode(ino)?.attr(ino))
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        Ok(self.state.read().inode(dir)?.dir()?.parent)
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        Ok(self.state.read().inode(ino)?.attr(ino))
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        let now = self.clock.now();
        let mut state = self.state.write();
        if let Some(size) = set.size {
            if size > SIZE_MAX {
                return Err(Errno::EFBIG.into());
            }
            let (inode, ledger) = state.file_mut(ino)?;
            if let Body::Regular(content) = &mut inode.body {
                content.resize(ledger, size)?;
            }
            inode.mtime = now;
        }
        let inode = state.inode_mut(ino)?;
        inode.set(set, now);
        Ok(inode.attr(ino))
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        match &self.state.read().inode(ino)?.body {
            Body::Symlink(target, _) => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        let body = match node.kind {
            FileType::Regular => Body::Regular(Content::default()),
            FileType::Directory | FileType::Symlink => return Err(Errno::EINVAL.into()),
            special => Body::Special(special),
        };
        self.state.write().add(dir, name, body, node, self.clock.now())
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        let body = Body::Directory(Dir::new(dir));
        self.state.write().add(dir, name, body, node, self.clock.now())
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Result<Attr> {
        let body = Body::Symlink(Arc::from(target), 0);
        self.state.write().add(dir, name, body, node, self.clock.now())
    }

    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.state.write().link(ino, dir, name, self.clock.now())
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Attr> {
        self.state.write().add_unnamed(node, self.clock.now())
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        let gone = self.state.write().unlink(dir, name, self.clock.now());
        gone.map(drop)
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        let gone = self.state.write().rmdir(dir, name, self.clock.now());
        gone.map(drop)
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        let (from, to) = (
            Place { dir, name },
            Place {
                dir: to_dir,
                name: to_name,
            },
        );
        let gone = self.state.write().rename(from, to, flags, self.clock.now());
        gone.map(drop)
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        // `emit` may call back, so the entries are fetched in batches, and handed out without the lock.
        let mut position = position;
        loop {
            let batch: Vec<_> = {
                let state = self.state.read();
                let entries = state.inode(dir)?.dir()?.after(position);
                entries
                    .take(READDIR_BATCH)
                    .map(|(number, entry)| (number, entry.clone()))
                    .collect()
            };
            for (number, entry) in &batch {
                let entry = DirEntry {
                    name: &entry.name,
                    ino: entry.ino,
                    kind: entry.kind,
                    next: *number,
                };
                if emit(entry).is_break() {
                    return Ok(());
                }
                position = *number;
            }
            if batch.len() < READDIR_BATCH {
                return Ok(());
            }
        }
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(self.state.read().content(ino)?.read(offset, buf))
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        self.write_at(ino, Some(offset), data).map(|(count, _)| count)
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        self.write_at(ino, None, data)
    }

    fn adopt(&self, ino: Ino, content: Bytes) -> Result<bool> {
        let now = self.clock.now();
        let mut state = self.state.write();
        let (inode, ledger) = state.file_mut(ino)?;
        let Body::Regular(file) = &mut inode.body else {
            return Err(Errno::EINVAL.into());
        };
        let adopted = file.adopt(ledger, content)?;
        if adopted {
            inode.modified(now);
        }
        Ok(adopted)
    }

    fn touch(&self, ino: Ino) -> Result<()> {
        let now = self.clock.now();
        self.state.write().inode_mut(ino)?.atime = now;
        Ok(())
    }

    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        let state = self.state.read();
        let content = state.content(ino)?;
        if offset >= content.size() {
            return Err(Errno::ENXIO.into());
        }
        content.seek(offset, target).ok_or_else(|| Errno::ENXIO.into())
    }

    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        let now = self.clock.now();
        let end = offset
            .checked_add(len)
            .filter(|end| *end <= SIZE_MAX)
            .ok_or(Errno::EFBIG)?;
        let mut state = self.state.write();
        let (inode, ledger) = state.file_mut(ino)?;
        let Body::Regular(content) = &mut inode.body else {
            return Err(Errno::EINVAL.into());
        };
        if punch {
            content.punch(ledger, offset..end)?;
        } else {
            content.reserve(ledger, offset..end)?;
            if !keep_size && end > content.size() {
                content.resize(ledger, end)?;
            }
        }
        inode.modified(now);
        Ok(())
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        self.state.write().retain(ino)
    }

    fn release(&self, ino: Ino) {
        let gone = self.state.write().release(ino);
        drop(gone);
    }

    fn statfs(&self) -> Result<StatFs> {
        let state = self.state.read();
        let quota = state.ledger.quota();
        let left = |counter: &crate::limits::Counter| counter.capacity().saturating_sub(counter.used());
        Ok(StatFs {
            magic: TMPFS_MAGIC,
            block_size: BLOCK,
            blocks: quota.bytes.capacity() / BLOCK,
            blocks_free: left(&quota.bytes) / BLOCK,
            inodes: quota.inodes.capacity(),
            inodes_free: left(&quota.inodes),
            name_max: crate::vfs::NAME_MAX as u64,
        })
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        match &self.state.read().inode(ino)?.xattrs {
            Some(xattrs) => xattrs.get(name),
            None => Err(Errno::ENODATA.into()),
        }
    }

    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        let now = self.clock.now();
        self.state.write().set_xattr(ino, name, value, mode, now)
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let state = self.state.read();
        let xattrs = &state.inode(ino)?.xattrs;
        Ok(xattrs.as_ref().map(|xattrs| xattrs.names()).unwrap_or_default())
    }

    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        let now = self.clock.now();
        self.state.write().remove_xattr(ino, name, now)
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        self.state
            .read()
            .inode(ino)?
            .names
            .any()
            .ok_or_else(|| Errno::ENOENT.into())
    }

    fn native(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        self.state.write().make_native(ino, write)?.open(write).map(Some)
    }

    fn native_in_use(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        let mut state = self.state.write();
        match state.content(ino).is_ok_and(|content| content.native().is_some()) {
            // Counts as a use: it is not taken back just now.
            true => state.make_native(ino, false)?.open(write).map(Some),
            false => Ok(None),
        }
    }

    fn shares_natively(&self, ino: Ino, _: bool) -> bool {
        let state = self.state.read();
        state.content(ino).is_ok_and(|content| content.native().is_some())
    }

    fn tidy_natives(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        let natives = self.state.read().natives();
        let each = natives.into_iter().map(|ino| tidy_native(&self.state, ino, holders));
        each.fold(NativeUse::default(), NativeUse::and)
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        self.state.read().content(ino).ok()?.blob()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Entries that are listed under one hold of the lock.
const READDIR_BATCH: usize = 64;
