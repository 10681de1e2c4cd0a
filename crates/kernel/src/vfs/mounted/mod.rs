//! What mounting adds to a filesystem: working copies for native programs, and news for those who watch.
//!
//! A native program works on descriptors of the host. Filesystems whose files have none (durable ones, those of the embedder, those
//! with a cap) get a *working copy* for each file that a native program has open: a file in the host's memory that everybody in
//! the VM uses while it exists (`copy`). What natives write there is found by comparison and written back (`prints`): at `fsync`,
//! before the file is renamed or linked, when the VM is synchronised, and from time to time by whoever runs the natives
//! ([`Vfs::write_back`](crate::vfs::Vfs::write_back)), who also says which copies no native has open any more.
//!
//! Invariants:
//!
//! * A copy is made while nobody changes the file, and given up only after what natives wrote is in the filesystem. One that
//!   cannot be written back is kept, and the failure told at the next `fsync`.
//! * What the kernel's own callers change is in the filesystem when the call returns, as without a copy.
//! * Times that somebody sets stay, although the bytes get to the filesystem later.
//!
//! Lock order: the table of copies is not held while a copy's state is waited for; a copy's state is held while the filesystem
//! below is called.

mod copy;
mod prints;
#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{DeviceId, Ino, Pid};
use crate::vfs::attr::{Attr, FileType, SetAttr, SetTime, StatFs};
use crate::vfs::filesystem::{
    Blob, DirEntry, Features, Filesystem, Holders, NativeUse, NewNode, RenameFlags, SeekTarget, XattrMode,
};
use crate::vfs::location::Jump;
use crate::vfs::news::{News, What, mask};
use crate::vfs::settle::Settling;
use bytes::Bytes;
use copy::{Copy, State};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Bytes that a filesystem still has room for.
pub(crate) fn room_of(totals: &StatFs) -> u64 {
    totals.blocks_free.saturating_mul(totals.block_size)
}

/// A mounted filesystem. See the head of the module.
pub(crate) struct MountedFs {
    inner: Arc<dyn Filesystem>,
    dev: DeviceId,
    news: Arc<News>,
    copies: RwLock<HashMap<Ino, Arc<Copy>>>,
    /// How many copies there are, to be asked without the lock.
    count: AtomicUsize,
    /// What natives had added at the last look, in bytes.
    grown: AtomicU64,
    /// Whether a native has ever needed a copy.
    splits: AtomicBool,
}

