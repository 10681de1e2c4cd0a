//! Running, stopping and ending, as the executor sees them; CPU time and memory.

use super::executor::Gate;
use super::exited::Exited;
use super::kernel::Kernel;
use super::process::{Attention, Process};
use super::signal::{Disposition, SigInfo, Signal};
use super::status::{ExitStatus, ProcessUsage};
use super::table::State;
use super::wake::Wakes;
use crate::error::LimitExceeded;
use crate::events::AuditKind;
use crate::fd::FdTable;
use crate::id::Pid;
use crate::vfs::locks::FileKey;
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker};

impl Process {
    /// Whether the process may run. `Pending` while it is stopped; `waker` is woken when that changes.
    pub fn gate(&self, waker: Option<&Waker>) -> Poll<Gate> {
        let attention = self.attention();
        if attention.contains(Attention::DIE) {
            return Poll::Ready(Gate::Die);
        }
        if !attention.contains(Attention::STOPPED) {
            return Poll::Ready(Gate::Run);
        }
        self.noticed.register(waker);
        // It may have changed before the waker was registered.
        match self.attention() {
            now if now.contains(Attention::DIE) => Poll::Ready(Gate::Die),
            now if now.contains(Attention::STOPPED) => Poll::Pending,
            _ => Poll::Ready(Gate::Run),
        }
    }

