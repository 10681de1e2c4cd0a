//! What becomes of a due time: a pure decision.

use agentos_store::tables::{CronJobRow, Overlap, RunStatus};

use super::{CronLimits, Schedule};

/// Missed due times older than this are dropped.
const MISSED_MS: i64 = 24 * 3_600_000;

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The due time that counts: the newest of those that passed.
    pub(super) due_at: i64,
    /// When the job is due next.
    pub(super) next_at: Option<i64>,
    /// What becomes of the run; `None` if the due time is too old.
    pub(super) run: Option<RunStatus>,
    /// Why there is no run, for [`RunStatus::Error`].
    pub(super) error: Option<String>,
}

/// Decides on a job that is due at `now`; `running` and `queued` count its open runs.
pub(super) fn plan(
    job: &CronJobRow,
    schedule: &Schedule,
    now: i64,
    running: u64,
    queued: u64,
    limits: &CronLimits,
) -> Plan {
    let first = job.next_at.unwrap_or(now);
    let (due_at, next_at) = match schedule.once() {
        Some(at) => (at, None),
        None => newest(schedule, first, now),
    };
    if schedule.once().is_none() && now.saturating_sub(due_at) >= MISSED_MS {
        return Plan {
            due_at,
            next_at,
            run: None,
            error: None,
        };
    }
    let full = |limit: &str, capacity: u64| {
        let text = format!(
            "limit_exceeded: limits.cron.{limit}: {} of {capacity}",
            capacity.saturating_add(1)
        );
        (RunStatus::Error, Some(text))
    };
    let (run, error) = match job.overlap {
        Overlap::Skip if running > 0 => (RunStatus::Skipped, None),
        Overlap::Queue if running + queued > 0 && queued >= limits.queued_runs => {
            full("maxQueuedRunsPerJob", limits.queued_runs)
        }
        Overlap::Queue if running + queued > 0 => (RunStatus::Queued, None),
        Overlap::Allow if running >= limits.concurrent_runs => full("maxConcurrentRunsPerJob", limits.concurrent_runs),
        _ => (RunStatus::Running, None),
    };
    Plan {
        due_at,
        next_at,
        run: Some(run),
        error,
    }
}

/// The newest due time from `first` to `now`, and the one after it. Years of missed minutes are not walked through: what is
/// older than a day is passed over.
fn newest(schedule: &Schedule, first: i64, now: i64) -> (i64, Option<i64>) {
    let mut newest = first;
    let mut next = schedule.next_after(first.max(now.saturating_sub(MISSED_MS)));
    while let Some(at) = next.filter(|at| *at <= now) {
        newest = at;
        next = schedule.next_after(at);
    }
    (newest, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 86_400_000;

    fn job(overlap: Overlap, next_at: i64) -> CronJobRow {
        CronJobRow {
            job_id: "j".into(),
            schedule: String::new(),
            timezone: "UTC".into(),
            action: String::new(),
            sealed_env: None,
            overlap,
            created_at: 0,
            next_at: Some(next_at),
            last_at: None,
            run_count: 0,
        }
    }

    fn decide(overlap: Overlap, running: u64, queued: u64) -> (RunStatus, bool) {
        let schedule = Schedule::parse("* * * * *", "UTC").unwrap();
        let limits = CronLimits {
            queued_runs: 2,
            concurrent_runs: 3,
            ..CronLimits::default()
        };
        let plan = plan(&job(overlap, 0), &schedule, 0, running, queued, &limits);
        assert_eq!((plan.due_at, plan.next_at), (0, Some(MINUTE)));
        (
            plan.run.unwrap(),
            plan.error.is_some_and(|error| error.starts_with("limit_exceeded")),
        )
    }

    #[test]
    fn overlap_decides_while_a_run_goes_on() {
        use RunStatus::{Error, Queued, Running, Skipped};
        for overlap in [Overlap::Allow, Overlap::Skip, Overlap::Queue] {
            assert_eq!(decide(overlap, 0, 0), (Running, false));
        }
        assert_eq!(decide(Overlap::Allow, 2, 0), (Running, false));
        assert_eq!(decide(Overlap::Allow, 3, 0), (Error, true));
        assert_eq!(decide(Overlap::Skip, 1, 0), (Skipped, false));
        assert_eq!(decide(Overlap::Queue, 1, 0), (Queued, false));
        assert_eq!(decide(Overlap::Queue, 0, 1), (Queued, false));
        assert_eq!(decide(Overlap::Queue, 1, 2), (Error, true));
    }

    #[test]
    fn missed_times_are_combined_up_to_a_day() {
        let limits = CronLimits::default();
        let at = |schedule: &str, next_at, now| {
            let schedule = Schedule::parse(schedule, "UTC").unwrap();
            let plan = plan(&job(Overlap::Allow, next_at), &schedule, now, 0, 0, &limits);
            (plan.due_at, plan.next_at, plan.run)
        };
        let run = Some(RunStatus::Running);
        // Five minutes late: the newest of six, once.
        assert_eq!(at("* * * * *", 0, 5 * MINUTE + 1), (5 * MINUTE, Some(6 * MINUTE), run));
        // Years late: still the newest.
        assert_eq!(
            at("* * * * *", 0, 4000 * DAY + 5),
            (4000 * DAY, Some(4000 * DAY + MINUTE), run)
        );
        // The newest is a day old or more: dropped.
        assert_eq!(at("0 0 1 1 *", 0, DAY - 1), (0, Some(365 * DAY), run));
        assert_eq!(at("0 0 1 1 *", 0, DAY), (0, Some(365 * DAY), None));
        assert_eq!(at("0 0 1 1 *", 0, 800 * DAY).2, None);
        // Once is once, however late.
        assert_eq!(at("1970-01-01T00:00:00Z", 0, 800 * DAY), (0, None, run));
    }
}
