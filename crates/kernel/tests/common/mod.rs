//! What the kernel's integration tests share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use agentos_kernel::clock::{Clock, Instant, Timestamp};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

/// Runs `call` until it is ready; the thread sleeps until it is woken. A wake-up that never comes is a failed test.
pub fn wait<T>(mut call: impl FnMut(Option<&Waker>) -> Poll<T>) -> T {
    struct Unpark(std::thread::Thread, AtomicUsize);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::Release);
            self.0.unpark();
        }
    }
    let task = Arc::new(Unpark(std::thread::current(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&task));
    loop {
        let before = task.1.load(Ordering::Acquire);
        if let Poll::Ready(done) = call(Some(&waker)) {
            return done;
        }
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        while task.1.load(Ordering::Acquire) == before {
            let left = patience.checked_duration_since(std::time::Instant::now());
            std::thread::park_timeout(left.expect("a wake-up was lost"));
        }
    }
}

/// Counts how often it was woken.
#[derive(Default)]
pub struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Alarm {
    /// A new alarm and its waker.
    pub fn new() -> (Arc<Self>, Waker) {
        let alarm = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&alarm));
        (alarm, waker)
    }

    /// Wake-ups since the last call.
    pub fn rings(&self) -> usize {
        self.0.swap(0, Ordering::AcqRel)
    }
}

/// A clock that stands still until it is moved.
#[derive(Default)]
pub struct ManualClock {
    now: Mutex<(u64, Vec<(Instant, Waker)>)>,
}

impl ManualClock {
    /// Moves the clock and wakes whoever's time has come.
    pub fn advance(&self, nanos: u64) {
        let mut state = self.now.lock();
        state.0 += nanos;
        let now = Instant(state.0);
        let (due, rest) = core::mem::take(&mut state.1)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        state.1 = rest;
        drop(state);
        let due: Vec<(Instant, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000_000 + self.now.lock().0 as i64)
    }
    fn instant(&self) -> Instant {
        Instant(self.now.lock().0)
    }
    fn wake_at(&self, deadline: Instant, waker: &Waker) {
        self.now.lock().1.push((deadline, waker.clone()));
    }
}

/// The value of a call that must not wait.
#[track_caller]
pub fn ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the call would wait"),
    }
}
