//! Signals on their way from the kernel to a guest.
//!
//! What a guest does about a signal only the host knows: handlers, masks and what is ignored are its business alone. So the kernel
//! holds every signal of a guest to be caught, and this hands them on. Stopping is the exception: the kernel has to know of it, for
//! the parent may be a program of another executor, and the host does not stop orphaned groups, of which every guest that the
//! kernel has started is one. A signal that stops, and that the guest has left alone, stops it in the kernel, and that on the host.

use super::Vm;
use crate::sys;
use agentos_kernel::process::{SigInfo, SigSet, Signal};
use std::os::fd::{AsFd, BorrowedFd};

/// What a process of the host does about signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Actions {
    /// Blocked by the thread that was asked of.
    pub(crate) blocked: SigSet,
    pub(crate) ignored: SigSet,
    pub(crate) caught: SigSet,
    /// On its way to the thread.
    pending: SigSet,
    /// On its way to whichever thread of the process.
    shared: SigSet,
}

impl Actions {
    /// Those of the first thread; `dir` is the directory of the process in the host's `/proc`.
    pub(crate) fn of(dir: BorrowedFd<'_>) -> Self {
        Self::read(dir, c"status")
    }

    /// Those of any thread.
    pub(crate) fn of_thread(dir: BorrowedFd<'_>, tid: u32) -> Self {
        match std::ffi::CString::new(format!("task/{tid}/status")) {
            Ok(path) => Self::read(dir, &path),
            Err(_) => Self::default(),
        }
    }

    /// Nothing at all for a process that is gone: the signal finds nobody anyway.
    fn read(dir: BorrowedFd<'_>, path: &std::ffi::CStr) -> Self {
        match sys::read_text(dir, path) {
            Ok(text) => Self::parse(&text),
            Err(_) => Self::default(),
        }
    }

    fn parse(status: &str) -> Self {
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            SigSet(
                line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
                    .unwrap_or(0),
            )
        };
        Self {
            blocked: set("SigBlk:"),
            ignored: set("SigIgn:"),
            caught: set("SigCgt:"),
            pending: set("SigPnd:"),
            shared: set("ShdPnd:"),
        }
    }

    /// Whether a signal that stops is left to do so.
    pub(crate) fn stops(&self, signal: Signal) -> bool {
        const KEYBOARD: SigSet = SigSet::of(&[Signal::TSTP, Signal::TTIN, Signal::TTOU]);
        let other = [self.blocked, self.ignored, self.caught];
        KEYBOARD.contains(signal) && !other.iter().any(|set| set.contains(signal))
    }

    /// Whether a signal does something to the thread.
    pub(crate) fn takes(&self, signal: Signal) -> bool {
        !self.blocked.contains(signal) && !self.ignored.contains(signal)
    }

    /// Whether a signal is on its way to the thread, the `first` of its process or another, that ends a call which waits. The host gives
    /// signals for a process to its first thread where it can.
    pub(crate) fn interrupted(&self, first: bool) -> bool {
        let shared = if first { self.shared } else { SigSet::EMPTY };
        let mut all = (1..=64).filter_map(Signal::new);
        all.any(|signal| (self.pending.contains(signal) || shared.contains(signal)) && self.interrupts(signal))
    }

    /// Whether a signal ends a call that waits.
    fn interrupts(&self, signal: Signal) -> bool {
        const HARMLESS: SigSet = SigSet::of(&[Signal::CHLD, Signal::CONT, Signal::URG, Signal::WINCH]);
        let by_default = !HARMLESS.contains(signal) && !self.ignored.contains(signal);
        !self.blocked.contains(signal) && (self.caught.contains(signal) || by_default)
    }
}

impl Vm {
    /// Sends a guest what the kernel has for it, and says whether any of it ends a call that its first thread waits in.
    pub(crate) fn pass_signals_on(&mut self, key: u32) -> bool {
        let Some(guest) = self.guests.get_mut(&key) else {
            return false;
        };
        let mut actions = None;
        let (mut interrupted, mut children) = (false, false);
        while guest.process.has_caught_signal() {
            let Ok(info) = guest.process.sig_take(SigSet::ALL) else {
                break;
            };
            // Of its children the host itself has told it.
            if info.signal == Signal::CHLD && info.code != SigInfo::USER {
                children = true;
                continue;
            }
            let actions = *actions.get_or_insert_with(|| Actions::of(guest.proc_dir.as_fd()));
            if actions.stops(info.signal) {
                guest.process.stop_by(info.signal);
                continue;
            }
            interrupted |= actions.interrupts(info.signal);
            let from = Some((info.pid.0, info.uid.0));
            let _ = sys::send_signal(guest.pid_fd.as_fd(), info.signal.number(), from);
        }
        guest.process.watch(&guest.waker);
        if guest.process.has_caught_signal() || guest.process.should_yield() {
            guest.waker.wake_by_ref();
        }
        let parent = guest.process.pid();
        if children {
            self.mirror_children(parent);
        }
        interrupted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_does_about_signals_decides_what_becomes_of_one() {
        let status = "Name:\tx\nSigBlk:\t0000000000100000\nSigIgn:\t0000000000000004\nSigCgt:\t0000000000080002\n";
        let actions = Actions::parse(status);
        // Blocked is TTIN, ignored QUIT, caught TSTP and INT.
        assert!(!actions.stops(Signal::TSTP) && !actions.stops(Signal::TTIN) && actions.stops(Signal::TTOU));
        assert!(!actions.stops(Signal::TERM), "it does not stop");
        assert!(actions.interrupts(Signal::INT) && actions.interrupts(Signal::TERM));
        assert!(!actions.interrupts(Signal::QUIT) && !actions.interrupts(Signal::TTIN));
        assert!(!actions.interrupts(Signal::WINCH));
    }
}