impl MountedFs {
    pub(crate) fn new(inner: Arc<dyn Filesystem>, dev: DeviceId, news: &Arc<News>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            dev,
            news: Arc::clone(news),
            copies: RwLock::default(),
            count: AtomicUsize::new(0),
            grown: AtomicU64::new(0),
            splits: AtomicBool::new(false),
        })
    }

    /// Runs `call` on the copy of a file, if it has one.
    fn with<T>(&self, ino: Ino, call: impl FnOnce(&Copy, &mut State) -> T) -> Option<T> {
        while self.count.load(Ordering::Acquire) > 0 {
            let copy = Arc::clone(self.copies.read().get(&ino)?);
            let mut state = copy.state.lock();
            if !state.gone {
                return Some(call(&copy, &mut state));
            }
        }
        None
    }

    /// Changes the bytes of a file: through its copy, or by `plain` while none can come to be.
    fn change<T>(
        &self,
        ino: Ino,
        plain: impl FnOnce() -> Result<T>,
        through: impl FnOnce(&Copy, &mut State) -> Result<T>,
    ) -> Result<T> {
        loop {
            let copy = {
                let copies = self.copies.read();
                match copies.get(&ino) {
                    Some(copy) => Arc::clone(copy),
                    None => return plain(),
                }
            };
            let mut state = copy.state.lock();
            if !state.gone {
                return through(&copy, &mut state);
            }
        }
    }

    fn dressed(&self, attr: Attr) -> Attr {
        let dressed = match attr.kind {
            FileType::Regular => self.with(attr.ino, |copy, state| copy.dress(state, attr)),
            _ => None,
        };
        dressed.unwrap_or(attr)
    }

    /// A file's copy, which is made if there is none.
    fn copy_for(&self, ino: Ino, write: bool) -> Result<OwnedFd> {
        loop {
            let opened = self.with(ino, |copy, state| {
                if write {
                    copy.make_writable(state)?;
                }
                copy.open(write)
            });
            if let Some(opened) = opened {
                return opened;
            }
            let copy = Arc::new(Copy::new(ino)?);
            let mut state = copy.state.lock();
            {
                let mut copies = self.copies.write();
                if copies.contains_key(&ino) {
                    continue;
                }
                self.inner.retain(ino)?;
                copies.insert(ino, Arc::clone(&copy));
                self.count.fetch_add(1, Ordering::AcqRel);
            }
            let opened = copy
                .load(&mut state, &*self.inner, write)
                .and_then(|()| copy.open(write));
            if opened.is_err() {
                self.forget(ino, &mut state);
            }
            return opened;
        }
    }

    /// A copy that is not used any more. Its state is held by the caller.
    fn forget(&self, ino: Ino, state: &mut State) {
        state.gone = true;
        self.copies.write().remove(&ino);
        self.count.fetch_sub(1, Ordering::AcqRel);
        self.inner.release(ino);
    }

    fn all(&self) -> Vec<Arc<Copy>> {
        match self.count.load(Ordering::Acquire) {
            0 => Vec::new(),
            _ => self.copies.read().values().map(Arc::clone).collect(),
        }
    }

    /// Writes back what natives have changed; the first failure is told after all were tried, and again to who makes a file
    /// durable.
    pub(crate) fn write_back(&self) -> Result<()> {
        self.each_copy(|copy, state| copy.write_back(state, &*self.inner))
    }

    fn each_copy(&self, mut call: impl FnMut(&Copy, &mut State) -> Result<()>) -> Result<()> {
        let mut done = Ok(());
        for copy in self.all() {
            let mut state = copy.state.lock();
            if !state.gone {
                done = done.and(call(&copy, &mut state));
            }
        }
        done
    }

    /// Gives up copies that no native has open, as `holders` says of a descriptor of theirs. One that cannot be written back
    /// stays.
    pub(crate) fn tidy(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        let mut natives = self.inner.tidy_natives(holders);
        let mut growth = 0;
        for copy in self.all() {
            let mut state = copy.state.lock();
            if state.gone {
                continue;
            }
            let held = holders(copy.file());
            if held == Holders::None {
                // Nobody can write any more, also not through a mapping.
                let written = copy.write_back(&mut state, &*self.inner).is_ok();
                // What has no name and no room is of no more use.
                if written || self.inner.getattr(copy.ino).is_ok_and(|attr| attr.nlink == 0) {
                    self.forget(copy.ino, &mut state);
                    continue;
                }
            }
            growth += copy.growth(&state);
            natives.open += 1;
            natives.left += 1;
            if held == Holders::Writers {
                natives.largest = natives.largest.max(copy.stamp().size);
                natives.room = Some(0);
            }
        }
        self.grown.store(growth, Ordering::Release);
        if growth > 0 || natives.room.is_some() {
            let room = self.inner.statfs().map_or(u64::MAX, |totals| room_of(&totals));
            natives.excess = natives.excess.max(growth.saturating_sub(room));
            natives.room = natives.room.map(|_| room.saturating_sub(growth));
        }
        natives
    }

    /// Natives may write to a file through a mapping from now on.
    pub(crate) fn note_mapping(&self, ino: Ino) {
        self.with(ino, |_, state| state.mapped = true);
    }

    /// Whether a file has a working copy.
    pub(crate) fn has_copy(&self, ino: Ino) -> bool {
        self.with(ino, |_, _| ()).is_some()
    }

    /// Working copies that there are.
    pub(crate) fn copies(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// What [`growth`](Self::growth) was when it was last looked.
    pub(crate) fn growth_seen(&self) -> u64 {
        self.grown.load(Ordering::Acquire)
    }

    /// Bytes that natives have written and the filesystem has neither taken nor counted.
    pub(crate) fn growth(&self) -> u64 {
        let copies = self.all();
        copies.iter().map(|copy| copy.growth(&copy.state.lock())).sum()
    }

    /// Has what natives changed in a file that is about to get another name go first.
    fn settle_name(&self, dir: Ino, name: &[u8]) -> Result<()> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        match self.inner.lookup(dir, name) {
            Ok(attr) => self.settle(attr.ino),
            Err(_) => Ok(()),
        }
    }

    fn settle(&self, ino: Ino) -> Result<()> {
        let settled = self.with(ino, |copy, state| copy.write_back(state, &*self.inner));
        settled.unwrap_or(Ok(()))
    }

    /// Tells who watches, if anybody does, of what has been done.
    fn told<'a, T>(&self, done: Result<T>, what: impl FnOnce() -> What<'a>) -> Result<T> {
        if done.is_ok() && self.news.has_readers() {
            self.news.tell(self.dev, what());
        }
        done
    }

    /// Something happened to an inode, which its directory is told of too.
    fn changed(&self, ino: Ino, bits: u32) -> What<'static> {
        let place = self.inner.name_of(ino).ok();
        What::Changed { ino, bits, place }
    }

    /// Natives have done something to the bytes of a file, or closed one that was open for writing.
    pub(crate) fn native_news(&self, ino: Ino, bits: u32) {
        if self.news.has_readers() {
            self.news.tell(self.dev, self.changed(ino, bits));
        }
    }

    /// What a name refers to, for who watches.
    fn named(&self, dir: Ino, name: &[u8]) -> Option<Attr> {
        match self.news.has_readers() {
            true => self.inner.lookup(dir, name).ok(),
            false => None,
        }
    }
}

