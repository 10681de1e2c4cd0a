//! Counters of a registry.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::Transport;

/// Upper bounds of the buckets of a [`Histogram`], in microseconds; one bucket more holds the rest.
const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000, 60_000_000,
];

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    boots: AtomicU64,
    boot_failures: AtomicU64,
    sleeps: AtomicU64,
    destroyed: AtomicU64,
    connections: AtomicU64,
    actions: AtomicU64,
    action_failures: AtomicU64,
    events_sent: AtomicU64,
    events_lost: AtomicU64,
    boot_time: Buckets,
    action_time: Buckets,
    limits: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// A distribution of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// Upper bound in microseconds, and how many durations were at most that and above the bound before.
    pub buckets: Vec<(u64, u64)>,
    /// How many durations were above the last bound.
    pub above: u64,
    /// The sum of all durations in microseconds.
    pub sum_us: u64,
}

/// Counters since the registry was built, and gauges of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// Actors that exist, reserved ones included.
    pub actors: u64,
    /// Actors that boot, run or stop.
    pub awake: u64,
    /// Actors that take memory: awake, connected or in use.
    pub held: u64,
    /// Connections that are open.
    pub open_connections: u64,
    /// Boots that ended well.
    pub boots: u64,
    /// Boots that failed.
    pub boot_failures: u64,
    /// How often an actor was put to sleep or crashed.
    pub sleeps: u64,
    /// Actors that were destroyed.
    pub destroyed: u64,
    /// Connections that were accepted, HTTP requests included.
    pub connections: u64,
    /// Actions that ended.
    pub actions: u64,
    /// Those of them that ended with an error.
    pub action_failures: u64,
    /// Events queued for connections.
    pub events_sent: u64,
    /// Events that slow connections lost.
    pub events_lost: u64,
    /// How long boots took.
    pub boot_time: Histogram,
    /// How long actions took.
    pub action_time: Histogram,
    /// Stores that were closed and whose memory has not been given back to the host yet.
    pub memory_kept: u64,
    /// How often each limit was exceeded, by the path under which it is configured; see
    /// [`ActorContext::limit_exceeded`](crate::ActorContext::limit_exceeded).
    pub limits_exceeded: Vec<(&'static str, u64)>,
}

impl Metrics {
    pub(crate) fn booted(&self, took: Duration) {
        self.boots.fetch_add(1, Relaxed);
        self.boot_time.add(took);
    }

    pub(crate) fn boot_failed(&self) {
        self.boot_failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn slept(&self) {
        self.sleeps.fetch_add(1, Relaxed);
    }

    pub(crate) fn destroyed(&self) {
        self.destroyed.fetch_add(1, Relaxed);
    }

    pub(crate) fn connected(&self, _transport: Transport) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn acted(&self, took: Duration, well: bool) {
        self.actions.fetch_add(1, Relaxed);
        if !well {
            self.action_failures.fetch_add(1, Relaxed);
        }
        self.action_time.add(took);
    }

    pub(crate) fn event_sent(&self) {
        self.events_sent.fetch_add(1, Relaxed);
    }

    pub(crate) fn events_lost(&self, count: u64) {
        if count > 0 {
            self.events_lost.fetch_add(count, Relaxed);
        }
    }

    pub(crate) fn limit_exceeded(&self, limit: &'static str, count: u64) {
        let mut limits = self.limits.lock();
        let so_far = limits.entry(limit).or_default();
        *so_far = so_far.saturating_add(count);
    }

    pub(crate) fn snapshot(&self, actors: u64, awake: usize, held: usize, open_connections: usize) -> MetricsSnapshot {
        MetricsSnapshot {
            actors,
            awake: awake as u64,
            held: held as u64,
            open_connections: open_connections as u64,
            boots: self.boots.load(Relaxed),
            boot_failures: self.boot_failures.load(Relaxed),
            sleeps: self.sleeps.load(Relaxed),
            destroyed: self.destroyed.load(Relaxed),
            connections: self.connections.load(Relaxed),
            actions: self.actions.load(Relaxed),
            action_failures: self.action_failures.load(Relaxed),
            events_sent: self.events_sent.load(Relaxed),
            events_lost: self.events_lost.load(Relaxed),
            boot_time: self.boot_time.snapshot(),
            action_time: self.action_time.snapshot(),
            memory_kept: 0,
            limits_exceeded: self
                .limits
                .lock()
                .iter()
                .map(|(limit, count)| (*limit, *count))
                .collect(),
        }
    }
}

impl Buckets {
    fn add(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    fn snapshot(&self) -> Histogram {
        let count = |index: usize| self.counts[index].load(Relaxed);
        let buckets = BOUNDS_US
            .iter()
            .enumerate()
            .map(|(index, bound)| (*bound, count(index)))
            .collect();
        Histogram {
            buckets,
            above: count(BOUNDS_US.len()),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets() {
        let buckets = Buckets::default();
        for us in [1, 100, 101, 60_000_001] {
            buckets.add(Duration::from_micros(us));
        }
        let histogram = buckets.snapshot();
        assert_eq!(
            (histogram.buckets[0], histogram.buckets[1], histogram.above),
            ((100, 2), (250, 1), 1)
        );
        assert_eq!(histogram.sum_us, 60_000_203);
    }

    #[test]
    fn limits_are_counted_each_for_itself() {
        let metrics = Metrics::default();
        for (limit, count) in [("b", 2), ("a", 1), ("b", u64::MAX)] {
            metrics.limit_exceeded(limit, count);
        }
        assert_eq!(
            metrics.snapshot(0, 0, 0, 0).limits_exceeded,
            [("a", 1), ("b", u64::MAX)]
        );
    }
}
