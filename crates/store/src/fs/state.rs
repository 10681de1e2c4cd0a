//! The filesystem in memory: what is loaded of it, and what differs from the disk. Under one lock.
//!
//! Rules that keep it in step with the disk:
//!
//! * Whatever is not loaded is on disk as it is: only what is clean may be forgotten ([`State::sweep`]).
//! * An operation loads everything it needs before it changes anything, so that a disk that cannot be read leaves nothing
//!   half done.
//! * Inode numbers are never used again, so that what was forgotten and removed cannot come back as something else.

use core::ops::Range;
use std::sync::Arc;

use agentos_kernel::Errno;
use agentos_kernel::error::Result;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{Attr, FileType, FsQuota};
use parking_lot::Mutex;
use rusqlite::Connection;

use super::blocks::{BLOCK, Blocks, Content};
use super::entries::{Entries, Entry};
use super::ino_map::InoMap;
use super::journal::Journal;
use super::ledger::{Charged, Ledger};
use super::names::{Names, Place};
use super::node::{NODE_WEIGHT, Node, Row};
use super::rows;
use crate::{Database, Error};

/// The root directory's number.
pub(super) const ROOT: Ino = Ino(1);

/// The tree, as far as it is loaded.
pub(super) struct State {
    pub(super) nodes: InoMap<Node>,
    pub(super) ledger: Ledger,
    pub(super) journal: Journal,
    /// The next inode number.
    pub(super) next: u64,
    /// Who keeps inodes alive without a name. Taken after the lock of the whole.
    pub(super) holders: Mutex<InoMap<u32>>,
    /// A commit is queued that has not looked at the journal yet.
    pub(super) scheduled: bool,
    /// Why nothing may grow at present: the last commit failed, or the disk is nearly full.
    pub(super) refusal: Option<Errno>,
    database: Database,
    /// Time of the cache.
    tick: u64,
    /// Memory of everything loaded, at most: exact after a sweep, and only added to in between.
    pub(super) cached: u64,
    sweep_at: u64,
    cache_bytes: u64,
}

impl State {
    /// The tree on disk, of which nothing is loaded.
    pub(super) fn new(
        database: Database,
        quota: Arc<FsQuota>,
        (next, charged): (u64, Charged),
        cache_bytes: u64,
    ) -> Self {
        Self {
            nodes: InoMap::default(),
            ledger: Ledger::adopt(quota, charged),
            journal: Journal::default(),
            next,
            holders: Mutex::default(),
            scheduled: false,
            refusal: None,
            database,
            tick: 1,
            cached: 0,
            sweep_at: cache_bytes,
            cache_bytes,
        }
    }

    /// An inode that is loaded.
    pub(super) fn have(&self, ino: Ino) -> Option<&Node> {
        let node = self.nodes.get(&ino)?;
        node.use_at(self.tick);
        Some(node)
    }

    /// An inode that was loaded just now, or `ESTALE`.
    pub(super) fn node(&self, ino: Ino) -> Result<&Node> {
        self.have(ino).ok_or_else(|| Errno::ESTALE.into())
    }

    pub(super) fn row(&self, ino: Ino) -> Result<&Row> {
        self.node(ino).map(|node| &node.row)
    }

    /// An inode that is about to be changed; its row differs from now on.
    pub(super) fn edit(&mut self, ino: Ino) -> Result<&mut Node> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        self.journal.mark(ino);
        Ok(node)
    }

    /// The entries of a loaded directory.
    pub(super) fn entries(&self, dir: Ino) -> Result<&Entries> {
        self.node(dir)?.entries.as_ref().ok_or_else(|| Errno::ENOTDIR.into())
    }

    /// A name in a loaded directory.
    pub(super) fn entry(&self, dir: Ino, name: &[u8]) -> Result<(u64, &Entry)> {
        self.entries(dir)?.get(name).ok_or_else(|| Errno::ENOENT.into())
    }

    /// A regular file that is about to be changed, with its loaded blocks.
    pub(super) fn content(&mut self, ino: Ino) -> Result<Content<'_>> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        let blocks = node.blocks.as_mut().ok_or(Errno::EINVAL)?;
        Ok(Content {
            row: &mut node.row,
            blocks,
            marker: self.journal.mark(ino),
            ledger: &mut self.ledger,
        })
    }

    /// Attributes of what a name refers to; `None` if something is not loaded.
    pub(super) fn look_up(&self, dir: Ino, name: &[u8]) -> Option<Result<Attr>> {
        let entries = match (&self.have(dir)?.entries, self.have(dir)?.row.kind) {
            (Some(entries), _) => entries,
            (None, FileType::Directory) => return None,
            (None, _) => return Some(Err(Errno::ENOTDIR.into())),
        };
        match entries.get(name) {
            Some((_, entry)) => self.have(entry.ino).map(|node| Ok(node.row.attr())),
            None => Some(Err(Errno::ENOENT.into())),
        }
    }

    pub(super) fn insert(&mut self, node: Node) {
        node.use_at(self.tick);
        self.cached += NODE_WEIGHT;
        self.nodes.insert(node.row.ino, node);
    }

    pub(super) fn fresh(&mut self) -> Ino {
        let ino = Ino(self.next);
        self.next += 1;
        ino
    }

    /// Whether somebody holds an inode.
    pub(super) fn is_held(&self, ino: Ino) -> bool {
        self.holders.lock().contains_key(&ino)
    }
}

