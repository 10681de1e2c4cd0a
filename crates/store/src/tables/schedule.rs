//! Actions that an actor has set for later (`schedule.after`, `schedule.at`).

use rusqlite::{OptionalExtension as _, Row, params};

use super::{count, limit};
use crate::{Database, Error, Result, Ticket};

/// A scheduled action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Its id, unique within the actor.
    pub schedule_id: String,
    /// When it is due.
    pub due_at: i64,
    /// The action to call.
    pub action: String,
    /// The encoded arguments.
    pub args: Vec<u8>,
    /// When it was scheduled.
    pub created_at: i64,
    /// How often it was started already without being finished: more than 0 after a crash.
    pub attempts: u32,
}

/// The scheduled actions.
#[derive(Debug, Clone)]
pub struct ScheduleTable {
    database: Database,
}

impl ScheduleTable {
    /// The table in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Adds an action; [`Error::Limit`] naming `limit` when `capacity` of them wait already.
    pub fn add(&self, row: ScheduleRow, limit: &'static str, capacity: u64) -> Ticket {
        self.database
            .submission()
            .bytes(row.args.len())
            .submit(move |transaction| {
                let held: i64 = transaction
                    .prepare_cached("SELECT count(*) FROM agent_os_schedules")?
                    .query_row([], |found| found.get(0))?;
                if count(held) >= capacity {
                    return Err(Error::Limit {
                        limit,
                        observed: count(held) + 1,
                        capacity,
                    });
                }
                transaction
                    .prepare_cached(
                        "INSERT INTO agent_os_schedules (schedule_id, due_at, action, args, created_at, attempts)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![
                        row.schedule_id,
                        row.due_at,
                        row.action,
                        row.args,
                        row.created_at,
                        row.attempts
                    ])?;
                Ok(())
            })
    }

    /// Notes that the action is being started; resolves to how often it was started before. `None` if it is gone.
    pub fn start(&self, schedule_id: &str) -> Ticket<Option<u32>> {
        let id = schedule_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            let before: Option<u32> = transaction
                .prepare_cached("SELECT attempts FROM agent_os_schedules WHERE schedule_id = ?1")?
                .query_row([&id], |row| row.get(0))
                .optional()?;
            transaction
                .prepare_cached("UPDATE agent_os_schedules SET attempts = attempts + 1 WHERE schedule_id = ?1")?
                .execute([&id])?;
            Ok(before)
        })
    }

    /// Removes an action; true if it was there.
    pub fn remove(&self, schedule_id: &str) -> Ticket<bool> {
        let id = schedule_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            let sql = "DELETE FROM agent_os_schedules WHERE schedule_id = ?1";
            Ok(transaction.prepare_cached(sql)?.execute([id])? > 0)
        })
    }

    /// The earliest due time.
    pub fn next_due(&self) -> Result<Option<i64>> {
        self.database.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT min(due_at) FROM agent_os_schedules")?
                .query_row([], |row| row.get(0))?)
        })
    }

    /// The earliest due time later than `now`.
    pub fn next_due_after(&self, now: i64) -> Result<Option<i64>> {
        self.database.read(|connection| {
            let sql = "SELECT min(due_at) FROM agent_os_schedules WHERE due_at > ?1";
            Ok(connection.prepare_cached(sql)?.query_row([now], |row| row.get(0))?)
        })
    }

    /// Actions due at `now`, earliest first, at most `most`.
    pub fn due(&self, now: i64, most: usize) -> Result<Vec<ScheduleRow>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT schedule_id, due_at, action, args, created_at, attempts FROM agent_os_schedules
                 WHERE due_at <= ?1 ORDER BY due_at, created_at, schedule_id LIMIT ?2",
            )?;
            let rows = statement.query_map([now, limit(most)], row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<ScheduleRow> {
    Ok(ScheduleRow {
        schedule_id: row.get(0)?,
        due_at: row.get(1)?,
        action: row.get(2)?,
        args: row.get(3)?,
        created_at: row.get(4)?,
        attempts: row.get(5)?,
    })
}
