//! The tree of a memory filesystem, under one lock.

use super::content::Content;
use super::dir::{Dir, Entry, Name, name_charge};
use super::inode::{Body, Inode};
use super::native::Native;
use super::quota::{FsQuota, Ledger};
use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Uid};
use crate::vfs::HARD_LINKS_MAX;
use crate::vfs::attr::{Attr, FileType, Mode};
use crate::vfs::filesystem::{Holders, NativeUse, NewNode, XattrMode};
use crate::vfs::ino_map::InoMap;
use imbl::OrdMap;
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Files that take at most so many bytes, whatever their size, are taken back from natives who do not use them any more; copying more
/// costs more than a descriptor.
const SMALL: u64 = 1 << 20;

/// The root directory's number.
pub(super) const ROOT: Ino = Ino(1);

pub(super) struct State {
    pub(super) inodes: OrdMap<Ino, Arc<Inode>>,
    pub(super) ledger: Ledger,
    /// Who keeps inodes alive without a name. Not part of copies.
    holders: InoMap<u32>,
    /// Files whose bytes native programs use too. Not part of copies, which have them in pages.
    natives: BTreeSet<Ino>,
    next: u64,
}

/// An inode that is gone; to be dropped after the lock was given up, as that may take long.
pub(super) type Gone = Option<Arc<Inode>>;

impl State {
    /// An empty tree, whose root belongs to the superuser.
    pub(super) fn new(quota: Arc<FsQuota>, now: Timestamp) -> Self {
        let node = NewNode {
            kind: FileType::Directory,
            mode: Mode::new(0o755),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
        };
        let mut root = Inode::new(Body::Directory(Dir::new(ROOT)), &node, now, 0);
        root.nlink = 1;
        Self {
            inodes: OrdMap::unit(ROOT, Arc::new(root)),
            ledger: Ledger::new(quota),
            holders: InoMap::default(),
            natives: BTreeSet::new(),
            next: ROOT.0 + 1,
        }
    }

    /// A copy that shares everything, without the files that only open descriptors keep.
    pub(super) fn fork(&self, quota: Arc<FsQuota>) -> Self {
        let mut inodes = self.inodes.clone();
        let (mut bytes, mut count) = self.ledger.charged();
        for ino in self.holders.keys() {
            if let Some(inode) = self.inodes.get(ino).filter(|inode| inode.nlink == 0) {
                bytes = bytes.saturating_sub(inode.charge + inode.held_charge());
                count = count.saturating_sub(u64::from(inode.charge > 0));
                inodes.remove(ino);
            }
        }
        for ino in &self.natives {
            if let Some(inode) = inodes.get(ino)
                && let Body::Regular(content) = &inode.body
            {
                let on_heap = content.on_heap();
                bytes = bytes.saturating_sub(content.charge() - on_heap.charge());
                let mut copy = Inode::clone(inode);
                copy.mtime = copy.attr(*ino).mtime;
                copy.body = Body::Regular(on_heap);
                inodes.insert(*ino, Arc::new(copy));
            }
        }
        Self {
            inodes,
            ledger: Ledger::adopt(quota, bytes, count),
            holders: InoMap::default(),
            natives: BTreeSet::new(),
            next: self.next,
        }
    }

    pub(super) fn inode(&self, ino: Ino) -> Result<&Inode> {
        self.inodes
            .get(&ino)
            .map(|inode| &**inode)
            .ok_or_else(|| Errno::ESTALE.into())
    }

    pub(super) fn inode_mut(&mut self, ino: Ino) -> Result<&mut Inode> {
        inode_mut(&mut self.inodes, ino)
    }