/// Loading. Everything here leaves the tree as it is.
impl State {
    /// Loads an inode.
    pub(super) fn load(&mut self, ino: Ino) -> Result<()> {
        if self.nodes.contains_key(&ino) {
            return Ok(());
        }
        if ino.0 >= self.next || self.journal.is_gone(ino) {
            return Err(Errno::ESTALE.into());
        }
        let row = self.read(|db| rows::inode(db, ino))?.ok_or(Errno::ESTALE)?;
        self.insert(Node::stored(row));
        Ok(())
    }

    /// Loads a directory with its entries.
    pub(super) fn load_entries(&mut self, dir: Ino) -> Result<()> {
        self.load(dir)?;
        let node = self.node(dir)?;
        if node.row.kind != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        if node.entries.is_some() {
            return Ok(());
        }
        let next = node.row.next;
        let list = self.read(|db| rows::entries(db, dir))?;
        let mut entries = Entries::default();
        for (position, entry) in list {
            let name = &entry.name;
            let sound =
                (1..next).contains(&position) && !name.is_empty() && name.len() <= agentos_kernel::vfs::NAME_MAX;
            if !sound || !entries.insert(position, entry) {
                return Err(self.failed(&rows::corrupt(format!(
                    "directory {dir} contradicts itself at {position}"
                ))));
            }
        }
        self.cached += entries.weight();
        if let Some(node) = self.nodes.get_mut(&dir) {
            node.entries = Some(entries);
        }
        Ok(())
    }

    /// Loads what a name in a loaded directory refers to, with the inodes of some entries after it.
    pub(super) fn load_child(&mut self, dir: Ino, name: &[u8]) -> Result<Place> {
        let (position, ino) = self.entry(dir, name).map(|(position, entry)| (position, entry.ino))?;
        if !self.nodes.contains_key(&ino) {
            if !self.journal.is_gone(ino) {
                let list = self.read(|db| rows::inodes_of(db, dir, position, AHEAD))?;
                for row in list {
                    if !self.nodes.contains_key(&row.ino) && !self.journal.is_gone(row.ino) {
                        self.insert(Node::stored(row));
                    }
                }
            }
            // An entry that moved here is not among them.
            self.load(ino).map_err(|_| Errno::EIO)?;
        }
        if let Some(node) = self.nodes.get_mut(&ino)
            && node.row.nlink == 1
            && !node.names.are_known()
        {
            node.names = Names::One((dir, position));
        }
        Ok((dir, position))
    }

    /// Loads where an inode is named.
    pub(super) fn load_names(&mut self, ino: Ino) -> Result<()> {
        self.load(ino)?;
        if self.node(ino)?.names.are_known() {
            return Ok(());
        }
        let places = self.read(|db| rows::places(db, ino))?;
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        if places.len() != node.row.nlink as usize && ino != ROOT {
            let found = places.len();
            return Err(self.failed(&rows::corrupt(format!(
                "inode {ino} has {found} names, which it does not say"
            ))));
        }
        self.cached += places.len() as u64 * 48;
        node.names = Names::of(places);
        Ok(())
    }

