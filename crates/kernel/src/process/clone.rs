//! A copy of a process (`fork(2)`), of which the executor copies the memory.

use super::enrol::{Relation, Reservation};
use super::kernel::Kernel;
use super::process::{Parts, Process};
use super::signal::{SigSet, Signal};
use super::signals::Signals;
use super::wake::Wakes;
use crate::error::Result;
use crate::id::Pid;
use core::sync::atomic::Ordering;
use core::task::Waker;
use std::sync::Arc;

/// A copy of a process as it was at one moment, which is not in the table yet: for an executor whose children come to life by
/// themselves, some time after they were asked for. Counted against `maxProcesses`; dropping it gives that back.
pub struct Copied {
    parent: Arc<Process>,
    parts: Option<Parts>,
}

impl Copied {
    /// Brings the copy to life, with `pid` if nobody has that.
    ///
    /// # Errors
    /// As [`Process::clone_child`]; a parent that has ended is no error, the child is init's then.
    pub fn begin(mut self, pid: Pid) -> Result<Arc<Process>> {
        let mut parts = self.parts.take().ok_or(crate::Errno::EIO)?;
        parts.pid = pid;
        let kernel = Arc::clone(self.parent.kernel());
        let reservation = Reservation::taken(&kernel);
        let init = kernel.init();
        let parent = if self.parent.exit_status().is_some() {
            &init
        } else {
            &self.parent
        };
        let child = kernel.enrol(parent, parts, Relation::default(), Signals::forked)?;
        reservation.keep();
        kernel.meters.count_start();
        Ok(child)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if self.parts.is_some() {
            self.parent.kernel().meters.processes.give(1);
        }
    }
}

impl core::fmt::Debug for Copied {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Copied")
            .field("parent", &self.parent.pid())
            .finish_non_exhaustive()
    }
}

impl Process {
    /// Makes a child that is a copy of the process: descriptors, working directory, umask, identities, limits, signal mask and
    /// dispositions. Pending signals, timers and record locks are not copied. With `group` the child becomes the leader of a
    /// group of its own (0) or joins one; `foreground` makes that group the foreground group of the terminal.
    ///
    /// The executor runs the child, or calls [`exit_by`](Self::exit_by) and [`finish`](Self::finish) on it if it cannot.
    ///
    /// # Errors
    /// `EAGAIN` at `maxProcesses`, `EPERM` for a group that does not exist in the session, `ENOTTY` without a terminal.
    pub fn clone_child(self: &Arc<Self>, group: Option<Pid>, foreground: bool) -> Result<Arc<Self>> {
        let kernel = self.kernel();
        let reservation = Reservation::new(kernel)?;
        let parts = self.parts_of_copy(kernel)?;
        let relation = Relation {
            pgroup: group,
            foreground,
            ..Relation::default()
        };
        let child = kernel.enrol(self, parts, relation, Signals::forked)?;
        reservation.keep();
        kernel.meters.count_start();
        Ok(child)
    }

    /// A copy of the process as it is now, to be begun later.
    ///
    /// # Errors
    /// `EAGAIN` at `maxProcesses`.
    pub fn copy(self: &Arc<Self>) -> Result<Copied> {
        let kernel = self.kernel();
        let reservation = Reservation::new(kernel)?;
        let parts = self.parts_of_copy(kernel)?;
        reservation.keep();
        Ok(Copied {
            parent: Arc::clone(self),
            parts: Some(parts),
        })
    }

    fn parts_of_copy(&self, kernel: &Kernel) -> Result<Parts> {
        let cx = self.cx()?;
        Ok(Parts {
            pid: Pid(0),
            fds: self.fds.lock().clone(),
            place: cx.place,
            cred: cx.cred,
            image: self.image(),
            limits: self.limits.lock().clone(),
            nice: self.nice.load(Ordering::Acquire),
            frozen: self.frozen.as_ref().map(|frozen| frozen.for_child(&*kernel.clock)),
        })
    }

    /// Wakes `waker` once there is something to notice: a signal, a stop, the end. For an executor whose guests run where the kernel
    /// does not see them. Whoever registers looks afterwards, as it may have happened before.
    pub fn watch(&self, waker: &Waker) {
        self.noticed.register(Some(waker));
    }

    /// Stops the process as `signal` does by default, which does nothing in an orphaned group. For an executor whose guests have
    /// actions of their own for signals, when the guest has left this one alone.
    pub fn stop_by(&self, signal: Signal) {
        let mut wakes = Wakes::default();
        self.kernel()
            .table
            .lock()
            .stop_by_default(self.pid(), signal, &mut wakes);
        wakes.fire();
    }

    /// Says that every signal which can be is caught: an executor whose guests have actions of their own for signals takes them all
    /// with [`sig_take`](Self::sig_take) and passes them on. Returns those that were ignored.
    pub fn catch_all(&self) -> SigSet {
        self.with_signals(|table| {
            let Ok(entry) = table.entry_mut(self.pid()) else {
                return SigSet::EMPTY;
            };
            let ignored = entry.signals.ignored();
            entry.signals.catch_all();
            ignored
        })
    }
}
