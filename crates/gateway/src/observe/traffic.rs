//! Counts of requests.

use super::Route;
use http::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the latency buckets, in microseconds; one bucket more holds the rest.
const BOUNDS_US: [u64; 12] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000, 60_000_000,
];

/// Requests since the start, by route and class of status.
#[derive(Debug, Default)]
pub struct Traffic {
    routes: [PerRoute; Route::ALL.len()],
    auth_failures: AtomicU64,
}

#[derive(Debug, Default)]
struct PerRoute {
    /// By the first digit of the status.
    classes: [AtomicU64; 5],
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Traffic {
    pub(crate) fn answered(&self, route: Route, status: StatusCode, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let counts = &self.routes[route as usize];
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        counts.classes[class].fetch_add(1, Relaxed);
        counts.buckets[BOUNDS_US.partition_point(|bound| *bound < us)].fetch_add(1, Relaxed);
        counts.sum_us.fetch_add(us, Relaxed);
    }

    pub(crate) fn auth_failed(&self) {
        self.auth_failures.fetch_add(1, Relaxed);
    }

    /// Requests without the right token, from a refused origin or to a route that was not theirs.
    pub fn auth_failures(&self) -> u64 {
        self.auth_failures.load(Relaxed)
    }

    /// Requests of a route by class of status: the first is 1xx, the last 5xx.
    pub fn answers(&self, route: Route) -> [u64; 5] {
        let classes = &self.routes[route as usize].classes;
        std::array::from_fn(|class| classes[class].load(Relaxed))
    }

    /// Time to the head of the answer: buckets as upper bound in seconds and count, the last without a bound, and the sum.
    pub fn latency(&self, route: Route) -> (Vec<(f64, u64)>, f64) {
        let counts = &self.routes[route as usize];
        let bounds = BOUNDS_US.iter().map(|us| seconds(*us)).chain([f64::MAX]);
        let buckets = bounds
            .zip(&counts.buckets)
            .map(|(bound, count)| (bound, count.load(Relaxed)));
        (buckets.collect(), seconds(counts.sum_us.load(Relaxed)))
    }
}

/// Microseconds as seconds.
pub(crate) fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}