    /// Ready once the process has to end, stopped or not; `waker` is woken then. For an executor that waits for something of the
    /// host's on the process's behalf.
    pub fn poll_doomed(&self, waker: &Waker) -> Poll<()> {
        self.noticed.register(Some(waker));
        match self.attention().contains(Attention::DIE) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// The guest ends itself with a status, of which the low eight bits count. The executor unwinds it and then calls
    /// [`finish`](Self::finish).
    pub fn exit(&self, code: u32) {
        // The mask makes it fit.
        self.doom(ExitStatus::Exited((code & 0xff) as u8));
    }

    /// The guest ends as if by a signal: a trap of its program.
    pub fn exit_by(&self, signal: Signal) {
        self.doom(ExitStatus::Signaled(signal));
    }

    /// The process ends because it hit a limit that no call can report.
    pub fn exit_for(&self, limit: LimitExceeded, signal: Signal) {
        self.note_breach(limit);
        self.doom(ExitStatus::Signaled(signal));
    }

    /// The process ends, or will end, because of a limit; the first counts.
    pub(super) fn note_breach(&self, limit: LimitExceeded) {
        let pid = self.pid();
        if self.breach.set(limit.clone()).is_ok() {
            self.kernel().audit().record(AuditKind::ProcessKilled { limit, pid });
        }
    }

    pub(super) fn doom(&self, status: ExitStatus) {
        let mut wakes = Wakes::default();
        self.kernel().table.lock().condemn(self.pid(), status, &mut wakes);
        wakes.fire();
    }

    /// Ready with its status once it has ended and everything it held was freed.
    pub fn poll_exit(&self, waker: &Waker) -> Poll<ExitStatus> {
        if let Some(status) = self.exit_status() {
            return Poll::Ready(status);
        }
        self.ended.register(Some(waker)).wake();
        self.exit_status().map_or(Poll::Pending, Poll::Ready)
    }

    /// The last thing an executor does for a process, once no guest code of it can run any more: closes descriptors, frees
    /// memory, publishes the status, wakes who waits. A process that nobody ended counts as killed. A second call does
    /// nothing.
    pub fn finish(&self) {
        if self.pid() == Pid::INIT || self.status.get().is_some() {
            return;
        }
        // Decided before anything that could send it a signal.
        self.doom(ExitStatus::Signaled(Signal::KILL));
        self.release();
        let mut wakes = Wakes::default();
        self.kernel().bury(self, &mut wakes);
        wakes.fire();
        self.ended.wake();
    }

    /// Frees what the process holds, before anybody learns that it has ended.
    fn release(&self) {
        self.timer.lock().stop();
        drop(self.fifo.lock().take());
        let fds = core::mem::replace(&mut *self.fds.lock(), FdTable::new(0));
        let locks = self.kernel().vfs().locks();
        if !locks.is_empty() {
            for (_, entry) in fds.iter() {
                if let Some(location) = entry.file.location() {
                    locks.release_process(FileKey::from(location), self.pid());
                }
            }
            locks.cancel(self.pid());
        }
        self.drop_files(fds);
        drop(self.place.lock().take());
        let memory = self.meter.memory.swap(0, Ordering::AcqRel);
        self.kernel().fd_limits().memory().give(memory);
        if self.sid() == self.pid()
            && let Some(ptys) = self.kernel().ptys_if_any()
            && let Some(pty) = ptys.controlling(self.sid())
        {
            pty.release_session(self.sid(), true);
        }
    }

    /// What it has used itself.
    pub fn usage(&self) -> ProcessUsage {
        ProcessUsage {
            user_ns: self.meter.user_ns.load(Ordering::Acquire),
            sys_ns: self.meter.sys_ns.load(Ordering::Acquire),
            max_rss: self.meter.peak_memory.load(Ordering::Acquire),
        }
    }
}

impl Kernel {
    /// Makes a process a zombie, or nothing at all if nobody will ask for it, and orphans its children.
    fn bury(&self, process: &Process, wakes: &mut Wakes) {
        let pid = process.pid();
        let mut table = self.table.lock();
        let Ok(entry) = table.entry_mut(pid) else { return };
        if entry.is_zombie() {
            return;
        }
        let status = entry.doom.unwrap_or(ExitStatus::Signaled(Signal::KILL));
        let (parent, group) = (entry.parent, entry.group);
        let children = core::mem::take(&mut entry.children);
        let groups = children
            .iter()
            .filter_map(|child| table.entry(*child).ok())
            .map(|entry| entry.group);
        let groups: Vec<Pid> = groups.chain([group]).collect();
        let guarded = table.guarded(&groups);
        for child in children {
            self.orphan(&mut table, child);
        }
        if let Ok(entry) = table.entry_mut(pid) {
            entry.doom = Some(status);
            entry.state = State::Zombie(status);
            entry.report = None;
        }
        table.rescue(guarded, wakes);
        let _ = process.end_time.set(self.clock.now());
        let _ = process.status.set(status);
        match status {
            ExitStatus::Exited(code) => table.tell_parent_status(pid, SigInfo::EXITED, i32::from(code), wakes),
            ExitStatus::Signaled(signal) => table.tell_parent(pid, SigInfo::KILLED, signal, wakes),
        }
        // Init reaps at once, and so does the kernel for a parent that ignores the end of its children.
        let unwanted = table.entry(parent).map_or(true, |parent| {
            parent.is_zombie() || parent.signals.disposition(Signal::CHLD) == Disposition::Ignore
        });
        if parent == Pid::INIT {
            let record = Exited::new(process, status);
            table.exited.push(record, self.limits.max_retained_exited);
        }
        if unwanted && table.remove(pid).is_some() {
            self.meters.processes.give(1);
        }
    }

    /// Gives a child whose parent has ended to init, which reaps it if it has ended too.
    fn orphan(&self, table: &mut super::table::Table, child: Pid) {
        let Ok(entry) = table.entry_mut(child) else { return };
        entry.parent = Pid::INIT;
        entry.process.set_relations(Pid::INIT, entry.group, entry.session);
        if entry.is_zombie() && table.remove(child).is_some() {
            self.meters.processes.give(1);
        }
    }

    /// Ends every process and refuses to start more. Idempotent.
    pub fn kill_all(&self) {
        let mut wakes = Wakes::default();
        {
            let mut table = self.table.lock();
            table.disposed = true;
            let all: Vec<(Pid, bool)> = table.entries().map(|(pid, entry)| (pid, entry.is_zombie())).collect();
            for (pid, zombie) in all {
                match zombie {
                    true => self.orphan(&mut table, pid),
                    false => table.condemn(pid, ExitStatus::Signaled(Signal::KILL), &mut wakes),
                }
            }
        }
        wakes.fire();
    }

    /// Whether [`kill_all`](Self::kill_all) was called.
    pub fn is_disposed(&self) -> bool {
        self.table.lock().disposed
    }
}
