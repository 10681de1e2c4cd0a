//! Whom to wake once the table is unlocked.

use super::process::Process;
use smallvec::SmallVec;
use std::sync::Arc;

/// Processes to wake. Filled under the table's lock, emptied after it; dropping it without [`fire`](Self::fire) would lose
/// wake-ups, so nothing between may return early.
#[derive(Default)]
#[must_use = "fire it after unlocking the table"]
pub(super) struct Wakes(SmallVec<[(Arc<Process>, What); 4]>);

#[derive(Clone, Copy)]
enum What {
    /// Something concerns the process itself: a signal, stopping, continuing, dying.
    Process,
    /// A child changed.
    Children,
}

impl Wakes {
    /// The process has something to notice.
    pub(super) fn process(&mut self, process: &Arc<Process>) {
        self.0.push((Arc::clone(process), What::Process));
    }

    /// A child of the process has changed.
    pub(super) fn children(&mut self, process: &Arc<Process>) {
        self.0.push((Arc::clone(process), What::Children));
    }

    /// Wakes them all.
    pub(super) fn fire(self) {
        for (process, what) in self.0 {
            match what {
                What::Process => process.noticed.wake(),
                What::Children => process.child_changed.wake(),
            }
        }
    }
}
