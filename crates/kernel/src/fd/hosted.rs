//! What waits in pipes between the host and guests: input that guests have not read, output that the host has not taken.
//!
//! Every pipe is bounded by itself; these stocks bound all pipes of a VM together (`pendingStdinBytes`, `pendingEventBytes`,
//! `pendingEventCount`). Whoever finds a stock used up waits, and is woken when somebody reads.

use super::waiters::Woken;
use crate::errno::Errno;
use crate::limits::Counter;
use crate::wait::WaitQueue;
use core::sync::atomic::{AtomicBool, Ordering, fence};
use core::task::Waker;

/// Whether one side of a pipe is the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeUse {
    /// Between guests.
    Guests,
    /// The host writes, guests read.
    Input,
    /// Guests write, the host reads.
    Output,
}

/// A stock that pipes of one use share.
#[derive(Debug)]
pub(super) struct Hosted {
    bytes: Counter,
    /// Pipes that hold something.
    streams: Option<Counter>,
    starved: WaitQueue,
    starving: AtomicBool,
}

impl Hosted {
    pub(super) fn new(bytes: Counter, streams: Option<Counter>) -> Self {
        Self {
            bytes,
            streams,
            starved: WaitQueue::default(),
            starving: AtomicBool::new(false),
        }
    }

    pub(super) fn bytes(&self) -> &Counter {
        &self.bytes
    }

    pub(super) fn streams(&self) -> Option<&Counter> {
        self.streams.as_ref()
    }

    /// Takes up to `wanted` bytes, or all or nothing if `whole`, for a pipe that is `empty` so far. After 0 `waker` waits for
    /// more; the caller wakes what comes with it once it holds no lock.
    pub(super) fn reserve(&self, wanted: usize, whole: bool, empty: bool, waker: Option<&Waker>) -> (usize, Woken) {
        let got = self.try_reserve(wanted, whole, empty);
        if got > 0 || wanted == 0 {
            return (got, Woken::default());
        }
        let cleared = self.announce(waker);
        (self.try_reserve(wanted, whole, empty), cleared)
    }

    /// Whether there is room for a write of `least` bytes, else `waker` waits for it.
    pub(super) fn has_room(&self, least: usize, empty: bool, waker: Option<&Waker>) -> (bool, Woken) {
        if self.fits(least, empty) {
            return (true, Woken::default());
        }
        let cleared = self.announce(waker);
        (self.fits(least, empty), cleared)
    }

    /// Counts what is there already, whatever the cap.
    pub(super) fn add(&self, bytes: usize, empty: bool) {
        self.bytes.add(bytes as u64);
        if empty && let Some(streams) = &self.streams {
            streams.add(1);
        }
    }

    /// Gives back what was read from a pipe, which is `empty` now or not. The caller holds no lock that a woken task may take.
    pub(super) fn release(&self, bytes: usize, empty: bool) {
        if bytes == 0 {
            return;
        }
        self.bytes.give(bytes as u64);
        if empty && let Some(streams) = &self.streams {
            streams.give(1);
        }
        fence(Ordering::SeqCst);
        if self.starving.swap(false, Ordering::SeqCst) {
            self.starved.wake();
        }
    }

    fn try_reserve(&self, wanted: usize, whole: bool, empty: bool) -> usize {
        let wanted = wanted as u64;
        // What could never be taken as a whole may be split.
        let got = match whole && wanted <= self.bytes.capacity() {
            true => self.bytes.take(wanted, "write").map_or(0, |()| wanted),
            false => self.bytes.take_up_to(wanted),
        };
        let counted = got == 0
            || !empty
            || self
                .streams
                .as_ref()
                .is_none_or(|streams| streams.take(1, "write").is_ok());
        if !counted {
            self.bytes.give(got);
            return 0;
        }
        // No more than was asked for, which was a `usize`.
        usize::try_from(got).unwrap_or(0)
    }

    fn fits(&self, least: usize, empty: bool) -> bool {
        let room = |stock: &Counter| stock.capacity().saturating_sub(stock.used());
        let least = (least as u64).min(self.bytes.capacity());
        room(&self.bytes) >= least && (!empty || self.streams.as_ref().is_none_or(|streams| room(streams) > 0))
    }

    /// Announces a wait. The caller looks again: whoever frees something in between either is seen then or sees this.
    fn announce(&self, waker: Option<&Waker>) -> Woken {
        let cleared = self.starved.register(waker);
        self.starving.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        cleared
    }
}

/// The counter of input that guests have not read, in bytes.
pub(super) fn stdin_bytes(capacity: u64) -> Counter {
    Counter::new("limits.process.pendingStdinBytes", "bytes", capacity, Errno::ENOMEM)
}

/// The counters of output that the host has not taken.
pub(super) fn events(bytes: u64, count: u64) -> (Counter, Counter) {
    (
        Counter::new("limits.process.pendingEventBytes", "bytes", bytes, Errno::EAGAIN),
        Counter::new("limits.process.pendingEventCount", "events", count, Errno::EAGAIN),
    )
}
