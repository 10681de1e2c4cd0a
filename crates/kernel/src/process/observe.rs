//! Whom a process may look at and signal, as far as the permission policy is concerned.
//!
//! The resource is the program of the other process, by the real path that it was started from. A process and its descendants
//! are its own business, and the VM's init stands for the host: neither is asked about.

use super::kernel::Kernel;
use super::process::Process;
use super::table::Table;
use crate::error::Result;
use crate::id::Pid;
use crate::policy::{Operation, Scope};
use std::sync::Arc;

impl Kernel {
    /// Whether process `caller` may look at process `pid`; a client (0) may look at any.
    pub(crate) fn may_inspect(&self, caller: Pid, pid: Pid) -> Result<()> {
        if self.guard.is_open(Scope::Process) {
            return Ok(());
        }
        let target = {
            let table = self.table.lock();
            match table.owns(caller, pid) {
                true => None,
                false => table.process(pid),
            }
        };
        match target {
            Some(target) => self.about(Operation::Inspect, &target, caller),
            None if caller.0 > Pid::INIT.0 && pid == Pid::INIT => self.about(Operation::Inspect, &self.init(), caller),
            None => Ok(()),
        }
    }

    /// Whether process `caller` may signal a process of the table.
    pub(super) fn may_signal(&self, table: &Table, caller: Pid, target: &Arc<Process>) -> Result<()> {
        if self.guard.is_open(Scope::Process) || table.owns(caller, target.pid()) {
            return Ok(());
        }
        self.about(Operation::Signal, target, caller)
    }

    fn about(&self, operation: Operation, target: &Process, caller: Pid) -> Result<()> {
        let image = target.image();
        // Init has no program: no rule is about it, and the default decides.
        self.guard
            .check(operation, image.program.as_deref().unwrap_or_default(), caller)
    }
}

impl Table {
    /// Whether `pid` is process `owner` itself or descends from it. Everything belongs to the host and to init.
    fn owns(&self, owner: Pid, pid: Pid) -> bool {
        if owner.0 <= Pid::INIT.0 {
            return true;
        }
        let mut at = pid;
        // A parent is another process than its child and in the table before it, so this ends at init.
        while at != owner {
            match self.entry(at) {
                Ok(entry) => at = entry.parent,
                Err(_) => return false,
            }
        }
        true
    }
}
