//! Time that is moved by tests.

use agentos_session::{BoxFuture, Clock};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub struct ManualClock {
    now: watch::Sender<i64>,
    waiting: Arc<watch::Sender<Vec<i64>>>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            now: watch::Sender::new(1_000_000),
            waiting: Arc::new(watch::Sender::new(Vec::new())),
        }
    }
}

impl ManualClock {
    pub fn advance(&self, time: Duration) {
        self.now
            .send_modify(|now| *now += i64::try_from(time.as_millis()).unwrap());
    }

    /// Waits until somebody sleeps for exactly this time, then lets it pass.
    pub async fn pass(&self, time: Duration) {
        let deadline = *self.now.borrow() + i64::try_from(time.as_millis()).unwrap();
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|waiting| waiting.contains(&deadline)).await.unwrap();
        self.advance(time);
    }
}

struct Sleeping {
    deadline: i64,
    waiting: Arc<watch::Sender<Vec<i64>>>,
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.waiting.send_modify(|waiting| {
            let at = waiting.iter().position(|deadline| *deadline == self.deadline).unwrap();
            waiting.remove(at);
        });
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        *self.now.borrow()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let mut now = self.now.subscribe();
        let deadline = *now.borrow() + i64::try_from(time.as_millis()).unwrap();
        let waiting = Arc::clone(&self.waiting);
        Box::pin(async move {
            waiting.send_modify(|waiting| waiting.push(deadline));
            let _sleeping = Sleeping { deadline, waiting };
            let _ = now.wait_for(|now| *now >= deadline).await;
        })
    }
}
