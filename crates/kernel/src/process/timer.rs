//! Deadlines of waiting calls, and the real-time interval timer (`setitimer(2)` with `ITIMER_REAL`).

use super::process::Process;
use super::signal::{SigInfo, Signal};
use crate::clock::Instant;
use core::task::Waker;
use std::sync::{Arc, Weak};
use std::task::Wake;

/// A process's interval timer.
#[derive(Debug, Default)]
pub(super) struct Timer {
    deadline: Option<Instant>,
    /// Interval in ns, 0 for once.
    every: u64,
    /// What the clock wakes, made at the first use and then kept: clocks know a waker by its identity, so a guest that sets
    /// its timer again and again occupies one place there.
    alarm: Option<Waker>,
}

impl Timer {
    pub(super) fn stop(&mut self) {
        (self.deadline, self.every) = (None, 0);
    }
}

/// Woken by the clock; asks the process whether its timer has run out.
struct Alarm(Weak<Process>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if let Some(process) = self.0.upgrade() {
            process.ring(&self);
        }
    }
}

/// Shortest interval of a repeating timer in ns, so that a guest cannot make the clock's owner spin.
const INTERVAL_MIN: u64 = 1_000_000;

impl Process {
    /// Sets the timer that sends `SIGALRM` after `first` ns and then each `every` ns (at least a millisecond; 0: once). A zero
    /// `first` stops it. Returns the nanoseconds that were left, 0 if it was not running.
    pub fn set_timer(self: &Arc<Self>, first: u64, every: u64) -> u64 {
        let now = self.kernel().clock.instant();
        let known = self.known_instant();
        let mut timer = self.timer.lock();
        let left = timer.deadline.map_or(0, |deadline| deadline.since(known).max(1));
        timer.stop();
        if first > 0 {
            timer.deadline = Some(now.after(first));
            timer.every = if every == 0 { 0 } else { every.max(INTERVAL_MIN) };
            let alarm = timer
                .alarm
                .get_or_insert_with(|| Waker::from(Arc::new(Alarm(Arc::downgrade(self)))))
                .clone();
            drop(timer);
            self.kernel().clock.wake_at(now.after(first), &alarm);
        }
        left
    }

    /// Nanoseconds until the timer runs out (0: it is not running), and its interval.
    pub fn timer(&self) -> (u64, u64) {
        let now = self.known_instant();
        let timer = self.timer.lock();
        (
            timer.deadline.map_or(0, |deadline| deadline.since(now).max(1)),
            timer.every,
        )
    }

    /// The clock woke the alarm: rings if it is time, and sets the clock again if the timer goes on.
    fn ring(&self, alarm: &Arc<Alarm>) {
        let now = self.kernel().clock.instant();
        let mut timer = self.timer.lock();
        let Some(deadline) = timer.deadline else { return };
        let due = deadline <= now;
        if due {
            // Missed turns are not made up for.
            timer.deadline = (timer.every > 0).then(|| now.after(timer.every));
        }
        let next = timer.deadline;
        drop(timer);
        if let Some(next) = next {
            self.kernel().clock.wake_at(next, &Waker::from(Arc::clone(alarm)));
        }
        if due {
            self.kernel().signal(self.pid(), SigInfo::kernel(Signal::ALRM));
        }
    }

    /// The instant `timeout_ns` from now; none for a negative timeout, which never ends.
    pub fn deadline(&self, timeout_ns: i64) -> Option<Instant> {
        let timeout = u64::try_from(timeout_ns).ok()?;
        Some(self.kernel().clock.instant().after(timeout))
    }

    /// Waits until a moment on the monotonic clock.
    ///
    /// # Errors
    /// `EINTR`.
    pub fn sleep_until(&self, deadline: Instant, waker: Option<&Waker>) -> crate::fd::IoResult<()> {
        self.waiting(waker, |waker| match self.passed(Some(deadline), waker) {
            true => core::task::Poll::Ready(Ok(())),
            false => core::task::Poll::Pending,
        })
    }

    /// Whether a deadline has passed; if not, the clock will wake `waker` then.
    pub(super) fn passed(&self, deadline: Option<Instant>, waker: Option<&Waker>) -> bool {
        let Some(deadline) = deadline else { return false };
        let clock = &self.kernel().clock;
        if clock.instant() >= deadline {
            return true;
        }
        if let Some(waker) = waker {
            clock.wake_at(deadline, waker);
        }
        false
    }
}
