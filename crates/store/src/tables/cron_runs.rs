//! Runs of cron jobs: each is recorded before its action starts, so that a crash can neither lose nor repeat one.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::cron::CronTable;
use super::{count, limit};
use crate::{Result, Ticket};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunStatus {
    /// Waits for an earlier run of its job.
    Queued,
    /// Its action was started.
    Running,
    /// Its action succeeded.
    Complete,
    /// Its action failed, was cut short by a crash, or was never started because a bound was reached.
    Error,
    /// Dropped because another run was going on.
    Skipped,
}

impl RunStatus {
    const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Complete, Self::Error, Self::Skipped];

    /// The name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronRunRow {
    /// Its number, which grows with every run of the actor.
    pub run_id: i64,
    /// Its job.
    pub job_id: String,
    /// When it was due.
    pub due_at: i64,
    /// How it stands.
    pub status: RunStatus,
    /// When its action started.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A due time that is being dealt with: one transaction that moves the job on and records the run.
#[derive(Debug, Clone)]
pub struct Firing {
    /// The job.
    pub job_id: String,
    /// The due time as the job had it; the firing is void if the job has another by now.
    pub expected_at: i64,
    /// The due time of the run: later than the expected one when several that were missed are combined.
    pub due_at: i64,
    /// When the job is due after this.
    pub next_at: Option<i64>,
    /// What becomes of the run: [`Running`](RunStatus::Running), [`Queued`](RunStatus::Queued),
    /// [`Skipped`](RunStatus::Skipped), or [`Error`](RunStatus::Error) with a reason.
    pub status: RunStatus,
    /// The reason, for [`Error`](RunStatus::Error).
    pub error: Option<String>,
    /// Now.
    pub now: i64,
    /// Finished runs of the job that are kept, this one included.
    pub history: usize,
}

