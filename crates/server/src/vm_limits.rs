//! The limits of what a server keeps for a VM: previews, scheduled jobs, the user's database (limits.md sections 4.5 and 4.6).
//!
//! They stand in the same table as those that the kernel enforces, and are given with them ([`VmOptions::limits`]
//! (crate::VmOptions::limits)), so that there is one place for every limit of a VM. Here they get the form in which the actor
//! runtime and the gateway enforce them. [`Stocks`] warns before one is reached.

use agentos::{LimitUsage, LimitWarning, Limits};
use agentos_actor::cron::CronLimits;
use agentos_actor::{PreviewBounds, UserLimits};
use agentos_value::ActorId;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::time::Duration;

/// `limits.cron`.
pub(crate) fn cron(limits: &Limits) -> CronLimits {
    CronLimits {
        jobs: limits.cron_max_jobs,
        queued_runs: limits.cron_max_queued_runs_per_job,
        concurrent_runs: limits.cron_max_concurrent_runs_per_job,
        run_timeout: Duration::from_millis(limits.cron_run_timeout_ms),
        history: count(limits.cron_max_history_per_job),
    }
}

/// `limits.sqlite`.
pub(crate) fn sqlite(limits: &Limits) -> UserLimits {
    UserLimits {
        database_bytes: limits.sqlite_max_database_bytes,
        result_bytes: count(limits.sqlite_max_result_bytes),
        query_timeout: Duration::from_millis(limits.sqlite_query_timeout_ms),
    }
}

/// What of `limits.preview` holds for each request.
pub(crate) fn preview(limits: &Limits) -> PreviewBounds {
    PreviewBounds {
        max_concurrent_requests: Some(count(limits.preview_max_concurrent_requests)),
        idle_timeout: Some(Duration::from_millis(limits.preview_idle_timeout_ms)),
    }
}

/// A limit as a size in memory.
pub(crate) fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// How full one of the stocks is, in the form of those of the VM.
pub(crate) fn usage(path: &'static str, observed: u64, capacity: u64) -> LimitUsage {
    LimitUsage::new(path, observed, capacity)
}

/// Which stocks have been warned about: at 80 % of the cap, and again only after a fall below 50 %.
#[derive(Debug, Default)]
pub(crate) struct Stocks(Mutex<HashSet<(ActorId, &'static str)>>);

/// Caps below this have no warning.
const WORTH_WARNING: u64 = 5;

impl Stocks {
    /// Usage has changed; the warning that is due now.
    pub(crate) fn changed(&self, id: &ActorId, usage: &LimitUsage) -> Option<LimitWarning> {
        let (observed, capacity) = (u128::from(usage.observed), u128::from(usage.capacity));
        if usage.capacity < WORTH_WARNING {
            return None;
        }
        let key = (id.clone(), usage.configuration_path);
        if observed * 100 >= capacity * 80 {
            let first = self.0.lock().insert(key);
            return first.then(|| usage.warning());
        }
        if observed * 2 < capacity {
            self.0.lock().remove(&key);
        }
        None
    }

    /// The VM is gone.
    pub(crate) fn forget(&self, id: &ActorId) {
        self.0.lock().retain(|(known, _)| known != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_warns_once_until_it_has_been_half_empty() {
        let (stocks, id) = (Stocks::default(), ActorId::new("a1").unwrap());
        let at = |observed, capacity| {
            let usage = usage("limits.cron.maxJobs", observed, capacity);
            stocks.changed(&id, &usage).map(|warning| warning.message)
        };
        assert_eq!(at(7, 10), None);
        assert_eq!(
            at(8, 10).as_deref(),
            Some("limit nearly reached: maxJobs: 8 of 10 jobs, 80 % (limits.cron.maxJobs)")
        );
        assert_eq!((at(10, 10), at(5, 10), at(9, 10)), (None, None, None));
        assert_eq!(at(4, 10), None);
        assert!(at(9, 10).is_some());
        stocks.forget(&id);
        assert!(at(9, 10).is_some());
        assert_eq!(at(4, 4), None);
    }
}
