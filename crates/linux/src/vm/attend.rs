//! What happens to guests: signals, stopping, dying, and ends.

use super::{Patch, State, Target, Vm};
use crate::calls::RESTART;
use crate::sys::{self, Answer, Notification, Wait};
use agentos_kernel::process::{Gate, Signal, WaitOptions, WaitTarget};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::Poll;

impl Vm {
    /// Does what the kernel wants of a guest, and tries its waiting calls again.
    pub(crate) fn attend(&mut self, key: u32) {
        let Some(guest) = self.guests.get_mut(&key) else { return };
        if matches!(guest.state, State::Foreign(_)) {
            return self.attend_foreign(key);
        }
        let signal = |signal: Signal| {
            let _ = sys::send_signal(guest.pid_fd.as_fd(), signal.number(), None);
        };
        guest.process.watch(&guest.waker);
        match guest.process.gate(Some(&guest.waker)) {
            Poll::Ready(Gate::Die) => return signal(Signal::KILL),
            Poll::Pending if guest.stopped.is_none() => return self.stop(key),
            Poll::Pending => {}
            Poll::Ready(Gate::Run) => {
                if guest.stopped.is_some() {
                    signal(Signal::CONT);
                    guest.stopped = None;
                    self.expect_readers();
                }
            }
        }
        // Signals first: one that ends a call must be there when the call is answered.
        let interrupted = self.pass_signals_on(key);
        let parked = self.guests.get_mut(&key).map(|guest| std::mem::take(&mut guest.parked));
        for call in parked.into_iter().flatten() {
            if !self.listener.is_valid(call.id) {
                continue;
            }
            let answer = match self.consider(&call) {
                // The host gives signals for a process to its first thread where it can.
                Answer::Later if interrupted && call.tid == key => {
                    if let Some(guest) = self.guests.get_mut(&key) {
                        guest.parked.retain(|parked| parked.id != call.id);
                    }
                    Answer::Errno(RESTART)
                }
                answer => answer,
            };
            self.listener.answer(call.id, answer);
        }
    }

    /// Before a call of a guest: what an earlier one left open is settled.
    pub(super) fn before_call(&mut self, key: u32, call: &Notification) {
        self.settle_copies(key, call.tid);
        self.restore(key, call.tid);
    }

