//! The end of a VM's thread in a way that was not planned: its guardian is gone, or it fell over a mistake of its own.
//!
//! Guests that nobody answers cannot start others, but may compute on, and the kernel would wait for them for ever. So whatever
//! ends the thread kills its guests first and tells the kernel.

use super::Vm;
use crate::sys;
use agentos_kernel::process::Signal;
use std::os::fd::AsFd;

impl Vm {
    /// The guardian has ended: every guest is killed, and no other started. The next program gets another thread with another
    /// guardian.
    pub(super) fn lose_guardian(&mut self) {
        self.poller.remove(self.loader.guardian());
        self.unguarded = true;
        self.refuse_starts();
        self.empty_nursery();
        for guest in self.guests.values() {
            guest.process.exit_by(Signal::KILL);
            let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGKILL as u32, None);
        }
        // Also those that have not made a call yet, and are not known.
        self.loader.clear();
    }

    /// Whether the thread is to end although it was not idle for long.
    pub(super) fn is_abandoned(&self) -> bool {
        self.unguarded && self.guests.is_empty()
    }

    fn refuse_starts(&mut self) {
        let (starts, parkings) = {
            let mut inbox = self.shared.inbox.lock();
            inbox.closed = true;
            (std::mem::take(&mut inbox.starts), std::mem::take(&mut inbox.parkings))
        };
        for parking in parkings {
            parking.give_up();
        }
        let ordered: Vec<_> = self.ordered.drain().map(|(_, start)| start).collect();
        for (_, process) in starts.into_iter().chain(ordered) {
            process.exit_by(Signal::KILL);
            process.finish();
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Nothing of this does anything at a planned end.
        self.refuse_starts();
        self.empty_nursery();
        for (_, guest) in self.guests.drain() {
            let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGKILL as u32, None);
            guest.process.exit_by(Signal::KILL);
            guest.process.finish();
        }
        // The alarm waits for what is no more, or for an answer.
        self.alarm.end();
        self.shared.wake_alarm();
        self.spawner.end();
    }
}
