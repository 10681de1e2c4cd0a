//! What a process uses of CPU and memory, and what happens when it is too much.
//!
//! Memory is taken from one counter for the whole VM, which also holds what waits in pipes, terminals and sockets. Where a
//! call can fail it fails with `ENOMEM`. Where none can (a program that was started already needs its first memory, a socket
//! has buffered what it could not refuse) the largest process is killed, one at a time: the next one only if memory is still
//! short when the first is gone.

use super::kernel::Kernel;
use super::process::Process;
use super::signal::{SigInfo, Signal};
use super::status::ExitStatus;
use super::wake::Wakes;
use crate::errno::Errno;
use crate::error::LimitExceeded;
use core::sync::atomic::Ordering;
use std::sync::Arc;

/// Time that a process has after `SIGXCPU` before it is killed, in ns of CPU time.
const CPU_GRACE: u64 = 1_000_000_000;

impl Process {
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
        if self.kernel().is_over_memory() {
            self.kernel().relieve(0);
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
        let cap = self.cpu_cap().map_or(u64::MAX, |(ms, _)| ms.saturating_mul(1_000_000));
        (own_soft.min(cap), own_hard.min(cap.saturating_add(CPU_GRACE)))
    }

    /// The VM's cap on the CPU time of a process in ms, and the field that it comes from: the smaller of two.
    fn cpu_cap(&self) -> Option<(u64, &'static str)> {
        let limits = &self.kernel().limits;
        let caps = [
            (limits.max_cpu_time_ms, "limits.process.maxCpuTimeMs"),
            (limits.wasm_runner_cpu_time_limit_ms, "limits.wasm.runnerCpuTimeLimitMs"),
        ];
        caps.into_iter().filter(|(ms, _)| *ms > 0).min_by_key(|(ms, _)| *ms)
    }

    fn note_cpu_breach(&self, used: u64) {
        let observed = used / 1_000_000;
        if let Some((capacity, path)) = self.cpu_cap()
            && observed >= capacity
        {
            self.note_breach(LimitExceeded::new(path, "ms", observed, capacity, "run", Errno::EINTR));
        }
    }

    /// Takes `bytes` of the VM's memory for the process; false if the VM has not that much left, and then nothing was taken.
    /// All of it is given back when the process ends.
    pub fn grow_memory(&self, bytes: u64) -> bool {
        let memory = self.kernel().fd_limits().memory();
        if let Err(full) = memory.take(bytes, "grow") {
            if let Some(limit) = full.limit() {
                self.kernel().audit().limit_exceeded(limit, Some(self.pid()));
            }
            return false;
        }
        let held = self
            .meter
            .memory
            .fetch_add(bytes, Ordering::AcqRel)
            .saturating_add(bytes);
        self.meter.peak_memory.fetch_max(held, Ordering::AcqRel);
        self.kernel().meters.note_peak(memory.used());
        true
    }

    /// Gives memory back before the end.
    pub fn shrink_memory(&self, bytes: u64) {
        let held = &self.meter.memory;
        let before = held.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
            Some(held.saturating_sub(bytes))
        });
        let given = before.unwrap_or(0).min(bytes);
        self.kernel().fd_limits().memory().give(given);
    }

    /// Says what the process was found to hold, for an executor whose guests take memory without asking. If that is too much the
    /// largest process is killed.
    pub fn set_memory(&self, bytes: u64) {
        let memory = self.kernel().fd_limits().memory();
        let held = self.meter.memory.swap(bytes, Ordering::AcqRel);
        memory.add(bytes.saturating_sub(held));
        memory.give(held.saturating_sub(bytes));
        self.meter.peak_memory.fetch_max(bytes, Ordering::AcqRel);
        self.kernel().meters.note_peak(memory.used());
        if self.kernel().is_over_memory() {
            self.kernel().relieve(0);
        }
    }

    /// Instructions that it may still execute (`maxWasmFuel`), for an executor that counts them. A program that replaces another
    /// has what that one left.
    pub fn fuel(&self) -> u64 {
        self.meter.fuel.load(Ordering::Acquire)
    }

    /// Says how many instructions are left.
    pub fn set_fuel(&self, left: u64) {
        self.meter.fuel.store(left, Ordering::Release);
    }

    /// Memory that it holds now, in bytes.
    pub fn memory(&self) -> u64 {
        self.meter.memory.load(Ordering::Acquire)
    }
}

impl Kernel {
    /// Fails if the VM has not `bytes` of memory left. Nothing is taken: this is for calls that can still refuse to begin
    /// something that will need so much.
    ///
    /// # Errors
    /// `ENOMEM` with the limit.
    pub fn check_memory(&self, bytes: u64, operation: &'static str) -> crate::Result<()> {
        let memory = self.fd_limits().memory();
        let total = memory.used().saturating_add(bytes);
        match total > memory.capacity() {
            true => Err(memory.exceeded(total, operation).into()),
            false => Ok(()),
        }
    }

    /// Whether more memory is in use than there may be.
    fn is_over_memory(&self) -> bool {
        let memory = self.fd_limits().memory();
        memory.used() > memory.capacity()
    }

    /// Kills the largest process, because the VM has too little memory for `bytes` more that cannot be refused. Returns the one
    /// whose end makes room: it may have been ending already. None if no process holds any.
    pub fn relieve(&self, bytes: u64) -> Option<Arc<Process>> {
        let memory = self.fd_limits().memory();
        let mut wakes = Wakes::default();
        let (victim, is_new) = {
            let mut table = self.table.lock();
            let holders = || {
                table
                    .entries()
                    .map(|(_, entry)| entry)
                    .filter(|entry| entry.process.memory() > 0)
            };
            let ending = holders().find(|entry| entry.doom.is_some() && !entry.is_zombie());
            let found = match ending {
                Some(entry) => Some((Arc::clone(&entry.process), false)),
                None => {
                    let largest = holders().max_by_key(|entry| entry.process.memory());
                    largest.map(|entry| (Arc::clone(&entry.process), true))
                }
            };
            let (victim, is_new) = found?;
            if is_new {
                table.condemn(victim.pid(), ExitStatus::Signaled(Signal::KILL), &mut wakes);
            }
            (victim, is_new)
        };
        if is_new {
            victim.note_breach(memory.exceeded(memory.used().saturating_add(bytes), "run"));
        }
        wakes.fire();
        Some(victim)
    }
}
