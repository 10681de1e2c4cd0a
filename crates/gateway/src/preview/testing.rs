//! For tests: a clock that is moved by hand.

use super::clock::Clock;
use parking_lot::Mutex;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Stands still until it is moved.
#[derive(Debug, Default)]
pub(super) struct ManualClock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    now: Duration,
    waiting: Vec<Waker>,
}

impl ManualClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn advance(&self, by: Duration) {
        let mut state = self.0.lock();
        state.now += by;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Clock for Arc<ManualClock> {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.0.lock().now.as_millis()).unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.clone();
        let due = clock.0.lock().now + duration;
        Box::pin(poll_fn(move |cx| {
            let mut state = clock.0.lock();
            if state.now >= due {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        }))
    }
}
