//! When something last moved on a connection, for its deadlines.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::time::Instant;

/// Since the connection began.
pub(crate) struct Activity {
    began: Instant,
    /// The last movement, in ms after the beginning.
    last: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Something moves.
    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Resolves when nothing has moved for `idle`, or when the connection is `total` old; never without either.
    pub(crate) async fn ended(&self, idle: Option<Duration>, total: Option<Duration>) {
        loop {
            let age = self.began.elapsed();
            let quiet = age.saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)));
            let left = |limit: Option<Duration>, used| limit.map(|limit: Duration| limit.saturating_sub(used));
            let Some(wait) = left(idle, quiet).into_iter().chain(left(total, age)).min() else {
                return core::future::pending().await;
            };
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }
}
