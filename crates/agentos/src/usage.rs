//! What a VM uses now and has used.

use crate::vm::AgentOs;
use std::time::Duration;

/// Resource usage of a VM at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processes, running or not yet reaped.
    pub processes: u64,
    /// Processes started since the VM was created.
    pub processes_started: u64,
    /// Open descriptions.
    pub open_fds: u64,
    /// Bytes written to the VM's own filesystems and still there.
    pub filesystem_bytes: u64,
    /// Inodes created and still there.
    pub inodes: u64,
    /// Private memory of all processes, now.
    pub memory_bytes: u64,
    /// The most that it has been.
    pub peak_memory_bytes: u64,
    /// CPU time of all processes.
    pub cpu_time: Duration,
}

impl AgentOs {
    /// Resource usage now.
    pub fn usage(&self) -> Usage {
        let usage = self.vm.kernel.usage();
        Usage {
            processes: usage.processes.used(),
            processes_started: usage.processes_started(),
            open_fds: usage.open_fds.used(),
            filesystem_bytes: self.vm.quota.bytes.used(),
            inodes: self.vm.quota.inodes.used(),
            memory_bytes: usage.memory.used(),
            peak_memory_bytes: usage.peak_memory(),
            cpu_time: Duration::from_nanos(usage.cpu_ns()),
        }
    }
}
