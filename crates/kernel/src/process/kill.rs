//! Sending and taking signals: `kill(2)`, `sigprocmask(2)`, `sigaction(2)`, `sigwait(3)`.

use super::kernel::Kernel;
use super::process::Process;
use super::signal::{Disposition, MaskHow, SigInfo, SigSet, Signal};
use super::table::{Entry, Table};
use super::wake::Wakes;
use crate::clock::Instant;
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::IoResult;
use crate::id::{Pid, Uid};
use crate::policy::Operation;
use core::task::{Poll, Waker};

impl Process {
    /// Sends a signal (`kill(2)`): to process `target`; to the caller's group if 0; to everybody it may if -1; to group
    /// `-target` otherwise.
    ///
    /// # Errors
    /// `ESRCH` if there is nobody, `EPERM` if there is nobody whom the caller may signal,
    /// [`Denied`](crate::Error::Denied) if the policy is the reason.
    pub fn kill(&self, target: i32, signal: Signal) -> Result<()> {
        self.signal_targets(target, Some(signal))
    }

    /// Checks whether a signal could be sent (`kill(2)` with signal 0).
    ///
    /// # Errors
    /// As [`kill`](Self::kill).
    pub fn may_kill(&self, target: i32) -> Result<()> {
        self.signal_targets(target, None)
    }

    fn signal_targets(&self, target: i32, signal: Option<Signal>) -> Result<()> {
        if i64::from(target) != i64::from(self.pid().0) {
            self.within_tier(Operation::Signal, b"process")?;
        }
        let cred = self.cred();
        let sender = Sender {
            kernel: self.kernel(),
            pid: self.pid(),
            session: self.sid(),
            cred: &cred,
        };
        let mut wakes = Wakes::default();
        let sent = {
            let mut table = self.kernel().table.lock();
            let targets = self.targets(&table, target);
            sender.send(&mut table, target, &targets, signal, &mut wakes)
        };
        wakes.fire();
        sent
    }

    fn targets(&self, table: &Table, target: i32) -> Vec<Pid> {
        let group = |group: Pid| {
            table
                .entries()
                .filter(|(_, entry)| entry.group == group)
                .map(|(pid, _)| pid)
                .collect()
        };
        match target {
            -1 => table
                .entries()
                .map(|(pid, _)| pid)
                .filter(|pid| *pid != self.pid())
                .collect(),
            0 => group(self.pgid()),
            1.. => vec![Pid(target.unsigned_abs())],
            _ => group(Pid(target.unsigned_abs())),
        }
    }

    /// Changes the signal mask and returns the old one; `None` only reports.
    pub fn sig_mask(&self, change: Option<(MaskHow, SigSet)>) -> SigSet {
        self.with_signals(|table| {
            let Ok(entry) = table.entry_mut(self.pid()) else {
                return SigSet::EMPTY;
            };
            match change {
                Some((how, set)) => entry.signals.change_mask(how, set),
                None => entry.signals.mask(),
            }
        })
    }

    /// Signals that were sent and not taken, blocked ones included.
    pub fn sig_pending(&self) -> SigSet {
        self.kernel()
            .table
            .lock()
            .entry(self.pid())
            .map_or(SigSet::EMPTY, |entry| entry.signals.pending())
    }

    /// What is done about a signal.
    pub fn disposition(&self, signal: Signal) -> Disposition {
        let table = self.kernel().table.lock();
        table
            .entry(self.pid())
            .map(|entry| entry.signals.disposition(signal))
            .unwrap_or_default()
    }

    /// Sets what is done about a signal and returns what was before.
    ///
    /// # Errors
    /// `EINVAL` for `SIGKILL` and `SIGSTOP`.
    pub fn set_disposition(&self, signal: Signal, disposition: Disposition) -> Result<Disposition> {
        self.with_signals(|table| {
            let signals = &mut table.entry_mut(self.pid())?.signals;
            let old = signals.disposition(signal);
            signals.set_disposition(signal, disposition)?;
            Ok(old)
        })
    }

    /// Signals that are ignored, and those that are caught.
    pub fn dispositions(&self) -> (SigSet, SigSet) {
        let table = self.kernel().table.lock();
        table.entry(self.pid()).map_or_else(
            |_| Default::default(),
            |entry| (entry.signals.ignored(), entry.signals.caught()),
        )
    }

    /// Takes the pending signal of `set` with the lowest number, blocked or not.
    ///
    /// # Errors
    /// `EAGAIN` if none of them is pending.
    pub fn sig_take(&self, set: SigSet) -> Result<SigInfo> {
        self.with_signals(|table| {
            let entry = table.entry_mut(self.pid())?;
            entry.signals.take(set).ok_or_else(|| Errno::EAGAIN.into())
        })
    }