    /// Loads which blocks a regular file has.
    pub(super) fn load_blocks(&mut self, ino: Ino) -> Result<()> {
        self.load(ino)?;
        let node = self.node(ino)?;
        match node.row.kind {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
        if node.blocks.is_some() {
            return Ok(());
        }
        let (stored, size) = (node.row.stored, node.row.size);
        let list = match stored {
            0 => Vec::new(),
            _ => self.read(|db| rows::block_list(db, ino))?,
        };
        let room: u64 = list.iter().map(|(_, room, _)| u64::from(*room)).sum();
        let ends = |(index, _, len): &(u64, u16, u16)| index.saturating_mul(BLOCK).saturating_add(u64::from(*len));
        let fits = list.iter().all(|block| block.2 == 0 || ends(block) <= size);
        let blocks = Blocks::listed(list);
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        if !fits || blocks.count() != stored || room != node.row.room {
            return Err(self.failed(&rows::corrupt(format!("inode {ino} has other blocks than it says"))));
        }
        self.cached += blocks.weight();
        node.blocks = Some(blocks);
        Ok(())
    }

    /// Loads the bytes of some blocks of a file, with the list of all of them.
    pub(super) fn load_bytes(&mut self, ino: Ino, range: Range<u64>) -> Result<()> {
        self.load_blocks(ino)?;
        let blocks = self.node(ino)?.blocks.as_ref().ok_or(Errno::EINVAL)?;
        if range.is_empty() || blocks.is_loaded(range.clone()) {
            return Ok(());
        }
        let list = self.read(|db| rows::blocks(db, ino, range.start, range.end))?;
        self.cached += list.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        let blocks = node.blocks.as_mut().ok_or(Errno::EINVAL)?;
        let sound = list.into_iter().all(|(index, bytes)| blocks.fill(index, bytes));
        if !sound || !blocks.is_loaded(range) {
            return Err(self.failed(&rows::corrupt(format!("blocks of inode {ino} are not what they were"))));
        }
        Ok(())
    }

    /// Loads the extended attributes of an inode.
    pub(super) fn load_xattrs(&mut self, ino: Ino) -> Result<()> {
        self.load(ino)?;
        let node = self.node(ino)?;
        if node.xattrs.is_some() {
            return Ok(());
        }
        let xattrs = match node.row.xattr_room {
            0 => Default::default(),
            _ => self.read(|db| rows::xattrs(db, ino))?,
        };
        let room: u64 = xattrs
            .iter()
            .map(|(name, value)| super::xattr::charge(name, value))
            .sum();
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        if room != node.row.xattr_room {
            return Err(self.failed(&rows::corrupt(format!("inode {ino} has other attributes than it says"))));
        }
        self.cached += room;
        node.xattrs = Some(xattrs);
        Ok(())
    }

    fn read<T>(&mut self, query: impl FnOnce(&Connection) -> crate::Result<T>) -> Result<T> {
        self.tick += 1;
        self.database.read(query).map_err(|error| self.failed(&error))
    }

    /// An error of the disk, as a guest sees it.
    pub(super) fn failed(&self, error: &Error) -> agentos_kernel::error::Error {
        tracing::error!(path = %self.database.path().display(), %error, "the durable filesystem cannot be read");
        error.errno().into()
    }
}

/// Forgetting.
impl State {
    /// Forgets what is on disk and was not used for long, if there is too much.
    pub(super) fn sweep(&mut self) {
        self.tick += 1;
        if self.cached <= self.sweep_at {
            return;
        }
        let mut weights: Vec<(u64, u64, Ino)> = Vec::with_capacity(self.nodes.len());
        let mut all = 0;
        for (ino, node) in &self.nodes {
            let weight = node.weight();
            all += weight;
            weights.push((node.last_used(), weight, *ino));
        }
        weights.sort_unstable_by_key(|(used, ..)| *used);
        let target = self.cache_bytes / 4 * 3;
        for (_, weight, ino) in weights {
            if all <= target {
                break;
            }
            all -= weight;
            all += self.forget(ino);
        }
        self.cached = all;
        self.sweep_at = self.cache_bytes.max(all + self.cache_bytes / 4);
    }

    /// Forgets as much of an inode as is on disk; what remains.
    fn forget(&mut self, ino: Ino) -> u64 {
        let Some(node) = self.nodes.get_mut(&ino) else { return 0 };
        if node.row.nlink > 0 && !self.journal.is_dirty(ino) {
            self.nodes.remove(&ino);
            return 0;
        }
        if let Some(blocks) = &mut node.blocks {
            blocks.forget(|index| self.journal.is_dirty_block(ino, index));
        }
        node.weight()
    }
}

/// Inodes that are loaded with one that is looked up.
const AHEAD: usize = 64;
