//! Waking actors that are due.
//!
//! One task for all actors looks at the index of the host: it knows the earliest due time of each, also of those that sleep.
//! An actor that is awake looks after its own due times and is left alone; one that stops with something due asks for a look.

use std::sync::Arc;
use std::time::Duration;

use agentos_value::ActorId;

use super::Shared;
use crate::Failure;
use crate::lifecycle::Phase;

/// The index is looked at no less often than this: the wall clock may be set, a boot may have failed.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Actors that one look wakes; further ones are woken by the next.
const MOST: usize = 1000;
/// Between looks while more are due than one look wakes.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// Starts the task; it ends with the registry.
pub(super) fn start(shared: &Arc<Shared>) {
    let (runtime, clock, alarm) = (
        shared.runtime.clone(),
        Arc::clone(&shared.clock),
        Arc::clone(&shared.alarm),
    );
    let draining = shared.drain_token();
    let shared = Arc::downgrade(shared);
    runtime.spawn(async move {
        loop {
            let nap = {
                let Some(shared) = shared.upgrade().filter(|shared| !shared.is_draining()) else {
                    return;
                };
                look(&shared).unwrap_or_else(|error| {
                    tracing::error!(target: "agentos::actor", %error, "cannot look for actors that are due");
                    Some(LONGEST_NAP)
                })
            };
            match nap {
                Some(nap) => tokio::select! {
                    () = clock.sleep(nap.min(LONGEST_NAP)) => {}
                    () = alarm.notified() => {}
                },
                None => tokio::select! {
                    () = alarm.notified() => {}
                    () = draining.cancelled() => {}
                },
            }
        }
    });
}

/// Wakes who is due; returns when to look again, or `None` if nobody will be due.
fn look(shared: &Arc<Shared>) -> Result<Option<Duration>, Failure> {
    let (now, storage) = (shared.clock.now_ms(), shared.storage()?);
    let due = storage.index().due(now, MOST)?;
    let (any, full) = (!due.is_empty(), due.len() == MOST);
    for (id, _) in due {
        let Ok(id) = ActorId::new(id) else { continue };
        match shared.cell(&id) {
            Ok(cell) => {
                if !matches!(cell.phase(), Phase::Booting | Phase::Ready) {
                    cell.wake();
                }
            }
            // Of a definition that this program does not have; it keeps its due time for one that does.
            Err(error) => tracing::debug!(target: "agentos::actor", actor = %id, %error, "a due actor cannot be woken"),
        }
    }
    if full {
        return Ok(Some(NEXT_LOOK));
    }
    let next = storage.index().next_due_after(now)?;
    let nap = next.map(|at| Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or(0)));
    Ok(nap.or(any.then_some(LONGEST_NAP)))
}
