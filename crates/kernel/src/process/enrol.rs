//! Bringing a new process into the table.

use super::kernel::Kernel;
use super::limit::Resource;
use super::process::{Parts, Process};
use super::signals::Signals;
use super::table::{Entry, State, Table};
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::FdTable;
use crate::id::{Fd, Pid};
use std::sync::Arc;

/// How a new process relates to others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Relation {
    pub(super) pgroup: Option<Pid>,
    pub(super) setsid: bool,
    pub(super) foreground: bool,
    /// It begins with a program of its own.
    pub(super) has_execed: bool,
}

/// One process taken out of `maxProcesses`, given back unless it comes to life.
pub(super) struct Reservation<'a>(Option<&'a Kernel>);

impl<'a> Reservation<'a> {
    pub(super) fn new(kernel: &'a Kernel) -> Result<Self> {
        kernel.meters.processes.take(1, "spawn")?;
        Ok(Self(Some(kernel)))
    }

    /// One that was taken before.
    pub(super) fn taken(kernel: &'a Kernel) -> Self {
        Self(Some(kernel))
    }

    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(kernel) = self.0 {
            kernel.meters.processes.give(1);
        }
    }
}

impl Kernel {
    /// Gives a new process its pid (the one in its parts if that is free), parent, group and session, and the terminal if it asked for that. `signals` makes its
    /// signal state from its parent's.
    pub(super) fn enrol(
        &self,
        parent: &Process,
        mut parts: Parts,
        relation: Relation,
        signals: impl FnOnce(&Signals) -> Signals,
    ) -> Result<Arc<Process>> {
        let child = {
            let mut table = self.table.lock();
            check_user_limit(&table, parent, &parts.cred)?;
            let own = table.as_parent(parent)?;
            let pid = table.free_pid(parts.pid);
            let session = if relation.setsid { pid } else { own.1 };
            let group = match relation.pgroup {
                _ if relation.setsid => pid,
                Some(Pid(0)) => pid,
                Some(group) if table.session_of_group(group) == Some(session) => group,
                Some(_) => return Err(Errno::EPERM.into()),
                None => own.0,
            };
            parts.pid = pid;
            let process = Arc::new(Process::new(self.arc(), parts));
            let entry = Entry {
                process: Arc::clone(&process),
                parent: parent.pid(),
                group,
                session,
                children: Vec::new(),
                signals: match table.entry(parent.pid()) {
                    Ok(parent) => signals(&parent.signals),
                    Err(_) => signals(&Signals::default()),
                },
                state: State::Running,
                report: None,
                doom: None,
                has_execed: relation.has_execed,
                waited: Default::default(),
            };
            table.insert(pid, entry);
            process
        };
        if relation.foreground
            && let Err(error) = self.take_foreground(&child, relation.setsid)
        {
            self.unenrol(&child);
            return Err(error);
        }
        Ok(child)
    }

    /// Makes the child's group the foreground group; with `setsid` its terminal becomes the controlling one first.
    fn take_foreground(&self, child: &Process, setsid: bool) -> Result<()> {
        if setsid {
            let terminal = [0, 1, 2].iter().find_map(|fd| child.terminal(Fd(*fd)).ok());
            return terminal.ok_or(Errno::ENOTTY)?.set_controlling(child, false);
        }
        let terminal = self.ptys_if_any().and_then(|ptys| ptys.controlling(child.sid()));
        terminal.ok_or(Errno::ENOTTY)?.set_foreground(child, child.pgid())
    }

    /// Takes back a process that never ran.
    fn unenrol(&self, child: &Process) {
        let fds = core::mem::replace(&mut *child.fds.lock(), FdTable::new(0));
        let entry = self.table.lock().remove(child.pid());
        drop((fds, entry));
        drop(child.place.lock().take());
    }
}

impl Table {
    /// Group and session that a child of `parent` begins in.
    fn as_parent(&self, parent: &Process) -> Result<(Pid, Pid)> {
        if self.disposed {
            return Err(Errno::ECANCELED.into());
        }
        if parent.pid() == Pid::INIT {
            return Ok((Pid::INIT, Pid::INIT));
        }
        let entry = self.entry(parent.pid())?;
        // Whoever is about to end has no time for children.
        match entry.is_zombie() || entry.doom.is_some() {
            true => Err(Errno::EINTR.into()),
            false => Ok((entry.group, entry.session)),
        }
    }
}

/// `RLIMIT_NPROC`: processes of the new one's user. Only counted where a process has set it.
fn check_user_limit(table: &Table, parent: &Process, cred: &Credentials) -> Result<()> {
    let limits = parent.limits.lock();
    if !limits.is_changed(Resource::Processes) || cred.is_root() {
        return Ok(());
    }
    let cap = limits.get(Resource::Processes).soft;
    drop(limits);
    let count = table
        .entries()
        .filter(|(_, entry)| entry.process.cred().ruid == cred.ruid)
        .count() as u64;
    if count >= cap {
        Err(Errno::EAGAIN.into())
    } else {
        Ok(())
    }
}
