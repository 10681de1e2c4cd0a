//! Caps on what is added to a filesystem that no quota of the VM counts: a directory of the host, or something remote.
//!
//! Counted is growth through this mount: sizes of regular files and of link texts, extended attributes, and files. What was
//! there before is not counted; what is removed gives room back, but never more than was taken. So what the host finds is at
//! most what it had, plus the caps.
//!
//! Sizes are looked at and changed under one lock, so that two writers cannot both take the same growth for none. A file
//! that was removed while it is held still takes its room; the room comes back when the last holder lets go.

mod ledger;

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Ino, Pid};
use crate::limits::Counter;
use crate::vfs::attr::{Attr, FileType, SetAttr, StatFs};
use crate::vfs::filesystem::{
    Blob, DirEntry, Features, Filesystem, Holders, NativeUse, NewNode, RenameFlags, SeekTarget, XattrMode,
};
use crate::vfs::location::Jump;
use crate::vfs::settle::Settling;
use bytes::Bytes;
use core::ops::ControlFlow;
use ledger::Ledger;
use parking_lot::Mutex;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A filesystem to which only so much can be added.
pub struct CappedFs {
    inner: Arc<dyn Filesystem>,
    bytes: Counter,
    files: Counter,
    ledger: Mutex<Ledger>,
}

impl CappedFs {
    /// Lets `inner` grow by so many bytes and files at most; `None` for as many as it takes.
    pub fn new(inner: Arc<dyn Filesystem>, max_bytes: Option<u64>, max_files: Option<u64>) -> Arc<Self> {
        let counter = |path, unit, cap: Option<u64>| Counter::new(path, unit, cap.unwrap_or(u64::MAX), Errno::ENOSPC);
        Arc::new(Self {
            inner,
            bytes: counter("mounts.maxBytes", "bytes", max_bytes),
            files: counter("mounts.maxFiles", "files", max_files),
            ledger: Mutex::default(),
        })
    }

    /// Bytes and files added at present.
    pub fn used(&self) -> (u64, u64) {
        (self.bytes.used(), self.files.used())
    }

    /// Runs a change that adds a file and `bytes`, and gives both back if it fails.
    fn adding<T>(&self, bytes: u64, operation: &'static str, change: impl FnOnce() -> Result<T>) -> Result<T> {
        self.files.take(1, operation)?;
        self.growing(bytes, operation, change)
            .inspect_err(|_| self.files.give(1))
    }

    /// Runs a change that adds `bytes`, and gives them back if it fails.
    fn growing<T>(&self, bytes: u64, operation: &'static str, change: impl FnOnce() -> Result<T>) -> Result<T> {
        self.bytes.take(bytes, operation)?;
        change().inspect_err(|_| self.bytes.give(bytes))
    }

    /// Writes what fits of `data` at `offset` of a file that is `size` long, through `write`. Under the ledger's lock.
    fn fitting(
        &self,
        (offset, size): (u64, u64),
        data: &[u8],
        write: impl FnOnce(&[u8]) -> Result<usize>,
    ) -> Result<usize> {
        let growth = offset.saturating_add(data.len() as u64).saturating_sub(size);
        let granted = self.bytes.take_up_to(growth);
        let room = (data.len() as u64).saturating_sub(growth - granted);
        let fits = usize::try_from(room)
            .ok()
            .and_then(|room| data.get(..room))
            .unwrap_or(data);
        if fits.is_empty() && !data.is_empty() {
            self.bytes.give(granted);
            let wanted = self.bytes.used().saturating_add(growth);
            return Err(self.bytes.exceeded(wanted, "write").into());
        }
        let written = write(fits);
        let grown = match &written {
            Ok(count) => offset.saturating_add(*count as u64).saturating_sub(size),
            Err(_) => 0,
        };
        self.bytes.give(granted.saturating_sub(grown));
        written
    }

