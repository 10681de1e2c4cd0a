//! Stopping guests on the host, by the signal that stops them in the VM: their parents on the host are told of it as `WSTOPSIG`.
//!
//! The host stops nobody by `SIGTSTP`, `SIGTTIN` or `SIGTTOU` in a group that is orphaned: in which every process has a parent in the
//! same group or in another session. All guests that descend from one that the kernel has started are one group on the host, whatever their groups are in
//! the VM, and the parent of the first is this process, which is in the same session and in another group (`spawner.rs`). Where this is not so, because
//! the first has ended or this process has got a session of its own since, and where a thread blocks the signal, it is `SIGSTOP`
//! that stops.

use super::{Actions, Guest, Vm};
use crate::calls::RESTART;
use crate::sys::{self, Answer};
use agentos_kernel::process::Signal;
use std::os::fd::AsFd;

impl Vm {
    /// Stops a guest that its kernel has stopped. It waits for no answer then, for the host stops nobody who does: its calls begin
    /// anew afterwards.
    pub(super) fn stop(&mut self, key: u32) {
        let Some(guest) = self.guests.get(&key) else { return };
        let by = self.stopping(guest);
        let Some(guest) = self.guests.get_mut(&key) else { return };
        let _ = sys::send_signal(guest.pid_fd.as_fd(), by.number(), None);
        guest.stopped = Some(by);
        for call in std::mem::take(&mut guest.parked) {
            // Each thread has to have a signal, or it would see the host's own number for this.
            guest.stop_thread(call.tid);
            self.listener.answer(call.id, Answer::Errno(RESTART));
        }
    }

    /// The signal by which the host stops a guest that is stopped in its kernel.
    pub(super) fn stopping(&self, guest: &Guest) -> Signal {
        let by = guest.process.stop_signal().unwrap_or(Signal::STOP);
        let works = Actions::of(guest.proc_dir.as_fd()).stops(by) && self.has_keeper(guest);
        if works { by } else { Signal::STOP }
    }

    /// Whether somebody outside a guest's group of the host could continue it. Sessions outside of this PID namespace cannot be told apart, and
    /// need not be: guests make no sessions of the host, and one that this process makes is inside.
    fn has_keeper(&self, guest: &Guest) -> bool {
        let Some((group, session)) = sys::group_and_session(guest.pid) else {
            return false;
        };
        let own = std::process::id();
        let keeps =
            |parent: u32| sys::group_and_session(parent).is_some_and(|(other, its)| other != group && its == session);
        let mut first = self.guests.values().filter(|guest| guest.is_root);
        first.any(|first| sys::group_and_session(first.pid).is_some_and(|(other, _)| other == group)) && keeps(own)
    }
}

impl Guest {
    /// Has a thread stop as soon as its call is answered, if the guest is stopped.
    pub(crate) fn stop_thread(&self, tid: u32) -> bool {
        let Some(by) = self.stopped else { return false };
        let actions = Actions::of_thread(self.proc_dir.as_fd(), tid);
        let by = if actions.stops(by) { by } else { Signal::STOP };
        let _ = sys::signal_thread((self.pid, tid), by.number().cast_signed(), (0, 0));
        true
    }
}
