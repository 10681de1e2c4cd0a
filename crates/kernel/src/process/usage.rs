//! What a VM uses: counters of processes, memory and CPU time.

use crate::errno::Errno;
use crate::fd::FdLimits;
use crate::limits::{Counter, Field, Limits};
use crate::tty::PtyTable;
use core::sync::atomic::{AtomicU64, Ordering};

/// Counters of the process layer.
#[derive(Debug)]
pub(super) struct Meters {
    pub(super) processes: Counter,
    pub(super) tool_calls: Counter,
    peak_memory: AtomicU64,
    started: AtomicU64,
    cpu_ns: AtomicU64,
}

impl Meters {
    pub(super) fn new(limits: &Limits) -> Self {
        let counter = |path, unit, cap, errno| Counter::new(path, unit, cap, errno);
        let (processes, calls) = ("limits.resources.maxProcesses", "limits.tools.maxConcurrentCalls");
        Self {
            processes: counter(processes, "processes", limits.max_processes, Errno::EAGAIN),
            tool_calls: counter(calls, "calls", limits.max_concurrent_tool_calls, Errno::EAGAIN),
            peak_memory: AtomicU64::new(0),
            started: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
        }
    }

    pub(super) fn count_start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_cpu(&self, ns: u64) {
        self.cpu_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(super) fn note_peak(&self, memory: u64) {
        self.peak_memory.fetch_max(memory, Ordering::Relaxed);
    }
}

/// How full a stock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stock {
    /// Its limit.
    pub field: &'static Field,
    /// Usage now.
    pub observed: u64,
    /// The cap in force.
    pub capacity: u64,
}

/// What a VM uses now and has used.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Usage<'a> {
    /// Processes, running or not yet reaped.
    pub processes: &'a Counter,
    /// Memory of all processes, and of what waits in pipes, terminals and sockets.
    pub memory: &'a Counter,
    /// Open descriptions.
    pub open_fds: &'a Counter,
    /// Pipes.
    pub pipes: &'a Counter,
    meters: &'a Meters,
    ptys: Option<&'a PtyTable>,
}

impl<'a> Usage<'a> {
    pub(super) fn new(meters: &'a Meters, fds: &'a FdLimits, ptys: Option<&'a PtyTable>) -> Self {
        Self {
            processes: &meters.processes,
            memory: fds.memory(),
            open_fds: fds.descriptions(),
            pipes: fds.pipes(),
            meters,
            ptys,
        }
    }

    /// Processes started since the VM was created.
    pub fn processes_started(&self) -> u64 {
        self.meters.started.load(Ordering::Relaxed)
    }

    /// The most memory that all processes together have held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.meters.peak_memory.load(Ordering::Relaxed)
    }

    /// CPU time of all processes, in ns.
    pub fn cpu_ns(&self) -> u64 {
        self.meters.cpu_ns.load(Ordering::Relaxed)
    }

    /// Pseudo-terminals in use.
    pub fn ptys(&self) -> u64 {
        self.ptys.map_or(0, |ptys| ptys.usage().used())
    }
}
