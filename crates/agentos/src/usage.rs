//! What a VM uses now and has used.

use crate::vm::AgentOs;
use agentos_kernel::events::LimitWarning;
use agentos_kernel::limits::Limits;
use std::time::Duration;

/// Resource usage of a VM at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Memory of all processes and of what waits in pipes, terminals and sockets, now.
    pub memory_bytes: u64,
    /// The most that it has been.
    pub peak_memory_bytes: u64,
    /// CPU time of all processes. Time in calls counts as theirs; it is not told apart.
    pub cpu_time: Duration,
    /// Every limit that is warned about, in the order of the guide.
    pub limits: Vec<LimitUsage>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitUsage {
    /// Field name, for example `maxProcesses`.
    pub limit: &'static str,
    /// Group of the field, for example `resources`.
    pub category: &'static str,
    /// Where it is configured, for example `limits.resources.maxProcesses`.
    pub configuration_path: &'static str,
    /// Usage now.
    pub observed: u64,
    /// The cap.
    pub capacity: u64,
}

impl LimitUsage {
    /// Usage of the limit that is configured at `path`, for whoever counts a stock beside the VM.
    pub fn new(path: &'static str, observed: u64, capacity: u64) -> Self {
        let mut parts = path.rsplit('.');
        Self {
            limit: parts.next().unwrap_or(path),
            category: parts.next().unwrap_or_default(),
            configuration_path: path,
            observed,
            capacity,
        }
    }

    /// The warning that this usage is worth.
    pub fn warning(&self) -> LimitWarning {
        let noun = Limits::find(self.configuration_path).map_or("", |field| field.noun);
        LimitWarning::new(self.configuration_path, noun, self.observed, self.capacity)
    }
}

impl AgentOs {
    /// Resource usage now.
    pub fn usage(&self) -> Usage {
        let kernel = &self.vm.kernel;
        let usage = kernel.usage();
        let limit = |stock: agentos_kernel::process::Stock| LimitUsage {
            limit: stock.field.name(),
            category: stock.field.group(),
            configuration_path: stock.field.path,
            observed: stock.observed,
            capacity: stock.capacity,
        };
        let of_sessions = self.vm.session_stocks.usage(self.limits());
        Usage {
            processes: usage.processes.used(),
            processes_started: usage.processes_started(),
            open_fds: usage.open_fds.used(),
            filesystem_bytes: self.vm.quota.bytes.used(),
            inodes: self.vm.quota.inodes.used(),
            memory_bytes: usage.memory.used(),
            peak_memory_bytes: usage.peak_memory(),
            cpu_time: Duration::from_nanos(usage.cpu_ns()),
            limits: in_order(kernel.stocks().into_iter().map(limit).chain(of_sessions).collect()),
        }
    }
}

/// Stocks in the order of the table of limits.
fn in_order(mut stocks: Vec<LimitUsage>) -> Vec<LimitUsage> {
    let at = |stock: &LimitUsage| {
        Limits::FIELDS
            .iter()
            .position(|field| field.path == stock.configuration_path)
    };
    stocks.sort_by_key(at);
    stocks
}
