//! What the ticker knows of a worker.

use super::STUCK_TICKS;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The worker's side.
#[derive(Default)]
pub(super) struct Slot {
    /// Counts polls when they begin and when they end: odd inside one.
    turns: AtomicU64,
    /// Changed under the scheduler's lock only.
    stuck: AtomicBool,
}

impl Slot {
    /// A poll begins or ends.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets whether the worker counts as stuck, and returns whether it did.
    pub(super) fn mark(&self, stuck: bool) -> bool {
        self.stuck.swap(stuck, Ordering::Relaxed)
    }
}

/// The ticker's side: what it saw last, and for how many ticks that has not changed.
pub(super) struct Watch {
    pub(super) slot: Arc<Slot>,
    seen: u64,
    ticks: u32,
}

impl Watch {
    pub(super) fn new(slot: &Arc<Slot>) -> Self {
        Self {
            slot: Arc::clone(slot),
            seen: 0,
            ticks: 0,
        }
    }

    /// Looks at the worker once a tick; `true` at the tick at which it becomes stuck.
    pub(super) fn is_stuck_now(&mut self) -> bool {
        let turns = self.slot.turns.load(Ordering::Relaxed);
        if turns != self.seen || turns.is_multiple_of(2) {
            (self.seen, self.ticks) = (turns, 0);
            return false;
        }
        self.ticks = self.ticks.saturating_add(1);
        self.ticks == STUCK_TICKS
    }
}
