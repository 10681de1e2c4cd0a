//! Jobs as clients write and read them, and their bounds.

use std::time::Duration;

use agentos_store::tables::{CronJobRow, Overlap};
use serde::Serialize;

use super::CronAction;

/// Bounds of cron jobs: the group `limits.cron`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronLimits {
    /// `maxJobs`: jobs of one actor.
    pub jobs: u64,
    /// `maxQueuedRunsPerJob`: runs that wait, with overlap `queue`.
    pub queued_runs: u64,
    /// `maxConcurrentRunsPerJob`: runs at one time, with overlap `allow`.
    pub concurrent_runs: u64,
    /// `runTimeoutMs`: time of one run; zero means any.
    pub run_timeout: Duration,
    /// `maxHistoryPerJob`: finished runs that are remembered.
    pub history: usize,
}

impl Default for CronLimits {
    fn default() -> Self {
        Self {
            jobs: 1024,
            queued_runs: 100,
            concurrent_runs: 16,
            run_timeout: Duration::from_millis(3_600_000),
            history: 32,
        }
    }
}

/// A job to be scheduled.
#[derive(Debug, Clone)]
pub struct NewCronJob {
    /// Its id; one is made up if there is none.
    pub id: Option<String>,
    /// A cron expression or an ISO 8601 instant.
    pub schedule: String,
    /// IANA name of the time zone; UTC if there is none.
    pub timezone: Option<String>,
    /// What it does.
    pub action: CronAction,
    /// What happens when runs overlap.
    pub overlap: Overlap,
}

/// A job as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CronJobInfo {
    /// Its id.
    pub id: String,
    /// The schedule as it was given.
    pub schedule: String,
    /// IANA name of the time zone.
    pub timezone: String,
    /// What it does, without environment and options.
    pub action: CronAction,
    /// `allow`, `skip` or `queue`.
    pub overlap: &'static str,
    /// When it was due last, in ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// When it is due next, in ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run: Option<String>,
    /// How many runs were started.
    pub run_count: u64,
    /// Whether a run is going on.
    pub running: bool,
    /// How many runs wait.
    pub queued: u64,
}

impl CronJobInfo {
    pub(super) fn new(row: CronJobRow, action: CronAction, running: u64, queued: u64) -> Self {
        Self {
            id: row.job_id,
            schedule: row.schedule,
            timezone: row.timezone,
            action,
            overlap: row.overlap.name(),
            last_run: row.last_at.map(super::iso),
            next_run: row.next_at.map(super::iso),
            run_count: row.run_count,
            running: running > 0,
            queued,
        }
    }
}
