//! The jobs of an actor in storage: what works while it sleeps.

use std::sync::Arc;

use agentos_store::tables::{CronJobRow, CronTable};
use agentos_store::{Database, Error, SealKey};
use agentos_value::{ActorError, Value};

use super::{CronAction, CronJobInfo, CronLimits, NewCronJob, Schedule, iso};
use crate::Failure;
use crate::due::DueTimes;
use crate::random;

/// Longest id of a job, in bytes.
const MAX_ID_BYTES: usize = 128;

/// The jobs of one actor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CronJobs {
    pub(super) table: CronTable,
    pub(super) due: DueTimes,
    pub(super) limits: Arc<CronLimits>,
    key: Option<Arc<SealKey>>,
    actor_id: Arc<str>,
}

impl CronJobs {
    /// The jobs in `database`. `key` seals environments; without one, jobs with an environment are refused.
    pub fn new(
        database: &Database,
        due: DueTimes,
        actor_id: &str,
        key: Option<Arc<SealKey>>,
        limits: CronLimits,
    ) -> Self {
        Self {
            table: CronTable::new(database),
            due,
            limits: Arc::new(limits),
            key,
            actor_id: actor_id.into(),
        }
    }

    /// Adds a job at time `now`; it is durable when this returns. Returns its id.
    ///
    /// # Errors
    /// `agentos/invalid_schedule`, `agentos/past_schedule`, `agentos/cron_job_exists`, `agentos/invalid_argument`,
    /// `agentos/limit_exceeded`, and errors of the store.
    pub async fn schedule(&self, job: NewCronJob, now: i64) -> Result<String, Failure> {
        job.action.check()?;
        let id = match job.id {
            Some(id) => check_id(id)?,
            None => format!("cron_{}", random::correlation_id()),
        };
        let timezone = job.timezone.unwrap_or_else(|| "UTC".to_owned());
        let schedule = Schedule::parse(&job.schedule, &timezone).map_err(|error| invalid_schedule(&error))?;
        let next_at = schedule.next_after(now).ok_or_else(|| past_schedule(&job.schedule))?;
        let (action, sealed_env) = job.action.store(&self.context(&id), self.key.as_deref())?;
        let row = CronJobRow {
            job_id: id.clone(),
            schedule: job.schedule,
            timezone,
            action,
            sealed_env,
            overlap: job.overlap,
            created_at: now,
            next_at: Some(next_at),
            last_at: None,
            run_count: 0,
        };
        let _announced = self.due.announce(next_at).await?;
        match self.table.add(row, self.limits.jobs).await {
            Ok(()) => Ok(id),
            Err(Error::Exists { .. }) => Err(job_exists(&id).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a job: queued runs are dropped, those going on finish. An unknown id is no error.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn cancel(&self, id: &str) -> Result<(), Failure> {
        if self.table.remove(id).await? {
            self.due.settle().await?;
        }
        Ok(())
    }

    /// How many there are.
    ///
    /// # Errors
    /// Those of the store.
    pub fn count(&self) -> Result<u64, Failure> {
        Ok(self.table.list()?.len() as u64)
    }

    /// All jobs, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub fn list(&self) -> Result<Vec<CronJobInfo>, Failure> {
        let jobs = self.table.list()?;
        Ok(jobs
            .into_iter()
            .map(|row| self.info(row))
            .collect::<Result<_, Error>>()?)
    }

    fn info(&self, row: CronJobRow) -> Result<CronJobInfo, Error> {
        let (running, queued) = self.table.open_runs(&row.job_id)?;
        let action = CronAction::load_public(&row.action)?;
        Ok(CronJobInfo::new(row, action, running, queued))
    }

    /// The whole action of a job, environment included.
    pub(super) fn action(&self, job: &CronJobRow) -> Result<CronAction, Error> {
        let context = self.context(&job.job_id);
        CronAction::load(&job.action, job.sealed_env.as_deref(), &context, self.key.as_deref())
    }

    fn context(&self, job_id: &str) -> String {
        format!("cron/{}/{job_id}", self.actor_id)
    }
}

fn check_id(id: String) -> Result<String, ActorError> {
    let fits = (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    if fits {
        return Ok(id);
    }
    let text = format!("id: must be 1 to {MAX_ID_BYTES} bytes without control characters");
    Err(ActorError::agentos("invalid_argument", text).with_metadata(Value::object([("path", "id")])))
}

/// When a schedule is due first after `now`, in ms since the Unix epoch. For clockworks outside of an actor.
///
/// # Errors
/// `agentos/invalid_schedule`, `agentos/past_schedule`.
pub fn next_time(schedule: &str, timezone: &str, now: i64) -> Result<i64, ActorError> {
    let parsed = Schedule::parse(schedule, timezone).map_err(|error| invalid_schedule(&error))?;
    parsed.next_after(now).ok_or_else(|| past_schedule(schedule))
}

fn invalid_schedule(error: &super::InvalidSchedule) -> ActorError {
    let metadata = Value::object([("schedule", error.schedule.as_str()), ("reason", error.reason.as_str())]);
    ActorError::agentos("invalid_schedule", error.to_string()).with_metadata(metadata)
}

fn past_schedule(schedule: &str) -> ActorError {
    let at = Schedule::parse(schedule, "UTC")
        .ok()
        .and_then(|schedule| schedule.once())
        .map(iso);
    let metadata = Value::object([("schedule", at.unwrap_or_else(|| schedule.to_owned()))]);
    ActorError::agentos("past_schedule", format!("schedule is in the past: {schedule}")).with_metadata(metadata)
}

fn job_exists(id: &str) -> ActorError {
    ActorError::agentos("cron_job_exists", format!("cron job exists already: {id}"))
        .with_metadata(Value::object([("id", id)]))
}
