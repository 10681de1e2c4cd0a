//! Names: creating, linking, removing.

use std::sync::Arc;

use agentos_kernel::Errno;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::error::Result;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{Attr, FileType, HARD_LINKS_MAX, NewNode};

use super::entries::{Entry, Name, weight};
use super::ledger::name_charge;
use super::names::{Names, Place};
use super::node::{Node, Row};
use super::state::State;

impl State {
    /// Makes a new inode and its name.
    pub(super) fn add(
        &mut self,
        (dir, name): (Ino, &[u8]),
        kind: FileType,
        target: Option<&[u8]>,
        node: &NewNode,
        now: Timestamp,
    ) -> Result<Attr> {
        self.load_entries(dir)?;
        self.vacant(dir, name)?;
        if kind == FileType::Directory && self.row(dir)?.subdirs >= HARD_LINKS_MAX - 2 {
            return Err(Errno::EMLINK.into());
        }
        let text = target.map_or(0, |text| text.len() as u64);
        self.ledger.take_inode(name_charge(name) + text, "create")?;
        let ino = self.fresh();
        let mut row = Row::new(ino, kind, node, now);
        row.nlink = 1;
        row.target = target.map(Arc::from);
        if kind == FileType::Directory {
            row.parent = dir;
        }
        let attr = row.attr();
        let name = Name::from(name);
        let place = self.insert_entry(dir, Entry { name, ino, kind })?;
        self.modified(dir, now)?;
        let mut node = Node::fresh(row);
        node.names = Names::One(place);
        self.insert(node);
        self.journal.born(ino, text);
        Ok(attr)
    }

    /// Makes a regular file without a name, held once.
    pub(super) fn add_unnamed(&mut self, node: &NewNode, now: Timestamp) -> Result<Attr> {
        self.ledger.take_inode(0, "create")?;
        let ino = self.fresh();
        let mut node = Node::fresh(Row::new(ino, FileType::Regular, node, now));
        node.unnamed = true;
        let attr = node.row.attr();
        self.insert(node);
        self.journal.born(ino, 0);
        self.holders.lock().insert(ino, 1);
        Ok(attr)
    }

    pub(super) fn link(&mut self, ino: Ino, dir: Ino, name: &[u8], now: Timestamp) -> Result<Attr> {
        self.load(ino)?;
        let node = self.node(ino)?;
        let (kind, nlink) = (node.row.kind, node.row.nlink);
        if nlink == 0 && !node.unnamed {
            return Err(Errno::ENOENT.into());
        }
        if kind == FileType::Directory {
            return Err(Errno::EPERM.into());
        }
        if nlink >= HARD_LINKS_MAX {
            return Err(Errno::EMLINK.into());
        }
        self.load_names(ino)?;
        self.load_entries(dir)?;
        self.vacant(dir, name)?;
        self.ledger.take(name_charge(name), "link")?;
        let name = Name::from(name);
        let place = self.insert_entry(dir, Entry { name, ino, kind })?;
        self.modified(dir, now)?;
        let node = self.edit(ino)?;
        node.row.nlink += 1;
        node.unnamed = false;
        node.row.ctime = now;
        node.names.add(place);
        Ok(node.row.attr())
    }

    pub(super) fn unlink(&mut self, dir: Ino, name: &[u8], now: Timestamp) -> Result<()> {
        self.load_entries(dir)?;
        if self.entry(dir, name)?.1.kind == FileType::Directory {
            return Err(Errno::EISDIR.into());
        }
        self.remove(dir, name, now)
    }

    pub(super) fn rmdir(&mut self, dir: Ino, name: &[u8], now: Timestamp) -> Result<()> {
        self.load_entries(dir)?;
        let ino = self.entry(dir, name)?.1.ino;
        self.load_entries(ino)?;
        if !self.entries(ino)?.is_empty() {
            return Err(Errno::ENOTEMPTY.into());
        }
        self.remove(dir, name, now)
    }

