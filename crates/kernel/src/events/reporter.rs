//! The way of events from where they happen to the host.

use super::audit::AuditKind;
use super::folding::Folding;
use super::warning::LimitWarning;
use super::{Event, EventSink};
use crate::clock::{Clock, Instant};
use crate::error::LimitExceeded;
use crate::id::Pid;
use core::task::Waker;
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::Wake;

/// The channel through which everything in a VM reports to its host. Recording takes a leaf lock for a moment and may be done
/// anywhere; see the [module](super) for the way of an event.
pub struct Audit {
    this: Weak<Audit>,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn EventSink>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Only there while something happens: most VMs never report anything.
    folding: Option<Box<Folding>>,
    queue: VecDeque<Event>,
    /// When the clock was told to wake us.
    armed: Option<Instant>,
    /// Calls of the clock that have not returned: a wake meanwhile may stand on the caller's stack.
    arming: u32,
    /// Such a wake came.
    rang: bool,
}

/// Time until recorded events go out, in ns: long enough for a burst to go out together.
const DELAY: u64 = 1_000_000;
/// Attempts to set a timer whose deadline passes while it is being set.
const ATTEMPTS: u32 = 6;

impl Audit {
    /// Reports to `sink`, by the time of `clock`.
    pub fn new(clock: Arc<dyn Clock>, sink: Arc<dyn EventSink>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            clock,
            sink,
            state: Mutex::default(),
        })
    }

    /// Records an event of the audit trail.
    pub fn record(&self, kind: AuditKind) {
        if !self.sink.listens() {
            return;
        }
        let (time, now) = (self.clock.now(), self.clock.instant());
        let mut state = self.state.lock();
        let single = state.window(now).take(time, kind);
        state.queue.extend(single.map(Event::Audit));
        self.arm(state, now);
    }

    /// Records that an operation was refused because of a limit.
    pub fn limit_exceeded(&self, limit: &LimitExceeded, pid: Option<Pid>) {
        let limit = limit.clone();
        self.record(AuditKind::LimitExceeded { limit, pid });
    }

    /// Records that usage has come near the limit with this configuration path, which counts `noun`.
    pub fn limit_near(&self, path: &'static str, noun: &'static str, observed: u64, capacity: u64) {
        if !self.sink.listens() {
            return;
        }
        let now = self.clock.instant();
        let mut state = self.state.lock();
        if state.window(now).admits_warning(path) {
            let warning = LimitWarning::new(path, noun, observed, capacity);
            state.queue.push_back(Event::LimitWarning(warning));
        }
        self.arm(state, now);
    }

    /// Hands everything that was recorded to the sink, also what was held back to be counted. Only for callers that hold no
    /// lock: this calls the host.
    pub fn flush(&self) {
        let mut state = self.state.lock();
        state.end_window();
        let due = core::mem::take(&mut state.queue);
        drop(state);
        self.emit(due);
    }

    /// Hands over what is due; the clock has woken us.
    fn tick(&self, mut state: MutexGuard<'_, State>) {
        let now = self.clock.instant();
        state.armed = None;
        if state.folding.as_ref().is_some_and(|window| window.is_over(now)) {
            state.end_window();
        }
        let due = core::mem::take(&mut state.queue);
        self.arm(state, now);
        self.emit(due);
    }

    fn emit(&self, events: VecDeque<Event>) {
        events.into_iter().for_each(|event| self.sink.emit(event));
    }

    /// Sees to it that what is queued or held back goes out.
    fn arm(&self, mut state: MutexGuard<'_, State>, now: Instant) {
        let deadline = match (state.queue.is_empty(), &state.folding) {
            (false, _) => now.after(DELAY),
            (true, Some(window)) => window.ends(),
            (true, None) => return,
        };
        if state.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        state.armed = Some(deadline);
        drop(state);
        self.set_timer(deadline);
    }

    /// Tells the clock. Whoever records may hold locks, so nothing may be delivered from within this call, although a clock may
    /// wake at once if the deadline has passed meanwhile.
    fn set_timer(&self, mut deadline: Instant) {
        let Some(this) = self.this.upgrade() else { return };
        let waker = Waker::from(this);
        for attempt in 0..ATTEMPTS {
            self.state.lock().arming += 1;
            self.clock.wake_at(deadline, &waker);
            let mut state = self.state.lock();
            state.arming -= 1;
            if !core::mem::take(&mut state.rang) {
                return;
            }
            deadline = self.clock.instant().after(DELAY << (2 * attempt));
            state.armed = Some(deadline);
        }
        // A clock that always wakes at once: the next event tries again.
        self.state.lock().armed = None;
    }
}

impl State {
    /// The present window; one that is over gives place to the next.
    fn window(&mut self, now: Instant) -> &mut Folding {
        if self.folding.as_ref().is_some_and(|window| window.is_over(now)) {
            self.end_window();
        }
        self.folding.get_or_insert_with(|| Box::new(Folding::new(now)))
    }

    /// Ends the window and queues what was held back in it.
    fn end_window(&mut self) {
        let folded = self.folding.take().map(|window| window.end()).unwrap_or_default();
        self.queue.extend(folded.into_iter().map(Event::Audit));
    }
}

impl Wake for Audit {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.arming > 0 {
            state.rang = true;
        } else {
            self.tick(state);
        }
    }
}

impl core::fmt::Debug for Audit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}