impl CronTable {
    /// Moves a job to its next due time and records a run; resolves to the run's number, or `None` if the job is gone or has
    /// moved on already.
    pub fn fire(&self, firing: Firing) -> Ticket<Option<i64>> {
        self.database.submission().essential().submit(move |transaction| {
            let started = i64::from(firing.status == RunStatus::Running);
            let moved = transaction
                .prepare_cached(
                    "UPDATE agent_os_cron_jobs SET next_at = ?3, last_at = ?4, run_count = run_count + ?5
                     WHERE job_id = ?1 AND next_at = ?2",
                )?
                .execute(params![
                    firing.job_id,
                    firing.expected_at,
                    firing.next_at,
                    firing.due_at,
                    started
                ])?;
            if moved == 0 {
                return Ok(None);
            }
            let (started_at, finished_at) = match firing.status {
                RunStatus::Running => (Some(firing.now), None),
                RunStatus::Queued => (None, None),
                _ => (None, Some(firing.now)),
            };
            transaction
                .prepare_cached(
                    "INSERT INTO agent_os_cron_runs (job_id, due_at, status, started_at, finished_at, error)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    firing.job_id,
                    firing.due_at,
                    firing.status.name(),
                    started_at,
                    finished_at,
                    firing.error
                ])?;
            let run_id = transaction.last_insert_rowid();
            prune(transaction, &firing.job_id, firing.history)?;
            Ok(Some(run_id))
        })
    }

    /// Moves a job to another due time without a run (missed times that are too old); true if it was there.
    pub fn reschedule(&self, job_id: &str, next_at: Option<i64>) -> Ticket<bool> {
        let job_id = job_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            let sql = "UPDATE agent_os_cron_jobs SET next_at = ?2 WHERE job_id = ?1";
            Ok(transaction.prepare_cached(sql)?.execute(params![job_id, next_at])? > 0)
        })
    }

    /// Starts the oldest queued run of a job, if there is one.
    pub fn start_queued(&self, job_id: &str, now: i64) -> Ticket<Option<CronRunRow>> {
        let job_id = job_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            let sql = format!(
                "UPDATE agent_os_cron_runs SET status = 'running', started_at = ?2 WHERE run_id =
                 (SELECT min(run_id) FROM agent_os_cron_runs WHERE job_id = ?1 AND status = 'queued') RETURNING {COLUMNS}"
            );
            let run = transaction.prepare_cached(&sql)?.query_row(params![job_id, now], row).optional()?;
            if run.is_some() {
                transaction
                    .prepare_cached("UPDATE agent_os_cron_jobs SET run_count = run_count + 1 WHERE job_id = ?1")?
                    .execute([&job_id])?;
            }
            Ok(run)
        })
    }

    /// Ends a run; true if it was going on. The record of a job that was cancelled meanwhile goes.
    pub fn finish(&self, run_id: i64, error: Option<String>, now: i64, history: usize) -> Ticket<bool> {
        self.database.submission().essential().submit(move |transaction| {
            let status = if error.is_some() {
                RunStatus::Error
            } else {
                RunStatus::Complete
            };
            let job: Option<String> = transaction
                .prepare_cached(
                    "UPDATE agent_os_cron_runs SET status = ?2, finished_at = ?3, error = ?4
                     WHERE run_id = ?1 AND status = 'running' RETURNING job_id",
                )?
                .query_row(params![run_id, status.name(), now, error], |row| row.get(0))
                .optional()?;
            let Some(job) = job else { return Ok(false) };
            prune(transaction, &job, history)?;
            Ok(true)
        })
    }

    /// Ends all runs that a crash cut short, with `error`; resolves to them.
    pub fn interrupt(&self, error: &str, now: i64) -> Ticket<Vec<CronRunRow>> {
        let error = error.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            let sql = format!(
                "UPDATE agent_os_cron_runs SET status = 'error', finished_at = ?1, error = ?2
                 WHERE status = 'running' RETURNING {COLUMNS}"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let mut runs: Vec<_> = statement
                .query_map(params![now, error], row)?
                .collect::<rusqlite::Result<_>>()?;
            runs.sort_unstable_by_key(|run: &CronRunRow| run.run_id);
            let orphans = format!("DELETE FROM agent_os_cron_runs WHERE {ORPHAN}");
            transaction.prepare_cached(&orphans)?.execute([])?;
            Ok(runs)
        })
    }

    /// How many runs of a job are going on, and how many are queued.
    pub fn open_runs(&self, job_id: &str) -> Result<(u64, u64)> {
        self.database.read(|connection| {
            let sql = "SELECT coalesce(sum(status = 'running'), 0), coalesce(sum(status = 'queued'), 0)
                       FROM agent_os_cron_runs WHERE job_id = ?1";
            let found = connection
                .prepare_cached(sql)?
                .query_row([job_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((count(found.0), count(found.1)))
        })
    }

    /// Whether [`interrupt`](Self::interrupt) would change anything. Asking costs no commit.
    pub fn is_interrupted(&self) -> Result<bool> {
        self.database.read(|connection| {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM agent_os_cron_runs WHERE status = 'running')
                 OR EXISTS (SELECT 1 FROM agent_os_cron_runs WHERE {ORPHAN})"
            );
            Ok(connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))?)
        })
    }

    /// Jobs that have queued runs.
    pub fn queued_jobs(&self) -> Result<Vec<String>> {
        self.database.read(|connection| {
            let sql =
                "SELECT job_id FROM agent_os_cron_runs WHERE status = 'queued' GROUP BY job_id ORDER BY min(run_id)";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The runs of a job, newest first, at most `most`.
    pub fn runs(&self, job_id: &str, most: usize) -> Result<Vec<CronRunRow>> {
        self.database.read(|connection| {
            let sql =
                format!("SELECT {COLUMNS} FROM agent_os_cron_runs WHERE job_id = ?1 ORDER BY run_id DESC LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            Ok(statement
                .query_map(params![job_id, limit(most)], row)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// Finished runs of jobs that are gone.
const ORPHAN: &str = "status NOT IN ('queued', 'running') AND job_id NOT IN (SELECT job_id FROM agent_os_cron_jobs)";

/// Keeps the newest `history` finished runs of a job, and none of a job that is gone.
fn prune(transaction: &Transaction<'_>, job_id: &str, history: usize) -> Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM agent_os_cron_runs WHERE job_id = ?1 AND status NOT IN ('queued', 'running') AND run_id NOT IN
             (SELECT run_id FROM agent_os_cron_runs WHERE job_id = ?1 AND status NOT IN ('queued', 'running')
              AND EXISTS (SELECT 1 FROM agent_os_cron_jobs WHERE job_id = ?1) ORDER BY run_id DESC LIMIT ?2)",
        )?
        .execute(params![job_id, limit(history)])?;
    Ok(())
}

const COLUMNS: &str = "run_id, job_id, due_at, status, started_at, finished_at, error";

fn row(row: &Row<'_>) -> rusqlite::Result<CronRunRow> {
    let status: String = row.get(3)?;
    Ok(CronRunRow {
        run_id: row.get(0)?,
        job_id: row.get(1)?,
        due_at: row.get(2)?,
        status: RunStatus::ALL
            .into_iter()
            .find(|known| known.name() == status)
            .unwrap_or(RunStatus::Error),
        started_at: row.get(4)?,
        finished_at: row.get(5)?,
        error: row.get(6)?,
    })
}
