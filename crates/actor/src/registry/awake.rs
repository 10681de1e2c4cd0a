//! How many actors are awake, and who makes room for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentos_value::ActorError;

use super::Shared;
use crate::lifecycle::{Cause, Cell, CellRef, Phase, too_many_awake};

/// Counts actors that boot, run or stop.
#[derive(Debug, Default)]
pub(crate) struct AwakeSlots(Arc<AtomicUsize>);

/// A place among the awake.
#[derive(Debug)]
pub(crate) struct AwakeSlot(Arc<AtomicUsize>);

impl Drop for AwakeSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl AwakeSlots {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// Takes a place; with all places taken, the actor that has been idle for the longest time is put to sleep first.
    ///
    /// # Errors
    /// `agentos/limit_exceeded` if no actor is idle.
    pub(crate) async fn enter(&self, shared: &Arc<Shared>, who: &Arc<Cell>) -> Result<AwakeSlot, ActorError> {
        let max = shared.limits.max_awake;
        loop {
            let taken = self.0.fetch_add(1, Ordering::AcqRel);
            let slot = AwakeSlot(Arc::clone(&self.0));
            if max == 0 || taken < max {
                return Ok(slot);
            }
            drop(slot);
            let Some(idle) = longest_idle(shared, who) else {
                return Err(too_many_awake(max));
            };
            // What it could not store is in the log; the caller has no part in it.
            let _ = idle.sleep(|| Cause::Asked).await;
        }
    }
}

/// The actor that has had nothing to do for the longest time, or one that is about to be asleep.
fn longest_idle(shared: &Arc<Shared>, who: &Arc<Cell>) -> Option<CellRef> {
    let mut best: Option<(i64, CellRef)> = None;
    for cell in shared.cells.all() {
        if Arc::ptr_eq(&cell, who) {
            continue;
        }
        if cell.phase() == Phase::Stopping {
            return Some(cell);
        }
        let Some(awake) = cell.awake().filter(|_| cell.phase() == Phase::Ready) else {
            continue;
        };
        let Some(since) = awake.busy.idle_since().filter(|_| awake.instance_reasons().is_empty()) else {
            continue;
        };
        if best.as_ref().is_none_or(|(longest, _)| since < *longest) {
            best = Some((since, cell));
        }
    }
    best.map(|(_, cell)| cell)
}