    fn remove(&mut self, dir: Ino, name: &[u8], now: Timestamp) -> Result<()> {
        self.load_child(dir, name)?;
        let ino = self.entry(dir, name)?.1.ino;
        self.load_names(ino)?;
        let (place, _) = self.remove_entry(dir, name)?;
        self.ledger.give(name_charge(name));
        self.modified(dir, now)?;
        self.lose_name(ino, place, now)
    }

    /// Whether a name may be added to a loaded directory: it is not removed, and has no such name.
    fn vacant(&self, dir: Ino, name: &[u8]) -> Result<()> {
        if self.entries(dir)?.get(name).is_some() {
            return Err(Errno::EEXIST.into());
        }
        match self.row(dir)?.nlink {
            0 => Err(Errno::ENOENT.into()),
            _ => Ok(()),
        }
    }

    /// Adds an entry that is paid for to a loaded directory.
    pub(super) fn insert_entry(&mut self, dir: Ino, entry: Entry) -> Result<Place> {
        let bytes = weight(&entry);
        let node = self.edit(dir)?;
        let position = node.row.next;
        node.row.next += 1;
        node.row.subdirs += u32::from(entry.kind == FileType::Directory);
        node.entries.as_mut().ok_or(Errno::ENOTDIR)?.insert(position, entry);
        self.cached += bytes;
        self.journal.mark(dir).entry(position);
        Ok((dir, position))
    }

    /// Removes an entry of a loaded directory. What its name was charged is the caller's to give back.
    pub(super) fn remove_entry(&mut self, dir: Ino, name: &[u8]) -> Result<(Place, Entry)> {
        let node = self.edit(dir)?;
        let entries = node.entries.as_mut().ok_or(Errno::ENOTDIR)?;
        let (position, entry) = entries.remove(name).ok_or(Errno::ENOENT)?;
        node.row.subdirs -= u32::from(entry.kind == FileType::Directory);
        self.journal.mark(dir).entry(position);
        Ok(((dir, position), entry))
    }

    /// Lets an entry of a loaded directory refer to another inode; it keeps its place in listings.
    pub(super) fn replace_entry(&mut self, (dir, position): Place, (ino, kind): (Ino, FileType)) -> Result<()> {
        let node = self.edit(dir)?;
        let entries = node.entries.as_mut().ok_or(Errno::ENOTDIR)?;
        let before = entries.at(position).map(|entry| entry.kind);
        node.row.subdirs -= u32::from(before == Some(FileType::Directory));
        node.row.subdirs += u32::from(kind == FileType::Directory);
        entries.replace(position, ino, kind);
        self.journal.mark(dir).entry(position);
        Ok(())
    }

    pub(super) fn modified(&mut self, ino: Ino, now: Timestamp) -> Result<()> {
        self.edit(ino)?.row.modified(now);
        Ok(())
    }

    /// The inode behind a removed or replaced entry has one name less.
    pub(super) fn lose_name(&mut self, ino: Ino, place: Place, now: Timestamp) -> Result<()> {
        let node = self.edit(ino)?;
        node.row.nlink = node.row.nlink.saturating_sub(1);
        node.names.remove(place);
        node.row.ctime = now;
        self.reap(ino);
        Ok(())
    }

    /// Frees an inode without names and holders.
    pub(super) fn reap(&mut self, ino: Ino) {
        if self.nodes.get(&ino).is_none_or(|node| node.row.nlink > 0) || self.is_held(ino) {
            return;
        }
        if let Some(node) = self.nodes.remove(&ino) {
            self.ledger.give(node.row.held());
            self.ledger.give_inode();
            self.journal.gone(ino);
        }
    }

    /// Whether directory `dir` is `ancestor` or lies below it.
    pub(super) fn is_within(&mut self, dir: Ino, ancestor: Ino) -> Result<bool> {
        let mut at = dir;
        loop {
            if at == ancestor {
                return Ok(true);
            }
            self.load(at)?;
            let parent = self.row(at)?.parent;
            if parent == at {
                return Ok(false);
            }
            at = parent;
        }
    }
}
