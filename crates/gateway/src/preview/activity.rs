//! When something last moved, for waits that end after silence.

use agentos_actor::Clock;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Shared by all parts of one exchange.
#[derive(Clone)]
pub(super) struct Activity(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    last: AtomicI64,
}

impl Activity {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let last = AtomicI64::new(clock.now_ms());
        Self(Arc::new(Inner { clock, last }))
    }

    pub(super) fn touch(&self) {
        self.0.last.store(self.0.clock.now_ms(), Ordering::Relaxed);
    }

    /// A wait for `patience` of silence.
    pub(super) fn silence(&self, patience: Duration) -> Silence {
        Silence {
            timer: self.0.clock.sleep(patience),
            activity: self.clone(),
            patience,
        }
    }
}

/// Resolves once nothing has moved for a while.
pub(super) struct Silence {
    activity: Activity,
    patience: Duration,
    timer: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Silence {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let inner = self.activity.0.clone();
            let silent = inner.clock.now_ms().saturating_sub(inner.last.load(Ordering::Relaxed));
            let silent = Duration::from_millis(u64::try_from(silent).unwrap_or(0));
            match self.patience.checked_sub(silent).filter(|left| !left.is_zero()) {
                Some(left) => self.timer = inner.clock.sleep(left),
                None => return Poll::Ready(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentos_actor::ManualClock;
    use std::task::Waker;

    #[test]
    fn silence_begins_anew_whenever_something_moves() {
        let clock = ManualClock::default();
        let activity = Activity::new(Arc::new(clock.clone()));
        let mut silence = activity.silence(Duration::from_secs(10));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            clock.advance(Duration::from_secs(7));
            assert!(Pin::new(&mut silence).poll(&mut cx).is_pending());
            activity.touch();
        }
        clock.advance(Duration::from_secs(9));
        assert!(Pin::new(&mut silence).poll(&mut cx).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(Pin::new(&mut silence).poll(&mut cx).is_ready());
    }
}