    /// What an inode takes besides its name.
    fn weight(&self, attr: &Attr) -> u64 {
        let content = match attr.kind {
            FileType::Regular | FileType::Symlink => attr.size,
            _ => 0,
        };
        let names = self.inner.listxattr(attr.ino).unwrap_or_default();
        content + names.iter().map(|name| self.xattr_weight(attr.ino, name)).sum::<u64>()
    }

    fn xattr_weight(&self, ino: Ino, name: &[u8]) -> u64 {
        let value = self.inner.getxattr(ino, name);
        value.map_or(0, |value| (name.len() + value.len()) as u64)
    }

    /// A name is about to go: what the inode takes if that is the last.
    fn last_name(&self, attr: &Attr) -> Option<u64> {
        (attr.kind == FileType::Directory || attr.nlink <= 1).then(|| self.weight(attr))
    }

    /// The last name of an inode went.
    fn lost(&self, ledger: &mut Ledger, attr: &Attr, weight: Option<u64>) {
        if let Some(weight) = weight
            && !ledger.orphan(attr.ino)
        {
            self.give(weight);
        }
    }

    fn give(&self, weight: u64) {
        self.bytes.give(weight);
        self.files.give(1);
    }
}

impl Filesystem for CappedFs {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.inner.lookup(dir, name)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        self.inner.parent(dir)
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.inner.getattr(ino)
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        let Some(size) = set.size else {
            return self.inner.setattr(ino, set);
        };
        let _held = self.ledger.lock();
        let before = self.inner.getattr(ino)?.size;
        let growth = size.saturating_sub(before);
        let attr = self.growing(growth, "truncate", || self.inner.setattr(ino, set))?;
        self.bytes.give(before.saturating_sub(size));
        Ok(attr)
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        self.inner.readlink(ino)
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.adding(0, "create", || self.inner.create(dir, name, node))
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.adding(0, "mkdir", || self.inner.mkdir(dir, name, node))
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Result<Attr> {
        let length = target.len() as u64;
        self.adding(length, "symlink", || self.inner.symlink(dir, name, target, node))
    }

    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        let mut ledger = self.ledger.lock();
        let attr = self.inner.link(ino, dir, name)?;
        ledger.adopt(ino);
        Ok(attr)
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Attr> {
        let mut ledger = self.ledger.lock();
        let attr = self.adding(0, "create", || self.inner.create_unnamed(node))?;
        ledger.retain(attr.ino);
        ledger.orphan(attr.ino);
        Ok(attr)
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        let mut ledger = self.ledger.lock();
        let victim = self.inner.lookup(dir, name)?;
        let weight = self.last_name(&victim);
        self.inner.unlink(dir, name)?;
        self.lost(&mut ledger, &victim, weight);
        Ok(())
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        let mut ledger = self.ledger.lock();
        let victim = self.inner.lookup(dir, name)?;
        let weight = self.last_name(&victim);
        self.inner.rmdir(dir, name)?;
        self.lost(&mut ledger, &victim, weight);
        Ok(())
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        let mut ledger = self.ledger.lock();
        let source = self.inner.lookup(dir, name)?;
        let replaced = match flags {
            RenameFlags::Replace => self.inner.lookup(to_dir, to_name).ok(),
            _ => None,
        };
        let victim = replaced.filter(|victim| victim.ino != source.ino);
        let weight = victim.as_ref().and_then(|victim| self.last_name(victim));
        self.inner.rename(dir, name, to_dir, to_name, flags)?;
        if let Some(victim) = victim {
            self.lost(&mut ledger, &victim, weight);
        }
        Ok(())
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.inner.readdir(dir, position, emit)
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.inner.read(ino, offset, buf)
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        let _held = self.ledger.lock();
        let size = self.inner.getattr(ino)?.size;
        self.fitting((offset, size), data, |data| self.inner.write(ino, offset, data))
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        let _held = self.ledger.lock();
        let size = self.inner.getattr(ino)?.size;
        let mut end = size;
        let count = self.fitting((size, size), data, |data| {
            let (count, after) = self.inner.append(ino, data)?;
            end = after;
            Ok(count)
        })?;
        Ok((count, end))
    }

