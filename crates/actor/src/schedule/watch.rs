//! Calling what is due, while the actor is awake: one task for each generation.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{MAX_ATTEMPTS, ScheduledAction, Schedules, scheduled};
use crate::lifecycle::{Awake, Cell, CellRef};
use crate::{ActionCall, ActionKind, Failure};

/// The wall clock is looked at no less often than this, in case somebody sets it.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Calls that run at one time.
const MAX_CALLS: usize = 16;

/// Starts the task for this generation; it ends when the actor stops.
pub(crate) fn watch(cell: &Arc<Cell>, awake: &Arc<Awake>) {
    let (_, store) = awake.context.parts();
    let (schedules, ended) = (store.schedules().clone(), awake.context.abort_signal().clone());
    let (runtime, clock) = (cell.shared.runtime.clone(), Arc::clone(&cell.shared.clock));
    let cell = Arc::downgrade(cell);
    runtime.spawn(async move {
        let mut calls = JoinSet::new();
        let mut running = HashSet::new();
        loop {
            let nap = {
                let Some(cell) = cell.upgrade().map(CellRef::new) else {
                    return;
                };
                call_due(&cell, &schedules, &mut calls, &mut running).unwrap_or_else(|error| {
                    tracing::error!(target: "agentos::actor", %error, "cannot read what is scheduled");
                    Some(LONGEST_NAP)
                })
            };
            let slept = async {
                match nap {
                    Some(nap) => clock.sleep(nap.min(LONGEST_NAP)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = slept => {}
                () = schedules.changed.notified() => {}
                Some(ended) = calls.join_next() => forget(ended, &mut running),
                // What runs is cut off with the other work of the generation, and called again by the next.
                () = ended.cancelled() => return,
            }
        }
    });
}

/// Starts what is due and does not run yet; returns when to look again, or `None` if that depends on what runs or comes.
fn call_due(
    cell: &CellRef,
    schedules: &Schedules,
    calls: &mut JoinSet<String>,
    running: &mut HashSet<String>,
) -> Result<Option<Duration>, Failure> {
    let now = cell.shared.clock.now_ms();
    for row in schedules.table.due(now, MAX_CALLS + running.len())? {
        if running.len() >= MAX_CALLS {
            return Ok(None);
        }
        if running.insert(row.schedule_id.clone()) {
            let action = scheduled(row)?;
            // From here on: an actor that fell asleep before the call has begun would have to be woken for it again.
            let awake = cell
                .awake()
                .map(|awake| awake.context.keep_awake(format!("schedule:{}", action.id)));
            let (call, runtime) = (call(cell.clone(), schedules.clone(), action), &cell.shared.runtime);
            calls.spawn_on(
                async move {
                    let id = call.await;
                    drop(awake);
                    id
                },
                runtime,
            );
        }
    }
    let later = schedules.table.next_due_after(now)?;
    Ok(later.map(|at| Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or(0))))
}

/// Calls one action and removes it; returns its id.
async fn call(cell: CellRef, schedules: Schedules, action: ScheduledAction) -> String {
    let id = action.id.clone();
    if let Err(error) = carry_out(&cell, &schedules, action).await {
        tracing::error!(target: "agentos::actor", actor = %cell.identity.id, %error, "a scheduled action could not be called");
    }
    id
}

async fn carry_out(cell: &CellRef, schedules: &Schedules, action: ScheduledAction) -> Result<(), Failure> {
    let Some(before) = schedules.table.start(&action.id).await? else {
        return Ok(());
    };
    if before < MAX_ATTEMPTS {
        let call = ActionCall {
            name: action.action,
            args: action.args,
            conn: None,
        };
        let (name, kind) = (call.name.clone(), cell.registered.definition.action_kind(&call.name));
        let outcome = match kind {
            Some(_) => cell.act(ActionKind::Awake, call, 0).await.map(drop),
            None => Err(crate::error::action_not_found(&name)),
        };
        match outcome {
            // The actor stopped in the middle: the next generation calls it again.
            Err(error) if error.is("actor", "action_aborted") || error.is("guard", "service_unavailable") => {
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(target: "agentos::actor", actor = %cell.identity.id, action = name, %error, "a scheduled action failed");
            }
            Ok(()) => {}
        }
    } else {
        tracing::error!(
            target: "agentos::actor", actor = %cell.identity.id, action = action.action, attempts = before,
            "a scheduled action never comes to an end and is given up"
        );
    }
    schedules.table.remove(&action.id).await?;
    schedules.due.settle().await?;
    Ok(())
}

fn forget(ended: Result<String, tokio::task::JoinError>, running: &mut HashSet<String>) {
    match ended {
        Ok(id) => {
            running.remove(&id);
        }
        // The action itself cannot panic out of its call, so this is a defect of the runtime; the action stays for the next
        // generation.
        Err(error) => tracing::error!(target: "agentos::actor", %error, "a scheduled call ended without a result"),
    }
}