impl Filesystem for MountedFs {
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
        self.inner.lookup(dir, name).map(|attr| self.dressed(attr))
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        self.inner.parent(dir)
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.inner.getattr(ino).map(|attr| self.dressed(attr))
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        let done = match set.size {
            Some(size) => self.change(
                ino,
                || self.inner.setattr(ino, set),
                |copy, state| {
                    let (now, plain) = (copy.stamp(), || self.inner.setattr(ino, set));
                    match size < now.size && copy.is_changed(state, now) {
                        true => copy.cut(state, size, plain),
                        false => copy.change(state, &*self.inner, |_| plain(), |_| copy.resize(size)),
                    }
                },
            ),
            None if set.mtime != SetTime::Keep => {
                let attr = self.inner.setattr(ino, set)?;
                self.with(ino, Copy::note_times);
                Ok(self.dressed(attr))
            }
            None => self.inner.setattr(ino, set).map(|attr| self.dressed(attr)),
        };
        if done.as_ref().is_ok_and(|attr| attr.kind == FileType::Directory) {
            self.news.walks.changed();
        }
        self.told(done, || match set.size {
            Some(_) => self.changed(ino, mask::MODIFY),
            None => self.changed(ino, mask::ATTRIB),
        })
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        self.inner.readlink(ino)
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        let made = self.inner.create(dir, name, node);
        self.told(made, || What::Created {
            dir,
            name,
            is_dir: false,
        })
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        let made = self.inner.mkdir(dir, name, node);
        self.told(made, || What::Created {
            dir,
            name,
            is_dir: true,
        })
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Result<Attr> {
        let made = self.inner.symlink(dir, name, target, node);
        self.told(made, || What::Created {
            dir,
            name,
            is_dir: false,
        })
    }

    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.settle(ino)?;
        let made = self.inner.link(ino, dir, name).map(|attr| self.dressed(attr));
        self.told(made, || What::Linked { ino, dir, name })
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Attr> {
        self.inner.create_unnamed(node)
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        let victim = self.named(dir, name);
        let done = self.inner.unlink(dir, name);
        self.told(done, || What::Removed { dir, name, victim })
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        let victim = self.named(dir, name);
        let done = self.inner.rmdir(dir, name);
        self.news.walks.changed();
        self.told(done, || What::Removed { dir, name, victim })
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.settle_name(dir, name)?;
        if flags == RenameFlags::Exchange {
            self.settle_name(to_dir, to_name)?;
        }
        let (moved, target) = (self.named(dir, name), self.named(to_dir, to_name));
        let done = self.inner.rename(dir, name, to_dir, to_name, flags);
        self.news.walks.changed();
        self.told(done, || What::Moved {
            from: (dir, name),
            to: (to_dir, to_name),
            moved,
            target,
            exchanged: flags == RenameFlags::Exchange,
        })
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.inner.readdir(dir, position, emit)
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if self.count.load(Ordering::Acquire) > 0
            && let Some(copy) = self.copies.read().get(&ino).map(Arc::clone)
        {
            // A copy that is being made is waited for.
            let gone = copy.state.lock().gone;
            if !gone {
                return copy.read(offset, buf);
            }
        }
        self.inner.read(ino, offset, buf)
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        let done = self.change(
            ino,
            || self.inner.write(ino, offset, data),
            |copy, state| {
                copy.change(
                    state,
                    &*self.inner,
                    |_| self.inner.write(ino, offset, data),
                    |count| copy.write(offset, data.get(..*count).unwrap_or(data)),
                )
            },
        );
        self.told(done, || self.changed(ino, mask::MODIFY))
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        let done = self.change(
            ino,
            || self.inner.append(ino, data),
            |copy, state| {
                copy.change(
                    state,
                    &*self.inner,
                    |_| self.inner.append(ino, data),
                    |(count, end)| copy.write(end.saturating_sub(*count as u64), data.get(..*count).unwrap_or(data)),
                )
            },
        );
        self.told(done, || self.changed(ino, mask::MODIFY))
    }

