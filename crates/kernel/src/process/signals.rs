//! The signals of one process: what is pending, what is blocked, what is done about which.

use super::signal::{DefaultAction, Disposition, MaskHow, SigInfo, SigSet, Signal};
use crate::errno::Errno;
use crate::error::Result;
use std::collections::VecDeque;

/// Signal state of one process. Lives in the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    mask: SigSet,
    /// The mask to come back to while a waiting call has replaced it.
    saved_mask: Option<SigSet>,
    caught: SigSet,
    ignored: SigSet,
    pending: SigSet,
    /// Signals that a waiting call takes as soon as they come, blocked or not.
    awaited: SigSet,
    /// One entry for each pending standard signal, and as many as were sent for real-time ones, oldest first.
    queue: VecDeque<SigInfo>,
}

/// Most signals that are queued for one process (Linux's `RLIMIT_SIGPENDING` is per user and of the same order).
const QUEUE_MAX: usize = 1024;

impl Signals {
    /// What a forked child begins with: the same without anything pending.
    pub(super) fn forked(&self) -> Self {
        Self {
            mask: self.saved_mask.unwrap_or(self.mask),
            caught: self.caught,
            ignored: self.ignored,
            ..Self::default()
        }
    }

    /// What a spawned child begins with: caught and named signals have their default action.
    pub(super) fn spawned(&self, mask: Option<SigSet>, defaults: SigSet) -> Self {
        let mask = mask
            .unwrap_or(self.saved_mask.unwrap_or(self.mask))
            .difference(SigSet::UNBLOCKABLE);
        Self {
            mask,
            ignored: self.ignored.difference(defaults),
            ..Self::default()
        }
    }

    /// A new program in the same process: what was caught has no handler any more.
    pub(super) fn exec(&mut self, mask: Option<SigSet>, defaults: SigSet) {
        self.restore_mask();
        self.caught = SigSet::EMPTY;
        self.ignored = self.ignored.difference(defaults);
        if let Some(mask) = mask {
            self.mask = mask.difference(SigSet::UNBLOCKABLE);
        }
    }

    pub(super) fn mask(&self) -> SigSet {
        self.mask
    }

    pub(super) fn caught(&self) -> SigSet {
        self.caught
    }

    pub(super) fn ignored(&self) -> SigSet {
        self.ignored
    }

    /// Everything that was sent and not taken.
    pub(super) fn pending(&self) -> SigSet {
        self.pending
    }

    /// Pending and not blocked.
    pub(super) fn deliverable(&self) -> SigSet {
        self.pending.difference(self.mask)
    }

    /// Changes the mask, returning the old one.
    pub(super) fn change_mask(&mut self, how: MaskHow, set: SigSet) -> SigSet {
        let old = self.mask;
        let new = match how {
            MaskHow::Block => old.union(set),
            MaskHow::Unblock => old.difference(set),
            MaskHow::Set => set,
        };
        self.mask = new.difference(SigSet::UNBLOCKABLE);
        old
    }

    /// Replaces the mask until [`restore_mask`](Self::restore_mask); a second call changes nothing.
    pub(super) fn replace_mask(&mut self, mask: SigSet) {
        if self.saved_mask.is_none() {
            self.saved_mask = Some(self.mask);
            self.mask = mask.difference(SigSet::UNBLOCKABLE);
        }
    }

    pub(super) fn restore_mask(&mut self) {
        if let Some(mask) = self.saved_mask.take() {
            self.mask = mask;
        }
    }

    pub(super) fn disposition(&self, signal: Signal) -> Disposition {
        if self.caught.contains(signal) {
            Disposition::Catch
        } else if self.ignored.contains(signal) {
            Disposition::Ignore
        } else {
            Disposition::Default
        }
    }

