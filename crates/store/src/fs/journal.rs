//! What is in memory and not on disk yet.
//!
//! A change is a mark, not a record: it says which row, entry or block of an inode differs from the disk. A commit takes all
//! marks at one instant, under the lock of the filesystem, and writes what is marked as it is at that instant. The disk
//! therefore always shows a state that the filesystem had as a whole, many writes to one block cost one, and what changed
//! order in between never matters.
//!
//! A commit on its way is a *flight*. Marks stay in it until its outcome is known: if it fails, they return to the others,
//! and the next commit writes them again. An inode may be forgotten only when neither has a mark of it.

use std::collections::{BTreeSet, VecDeque};

use agentos_kernel::id::Ino;

use super::blocks::BLOCK;
use super::ino_map::InoMap;
use super::state::ROOT;

/// What differs of one inode. The row always does.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Was never on disk.
    pub(super) born: bool,
    /// Is to be removed from disk with everything that belongs to it.
    pub(super) gone: bool,
    pub(super) xattrs: bool,
    /// Positions of entries.
    pub(super) entries: BTreeSet<u64>,
    /// All blocks from here on are to be removed, before `blocks` are written.
    pub(super) cut: Option<u64>,
    /// Indexes of blocks. All that exist from `cut` on are among them.
    pub(super) blocks: BTreeSet<u64>,
}

impl Change {
    /// Adds what an older change, which did not reach the disk, had marked.
    fn absorb(&mut self, older: Self) {
        self.born |= older.born;
        self.gone |= older.gone;
        self.xattrs |= older.xattrs;
        self.entries.extend(older.entries);
        self.cut = match (self.cut, older.cut) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.blocks.extend(older.blocks);
    }
}

/// Marks what differs of one inode.
pub(super) struct Marker<'a> {
    change: &'a mut Change,
    weight: &'a mut u64,
}

impl Marker<'_> {
    pub(super) fn entry(&mut self, position: u64) {
        if self.change.entries.insert(position) {
            *self.weight += ROW_WEIGHT;
        }
    }

    pub(super) fn block(&mut self, index: u64) {
        if self.change.blocks.insert(index) {
            *self.weight += BLOCK;
        }
    }

    pub(super) fn cut(&mut self, first: u64) {
        self.change.blocks.split_off(&first);
        self.change.cut = Some(self.change.cut.map_or(first, |cut| cut.min(first)));
    }

    /// Extended attributes, of which so many bytes are new.
    pub(super) fn xattrs(&mut self, bytes: u64) {
        self.change.xattrs = true;
        *self.weight += bytes;
    }
}

/// A commit on its way.
#[derive(Debug)]
struct Flight {
    number: u64,
    changes: InoMap<Change>,
    weight: u64,
}

/// All marks.
#[derive(Debug, Default)]
pub(super) struct Journal {
    changes: InoMap<Change>,
    /// Bytes that the next commit would write, roughly.
    weight: u64,
    flights: VecDeque<Flight>,
    last: u64,
}

impl Journal {
    /// The row of an inode differs, and more if the marker says so.
    pub(super) fn mark(&mut self, ino: Ino) -> Marker<'_> {
        let weight = &mut self.weight;
        let change = self.changes.entry(ino).or_insert_with(|| {
            *weight += ROW_WEIGHT;
            Change::default()
        });
        Marker { change, weight }
    }

    /// A new inode, with so many bytes besides its row.
    pub(super) fn born(&mut self, ino: Ino, bytes: u64) {
        self.mark(ino).change.born = true;
        self.weight += bytes;
    }

    /// An inode is no more.
    pub(super) fn gone(&mut self, ino: Ino) {
        let change = Change {
            gone: true,
            ..Change::default()
        };
        self.weight += ROW_WEIGHT;
        if self.changes.insert(ino, change).is_some_and(|before| before.born) {
            // Nothing of it was ever written. That its number is used up is written with any other change.
            self.changes.remove(&ino);
            self.mark(ROOT);
        }
    }

    /// Whether an inode that may be on disk is no more.
    pub(super) fn is_gone(&self, ino: Ino) -> bool {
        self.of(ino).any(|change| change.gone)
    }

    /// Whether anything of an inode differs from the disk.
    pub(super) fn is_dirty(&self, ino: Ino) -> bool {
        self.of(ino).next().is_some()
    }

    /// Whether a block differs from the disk.
    pub(super) fn is_dirty_block(&self, ino: Ino, index: u64) -> bool {
        self.of(ino).any(|change| change.blocks.contains(&index))
    }

    fn of(&self, ino: Ino) -> impl Iterator<Item = &Change> {
        let flights = self.flights.iter().map(|flight| &flight.changes);
        core::iter::once(&self.changes)
            .chain(flights)
            .filter_map(move |changes| changes.get(&ino))
    }

    /// Whether everything is on disk.
    pub(super) fn is_clean(&self) -> bool {
        self.changes.is_empty() && self.flights.is_empty()
    }

    /// Whether the next commit would write anything.
    pub(super) fn is_settled(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes that are not on disk yet, roughly.
    pub(super) fn weight(&self) -> u64 {
        self.weight + self.flights.iter().map(|flight| flight.weight).sum::<u64>()
    }

    /// Begins a commit of all marks; its number, and the marks.
    pub(super) fn depart(&mut self) -> (u64, &InoMap<Change>) {
        self.last += 1;
        let flight = Flight {
            number: self.last,
            changes: core::mem::take(&mut self.changes),
            weight: core::mem::take(&mut self.weight),
        };
        self.flights.push_back(flight);
        let changes = self.flights.back().map_or(&self.changes, |flight| &flight.changes);
        (self.last, changes)
    }

    /// A commit ended. Its marks are gone if it is on disk, and back if not. Saying so twice changes nothing.
    pub(super) fn arrive(&mut self, number: u64, on_disk: bool) {
        let Some(at) = self.flights.iter().position(|flight| flight.number == number) else {
            return;
        };
        let Some(flight) = self.flights.remove(at).filter(|_| !on_disk) else {
            return;
        };
        self.weight += flight.weight;
        for (ino, older) in flight.changes {
            let change = self.changes.entry(ino).or_default();
            change.absorb(older);
            if change.born && change.gone {
                self.changes.remove(&ino);
            }
        }
        self.mark(ROOT);
    }
}

/// Bytes that a row costs, roughly.
const ROW_WEIGHT: u64 = 200;
