//! Cron jobs.

use rusqlite::{OptionalExtension as _, Row, params};

use super::count;
use crate::{Database, Error, Result, Ticket};

/// What happens when a job is due while a run of it is still going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overlap {
    /// Both run.
    #[default]
    Allow,
    /// The new one is dropped.
    Skip,
    /// The new one waits.
    Queue,
}

impl Overlap {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }

    /// The policy of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Allow, Self::Skip, Self::Queue]
            .into_iter()
            .find(|overlap| overlap.name() == name)
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronJobRow {
    /// Its id, unique within the actor.
    pub job_id: String,
    /// The expression or instant, as given.
    pub schedule: String,
    /// The IANA name of its time zone.
    pub timezone: String,
    /// The action as JSON, without secrets.
    pub action: String,
    /// The sealed part of the action: environment and options.
    pub sealed_env: Option<Vec<u8>>,
    /// What happens when runs overlap.
    pub overlap: Overlap,
    /// When it was scheduled.
    pub created_at: i64,
    /// When it is due next; `None` when it never will be again.
    pub next_at: Option<i64>,
    /// When it was due last.
    pub last_at: Option<i64>,
    /// How many runs were started.
    pub run_count: u64,
}

/// Jobs and their runs.
#[derive(Debug, Clone)]
pub struct CronTable {
    pub(super) database: Database,
}

impl CronTable {
    /// The tables in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Adds a job; [`Error::Exists`] if its id is taken, [`Error::Limit`] beyond `capacity` jobs.
    pub fn add(&self, job: CronJobRow, capacity: u64) -> Ticket {
        let bytes = job.action.len() + job.sealed_env.as_ref().map_or(0, Vec::len);
        self.database.submission().bytes(bytes).submit(move |transaction| {
            let (held, taken): (i64, bool) = transaction
                .prepare_cached("SELECT count(*), coalesce(sum(job_id = ?1), 0) FROM agent_os_cron_jobs")?
                .query_row([&job.job_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if taken {
                return Err(Error::Exists {
                    what: "cron job",
                    id: job.job_id.into(),
                });
            }
            if count(held) >= capacity {
                return Err(Error::Limit {
                    limit: "limits.cron.maxJobs",
                    observed: count(held) + 1,
                    capacity,
                });
            }
            transaction
                .prepare_cached(
                    "INSERT INTO agent_os_cron_jobs
                     (job_id, schedule, timezone, action, sealed_env, overlap, created_at, next_at, last_at, run_count)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute(params![
                    job.job_id,
                    job.schedule,
                    job.timezone,
                    job.action,
                    job.sealed_env,
                    job.overlap.name(),
                    job.created_at,
                    job.next_at,
                    job.last_at,
                    i64::try_from(job.run_count).unwrap_or(i64::MAX),
                ])?;
            Ok(())
        })
    }

    /// Cancels a job: it and its queued runs and history go; a run that is going on keeps its record until it finishes.
    /// True if it was there.
    pub fn remove(&self, job_id: &str) -> Ticket<bool> {
        let job_id = job_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            transaction
                .prepare_cached("DELETE FROM agent_os_cron_runs WHERE job_id = ?1 AND status <> 'running'")?
                .execute([&job_id])?;
            Ok(transaction
                .prepare_cached("DELETE FROM agent_os_cron_jobs WHERE job_id = ?1")?
                .execute([&job_id])?
                > 0)
        })
    }

    /// The job with this id.
    pub fn get(&self, job_id: &str) -> Result<Option<CronJobRow>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM agent_os_cron_jobs WHERE job_id = ?1");
            Ok(connection.prepare_cached(&sql)?.query_row([job_id], row).optional()?)
        })
    }

    /// All jobs, oldest first.
    pub fn list(&self) -> Result<Vec<CronJobRow>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM agent_os_cron_jobs ORDER BY created_at, job_id");
            Ok(connection
                .prepare_cached(&sql)?
                .query_map([], row)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Jobs that are due at `now`, earliest first.
    pub fn due(&self, now: i64) -> Result<Vec<CronJobRow>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM agent_os_cron_jobs WHERE next_at <= ?1 ORDER BY next_at, job_id");
            Ok(connection
                .prepare_cached(&sql)?
                .query_map([now], row)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The earliest due time of all jobs.
    pub fn next_due(&self) -> Result<Option<i64>> {
        self.database.read(|connection| {
            let sql = "SELECT min(next_at) FROM agent_os_cron_jobs WHERE next_at IS NOT NULL";
            Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
    }
}

const COLUMNS: &str =
    "job_id, schedule, timezone, action, sealed_env, overlap, created_at, next_at, last_at, run_count";

fn row(row: &Row<'_>) -> rusqlite::Result<CronJobRow> {
    Ok(CronJobRow {
        job_id: row.get(0)?,
        schedule: row.get(1)?,
        timezone: row.get(2)?,
        action: row.get(3)?,
        sealed_env: row.get(4)?,
        overlap: Overlap::parse(&row.get::<_, String>(5)?).unwrap_or_default(),
        created_at: row.get(6)?,
        next_at: row.get(7)?,
        last_at: row.get(8)?,
        run_count: count(row.get(9)?),
    })
}