    /// Sets what is done about a signal. One that is ignored now is no longer pending.
    ///
    /// # Errors
    /// `EINVAL` for `SIGKILL` and `SIGSTOP`.
    pub(super) fn set_disposition(&mut self, signal: Signal, disposition: Disposition) -> Result<()> {
        if SigSet::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL.into());
        }
        self.caught.remove(signal);
        self.ignored.remove(signal);
        match disposition {
            Disposition::Default => {}
            Disposition::Ignore => self.ignored.insert(signal),
            Disposition::Catch => self.caught.insert(signal),
        }
        if self.would_ignore(signal) {
            self.discard(SigSet::of(&[signal]));
        }
        Ok(())
    }

    /// Catches every signal that can be caught, blocks none.
    pub(super) fn catch_all(&mut self) {
        self.restore_mask();
        self.mask = SigSet::EMPTY;
        self.ignored = SigSet::EMPTY;
        self.caught = SigSet::ALL.difference(SigSet::UNBLOCKABLE);
    }

    /// Whether the signal does nothing, by choice or by default.
    pub(super) fn would_ignore(&self, signal: Signal) -> bool {
        match self.disposition(signal) {
            Disposition::Ignore => true,
            Disposition::Default => signal.default_action() == DefaultAction::Ignore,
            Disposition::Catch => false,
        }
    }

    /// Whether a signal that is sent now leaves no trace. A blocked one may find another disposition later.
    pub(super) fn drops(&self, signal: Signal) -> bool {
        self.would_ignore(signal) && !self.mask.union(self.awaited).contains(signal)
    }

    /// Says which signals a call waits for.
    pub(super) fn await_signals(&mut self, set: SigSet) {
        self.awaited = set;
    }

    /// Whether one that a call waits for is pending.
    pub(super) fn has_awaited(&self) -> bool {
        !self.pending.intersection(self.awaited).is_empty()
    }

    /// Makes a signal pending. A standard one is pending once; its first information stays.
    ///
    /// # Errors
    /// `EAGAIN` if too many real-time signals wait.
    pub(super) fn add(&mut self, info: SigInfo) -> Result<()> {
        let signal = info.signal;
        if !signal.is_realtime() && self.pending.contains(signal) {
            return Ok(());
        }
        if signal.is_realtime() && self.queue.len() >= QUEUE_MAX {
            return Err(Errno::EAGAIN.into());
        }
        self.pending.insert(signal);
        self.queue.push_back(info);
        Ok(())
    }

    /// Takes the pending signal of `set` with the lowest number.
    pub(super) fn take(&mut self, set: SigSet) -> Option<SigInfo> {
        let signal = self.pending.intersection(set).first()?;
        let at = self.queue.iter().position(|info| info.signal == signal)?;
        let info = self.queue.remove(at)?;
        if !self.queue.iter().any(|other| other.signal == signal) {
            self.pending.remove(signal);
        }
        Some(info)
    }

    /// Forgets pending signals of `set`.
    pub(super) fn discard(&mut self, set: SigSet) {
        if !self.pending.intersection(set).is_empty() {
            self.pending = self.pending.difference(set);
            self.queue.retain(|info| !set.contains(info.signal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(number: u32, value: u64) -> SigInfo {
        SigInfo {
            value,
            ..SigInfo::kernel(Signal::new(number).unwrap())
        }
    }

    #[test]
    fn standard_signals_merge_and_realtime_ones_queue_in_order() {
        let mut signals = Signals::default();
        for value in 0..3 {
            signals.add(info(10, value)).unwrap();
            signals.add(info(40, value)).unwrap();
        }
        let mut taken = Vec::new();
        while let Some(info) = signals.take(SigSet::ALL) {
            taken.push((info.signal.number(), info.value));
        }
        assert_eq!(taken, [(10, 0), (40, 0), (40, 1), (40, 2)]);
        assert_eq!(signals.pending(), SigSet::EMPTY);
    }

    #[test]
    fn the_queue_is_bounded_for_realtime_signals_only() {
        let mut signals = Signals::default();
        for value in 0..QUEUE_MAX as u64 {
            signals.add(info(40, value)).unwrap();
        }
        assert_eq!(signals.add(info(40, 0)).unwrap_err(), Errno::EAGAIN);
        signals.add(info(15, 0)).unwrap();
        assert_eq!(signals.take(SigSet::ALL).unwrap().signal, Signal::TERM);
    }

    #[test]
    fn ignoring_forgets_what_is_pending() {
        let mut signals = Signals::default();
        signals.change_mask(MaskHow::Set, SigSet::ALL);
        assert_eq!(signals.mask(), SigSet::ALL.difference(SigSet::UNBLOCKABLE));
        signals.add(info(10, 0)).unwrap();
        signals.set_disposition(Signal::USR1, Disposition::Ignore).unwrap();
        assert!(signals.take(SigSet::ALL).is_none());
        assert!(!signals.drops(Signal::USR1));
        assert_eq!(
            signals.set_disposition(Signal::KILL, Disposition::Ignore).unwrap_err(),
            Errno::EINVAL
        );
    }

    #[test]
    fn a_new_program_keeps_what_is_ignored_and_loses_what_is_caught() {
        let mut signals = Signals::default();
        signals.set_disposition(Signal::INT, Disposition::Ignore).unwrap();
        signals.set_disposition(Signal::TERM, Disposition::Catch).unwrap();
        signals.replace_mask(SigSet::ALL);
        let child = signals.spawned(None, SigSet::EMPTY);
        assert_eq!(
            (child.mask(), child.ignored(), child.caught()),
            (SigSet::EMPTY, signals.ignored(), SigSet::EMPTY)
        );
        signals.exec(None, SigSet::of(&[Signal::INT]));
        assert_eq!(
            (signals.mask(), signals.ignored(), signals.caught()),
            Default::default()
        );
    }
}
