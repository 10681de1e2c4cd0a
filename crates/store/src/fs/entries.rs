//! The entries of a directory whose listing is loaded.
//!
//! Each entry has a position that is never used again in its directory, also not after a restart, and listings go by
//! position: an entry that stays is seen exactly once however much comes and goes around it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use agentos_kernel::id::Ino;
use agentos_kernel::vfs::FileType;

/// A name, shared between the two indexes and the journal.
pub(super) type Name = Arc<[u8]>;

/// An entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) ino: Ino,
    pub(super) kind: FileType,
}

/// All entries, by position and by name. Names are a guest's choice, so their hashes are keyed.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: BTreeMap<u64, Entry>,
    positions: HashMap<Name, u64>,
    bytes: u64,
}

impl Entries {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<(u64, &Entry)> {
        let position = *self.positions.get(name)?;
        Some((position, self.entries.get(&position)?))
    }

    pub(super) fn at(&self, position: u64) -> Option<&Entry> {
        self.entries.get(&position)
    }

    /// Adds a name that is not there yet; false if it is, or if the position is taken.
    pub(super) fn insert(&mut self, position: u64, entry: Entry) -> bool {
        let (name, weight) = (Arc::clone(&entry.name), weight(&entry));
        if self.positions.contains_key(&name) || self.entries.contains_key(&position) {
            return false;
        }
        self.positions.insert(name, position);
        self.entries.insert(position, entry);
        self.bytes += weight;
        true
    }

    /// Lets the entry at `position` refer to another inode.
    pub(super) fn replace(&mut self, position: u64, ino: Ino, kind: FileType) {
        if let Some(entry) = self.entries.get_mut(&position) {
            entry.ino = ino;
            entry.kind = kind;
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<(u64, Entry)> {
        let position = self.positions.remove(name)?;
        let entry = self.entries.remove(&position)?;
        self.bytes = self.bytes.saturating_sub(weight(&entry));
        Some((position, entry))
    }

    /// Entries at positions above `position`.
    pub(super) fn after(&self, position: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let from = position.saturating_add(1);
        self.entries.range(from..).map(|(position, entry)| (*position, entry))
    }

    /// Memory that this takes, roughly.
    pub(super) fn weight(&self) -> u64 {
        self.bytes
    }
}

/// Memory of an entry: its places in both indexes, and the name.
pub(super) fn weight(entry: &Entry) -> u64 {
    112 + entry.name.len() as u64
}