    /// Waits for a signal of `set` and takes it (`sigtimedwait(2)`).
    ///
    /// # Errors
    /// `EAGAIN` at the deadline, `EINTR` for another caught signal.
    pub fn sig_wait(&self, set: SigSet, deadline: Option<Instant>, waker: Option<&Waker>) -> IoResult<SigInfo> {
        let set = set.difference(SigSet::UNBLOCKABLE);
        let result = self.waiting(waker, |waker| {
            self.noticed.register(waker);
            match self.take_or_await(set) {
                Ok(None) if self.passed(deadline, waker) => Poll::Ready(Err(Errno::EAGAIN.into())),
                Ok(None) => Poll::Pending,
                Ok(Some(info)) => Poll::Ready(Ok(info)),
                Err(error) => Poll::Ready(Err(error)),
            }
        });
        if result.is_ready() {
            self.with_signals(|table| {
                if let Ok(entry) = table.entry_mut(self.pid()) {
                    entry.signals.await_signals(SigSet::EMPTY);
                }
            });
        }
        result
    }

    fn take_or_await(&self, set: SigSet) -> Result<Option<SigInfo>> {
        self.with_signals(|table| {
            let signals = &mut table.entry_mut(self.pid())?.signals;
            let taken = signals.take(set);
            signals.await_signals(if taken.is_some() { SigSet::EMPTY } else { set });
            Ok(taken)
        })
    }

    /// Runs `change` under the table's lock and then does what signals have become deliverable.
    pub(super) fn with_signals<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = {
            let mut table = self.kernel().table.lock();
            let result = change(&mut table);
            table.act(self.pid(), &mut wakes);
            result
        };
        wakes.fire();
        result
    }
}

/// Init, as a target of `kill(2)`.
const INIT: i32 = 1;

/// Who sends a signal.
struct Sender<'a> {
    kernel: &'a Kernel,
    pid: Pid,
    session: Pid,
    cred: &'a Credentials,
}

impl Sender<'_> {
    fn send(
        &self,
        table: &mut Table,
        target: i32,
        targets: &[Pid],
        signal: Option<Signal>,
        wakes: &mut Wakes,
    ) -> Result<()> {
        if target == INIT {
            // Init has no handler for any signal, so none reaches it; who may send one is checked all the same.
            return if self.cred.is_root() {
                Ok(())
            } else {
                Err(Errno::EPERM.into())
            };
        }
        let mut sent = false;
        let mut refused = None;
        for pid in targets {
            let Ok(entry) = table.entry(*pid) else { continue };
            if !self.may(entry, signal) {
                refused.get_or_insert(Errno::EPERM.into());
                continue;
            }
            if let Err(error) = self.kernel.may_signal(table, self.pid, &entry.process) {
                refused = Some(error);
                continue;
            }
            if let Some(signal) = signal {
                table.post(*pid, self.info(signal), wakes)?;
            }
            sent = true;
        }
        match (sent, refused) {
            (true, _) => Ok(()),
            (false, Some(error)) => Err(error),
            (false, None) => Err(Errno::ESRCH.into()),
        }
    }

    fn may(&self, entry: &Entry, signal: Option<Signal>) -> bool {
        let target = entry.process.cred();
        let same = |uid: Uid| uid == target.ruid || uid == target.suid;
        let same_session = signal == Some(Signal::CONT) && entry.session == self.session;
        self.cred.is_root() || same(self.cred.ruid) || same(self.cred.euid) || same_session
    }

    fn info(&self, signal: Signal) -> SigInfo {
        SigInfo {
            signal,
            code: SigInfo::USER,
            pid: self.pid,
            uid: self.cred.ruid,
            status: 0,
            value: 0,
        }
    }
}

impl Kernel {
    /// Sends a signal from the kernel to a process.
    pub(super) fn signal(&self, pid: Pid, info: SigInfo) {
        let mut wakes = Wakes::default();
        // Only real-time signals can be refused, and the kernel sends none.
        let _ = self.table.lock().post(pid, info, &mut wakes);
        wakes.fire();
    }

    /// Sends a signal from the kernel to every member of a group.
    pub(super) fn signal_group(&self, group: Pid, info: SigInfo) {
        let mut wakes = Wakes::default();
        {
            let mut table = self.table.lock();
            for pid in table.members(group) {
                let _ = table.post(pid, info, &mut wakes);
            }
        }
        wakes.fire();
    }

    /// Sends a signal from the kernel to the leader of a session.
    pub(super) fn signal_session_leader(&self, session: Pid, info: SigInfo) {
        self.signal(session, info);
    }
}
