//! The typed tables of an actor, in its `vm.sqlite`.
//!
//! Each table is a cheap handle on the [`Database`](crate::Database). Writing functions return a [`Ticket`](crate::Ticket):
//! the row is durable when it resolves. Reading functions see what is committed. Times are milliseconds since the Unix
//! epoch. Bounds that several rows share (how many jobs, how many messages) are checked inside of the transaction, so two
//! writers cannot pass them together.

mod actor;
mod cron;
mod cron_runs;
mod kv;
mod meta;
mod preview;
mod queue;
mod schedule;
mod sessions;
mod workflow;

#[cfg(test)]
mod tests;

pub use self::actor::{ActorRecord, ActorTable};
pub use self::cron::{CronJobRow, CronTable, Overlap};
pub use self::cron_runs::{CronRunRow, Firing, RunStatus};
pub use self::kv::{KvTable, MAX_KEY_BYTES, MAX_VALUE_BYTES};
pub use self::meta::MetaTable;
pub use self::preview::{PreviewRow, PreviewTable};
pub use self::queue::{MessageRow, QueueLimits, QueueTable};
pub use self::schedule::{ScheduleRow, ScheduleTable};
pub use self::sessions::{GrantRow, OutcomeRow, SessionEventRow, SessionRow, SessionTable, SessionUpdate};
pub use self::workflow::{StepRow, WorkflowRow, WorkflowStatus, WorkflowTable};
use crate::database::{Migration, Schema};

/// The schema of `vm.sqlite`.
pub const VM_SCHEMA: Schema = Schema {
    application_id: 0x616f_5356, // "aoSV"
    migrations: &[Migration::Sql(&[include_str!("v1.sql"), crate::fs::SCHEMA])],
};

/// A count of SQLite as an unsigned number.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number of rows as SQLite takes it.
fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Refuses a value of more than `capacity` bytes.
fn check_size(limit: &'static str, observed: usize, capacity: usize) -> crate::Result<()> {
    if observed <= capacity {
        return Ok(());
    }
    Err(crate::Error::Limit {
        limit,
        observed: observed as u64,
        capacity: capacity as u64,
    })
}
