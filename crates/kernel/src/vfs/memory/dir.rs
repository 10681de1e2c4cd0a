//! Entries of a directory.
//!
//! Each entry has a number that is never used again in its directory, and listings go by number: an entry that stays is seen
//! exactly once however much comes and goes around it. Small directories are an array; large ones are two trees, which are
//! copied in constant time.

use super::quota::NAME_CHARGE;
use crate::id::Ino;
use crate::vfs::attr::FileType;
use imbl::OrdMap;
use std::sync::Arc;

/// A name of a file, shared between its directory and its inode.
pub(super) type Name = Arc<[u8]>;

/// Directories of more entries than this are kept in trees.
const FEW: usize = 12;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) ino: Ino,
    pub(super) kind: FileType,
    /// What the quota was charged for the name.
    pub(super) charge: u16,
}

#[derive(Debug, Clone)]
pub(super) struct Dir {
    /// The directory that holds this one; the root holds itself. Kept when this one is removed.
    pub(super) parent: Ino,
    /// Directories among the entries.
    pub(super) subdirs: u32,
    entries: Entries,
    next: u64,
}

#[derive(Debug, Clone)]
enum Entries {
    /// By number.
    Few(Vec<(u64, Entry)>),
    Many {
        numbers: OrdMap<Name, u64>,
        entries: OrdMap<u64, Entry>,
    },
}

/// What the quota is charged for a name.
pub(super) fn name_charge(name: &[u8]) -> u64 {
    NAME_CHARGE + name.len() as u64
}

impl Dir {
    pub(super) fn new(parent: Ino) -> Self {
        Self {
            parent,
            subdirs: 0,
            entries: Entries::Few(Vec::new()),
            next: 1,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.entries {
            Entries::Few(few) => few.is_empty(),
            Entries::Many { entries, .. } => entries.is_empty(),
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Entry> {
        match &self.entries {
            Entries::Few(few) => few.iter().map(|(_, entry)| entry).find(|entry| *entry.name == *name),
            Entries::Many { numbers, entries } => entries.get(numbers.get(name)?),
        }
    }

    /// Adds a name that is not there yet.
    pub(super) fn insert(&mut self, entry: Entry) {
        let number = self.next;
        self.next += 1;
        self.subdirs += u32::from(entry.kind == FileType::Directory);
        if let Entries::Few(few) = &mut self.entries {
            if few.len() < FEW {
                few.push((number, entry));
                return;
            }
            self.entries = grown(few);
        }
        if let Entries::Many { numbers, entries } = &mut self.entries {
            numbers.insert(Arc::clone(&entry.name), number);
            entries.insert(number, entry);
        }
    }

    /// Lets an existing name refer to another inode; it keeps its place in listings.
    pub(super) fn replace(&mut self, name: &[u8], ino: Ino, kind: FileType) {
        let entry = match &mut self.entries {
            Entries::Few(few) => few
                .iter_mut()
                .map(|(_, entry)| entry)
                .find(|entry| *entry.name == *name),
            Entries::Many { numbers, entries } => numbers.get(name).and_then(|number| entries.get_mut(number)),
        };
        if let Some(entry) = entry {
            self.subdirs -= u32::from(entry.kind == FileType::Directory);
            self.subdirs += u32::from(kind == FileType::Directory);
            entry.ino = ino;
            entry.kind = kind;
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Entry> {
        let entry = match &mut self.entries {
            Entries::Few(few) => {
                let at = few.iter().position(|(_, entry)| *entry.name == *name)?;
                few.remove(at).1
            }
            Entries::Many { numbers, entries } => {
                let number = numbers.remove(name)?;
                entries.remove(&number)?
            }
        };
        self.subdirs -= u32::from(entry.kind == FileType::Directory);
        if let Entries::Many { entries, .. } = &self.entries
            && entries.is_empty()
        {
            self.entries = Entries::Few(Vec::new());
        }
        Some(entry)
    }

    /// Entries with numbers above `position`.
    pub(super) fn after(&self, position: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let (few, many) = match &self.entries {
            Entries::Few(few) => {
                let from = few.partition_point(|(number, _)| *number <= position);
                (few.get(from..), None)
            }
            Entries::Many { entries, .. } => (None, Some(entries.range(position.saturating_add(1)..))),
        };
        let few = few.unwrap_or_default().iter().map(|(number, entry)| (*number, entry));
        few.chain(many.into_iter().flatten().map(|(number, entry)| (*number, entry)))
    }
}

fn grown(few: &mut Vec<(u64, Entry)>) -> Entries {
    let numbers = few
        .iter()
        .map(|(number, entry)| (Arc::clone(&entry.name), *number))
        .collect();
    Entries::Many {
        numbers,
        entries: few.drain(..).collect(),
    }
}
