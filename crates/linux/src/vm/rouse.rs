//! Signals that the host itself makes, for guests whose calls wait here.
//!
//! A call that waits for the supervisor's answer is not ended by a signal that leaves its process alive (`WAIT_KILLABLE_RECV`): else one
//! that comes while the supervisor acts would have a call fail that was done. Of signals that the VM's kernel sends the supervisor
//! knows. Of three it does not: what a timer of the guest's sends, what its child's end sends, and what one of its threads sends
//! another. So whoever sets a timer is remembered, and while calls of such a guest wait it is looked from time to time whether a
//! signal has come for them; and it is looked when a child has ended and when a thread was sent something.

use super::{Actions, Vm};
use crate::calls::RESTART;
use crate::sys::Answer;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(10);
/// How long after the end of a child: the host tells of that a moment before it sends the signal.
const A_WHILE: Duration = Duration::from_millis(50);

impl Vm {
    /// A guest sets a timer, whose signals nobody else tells of.
    pub(crate) fn has_timer(&mut self, key: u32) {
        if let Some(guest) = self.guests.get_mut(&key) {
            guest.has_timer = true;
        }
    }

    /// A call of a guest begins to wait, or a signal may be about to come for one that does.
    pub(crate) fn expect_signals(&mut self, key: u32) {
        let Some(guest) = self.guests.get(&key) else { return };
        if !guest.parked.is_empty() && (guest.has_timer || guest.is_restless()) {
            self.times.look_for_signals(Instant::now() + EVERY);
        }
    }

    /// A child of a guest has ended.
    pub(super) fn child_ended(&mut self, key: u32) {
        let Some(guest) = self.guests.get_mut(&key) else { return };
        if !guest.parked.is_empty() {
            guest.restless = Some(Instant::now() + A_WHILE);
            self.rouse(key);
            self.expect_signals(key);
        }
    }

    /// Ends the calls of a guest that wait and that a signal has come for: the host begins them again, or has them fail.
    pub(crate) fn rouse(&mut self, key: u32) {
        let Some(guest) = self.guests.get_mut(&key) else { return };
        let dir = guest.proc_dir.as_fd();
        let roused = |tid: u32| Actions::of_thread(dir, tid).interrupted(tid == key);
        let ended: Vec<_> = guest.parked.extract_if(.., |call| roused(call.tid)).collect();
        for call in ended {
            self.listener.answer(call.id, Answer::Errno(RESTART));
        }
    }

    /// Looks at all for whom signals may come.
    pub(super) fn rouse_all(&mut self) {
        let expects = |guest: &&super::Guest| guest.has_timer || guest.is_restless();
        let keys: Vec<u32> = self.guests.values().filter(expects).map(|guest| guest.pid).collect();
        for key in keys {
            self.rouse(key);
            self.expect_signals(key);
        }
    }
}
