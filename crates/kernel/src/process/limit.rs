//! Resource limits of a process (`getrlimit(2)`). They can only be stricter than the VM's limits.

use super::process::Process;
use crate::errno::Errno;
use crate::error::Result;
use crate::limits::Limits;
use core::sync::atomic::Ordering;

/// No limit.
pub const INFINITY: u64 = u64::MAX;

/// What can be limited, with Linux's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Resource {
    /// CPU time in seconds: `SIGXCPU` at the soft limit, death at the hard one.
    Cpu = 0,
    /// Largest file that can be written, in bytes: `SIGXFSZ` and `EFBIG`.
    FileSize = 1,
    /// Data segment; kept only.
    Data = 2,
    /// Stack; kept only.
    Stack = 3,
    /// Core file; kept only, nothing ever writes one.
    Core = 4,
    /// Resident memory; kept only.
    Resident = 5,
    /// Processes of the user.
    Processes = 6,
    /// Descriptors.
    Files = 7,
    /// Locked memory; kept only.
    Locked = 8,
    /// Address space; kept only: a guest's memory is bounded by the VM's limits.
    AddressSpace = 9,
    /// Locks; kept only.
    Locks = 10,
    /// Queued signals; kept only.
    Signals = 11,
    /// Message queues; kept only.
    Messages = 12,
    /// Nice value; kept only.
    Nice = 13,
    /// Real-time priority; kept only.
    Priority = 14,
    /// Real-time CPU time; kept only.
    RealTime = 15,
}

/// Number of resources.
const RESOURCES: usize = 16;

/// Every resource, by number, with its name in `/proc/<pid>/limits` and its unit.
pub(crate) const NAMES: [(Resource, &str, &str); RESOURCES] = [
    (Resource::Cpu, "Max cpu time", "seconds"),
    (Resource::FileSize, "Max file size", "bytes"),
    (Resource::Data, "Max data size", "bytes"),
    (Resource::Stack, "Max stack size", "bytes"),
    (Resource::Core, "Max core file size", "bytes"),
    (Resource::Resident, "Max resident set", "bytes"),
    (Resource::Processes, "Max processes", "processes"),
    (Resource::Files, "Max open files", "files"),
    (Resource::Locked, "Max locked memory", "bytes"),
    (Resource::AddressSpace, "Max address space", "bytes"),
    (Resource::Locks, "Max file locks", "locks"),
    (Resource::Signals, "Max pending signals", "signals"),
    (Resource::Messages, "Max msgqueue size", "bytes"),
    (Resource::Nice, "Max nice priority", ""),
    (Resource::Priority, "Max realtime priority", ""),
    (Resource::RealTime, "Max realtime timeout", "us"),
];

impl Resource {
    /// The resource with this number.
    pub fn new(number: u32) -> Option<Self> {
        NAMES.get(usize::try_from(number).ok()?).map(|(resource, ..)| *resource)
    }
}

/// Soft and hard limit; [`INFINITY`] is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimit {
    /// What is enforced.
    pub soft: u64,
    /// What `soft` may be raised to.
    pub hard: u64,
}

/// The limits of one process: those that it begins with, and what was changed.
#[derive(Debug, Clone)]
pub(super) struct ResourceLimits {
    files: u64,
    processes: u64,
    stack: u64,
    /// Rarely there: nearly all processes keep the initial limits.
    changed: Option<Box<[Option<ResourceLimit>; RESOURCES]>>,
}

impl ResourceLimits {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            files: limits.max_open_fds_per_process,
            processes: limits.max_processes,
            stack: limits.max_wasm_stack_bytes,
            changed: None,
        }
    }

    pub(super) fn get(&self, resource: Resource) -> ResourceLimit {
        if let Some(limit) = self.changed.as_ref().and_then(|changed| changed[resource as usize]) {
            return limit;
        }
        let value = match resource {
            Resource::Files => self.files,
            Resource::Processes => self.processes,
            Resource::Stack => {
                return ResourceLimit {
                    soft: self.stack,
                    hard: INFINITY,
                };
            }
            Resource::Core => {
                return ResourceLimit {
                    soft: 0,
                    hard: INFINITY,
                };
            }
            Resource::Nice | Resource::Priority => 0,
            _ => INFINITY,
        };
        ResourceLimit {
            soft: value,
            hard: value,
        }
    }

    fn set(&mut self, resource: Resource, limit: ResourceLimit) {
        self.changed.get_or_insert_default()[resource as usize] = Some(limit);
    }

    /// Whether a limit differs from what processes begin with.
    pub(super) fn is_changed(&self, resource: Resource) -> bool {
        self.changed
            .as_ref()
            .is_some_and(|changed| changed[resource as usize].is_some())
    }

    /// CPU time limits in ns.
    pub(super) fn cpu_ns(&self) -> (u64, u64) {
        let limit = self.get(Resource::Cpu);
        let ns = |seconds: u64| {
            if seconds == INFINITY {
                u64::MAX
            } else {
                seconds.saturating_mul(1_000_000_000)
            }
        };
        (ns(limit.soft), ns(limit.hard))
    }
}

impl Process {
    /// A limit of the process.
    pub fn resource_limit(&self, resource: Resource) -> ResourceLimit {
        self.limits.lock().get(resource)
    }

    /// Sets a limit of the process.
    ///
    /// # Errors
    /// `EINVAL` for a soft limit above the hard one, `EPERM` to raise a hard limit without being the superuser, or to raise the
    /// number of descriptors above what the VM allows.
    pub fn set_resource_limit(&self, resource: Resource, limit: ResourceLimit) -> Result<()> {
        if limit.soft > limit.hard {
            return Err(Errno::EINVAL.into());
        }
        let root = self.cred().is_root();
        let mut limits = self.limits.lock();
        if limit.hard > limits.get(resource).hard && !root {
            return Err(Errno::EPERM.into());
        }
        if resource == Resource::Files && limit.hard > self.kernel().limits.max_open_fds_per_process {
            return Err(Errno::EPERM.into());
        }
        limits.set(resource, limit);
        drop(limits);
        match resource {
            Resource::Files => self.fds.lock().set_cap(u32::try_from(limit.soft).unwrap_or(u32::MAX)),
            Resource::Cpu => self.meter.next_cpu_warning.store(0, Ordering::Release),
            Resource::FileSize => self.meter.file_size.store(limit.soft, Ordering::Release),
            _ => {}
        }
        Ok(())
    }
}
