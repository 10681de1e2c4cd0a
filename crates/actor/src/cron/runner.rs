//! The clockwork of an awake actor: fires what is due, runs it, records how it ended.
//!
//! ```text
//!   due ─► plan ─► run recorded (durable) ─► cron:fire ─► action ─► end recorded (durable) ─► cron:complete | cron:error
//! ```
//!
//! A run is recorded before its action starts, so no due time fires twice, whatever crashes; a run that a crash cut short is
//! closed as interrupted at the next start and not repeated.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentos_store::tables::{CronJobRow, CronRunRow, Firing, Overlap, RunStatus};
use agentos_value::ActorError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::plan::plan;
use super::{CronAction, CronEvent, CronJobInfo, CronJobs, NewCronJob, Schedule};
use crate::BoxFuture;
use crate::Failure;
use crate::clock::{Clock, timeout};

/// The wall clock is looked at no less often than this, in case somebody sets it.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// A run that starts.
#[derive(Debug, Clone)]
pub struct CronRun {
    /// The job.
    pub job_id: String,
    /// The number of the run.
    pub run_id: i64,
    /// When it was due.
    pub due_at: i64,
    /// What to do.
    pub action: CronAction,
}

/// What the clockwork needs of the actor it runs in.
pub trait CronHost: Send + Sync + 'static {
    /// Carries out an action. Dropping the future must end what it started.
    ///
    /// # Errors
    /// Why the run counts as failed: for a program that exits with a code other than 0, the code and the last 4 KiB of its
    /// error output.
    fn run(&self, run: CronRun) -> BoxFuture<'_, Result<(), ActorError>>;

    /// Tells listeners.
    fn emit(&self, event: CronEvent);

    /// Keeps the actor awake for a run of the job, until what is returned is dropped.
    fn keep_awake(&self, job_id: &str) -> Box<dyn Send>;
}

/// Cron in an awake actor. Dropping it ends its clockwork and drops the runs that are going on.
pub struct Cron {
    shared: Arc<Shared>,
    clockwork: tokio::task::JoinHandle<()>,
}

struct Shared {
    jobs: CronJobs,
    host: Arc<dyn CronHost>,
    clock: Arc<dyn Clock>,
    changed: Notify,
    /// Runs that are going on, by job.
    running: Mutex<HashMap<String, u64>>,
    /// Held from the look at what runs to the start of a run, so that two do not start where one may.
    starting: tokio::sync::Mutex<()>,
    /// Tasks of runs; aborted when the last handle of the set goes.
    tasks: Mutex<tokio::task::JoinSet<()>>,
}

impl Cron {
    /// Starts the clockwork: closes runs that a crash cut short, starts queued ones, fires what is due. To be called once
    /// for each generation of an actor, inside of a tokio runtime.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn start(jobs: CronJobs, host: Arc<dyn CronHost>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            jobs,
            host,
            clock,
            changed: Notify::new(),
            running: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            tasks: Mutex::default(),
        });
        shared.clone().recover().await?;
        let clockwork = tokio::spawn(serve(shared.clone()));
        Ok(Self { shared, clockwork })
    }

    /// Adds a job; see [`CronJobs::schedule`].
    ///
    /// # Errors
    /// See [`CronJobs::schedule`].
    pub async fn schedule(&self, job: NewCronJob) -> Result<String, Failure> {
        let id = self.shared.jobs.schedule(job, self.shared.clock.now_ms()).await?;
        self.shared.changed.notify_one();
        Ok(id)
    }

    /// Removes a job; see [`CronJobs::cancel`].
    ///
    /// # Errors
    /// Those of the store.
    pub async fn cancel(&self, id: &str) -> Result<(), Failure> {
        self.shared.jobs.cancel(id).await?;
        self.shared.changed.notify_one();
        Ok(())
    }

    /// All jobs; see [`CronJobs::list`].
    ///
    /// # Errors
    /// Those of the store.
    pub fn list(&self) -> Result<Vec<CronJobInfo>, Failure> {
        self.shared.jobs.list()
    }

    /// Tells the clockwork to look again: a job was changed in storage by somebody else.
    pub fn refresh(&self) {
        self.shared.changed.notify_one();
    }
}

