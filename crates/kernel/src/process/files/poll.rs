//! Waiting for several things at once (`ppoll(2)`, and children and signals besides).

use crate::clock::Instant;
use crate::error::Result;
use crate::fd::{IoResult, PollEvents};
use crate::id::Fd;
use crate::process::process::Process;
use crate::process::signal::SigSet;
use crate::process::status::WaitTarget;
use core::task::{Poll, Waker};

/// Something to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollEntry {
    /// What.
    pub source: PollSource,
    /// Wanted conditions. Of a child, [`PollEvents::IN`] is its end and [`PollEvents::PRI`] that it stopped or continued; of
    /// signals, `IN` is a caught one that waits to be taken.
    pub interest: PollEvents,
    /// Conditions that hold, written by the call.
    pub ready: PollEvents,
}

/// What to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollSource {
    /// A descriptor; one that is not open is ready with [`PollEvents::NVAL`].
    Fd(Fd),
    /// Children. One that does not exist is ready, so that waiting for it reports `ECHILD`; with none at all, any child is
    /// never ready.
    Child(WaitTarget),
    /// Caught signals. Without such an entry a caught signal ends the call with `EINTR`.
    Signal,
}

impl Process {
    /// Waits until something is ready, and returns how much is; 0 at the deadline. `sigmask` replaces the signal mask
    /// meanwhile.
    ///
    /// # Errors
    /// `EINTR`.
    pub fn poll(
        &self,
        entries: &mut [PollEntry],
        deadline: Option<Instant>,
        sigmask: Option<SigSet>,
        waker: Option<&Waker>,
    ) -> IoResult<usize> {
        if let Some(mask) = sigmask {
            self.with_signals(|table| {
                if let Ok(entry) = table.entry_mut(self.pid()) {
                    entry.signals.replace_mask(mask);
                }
            });
        }
        let result = self.waiting(waker, |waker| self.poll_once(entries, deadline, waker));
        if result.is_ready() && sigmask.is_some() {
            self.with_signals(|table| {
                if let Ok(entry) = table.entry_mut(self.pid()) {
                    entry.signals.restore_mask();
                }
            });
        }
        result
    }

    fn poll_once(
        &self,
        entries: &mut [PollEntry],
        deadline: Option<Instant>,
        waker: Option<&Waker>,
    ) -> IoResult<usize> {
        // Before looking, so that a signal in between wakes the waiting task.
        self.noticed.register(waker);
        let mut count = 0;
        for entry in entries.iter_mut() {
            let waker = waker.filter(|_| count == 0);
            entry.ready = self.poll_source(entry, waker)?;
            count += usize::from(!entry.ready.is_empty());
        }
        if count > 0 || self.passed(deadline, waker) {
            return Poll::Ready(Ok(count));
        }
        Poll::Pending
    }

    fn poll_source(&self, entry: &PollEntry, waker: Option<&Waker>) -> Result<PollEvents> {
        Ok(match entry.source {
            PollSource::Fd(fd) => match self.file(fd) {
                Ok(file) => file.poll(entry.interest, waker),
                Err(_) => PollEvents::NVAL,
            },
            PollSource::Child(target) => self.poll_child(target, entry.interest, waker),
            PollSource::Signal if self.has_caught_signal() => PollEvents::IN,
            PollSource::Signal => PollEvents::empty(),
        })
    }
}