    fn records_access(&self, ino: Ino) -> bool {
        self.inner.records_access(ino)
    }

    fn touch(&self, ino: Ino) -> Result<()> {
        self.inner.touch(ino)
    }

    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        self.inner.seek(ino, offset, target)
    }

    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        if punch {
            return self.inner.allocate(ino, offset, len, keep_size, punch);
        }
        let _held = self.ledger.lock();
        let size = self.inner.getattr(ino)?.size;
        let growth = offset.saturating_add(len).saturating_sub(size);
        if keep_size && growth > 0 {
            // Room that no size shows could never be counted.
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.growing(growth, "fallocate", || {
            self.inner.allocate(ino, offset, len, keep_size, punch)
        })
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        let mut ledger = self.ledger.lock();
        self.inner.retain(ino)?;
        ledger.retain(ino);
        Ok(())
    }

    fn release(&self, ino: Ino) {
        let mut ledger = self.ledger.lock();
        let weight = match ledger.release(ino) {
            // Nobody can look any more after the inode was released.
            true => self.inner.getattr(ino).ok().map(|attr| self.weight(&attr)),
            false => None,
        };
        self.inner.release(ino);
        if let Some(weight) = weight {
            self.give(weight);
        }
    }

    fn fsync(&self, ino: Ino, data_only: bool) -> Result<()> {
        self.inner.fsync(ino, data_only)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn begin_fsync(&self, ino: Ino, data_only: bool) -> Result<Option<Settling>> {
        self.inner.begin_fsync(ino, data_only)
    }

    fn begin_sync(&self) -> Result<Option<Settling>> {
        self.inner.begin_sync()
    }

    fn begin_room(&self) -> Result<Option<Settling>> {
        self.inner.begin_room()
    }

    fn statfs(&self) -> Result<StatFs> {
        let mut totals = self.inner.statfs()?;
        let left = |counter: &Counter| counter.capacity().saturating_sub(counter.used());
        totals.blocks_free = totals.blocks_free.min(left(&self.bytes) / totals.block_size.max(1));
        totals.inodes_free = totals.inodes_free.min(left(&self.files));
        Ok(totals)
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.inner.getxattr(ino, name)
    }

    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        let _held = self.ledger.lock();
        let before = self.xattr_weight(ino, name);
        let after = (name.len() + value.len()) as u64;
        let growth = after.saturating_sub(before);
        self.growing(growth, "setxattr", || self.inner.setxattr(ino, name, value, mode))?;
        self.bytes.give(before.saturating_sub(after));
        Ok(())
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        self.inner.listxattr(ino)
    }

    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        let _held = self.ledger.lock();
        let before = self.xattr_weight(ino, name);
        self.inner.removexattr(ino, name)?;
        self.bytes.give(before);
        Ok(())
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        self.inner.name_of(ino)
    }

    fn readlink_for(&self, ino: Ino, caller: Pid) -> Result<Vec<u8>> {
        self.inner.readlink_for(ino, caller)
    }

    fn jump(&self, ino: Ino, caller: Pid) -> Result<Option<Jump>> {
        self.inner.jump(ino, caller)
    }

    fn generate(&self, ino: Ino, caller: Pid) -> Result<Option<Bytes>> {
        self.inner.generate(ino, caller)
    }

    fn may_inspect(&self, ino: Ino, caller: Pid) -> Result<()> {
        self.inner.may_inspect(ino, caller)
    }

    fn host_file(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        self.inner.host_file(ino)
    }

    fn native(&self, _: Ino, _: bool) -> Result<Option<OwnedFd>> {
        // What is written past the ledger could not be counted; and who reads must see what is written to a copy.
        Ok(None)
    }

    fn shares_natively(&self, _: Ino, _: bool) -> bool {
        false
    }

    fn tidy_natives(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        self.inner.tidy_natives(holders)
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        self.inner.blob(ino)
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}