impl std::fmt::Debug for Cron {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cron")
            .field("running", &*self.shared.running.lock())
            .finish_non_exhaustive()
    }
}

impl Drop for Cron {
    fn drop(&mut self) {
        self.clockwork.abort();
        self.shared.tasks.lock().abort_all();
    }
}

async fn serve(shared: Arc<Shared>) {
    loop {
        let changed = shared.changed.notified();
        let wait = match shared.clone().tick().await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(target: "agentos::cron", %error, "cannot fire jobs; trying again");
                Some(LONGEST_NAP)
            }
        };
        match wait {
            Some(wait) => {
                let nap = shared.clock.sleep(wait.min(LONGEST_NAP));
                tokio::select! { () = changed => {}, () = nap => {} }
            }
            None => changed.await,
        }
    }
}

impl Shared {
    /// Fires what is due; returns how long nothing will be, or `None` if nothing is planned.
    async fn tick(self: Arc<Self>) -> agentos_store::Result<Option<Duration>> {
        let now = self.clock.now_ms();
        let due = self.jobs.table.due(now)?;
        for job in &due {
            self.fire(job, now).await?;
        }
        if !due.is_empty() {
            self.jobs.due.settle().await?;
        }
        let next = self.jobs.table.next_due()?;
        Ok(next.map(|at| Duration::from_millis(u64::try_from(at.saturating_sub(self.clock.now_ms())).unwrap_or(0))))
    }

    /// Deals with one due time of a job.
    async fn fire(self: &Arc<Self>, job: &CronJobRow, now: i64) -> agentos_store::Result<()> {
        let expected_at = job.next_at.unwrap_or(now);
        let Ok(schedule) = Schedule::parse(&job.schedule, &job.timezone) else {
            // Stored by another version that knew more zones: the job stays, and is not due any more.
            tracing::error!(target: "agentos::cron", job = job.job_id, "a stored schedule cannot be read");
            self.jobs.table.reschedule(&job.job_id, None).await?;
            return Ok(());
        };
        // No queued run starts between the look and the decision.
        let starting = self.starting.lock().await;
        let running = self.running.lock().get(&job.job_id).copied().unwrap_or(0);
        let (_, queued) = self.jobs.table.open_runs(&job.job_id)?;
        let plan = plan(job, &schedule, now, running, queued, &self.jobs.limits);
        let Some(status) = plan.run else {
            self.jobs.table.reschedule(&job.job_id, plan.next_at).await?;
            return Ok(());
        };
        let firing = Firing {
            job_id: job.job_id.clone(),
            expected_at,
            due_at: plan.due_at,
            next_at: plan.next_at,
            status,
            error: plan.error.clone(),
            now,
            history: self.jobs.limits.history,
        };
        let Some(run_id) = self.jobs.table.fire(firing).await? else {
            return Ok(());
        };
        if status == RunStatus::Running {
            self.start(job, run_id, plan.due_at);
        }
        drop(starting);
        match (status, plan.error) {
            // The run that it waits for may have ended meanwhile.
            (RunStatus::Queued, _) => self.start_queued(&job.job_id).await?,
            (RunStatus::Error, error) => self.host.emit(CronEvent::Error {
                job_id: job.job_id.clone(),
                time: now,
                error: error.unwrap_or_default(),
            }),
            _ => {}
        }
        Ok(())
    }

    /// After a start: what a crash cut short is closed, what waited goes on.
    async fn recover(self: Arc<Self>) -> agentos_store::Result<()> {
        let now = self.clock.now_ms();
        // Every wake comes by here, and must not wait for a commit that changes nothing.
        if self.jobs.table.is_interrupted()? {
            for run in self.jobs.table.interrupt(INTERRUPTED, now).await? {
                self.host.emit(CronEvent::Error {
                    job_id: run.job_id,
                    time: now,
                    error: INTERRUPTED.to_owned(),
                });
            }
        }
        for job_id in self.jobs.table.queued_jobs()? {
            self.start_queued(&job_id).await?;
        }
        Ok(())
    }

