//! Time, injected.
//!
//! Everything in this crate that waits or asks what time it is goes through a [`Clock`], so that tests run days of idle
//! timers, expiries and schedules without waiting: [`ManualClock`] stands still until a test moves it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// The two questions about time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, UTC.
    fn now_ms(&self) -> i64;

    /// Resolves once `duration` has passed. Polling it first is what starts nothing: the time counts from this call.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The host's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The deadline passed before the future was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// Runs `future` for at most `duration` of `clock`.
///
/// # Errors
/// [`Elapsed`]; the future has been dropped by then.
pub async fn timeout<F: Future>(clock: &dyn Clock, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = std::pin::pin!(future);
    // Most work is done at once; it shall not pay for a timer.
    if let Some(output) = std::future::poll_fn(|cx| Poll::Ready(poll_now(future.as_mut(), cx))).await {
        return Ok(output);
    }
    let deadline = clock.sleep(duration);
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = deadline => Err(Elapsed),
    }
}

fn poll_now<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Option<F::Output> {
    match future.poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A clock for tests that only moves when told to.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug, Default)]
struct Manual {
    now: Duration,
    next: u64,
    /// Sleepers by deadline and number, so that they wake in order.
    sleepers: BTreeMap<(Duration, u64), Option<Waker>>,
}

impl ManualClock {
    /// A clock that shows `now_ms` milliseconds since 1970.
    pub fn at(now_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(Manual {
            now: Duration::from_millis(now_ms),
            ..Manual::default()
        })))
    }

    /// Moves the clock, and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut manual = self.0.lock();
            manual.now += by;
            let now = manual.now;
            let later = manual.sleepers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut manual.sleepers, later)
        };
        due.into_values().flatten().for_each(Waker::wake);
    }

    /// How many sleepers wait. Tests wait for this before they move the clock.
    pub fn sleepers(&self) -> usize {
        self.0.lock().sleepers.len()
    }

    /// Moves the clock to the next deadline, if somebody waits for one, and tells how far it moved.
    pub fn advance_to_next(&self) -> Option<Duration> {
        let by = {
            let manual = self.0.lock();
            manual.sleepers.keys().next()?.0.saturating_sub(manual.now)
        };
        self.advance(by);
        Some(by)
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.0.lock().now.as_millis()).unwrap_or(i64::MAX)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let key = {
            let mut manual = self.0.lock();
            manual.next += 1;
            let key = (manual.now.saturating_add(duration), manual.next);
            // What is over already needs nobody to move the clock.
            if !duration.is_zero() {
                manual.sleepers.insert(key, None);
            }
            key
        };
        Box::pin(ManualSleep {
            clock: self.0.clone(),
            key,
        })
    }
}

struct ManualSleep {
    clock: Arc<Mutex<Manual>>,
    key: (Duration, u64),
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.clock.lock().sleepers.get_mut(&self.key) {
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.clock.lock().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_when_told() {
        let clock = ManualClock::at(1_000);
        let sleep = tokio::spawn(clock.sleep(Duration::from_secs(86_400)));
        clock.advance(Duration::from_secs(86_399));
        assert_eq!((clock.sleepers(), sleep.is_finished()), (1, false));
        clock.advance(Duration::from_secs(1));
        sleep.await.unwrap();
        assert_eq!((clock.sleepers(), clock.now_ms()), (0, 86_401_000));
        clock.sleep(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn work_that_is_done_at_once_needs_no_timer() {
        let clock = ManualClock::default();
        assert_eq!(timeout(&clock, Duration::ZERO, async { 7 }).await, Ok(7));
        let late = {
            let clock = clock.clone();
            tokio::spawn(async move { timeout(&clock, Duration::from_secs(5), std::future::pending::<()>()).await })
        };
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance_to_next();
        assert_eq!(late.await.unwrap(), Err(Elapsed));
    }
}
