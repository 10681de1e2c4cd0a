//! A copy of a process (`fork(2)`), of which the executor copies the memory.

use super::enrol::{Relation, Reservation};
use super::process::{Parts, Process};
use super::signals::Signals;
use crate::error::Result;
use crate::id::Pid;
use core::sync::atomic::Ordering;
use std::sync::Arc;

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
        let cx = self.cx()?;
        let parts = Parts {
            pid: Pid(0),
            fds: self.fds.lock().clone(),
            place: cx.place,
            cred: cx.cred,
            image: self.image(),
            limits: self.limits.lock().clone(),
            nice: self.nice.load(Ordering::Acquire),
            frozen: self.frozen.as_ref().map(|frozen| frozen.for_child(&*kernel.clock)),
        };
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
}
