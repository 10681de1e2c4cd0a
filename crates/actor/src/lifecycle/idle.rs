//! Putting an actor to sleep when nothing has kept it awake for its idle time.
//!
//! One task per awake actor. It never needs to be told of activity: it sleeps until the idle time could be over at the
//! earliest, and looks again.

use std::sync::Arc;
use std::time::Duration;

use super::cell::{Awake, Cell, CellRef};
use super::machine::Phase;

/// How often an instance that gives reasons of its own is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Starts the task for this generation.
pub(super) fn watch(cell: &Arc<Cell>, awake: &Arc<Awake>) {
    let idle_timeout = cell.registered.options.idle_timeout;
    if idle_timeout.is_zero() {
        return;
    }
    let (weak, shared, cell) = (Arc::downgrade(awake), Arc::clone(&cell.shared), Arc::downgrade(cell));
    let runtime = shared.runtime.clone();
    let task = async move {
        let mut pause = idle_timeout;
        let mut asking = false;
        loop {
            let Some(ended) = weak.upgrade().map(|awake| awake.context.abort_signal().clone()) else {
                return;
            };
            tokio::select! {
                () = shared.clock.sleep(pause) => {}
                () = ended.cancelled() => return,
            }
            let (Some(awake), Some(cell)) = (weak.upgrade(), cell.upgrade()) else {
                return;
            };
            let cell = CellRef::new(cell);
            match due_in(&awake, shared.clock.now_ms(), idle_timeout, &mut asking) {
                Some(due) => pause = due,
                None if cell.stop_if_idle(&awake) => return,
                None => pause = ASK_AGAIN.min(idle_timeout),
            }
        }
    };
    runtime.spawn(task);
}

/// After which time to look again, or `None` if the idle time is over. `asking` says whether the instance had reasons of
/// its own when it was last asked: then it is asked often, because its idle time starts when it has none any more.
fn due_in(awake: &Awake, now_ms: i64, idle_timeout: Duration, asking: &mut bool) -> Option<Duration> {
    let Some(since) = awake.busy.idle_since() else {
        return Some(idle_timeout);
    };
    let idle = Duration::from_millis(u64::try_from(now_ms.saturating_sub(since)).unwrap_or(0));
    let due = idle_timeout.saturating_sub(idle);
    if !*asking && !due.is_zero() {
        return Some(due);
    }
    *asking = !awake.instance_reasons().is_empty();
    if *asking {
        awake.busy.touch();
        return Some(ASK_AGAIN.min(idle_timeout));
    }
    (!due.is_zero()).then_some(due)
}

impl Cell {
    /// Stops this generation unless something keeps it awake by now. `false` if it was kept.
    fn stop_if_idle(self: &Arc<Self>, awake: &Arc<Awake>) -> bool {
        let mut life = self.life.lock();
        let current = life.awake.as_ref().is_some_and(|current| Arc::ptr_eq(current, awake));
        if !current || life.machine.phase() != Phase::Ready {
            return true;
        }
        if awake.busy.idle_since().is_none() || !life.machine.stop() {
            return false;
        }
        drop(life);
        self.begin_stop(Arc::clone(awake), super::stop::Cause::Idle);
        true
    }
}