    /// Starts the oldest queued run of a job, if there is one and none goes on.
    async fn start_queued(self: &Arc<Self>, job_id: &str) -> agentos_store::Result<()> {
        let _starting = self.starting.lock().await;
        if self.running.lock().contains_key(job_id) {
            return Ok(());
        }
        let Some(job) = self.jobs.table.get(job_id)? else {
            return Ok(());
        };
        let queued: Option<CronRunRow> = self.jobs.table.start_queued(job_id, self.clock.now_ms()).await?;
        if let Some(run) = queued {
            self.start(&job, run.run_id, run.due_at);
        }
        Ok(())
    }

    /// Starts the action of a recorded run in a task of its own.
    fn start(self: &Arc<Self>, job: &CronJobRow, run_id: i64, due_at: i64) {
        *self.running.lock().entry(job.job_id.clone()).or_insert(0) += 1;
        let awake = self.host.keep_awake(&job.job_id);
        let (shared, job) = (self.clone(), job.clone());
        let mut tasks = self.tasks.lock();
        // Those that have ended leave nothing behind.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            shared.carry_out(&job, run_id, due_at).await;
            drop(awake);
        });
    }

    async fn carry_out(self: Arc<Self>, job: &CronJobRow, run_id: i64, due_at: i64) {
        let job_id = || job.job_id.clone();
        let began = self.clock.now_ms();
        self.host.emit(CronEvent::Fire {
            job_id: job_id(),
            time: began,
        });
        let error = self.act(job, run_id, due_at).await.err();
        let ended = self.clock.now_ms();
        let finished = self
            .jobs
            .table
            .finish(run_id, error.clone(), ended, self.jobs.limits.history)
            .await;
        if let Err(error) = finished {
            // The next start closes the run as interrupted.
            tracing::error!(target: "agentos::cron", job = job.job_id, %error, "the end of a run cannot be recorded");
        }
        // Whoever hears of the end may count on it: the job does not run any more.
        self.leave(&job.job_id);
        self.host.emit(match error {
            None => CronEvent::Complete {
                job_id: job_id(),
                time: ended,
                duration_ms: (ended - began).max(0),
            },
            Some(error) => CronEvent::Error {
                job_id: job_id(),
                time: ended,
                error,
            },
        });
        if job.overlap == Overlap::Queue
            && let Err(error) = self.start_queued(&job.job_id).await
        {
            tracing::error!(target: "agentos::cron", job = job.job_id, %error, "the next queued run cannot be started");
        }
    }

    /// Carries out the action within its time; the error as listeners and the history see it.
    async fn act(&self, job: &CronJobRow, run_id: i64, due_at: i64) -> Result<(), String> {
        let action = self.jobs.action(job).map_err(|error| match error {
            agentos_store::Error::Sealed(_) => format!("sealed: {error}"),
            other => Failure::from(other).publish("cron action").to_string(),
        })?;
        let run = CronRun {
            job_id: job.job_id.clone(),
            run_id,
            due_at,
            action,
        };
        let work = self.host.run(run);
        let limit = self.jobs.limits.run_timeout;
        let outcome = if limit.is_zero() {
            Ok(work.await)
        } else {
            timeout(&*self.clock, limit, work).await
        };
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("{}: {}", error.code, error.message)),
            Err(_) => Err(format!(
                "timeout: the run took longer than {} ms (limits.cron.runTimeoutMs)",
                limit.as_millis()
            )),
        }
    }

    fn leave(&self, job_id: &str) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(job_id) {
            *count -= 1;
            if *count == 0 {
                running.remove(job_id);
            }
        }
    }
}

/// What becomes of a run that a crash cut short.
const INTERRUPTED: &str = "interrupted";
