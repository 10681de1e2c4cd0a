//! Clocks that stand still while a process computes (`timingMitigation: "freeze"`, api.md section 4.2).
//!
//! ```text
//!   the VM's clock    ────────────────────────────────────────►
//!   the process       computes │ waits  │ computes │ waits │ ..
//!   what it is shown  stands   │ runs   │ stands   │ runs  │ ..
//! ```
//!
//! A process that reads the time, computes and reads it again reads the same twice, so it cannot measure how long anything
//! took that it did itself: neither a secret-dependent branch nor a cache line. Time passes for it in calls that wait, and only
//! as long as they wait: what it is shown falls behind the VM's clock by all the time that it has computed, and never
//! catches up, because what catches up can be measured.
//!
//! Invariants:
//!
//! * Wall clock and monotonic clock stand and run together, at a constant distance.
//! * Children begin with what their parent is shown, frozen as well, whatever program they run.
//! * Times that others leave where the process sees them (of files above all) are shown to it as no later than its own now.
//! * Deadlines are kept on the VM's clock, so that a wait takes as long as was asked for.
//!
//! What remains: other processes of the VM whose clocks are not frozen and who say what time it is, the signal of an interval
//! timer, which comes at its time, and `/proc`, whose counters tell hundredths of seconds.

use super::process::Process;
use super::status::Times;
use crate::clock::{Clock, Instant, Timestamp};
use crate::vfs::Stat;
use parking_lot::Mutex;

/// The clocks of one process.
#[derive(Debug)]
pub(super) struct Frozen {
    /// What the wall clock shows while the monotonic one shows zero, in ns.
    epoch: i64,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// What the monotonic clock shows while the process computes.
    shown: Instant,
    /// When it last stopped, on the VM's clock.
    stopped: Instant,
    /// Since when the process has waited, on the VM's clock.
    waiting: Option<Instant>,
}

impl Frozen {
    /// Clocks that stop now.
    pub(super) fn new(clock: &dyn Clock) -> Self {
        let now = clock.instant();
        let ahead = clock.now().0.saturating_sub(signed(now));
        Self::stopped_at(ahead, now, now)
    }

    /// The clocks of a child.
    pub(super) fn for_child(&self, clock: &dyn Clock) -> Self {
        Self::stopped_at(self.epoch, self.shown(clock), clock.instant())
    }

    fn stopped_at(epoch: i64, shown: Instant, stopped: Instant) -> Self {
        let state = State {
            shown,
            stopped,
            waiting: None,
        };
        Self {
            epoch,
            state: Mutex::new(state),
        }
    }

    fn shown(&self, clock: &dyn Clock) -> Instant {
        let state = *self.state.lock();
        match state.waiting {
            Some(since) => state.shown.after(clock.instant().since(since)),
            None => state.shown,
        }
    }

    fn wall(&self, shown: Instant) -> Timestamp {
        Timestamp(self.epoch.saturating_add(signed(shown)))
    }

    /// How far the process is behind, in ns.
    fn behind(&self, clock: &dyn Clock) -> u64 {
        let state = *self.state.lock();
        let running = state.waiting.unwrap_or_else(|| clock.instant());
        running.since(state.shown)
    }
}

impl Process {
    /// Whether its clocks stand still while it computes.
    pub fn has_frozen_clocks(&self) -> bool {
        self.frozen.is_some()
    }

    /// What its wall clock shows.
    pub fn clock_now(&self) -> Timestamp {
        let clock = &*self.kernel().clock;
        match &self.frozen {
            Some(frozen) => frozen.wall(frozen.shown(clock)),
            None => clock.now(),
        }
    }

    /// What its monotonic clock shows.
    pub fn clock_instant(&self) -> Instant {
        let clock = &*self.kernel().clock;
        self.frozen
            .as_ref()
            .map_or_else(|| clock.instant(), |frozen| frozen.shown(clock))
    }

    /// The moment on the VM's clock at which its monotonic clock shows `shown`, if it waits from now on.
    pub fn when_shown(&self, shown: Instant) -> Instant {
        match &self.frozen {
            Some(frozen) => shown.after(frozen.behind(&*self.kernel().clock)),
            None => shown,
        }
    }

    /// Attributes of a file as this process is shown them: no time is later than its own now.
    pub(super) fn shown_stat(&self, mut stat: Stat) -> Stat {
        if self.has_frozen_clocks() {
            let now = self.clock_now();
            let attr = &mut stat.attr;
            for time in [&mut attr.atime, &mut attr.mtime, &mut attr.ctime, &mut attr.btime] {
                *time = now.min(*time);
            }
        }
        stat
    }

    /// CPU times as this process is shown them: a clock that runs while it computes, and only then, stands for ever.
    pub(super) fn shown_times(&self, times: Times) -> Times {
        match self.has_frozen_clocks() {
            true => Times::default(),
            false => times,
        }
    }

    /// To be called by the executor when a call begins to wait; more calls change nothing.
    pub fn begins_to_wait(&self) {
        if let Some(frozen) = &self.frozen {
            let now = self.kernel().clock.instant();
            frozen.state.lock().waiting.get_or_insert(now);
        }
    }

    /// To be called by the executor when a call goes back to the guest, whether or not it has waited.
    pub fn has_waited(&self) {
        if let Some(frozen) = &self.frozen {
            let now = self.kernel().clock.instant();
            let mut state = frozen.state.lock();
            if let Some(since) = state.waiting.take() {
                state.shown = state.shown.after(now.since(since));
                state.stopped = now;
            }
        }
    }

    /// The VM's clock as far as the process may know it: now, or when its clocks stopped.
    pub(super) fn known_instant(&self) -> Instant {
        let now = self.kernel().clock.instant();
        self.frozen.as_ref().map_or(now, |frozen| {
            let state = *frozen.state.lock();
            state.waiting.map_or(state.stopped, |_| now)
        })
    }
}

fn signed(instant: Instant) -> i64 {
    i64::try_from(instant.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicU64, Ordering};
    use core::task::Waker;

    /// A wall clock that is 1000 ns ahead of the monotonic one.
    #[derive(Default)]
    struct Manual(AtomicU64);

    impl Clock for Manual {
        fn now(&self) -> Timestamp {
            Timestamp(signed(self.instant().after(1000)))
        }

        fn instant(&self) -> Instant {
            Instant(self.0.load(Ordering::Relaxed))
        }

        fn wake_at(&self, _: Instant, _: &Waker) {}
    }

    #[test]
    fn a_child_begins_where_its_parent_stands() {
        let clock = Manual::default();
        let parent = Frozen::new(&clock);
        clock.0.store(500, Ordering::Relaxed);
        let child = parent.for_child(&clock);
        assert_eq!((child.shown(&clock), child.behind(&clock)), (Instant(0), 500));
        assert_eq!(child.wall(child.shown(&clock)), Timestamp(1000));
        child.state.lock().waiting = Some(Instant(500));
        clock.0.store(507, Ordering::Relaxed);
        assert_eq!((child.shown(&clock), child.behind(&clock)), (Instant(7), 500));
        assert_eq!(parent.shown(&clock), Instant(0));
    }
}
