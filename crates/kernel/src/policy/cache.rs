//! Decisions that were taken before.
//!
//! Guests ask about the same few files and programs over and over. A small table of fixed size answers these without
//! walking the automaton. It is only ever a copy of what the rules say: an entry holds the whole resource, so two
//! resources are never taken for one, and a full slot is overwritten. Hashes are keyed at random, so a guest cannot choose
//! resources that fight for one slot.

use super::operation::Operation;
use super::rules::Verdict;
use core::fmt;
use core::hash::{BuildHasher, Hash, Hasher};
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
use std::sync::OnceLock;

/// A table of decisions of one scope. It costs nothing before the first decision.
#[derive(Default)]
pub(super) struct DecisionCache {
    table: OnceLock<Table>,
}

struct Table {
    keys: RandomState,
    slots: Box<[Mutex<Option<Slot>>]>,
}

struct Slot {
    hash: u64,
    operation: Operation,
    resource: Box<[u8]>,
    verdict: Verdict,
}

impl DecisionCache {
    /// The known decision, or the one that `decide` takes, which is kept.
    pub(super) fn get(&self, operation: Operation, resource: &[u8], decide: impl FnOnce() -> Verdict) -> Verdict {
        if resource.len() > RESOURCE_MAX {
            return decide();
        }
        let table = self.table.get_or_init(Table::new);
        let (hash, slot) = table.slot(operation, resource);
        if let Some(known) = &*slot.lock()
            && known.hash == hash
            && known.operation == operation
            && *known.resource == *resource
        {
            return known.verdict;
        }
        let verdict = decide();
        let fresh = Slot {
            hash,
            operation,
            resource: resource.into(),
            verdict,
        };
        // What was in the slot is freed after the lock.
        let _old = slot.lock().replace(fresh);
        verdict
    }
}

impl Table {
    fn new() -> Self {
        Self {
            keys: RandomState::new(),
            slots: (0..SLOTS).map(|_| Mutex::new(None)).collect(),
        }
    }

    fn slot(&self, operation: Operation, resource: &[u8]) -> (u64, &Mutex<Option<Slot>>) {
        let mut hasher = self.keys.build_hasher();
        operation.hash(&mut hasher);
        hasher.write(resource);
        let hash = hasher.finish();
        // The remainder is below the number of slots.
        (hash, &self.slots[(hash % SLOTS as u64) as usize])
    }
}

impl fmt::Debug for DecisionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionCache").finish_non_exhaustive()
    }
}

/// Slots of a table; with the longest resources in all of them it holds less than 320 KiB.
const SLOTS: usize = 512;
/// Longer resources are rare and not kept.
const RESOURCE_MAX: usize = 512;
