//! What listeners are told of cron jobs.

use agentos_value::Value;

/// An event of a job. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CronEvent {
    /// The action is about to start.
    Fire {
        /// The job.
        job_id: String,
        /// Now.
        time: i64,
    },
    /// The action succeeded.
    Complete {
        /// The job.
        job_id: String,
        /// Now.
        time: i64,
        /// How long the action took.
        duration_ms: i64,
    },
    /// The action failed, was interrupted, or was not started because a bound was reached.
    Error {
        /// The job.
        job_id: String,
        /// Now.
        time: i64,
        /// Why: a code, and a text.
        error: String,
    },
}

impl CronEvent {
    /// The member `event` of the payload of `cronEvent`.
    pub fn to_value(&self) -> Value {
        let (kind, job_id, time) = match self {
            Self::Fire { job_id, time } => ("cron:fire", job_id, *time),
            Self::Complete { job_id, time, .. } => ("cron:complete", job_id, *time),
            Self::Error { job_id, time, .. } => ("cron:error", job_id, *time),
        };
        let mut members = vec![
            ("type", Value::from(kind)),
            ("jobId", Value::from(job_id.as_str())),
            ("time", Value::from(time)),
        ];
        match self {
            Self::Fire { .. } => {}
            Self::Complete { duration_ms, .. } => members.push(("durationMs", Value::from(*duration_ms))),
            Self::Error { error, .. } => members.push(("error", Value::from(error.as_str()))),
        }
        Value::object(members)
    }
}