    fn adopt(&self, ino: Ino, content: Bytes) -> Result<bool> {
        let done = self.change(ino, || self.inner.adopt(ino, content), |_, _| Ok(false));
        self.told(done, || self.changed(ino, mask::MODIFY))
    }

    fn records_access(&self, ino: Ino) -> bool {
        self.inner.records_access(ino)
    }

    fn touch(&self, ino: Ino) -> Result<()> {
        self.inner.touch(ino)
    }

    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        match self.with(ino, |copy, _| copy.seek(offset, target)) {
            Some(found) => found,
            None => self.inner.seek(ino, offset, target),
        }
    }

    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        let plain = || self.inner.allocate(ino, offset, len, keep_size, punch);
        let done = self.change(ino, plain, |copy, state| {
            let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
            copy.change(
                state,
                &*self.inner,
                |_| self.inner.allocate(ino, offset, len, keep_size, punch),
                |()| copy.allocate(&(offset..end), keep_size, punch),
            )
        });
        self.told(done, || self.changed(ino, mask::MODIFY))
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        self.inner.retain(ino)
    }

    fn release(&self, ino: Ino) {
        self.inner.release(ino);
    }

    fn fsync(&self, ino: Ino, data_only: bool) -> Result<()> {
        let written = self.settle(ino);
        written.and(self.inner.fsync(ino, data_only))
    }

    fn sync(&self) -> Result<()> {
        let written = self.write_back();
        written.and(self.inner.sync())
    }

    fn begin_fsync(&self, ino: Ino, data_only: bool) -> Result<Option<Settling>> {
        self.settle(ino)?;
        self.inner.begin_fsync(ino, data_only)
    }

    fn begin_sync(&self) -> Result<Option<Settling>> {
        self.write_back()?;
        self.inner.begin_sync()
    }

    fn begin_room(&self) -> Result<Option<Settling>> {
        self.inner.begin_room()
    }

    fn statfs(&self) -> Result<StatFs> {
        self.inner.statfs()
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.inner.getxattr(ino, name)
    }

    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        let done = self.inner.setxattr(ino, name, value, mode);
        self.told(done, || self.changed(ino, mask::ATTRIB))
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        self.inner.listxattr(ino)
    }

    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        let done = self.inner.removexattr(ino, name);
        self.told(done, || self.changed(ino, mask::ATTRIB))
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

    fn native(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        if self.with(ino, |_, _| ()).is_none()
            && let Some(own) = self.inner.native(ino, write)?
        {
            return Ok(Some(own));
        }
        self.splits.store(true, Ordering::Relaxed);
        self.copy_for(ino, write).map(Some)
    }

    fn native_in_use(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        match self.with(ino, |copy, _| copy.open(write)) {
            Some(opened) => opened.map(Some),
            None => self.inner.native_in_use(ino, write),
        }
    }

    fn shares_natively(&self, ino: Ino, write: bool) -> bool {
        !self.splits.load(Ordering::Relaxed) && self.inner.shares_natively(ino, write)
    }

    fn tidy_natives(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        self.tidy(holders)
    }

    fn closed(&self, ino: Ino) {
        self.native_news(ino, mask::CLOSE_WRITE);
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        match self.with(ino, |_, _| ()) {
            Some(()) => None,
            None => self.inner.blob(ino),
        }
    }

    fn host_file(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        match self.with(ino, |_, _| ()) {
            Some(()) => Ok(None),
            None => self.inner.host_file(ino),
        }
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}