    /// What is changed at present in the memory that a guest uses.
    pub(crate) fn patches_of(&self, key: u32) -> impl Iterator<Item = Patch> + '_ {
        let uses = move |guest: &&super::Guest| guest.lender.unwrap_or(guest.pid) == key;
        self.guests.values().filter(uses).filter_map(|guest| guest.patch)
    }

    /// Puts back what was changed in a guest's memory for an `execve`, which has failed or succeeded by now.
    fn restore(&mut self, key: u32, tid: u32) {
        let Some(guest) = self.guests.get_mut(&key) else { return };
        let loading = matches!(guest.state, State::Loading(_) | State::Foreign(_));
        let Some(patch) = guest.patch else { return };
        if patch.tid != tid && !loading {
            return;
        }
        guest.patch = None;
        // After success the memory is that of whoever lent it, if anybody's.
        let owner = match loading {
            true => guest.lender.take(),
            false => Some(tid),
        };
        let held = guest.held.take_if(|_| loading);
        // The memory of what it was before.
        guest.memory.take_if(|_| loading);
        self.put_back(owner, patch);
        self.released.extend(held);
        self.release_held();
    }

    /// Has a path in a guest's memory name the loader. A child that lives in another's memory changes that, by a file that is kept there: of
    /// programs that start many the path mostly lies where nobody may write.
    pub(crate) fn change_path(&mut self, key: u32, tid: u32, at: u64, target: Target) -> io::Result<()> {
        let lender = self.guests.get(&key).and_then(|guest| guest.lender);
        let kept = lender.and_then(|lender| self.guests.get_mut(&lender));
        let mut own = None;
        let file = kept.map_or(&mut own, |lender| &mut lender.memory);
        sys::write_private(tid, file, at, target.text())
    }

    /// Whether nobody but a guest itself uses the memory that it lives in, until what is changed there is put back. Where that is somebody
    /// else's, whoever lent it waits by the only thread it has, and so does who lent it to that one.
    pub(crate) fn keeps_to_itself(&mut self, key: u32) -> bool {
        let mut borrower = key;
        loop {
            let Some(guest) = self.guests.get(&borrower) else {
                return false;
            };
            let Some(lender) = guest.lender else { break };
            let is_other = |other: &&super::Guest| other.lender == Some(lender) && other.pid != borrower;
            let waits = guest.waiter.is_some() && self.guests.get(&lender).is_some_and(super::Guest::is_alone);
            if !waits || self.guests.values().any(|guest| is_other(&guest)) {
                return false;
            }
            borrower = lender;
        }
        let Some(guest) = self.guests.get_mut(&key) else {
            return false;
        };
        guest.hold_lender();
        guest.lender.is_none() || guest.held.is_some()
    }

    /// Puts a path back into the memory that it was changed in. What else its owner has put there in the meantime stays.
    fn put_back(&mut self, owner: Option<u32>, patch: Patch) {
        let Some(owner) = owner else { return };
        let text = patch.target.text();
        let mut now = vec![0; text.len()];
        let mut own = None;
        let file = self.guests.get_mut(&owner).map_or(&mut own, |owner| &mut owner.memory);
        let by_file = file
            .as_ref()
            .is_some_and(|file| file.read_exact_at(&mut now, patch.at).is_ok());
        if (by_file || sys::read_memory(owner, patch.at, &mut now).is_ok()) && now == text {
            let _ = sys::write_private(owner, file, patch.at, patch.original());
        }
    }

    /// Lets those go on whose memory is as it was.
    pub(super) fn release_held(&mut self) {
        let held = std::mem::take(&mut self.released);
        self.released = held.into_iter().filter_map(|held| held.release().err()).collect();
    }

    /// A process of the host has ended.
    pub(super) fn ended(&mut self, pid: u32) {
        let Some(mut guest) = self.guests.remove(&pid) else {
            return;
        };
        if !matches!(guest.state, State::Foreign(_)) {
            // While its number is its own.
            guest.charge_cpu();
        }
        self.stop_watching(&guest);
        if let Some(patch) = guest.patch.take() {
            self.put_back(guest.lender.take(), patch);
        }
        self.released.extend(guest.held.take());
        self.release_held();
        let code = match guest.is_root {
            true => sys::wait_for(guest.pid_fd.as_fd()),
            false => sys::status_of_other(guest.pid_fd.as_fd(), || guest.proc_dir.as_fd()),
        };
        // Its ports are free before anybody hears of its end.
        self.settle_sockets();
        self.take_back(&guest);
        let process = &guest.process;
        self.end_locks(pid, process);
        self.files.guest_ended();
        if guest.is_root || self.guests.is_empty() {
            self.settle_files(process.kernel());
        }
        process.set_elsewhere(None);
        if matches!(guest.state, State::Foreign(_)) && process.exit_status().is_none() {
            // Its executor ends it.
            process.exit_by(Signal::KILL);
        }
        if matches!(code, Wait::Killed(9)) {
            self.note_lack_of_memory(&Arc::clone(&guest.process));
        }
        match code {
            Wait::Exited(code) => process.exit(u32::from(code)),
            Wait::Killed(signal) => process.exit_by(Signal::new(signal).unwrap_or(Signal::KILL)),
            Wait::Nothing => process.exit(0),
        }
        if !matches!(guest.state, State::Foreign(_)) || guest.is_waiting_to_begin() {
            process.finish();
        }
        self.leave_copies(guest.copies);
        self.threads.retain(|_, owner| *owner != pid);
        // A parent that runs on the host waits there; the kernel's record of the child has nobody else to read it.
        let parent = self
            .guests
            .values()
            .find(|parent| parent.process.pid() == process.ppid());
        if let Some(parent) = parent {
            let _ = parent
                .process
                .wait(WaitTarget::Pid(process.pid()), WaitOptions::NOHANG, None);
            let parent = parent.pid;
            self.child_ended(parent);
        }
        if self.guests.is_empty() {
            process.kernel().vfs().keep_walks(false);
            self.answers.end_for(process.kernel());
            crate::plans::forget(Arc::as_ptr(process.kernel()).addr());
            self.orphans.clear();
            self.end_watching();
            self.known.clear();
            self.fifos.clear();
            process.kernel().fifos().tidy();
        }
    }
}