    pub(super) fn dir_mut(&mut self, ino: Ino) -> Result<&mut Dir> {
        match &mut self.inode_mut(ino)?.body {
            Body::Directory(dir) => Ok(dir),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    /// A regular file, and the ledger that pays for it.
    pub(super) fn file_mut(&mut self, ino: Ino) -> Result<(&mut Inode, &mut Ledger)> {
        let inode = inode_mut(&mut self.inodes, ino)?;
        match inode.kind() {
            FileType::Regular => Ok((inode, &mut self.ledger)),
            FileType::Directory => Err(Errno::EISDIR.into()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// The bytes of a regular file where native programs can use them too.
    pub(super) fn make_native(&mut self, ino: Ino, write: bool) -> Result<&Native> {
        self.file_mut(ino)?;
        self.natives.insert(ino);
        let (inode, ledger) = self.file_mut(ino)?;
        match &mut inode.body {
            Body::Regular(content) => content.make_native(ledger, write),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// Files whose bytes native programs use.
    pub(super) fn natives(&self) -> Vec<Ino> {
        self.natives.iter().copied().collect()
    }

    /// The bytes of a file that native programs use.
    fn native_of(&self, ino: Ino) -> Option<(&Content, &Native)> {
        match &self.inodes.get(&ino)?.body {
            Body::Regular(content) => Some((content, content.native()?)),
            _ => None,
        }
    }

    /// Charges what natives have made of a file; how much there was no room for.
    fn charge_native(&mut self, ino: Ino) -> u64 {
        match self.file_mut(ino) {
            Ok((inode, ledger)) => match &mut inode.body {
                Body::Regular(content) => content.settle_all(ledger),
                _ => 0,
            },
            Err(_) => 0,
        }
    }

    /// Puts the bytes of a file that nobody has open on the heap, unless somebody got or changed it since `seen` was copied.
    fn take_back(&mut self, ino: Ino, seen: &Content, heap: Content) {
        let same = |(content, native): (&Content, &Native)| {
            let uses = seen.native().map(|native| native.uses);
            uses == Some(native.uses) && content.charge() == seen.charge()
        };
        if !self.native_of(ino).is_some_and(same) {
            return;
        }
        let Ok(mtime) = self.inode(ino).map(|inode| inode.attr(ino).mtime) else {
            return;
        };
        if let Ok((inode, ledger)) = self.file_mut(ino)
            && let Body::Regular(content) = &mut inode.body
        {
            ledger.give(content.charge().saturating_sub(heap.charge()));
            *content = heap;
            inode.mtime = mtime;
            self.natives.remove(&ino);
        }
    }

    pub(super) fn content(&self, ino: Ino) -> Result<&Content> {
        match &self.inode(ino)?.body {
            Body::Regular(content) => Ok(content),
            Body::Directory(_) => Err(Errno::EISDIR.into()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    pub(super) fn entry(&self, dir: Ino, name: &[u8]) -> Result<&Entry> {
        self.inode(dir)?.dir()?.get(name).ok_or_else(|| Errno::ENOENT.into())
    }

    /// Whether a name may be added: the directory is not removed, and has no such name.
    pub(super) fn vacant(&self, dir: Ino, name: &[u8]) -> Result<()> {
        let inode = self.inode(dir)?;
        if inode.dir()?.get(name).is_some() {
            return Err(Errno::EEXIST.into());
        }
        match inode.nlink {
            0 => Err(Errno::ENOENT.into()),
            _ => Ok(()),
        }
    }

    /// Makes a new inode and its name.
    pub(super) fn add(&mut self, dir: Ino, name: &[u8], body: Body, node: &NewNode, now: Timestamp) -> Result<Attr> {
        self.vacant(dir, name)?;
        if matches!(body, Body::Directory(_)) && self.inode(dir)?.dir()?.subdirs >= HARD_LINKS_MAX - 2 {
            return Err(Errno::EMLINK.into());
        }
        let charge = self.ledger.take_inode("create")?;
        let text = match &body {
            Body::Symlink(text, _) => text.len() as u64,
            _ => 0,
        };
        let paid = self.ledger.take(name_charge(name) + text, "create");
        if let Err(error) = paid {
            self.ledger.give_inode(charge);
            return Err(error);
        }
        let body = match body {
            Body::Symlink(target, _) if self.ledger.limited() => Body::Symlink(target, text),
            other => other,
        };
        let ino = self.fresh();
        let mut inode = Inode::new(body, node, now, charge);
        inode.nlink = 1;
        let name = Name::from(name);
        inode.names.add(dir, &name);
        let attr = inode.attr(ino);
        let charge = self.charge_of_name(&name);
        let entry = Entry {
            name,
            ino,
            kind: attr.kind,
            charge,
        };
        self.inodes.insert(ino, Arc::new(inode));
        self.dir_mut(dir)?.insert(entry);
        self.inode_mut(dir)?.modified(now);
        Ok(attr)
    }

    /// Makes a regular file without a name, held once.
    pub(super) fn add_unnamed(&mut self, node: &NewNode, now: Timestamp) -> Result<Attr> {
        let charge = self.ledger.take_inode("create")?;
        let ino = self.fresh();
        let mut inode = Inode::new(Body::Regular(Content::default()), node, now, charge);
        inode.unnamed = true;
        let attr = inode.attr(ino);
        self.inodes.insert(ino, Arc::new(inode));
        self.holders.insert(ino, 1);
        Ok(attr)
    }

    pub(super) fn link(&mut self, ino: Ino, dir: Ino, name: &[u8], now: Timestamp) -> Result<Attr> {
        let inode = self.inode(ino)?;
        let (kind, nlink) = (inode.kind(), inode.nlink);
        if nlink == 0 && !inode.unnamed {
            return Err(Errno::ENOENT.into());
        }
        if kind == FileType::Directory {
            return Err(Errno::EPERM.into());
        }
        if nlink >= HARD_LINKS_MAX {
            return Err(Errno::EMLINK.into());
        }
        self.vacant(dir, name)?;
        self.ledger.take(name_charge(name), "link")?;
        let name = Name::from(name);
        let charge = self.charge_of_name(&name);
        let inode = self.inode_mut(ino)?;
        inode.nlink += 1;
        inode.unnamed = false;
        inode.ctime = now;
        inode.names.add(dir, &name);
        let attr = inode.attr(ino);
        self.dir_mut(dir)?.insert(Entry {
            name,
            ino,
            kind,
            charge,
        });
        self.inode_mut(dir)?.modified(now);
        Ok(attr)
    }

    pub(super) fn unlink(&mut self, dir: Ino, name: &[u8], now: Timestamp) -> Result<Gone> {
        if self.entry(dir, name)?.kind == FileType::Directory {
            return Err(Errno::EISDIR.into());
        }
        self.remove_entry(dir, name, now)
    }

    pub(super) fn rmdir(&mut self, dir: Ino, name: &[u8], now: Timestamp) -> Result<Gone> {
        let entry = self.entry(dir, name)?;
        if !self.inode(entry.ino)?.dir()?.is_empty() {
            return Err(Errno::ENOTEMPTY.into());
        }
        self.remove_entry(dir, name, now)
    }

    fn remove_entry(&mut self, dir: Ino, name: &[u8], now: Timestamp) -> Result<Gone> {
        let removed = self.dir_mut(dir)?.remove(name).ok_or(Errno::ENOENT)?;
        self.ledger.give(u64::from(removed.charge));
        self.inode_mut(dir)?.modified(now);
        self.lose_name(dir, &removed, now)
    }

    /// The inode behind a removed or replaced entry has one name less.
    pub(super) fn lose_name(&mut self, dir: Ino, entry: &Entry, now: Timestamp) -> Result<Gone> {
        let inode = self.inode_mut(entry.ino)?;
        inode.nlink = inode.nlink.saturating_sub(1);
        inode.names.remove(dir, &entry.name);
        inode.ctime = now;
        Ok(self.reap(entry.ino))
    }

    pub(super) fn retain(&mut self, ino: Ino) -> Result<()> {
        if !self.inodes.contains_key(&ino) {
            return Err(Errno::ESTALE.into());
        }
        let holders = self.holders.entry(ino).or_insert(0);
        *holders = holders.checked_add(1).ok_or(Errno::ENFILE)?;
        Ok(())
    }

    pub(super) fn release(&mut self, ino: Ino) -> Gone {
        let holders = self.holders.get_mut(&ino)?;
        *holders -= 1;
        if *holders > 0 {
            return None;
        }
        self.holders.remove(&ino);
        self.reap(ino)
    }

    /// Frees an inode without names and holders.
    fn reap(&mut self, ino: Ino) -> Gone {
        let inode = self.inodes.get(&ino)?;
        if inode.nlink > 0 || self.holders.contains_key(&ino) {
            return None;
        }
        let inode = self.inodes.remove(&ino)?;
        self.natives.remove(&ino);
        self.ledger.give(inode.held_charge());
        self.ledger.give_inode(inode.charge);
        Some(inode)
    }

    pub(super) fn set_xattr(
        &mut self,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
        now: Timestamp,
    ) -> Result<()> {
        let inode = inode_mut(&mut self.inodes, ino)?;
        let xattrs = inode.xattrs.get_or_insert_default();
        xattrs.set(&mut self.ledger, name, value, mode)?;
        inode.ctime = now;
        Ok(())
    }

    pub(super) fn remove_xattr(&mut self, ino: Ino, name: &[u8], now: Timestamp) -> Result<()> {
        let inode = inode_mut(&mut self.inodes, ino)?;
        let xattrs = inode.xattrs.as_mut().ok_or(Errno::ENODATA)?;
        xattrs.remove(&mut self.ledger, name)?;
        inode.ctime = now;
        Ok(())
    }

    /// Whether directory `dir` is `ancestor` or lies below it.
    pub(super) fn is_within(&self, dir: Ino, ancestor: Ino) -> Result<bool> {
        let mut at = dir;
        loop {
            if at == ancestor {
                return Ok(true);
            }
            if at == ROOT {
                return Ok(false);
            }
            at = self.inode(at)?.dir()?.parent;
        }
    }

    /// The charge to remember for a name that was just paid.
    fn charge_of_name(&self, name: &[u8]) -> u16 {
        // At most 128 + 255.
        if self.ledger.limited() {
            name_charge(name) as u16
        } else {
            0
        }
    }

    fn fresh(&mut self) -> Ino {
        let ino = Ino(self.next);
        self.next += 1;
        ino
    }
}

/// Charges what natives have made of a file, and takes it back to the heap if that frees a descriptor and none has it open.
///
/// Whether one has, and the bytes, are looked at without the lock, which everybody needs who names a file.
pub(super) fn tidy_native(state: &RwLock<State>, ino: Ino, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
    let none = NativeUse::default();
    let limited = state.read().ledger.limited();
    let excess = match limited {
        true => state.write().charge_native(ino),
        false => 0,
    };
    let Some(content) = state.read().native_of(ino).map(|(content, _)| content.clone()) else {
        return none;
    };
    let Some(native) = content.native() else { return none };
    let held = holders(native.file());
    let now = native.now();
    if held != Holders::None {
        let writes = held == Holders::Writers;
        return NativeUse {
            open: 1,
            left: 1,
            excess,
            largest: if writes { now.size } else { 0 },
            // Whoever mounted it knows better.
            room: writes.then_some(0),
        };
    }
    let is_small = now.blocks.saturating_mul(512) <= SMALL;
    if is_small {
        let heap = content.on_heap();
        state.write().take_back(ino, &content, heap);
    }
    NativeUse {
        excess,
        left: u64::from(!is_small),
        ..none
    }
}

fn inode_mut(inodes: &mut OrdMap<Ino, Arc<Inode>>, ino: Ino) -> Result<&mut Inode> {
    inodes
        .get_mut(&ino)
        .map(Arc::make_mut)
        .ok_or_else(|| Errno::ESTALE.into())
}
