//! Who holds which inode, and which of them have no name any more.

use crate::id::Ino;
use std::collections::HashMap;

/// Inodes that are held, by number.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    held: HashMap<Ino, Held>,
}

#[derive(Debug, Default)]
struct Held {
    holders: u64,
    orphan: bool,
}

impl Ledger {
    /// One holder more.
    pub(super) fn retain(&mut self, ino: Ino) {
        self.held.entry(ino).or_default().holders += 1;
    }

    /// The last name of an inode went; says whether somebody still holds it.
    pub(super) fn orphan(&mut self, ino: Ino) -> bool {
        match self.held.get_mut(&ino) {
            Some(held) => {
                held.orphan = true;
                true
            }
            None => false,
        }
    }

    /// An inode has a name again.
    pub(super) fn adopt(&mut self, ino: Ino) {
        if let Some(held) = self.held.get_mut(&ino) {
            held.orphan = false;
        }
    }

    /// One holder less; says whether that was the last of an inode without a name.
    pub(super) fn release(&mut self, ino: Ino) -> bool {
        let Some(held) = self.held.get_mut(&ino) else {
            return false;
        };
        held.holders = held.holders.saturating_sub(1);
        if held.holders > 0 {
            return false;
        }
        self.held.remove(&ino).is_some_and(|held| held.orphan)
    }
}
