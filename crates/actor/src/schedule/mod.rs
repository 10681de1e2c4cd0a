//! Actions that an actor sets for later: `ctx.schedule().after(..)` and `.at(..)`.
//!
//! A scheduled action is durable before the call that set it returns, and wakes the actor when it is due. It is called *at
//! least once*: it is removed when the call has ended, well or not, so a crash in the middle calls it again, which
//! [`ScheduledAction::attempts`] tells. One that has been cut short [`MAX_ATTEMPTS`] times is given up, because an action
//! that takes its host down would do so for ever.

mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use agentos_store::Database;
use agentos_store::tables::{ScheduleRow, ScheduleTable};
use agentos_value::{ActorError, Value};
use tokio::sync::Notify;

pub(crate) use self::watch::watch;
use crate::error::limit_exceeded;
use crate::store::{decode_value, encode_value};
use crate::{Clock, DueTimes, Failure, random};

/// Actions that one actor may have scheduled.
pub(crate) const MAX_SCHEDULED: u64 = 10_000;
/// Largest arguments, in bytes of their stored form.
const MAX_ARGS_BYTES: usize = 1 << 20;
/// Starts without an end after which an action is given up.
pub(crate) const MAX_ATTEMPTS: u32 = 5;

/// The scheduled actions of an open store.
#[derive(Clone, Debug)]
pub(crate) struct Schedules {
    table: ScheduleTable,
    due: DueTimes,
    changed: Arc<Notify>,
}

impl Schedules {
    pub(crate) fn new(database: &Database, due: DueTimes) -> Self {
        Self {
            table: ScheduleTable::new(database),
            due,
            changed: Arc::default(),
        }
    }
}

/// An action that waits for its time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ScheduledAction {
    /// Its id.
    pub id: String,
    /// When it is due, in milliseconds since 1970.
    pub due_at_ms: i64,
    /// The action.
    pub action: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// How often it was started without coming to an end.
    pub attempts: u32,
}

/// Sets actions of one actor for later.
#[derive(Clone)]
pub struct Schedule {
    schedules: Schedules,
    clock: Arc<dyn Clock>,
}

impl Schedule {
    pub(crate) fn new(schedules: Schedules, clock: Arc<dyn Clock>) -> Self {
        Self { schedules, clock }
    }

    /// Calls an action after a time. Returns the id of what was scheduled; it is durable then.
    ///
    /// # Errors
    /// See [`Schedule::at`].
    pub async fn after(&self, delay: Duration, action: &str, args: Vec<Value>) -> Result<String, Failure> {
        let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        self.at(self.clock.now_ms().saturating_add(delay), action, args).await
    }

    /// Calls an action at a time in milliseconds since 1970; at once if that is over. Returns the id of what was scheduled;
    /// it is durable then.
    ///
    /// # Errors
    /// `agentos/limit_exceeded` beyond 10,000 scheduled actions or 1 MiB of arguments; arguments that cannot be stored;
    /// errors of the store.
    pub async fn at(&self, at_ms: i64, action: &str, args: Vec<Value>) -> Result<String, Failure> {
        let args = encode_value(&Value::Array(args))?;
        if args.len() > MAX_ARGS_BYTES {
            let (observed, capacity) = (args.len() as u64, MAX_ARGS_BYTES as u64);
            return Err(too_large(observed, capacity).into());
        }
        let id = random::uuid();
        let row = ScheduleRow {
            schedule_id: id.clone(),
            due_at: at_ms,
            action: action.to_owned(),
            args,
            created_at: self.clock.now_ms(),
            attempts: 0,
        };
        let announced = self.schedules.due.announce(at_ms).await?;
        self.schedules
            .table
            .add(row, "schedule.maxScheduled", MAX_SCHEDULED)
            .await?;
        drop(announced);
        self.schedules.changed.notify_one();
        Ok(id)
    }

    /// Takes an action back; `false` if it was called already or there is none of this id.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn cancel(&self, id: &str) -> Result<bool, Failure> {
        let removed = self.schedules.table.remove(id).await?;
        if removed {
            self.schedules.due.settle().await?;
        }
        Ok(removed)
    }

    /// What is scheduled, in the order in which it is due.
    ///
    /// # Errors
    /// Those of the store.
    pub fn list(&self) -> Result<Vec<ScheduledAction>, Failure> {
        let most = usize::try_from(MAX_SCHEDULED).unwrap_or(usize::MAX);
        self.schedules
            .table
            .due(i64::MAX, most)?
            .into_iter()
            .map(scheduled)
            .collect()
    }
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule").finish_non_exhaustive()
    }
}

fn scheduled(row: ScheduleRow) -> Result<ScheduledAction, Failure> {
    let args = match decode_value(&row.args)? {
        Value::Array(args) => args,
        other => vec![other],
    };
    Ok(ScheduledAction {
        id: row.schedule_id,
        due_at_ms: row.due_at,
        action: row.action,
        args,
        attempts: row.attempts,
    })
}

fn too_large(observed: u64, capacity: u64) -> ActorError {
    limit_exceeded(
        "maxArgsBytes",
        observed,
        capacity,
        "bytes",
        "schedule",
        "schedule.maxArgsBytes",
    )
}
