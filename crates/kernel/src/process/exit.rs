//! Running, stopping and ending, as the executor sees them; CPU time and memory.

use super::executor::Gate;
use super::exited::Exited;
use super::kernel::Kernel;
use super::process::{Attention, Process};
use super::signal::{Disposition, SigInfo, Signal};
use super::status::{ExitStatus, ProcessUsage};
use super::table::State;
use super::wake::Wakes;
use crate::errno::Errno;
use crate::error::LimitExceeded;
use crate::fd::FdTable;
use crate::id::Pid;
use crate::vfs::locks::FileKey;
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker};

/// Time that a process has after `SIGXCPU` before it is killed, in ns of CPU time.
const CPU_GRACE: u64 = 1_000_000_000;

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
        let _ = self.breach.set(limit);
        self.doom(ExitStatus::Signaled(signal));
    }

    fn doom(&self, status: ExitStatus) {
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
        self.kernel()
            .meters
            .memory
            .give(self.meter.memory.swap(0, Ordering::AcqRel));
        if self.sid() == self.pid()
            && let Some(ptys) = self.kernel().ptys_if_any()
            && let Some(pty) = ptys.controlling(self.sid())
        {
            pty.release_session(self.sid(), true);
        }
    }

    /// Accounts for CPU time in guest code, in ns, and enforces the limits on it.
    pub fn charge(&self, user_ns: u64) {
        let used = self
            .meter
            .user_ns
            .fetch_add(user_ns, Ordering::AcqRel)
            .saturating_add(user_ns);
        self.kernel().meters.count_cpu(user_ns);
        if used >= self.meter.next_cpu_warning.load(Ordering::Acquire) {
            self.over_cpu(used);
        }
    }

    /// The CPU time at which something happens was reached.
    fn over_cpu(&self, used: u64) {
        let (soft, hard) = self.cpu_limits();
        if used < soft {
            self.meter.next_cpu_warning.store(soft, Ordering::Release);
        } else if used < hard {
            // As in Linux, the signal comes again with every second.
            let next = used.saturating_add(CPU_GRACE).min(hard);
            self.meter.next_cpu_warning.store(next, Ordering::Release);
            self.note_cpu_breach(used);
            self.kernel().signal(self.pid(), SigInfo::kernel(Signal::XCPU));
        } else {
            self.meter.next_cpu_warning.store(u64::MAX, Ordering::Release);
            self.note_cpu_breach(used);
            self.doom(ExitStatus::Signaled(Signal::KILL));
        }
    }

    /// CPU time at which the process is warned and killed, in ns: the stricter of the VM's limit and its own.
    fn cpu_limits(&self) -> (u64, u64) {
        let (own_soft, own_hard) = self.limits.lock().cpu_ns();
        let cap = match self.kernel().limits.max_cpu_time_ms {
            0 => u64::MAX,
            ms => ms.saturating_mul(1_000_000),
        };
        (own_soft.min(cap), own_hard.min(cap.saturating_add(CPU_GRACE)))
    }

    fn note_cpu_breach(&self, used: u64) {
        let capacity = self.kernel().limits.max_cpu_time_ms;
        let observed = used / 1_000_000;
        if capacity > 0 && observed >= capacity {
            let path = "limits.process.maxCpuTimeMs";
            let breach = LimitExceeded::new(path, "ms", observed, capacity, "run", Errno::EINTR);
            let _ = self.breach.set(breach);
        }
    }

    /// Takes `bytes` of the VM's memory for the process; false if the VM has not that much left, and then nothing was taken.
    /// All of it is given back when the process ends.
    pub fn grow_memory(&self, bytes: u64) -> bool {
        let meters = &self.kernel().meters;
        if meters.memory.take(bytes, "grow").is_err() {
            return false;
        }
        let held = self
            .meter
            .memory
            .fetch_add(bytes, Ordering::AcqRel)
            .saturating_add(bytes);
        self.meter.peak_memory.fetch_max(held, Ordering::AcqRel);
        meters.note_peak();
        true
    }

    /// Gives memory back before the end.
    pub fn shrink_memory(&self, bytes: u64) {
        let held = &self.meter.memory;
        let before = held.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
            Some(held.saturating_sub(bytes))
        });
        let given = before.unwrap_or(0).min(bytes);
        self.kernel().meters.memory.give(given);
    }

    /// What it has used itself.
    pub fn usage(&self) -> ProcessUsage {
        ProcessUsage {
            user_ns: self.meter.user_ns.load(Ordering::Acquire),
            sys_ns: self.meter.sys_ns.load(Ordering::Acquire),
            max_rss: self.meter.peak_memory.load(Ordering::Acquire),
        }
    }

    /// Memory that it holds now, in bytes.
    pub fn memory(&self) -> u64 {
        self.meter.memory.load(Ordering::Acquire)
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
