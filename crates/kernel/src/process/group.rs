//! Process groups and sessions: `setpgid(2)`, `setsid(2)`, and the foreground group of a terminal.

use super::process::Process;
use super::table::Table;
use super::wake::Wakes;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Pid;
use std::sync::Arc;

impl Process {
    /// Puts process `pid` (0: the caller) into group `group` (0: one that it leads).
    ///
    /// # Errors
    /// `ESRCH` unless it is the caller or a child, `EACCES` for a child that has run another program, `EPERM` for a session
    /// leader, another session, or a group that does not exist there.
    pub fn setpgid(&self, pid: Pid, group: Pid) -> Result<()> {
        let pid = if pid.0 == 0 { self.pid() } else { pid };
        let group = if group.0 == 0 { pid } else { group };
        let mut wakes = Wakes::default();
        let result = {
            let mut table = self.kernel().table.lock();
            self.check_setpgid(&table, pid, group).map(|()| {
                let affected = Self::affected_by_move(&table, pid);
                let guarded = table.guarded(&affected);
                table.regroup(pid, group, None);
                table.rescue(guarded, &mut wakes);
            })
        };
        wakes.fire();
        result
    }

    fn check_setpgid(&self, table: &Table, pid: Pid, group: Pid) -> Result<()> {
        let own = table.entry(self.pid())?;
        let entry = table.entry(pid)?;
        if pid != self.pid() {
            if entry.parent != self.pid() || entry.is_zombie() {
                return Err(Errno::ESRCH.into());
            }
            if entry.session != own.session {
                return Err(Errno::EPERM.into());
            }
            if entry.has_execed {
                return Err(Errno::EACCES.into());
            }
        }
        if entry.session == pid {
            return Err(Errno::EPERM.into());
        }
        if group != pid && table.session_of_group(group) != Some(entry.session) {
            return Err(Errno::EPERM.into());
        }
        Ok(())
    }

    /// Groups whose members may lose their guardian when `pid` moves: its own, and those of its children.
    fn affected_by_move(table: &Table, pid: Pid) -> Vec<Pid> {
        let Ok(entry) = table.entry(pid) else { return Vec::new() };
        let children = entry
            .children
            .iter()
            .filter_map(|child| table.entry(*child).ok())
            .map(|child| child.group);
        children.chain([entry.group]).collect()
    }

    /// Makes the caller the leader of a new session and group, without a terminal.
    ///
    /// # Errors
    /// `EPERM` for the leader of a group.
    pub fn setsid(&self) -> Result<Pid> {
        let pid = self.pid();
        let mut wakes = Wakes::default();
        let result = {
            let mut table = self.kernel().table.lock();
            match table.session_of_group(pid) {
                Some(_) => Err(Errno::EPERM.into()),
                None => {
                    let affected = Self::affected_by_move(&table, pid);
                    let guarded = table.guarded(&affected);
                    table.regroup(pid, pid, Some(pid));
                    table.rescue(guarded, &mut wakes);
                    Ok(pid)
                }
            }
        };
        wakes.fire();
        result
    }

    /// Group of process `pid` (0: the caller).
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn getpgid(&self, pid: Pid) -> Result<Pid> {
        self.inspected(pid).map(|process| process.pgid())
    }

    /// Session of process `pid` (0: the caller).
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn getsid(&self, pid: Pid) -> Result<Pid> {
        self.inspected(pid).map(|process| process.sid())
    }

    /// Another process by pid, to look at; 0 is the caller.
    pub(super) fn inspected(&self, pid: Pid) -> Result<Arc<Process>> {
        let process = self.relative(pid)?;
        self.kernel().may_inspect(self.pid(), process.pid())?;
        Ok(process)
    }

    /// Another process by pid; 0 is the caller.
    pub(super) fn relative(&self, pid: Pid) -> Result<Arc<Process>> {
        let pid = if pid.0 == 0 { self.pid() } else { pid };
        self.kernel().process(pid).ok_or_else(|| Errno::ESRCH.into())
    }
}
