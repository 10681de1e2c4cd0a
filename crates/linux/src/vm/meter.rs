//! What guests use, found out from time to time, as they take memory and time of the host without asking.
//!
//! At each look every guest's CPU time and memory is told to the kernel, which enforces its limits as for every process: `SIGXCPU`
//! and death for time, death of the largest for memory. Looking costs at most a twentieth of the VM's thread: the more there is to
//! look at, the longer the pause.
//!
//! Memory is what the host would get back if the guest ended: its own pages and what it shares with guests only, by share. The
//! exact number is dear, as the host walks all pages for it; so it is asked for only where a number that is never too small says
//! that much of the VM's memory is in use. Pages of the VM's files count as files, those of programs as nobody's; memory files
//! that guests make count for who made them.

use super::guest::State;
use super::{Guest, Vm};
use crate::sys;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Shortest and longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Pause for each unit of time that a look took.
const RATIO: u32 = 20;
/// Shared memory of a guest below which nobody looks whose it is, in bytes.
const LITTLE: u64 = 1 << 20;

/// When guests are looked at.
pub(super) struct Schedule {
    next: Instant,
}

impl Schedule {
    pub(super) fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// When the next look is.
    pub(super) fn due(&self) -> Instant {
        self.next
    }
}

impl Vm {
    /// Looks, if it is time.
    pub(super) fn look(&mut self) {
        let start = Instant::now();
        if start < self.schedule.next {
            return;
        }
        self.measure();
        self.schedule.next = start + (start.elapsed() * RATIO).clamp(PAUSE.0, PAUSE.1);
    }

    fn measure(&mut self) {
        let mut files = self.memories.measure();
        let mut rough = files.values().copied().fold(0, u64::saturating_add);
        let mut found = Vec::with_capacity(self.guests.len());
        for guest in self.guests.values_mut().filter(|guest| guest.is_measured()) {
            guest.charge_cpu();
            if let Some(memory) = guest.rough_memory() {
                rough = rough.saturating_add(memory.most());
                found.push((guest.pid, memory));
            }
        }
        let Some(first) = self.guests.values().next() else {
            return;
        };
        let memory = first.process.kernel().fd_limits().memory();
        // What else the VM holds counts as well.
        let others = memory.used().saturating_sub(self.told);
        let much = rough.saturating_add(others) > memory.capacity() / 4 * 3;
        self.told = 0;
        // Those of guests that have ended are somebody's who has them now.
        let is_whose = |pid: &u32| found.iter().any(|(guest, _)| guest == pid);
        let mut left = files
            .extract_if(|pid, _| !is_whose(pid))
            .map(|(_, bytes)| bytes)
            .fold(0, u64::saturating_add);
        for (pid, memory) in found {
            let Some(guest) = self.guests.get(&pid) else { continue };
            let bytes = match much || memory.shared > LITTLE {
                true => guest.exact_memory(&memory).unwrap_or(memory.own),
                false => memory.own,
            };
            let bytes = bytes
                .saturating_add(files.remove(&pid).unwrap_or(0))
                .saturating_add(std::mem::take(&mut left));
            guest.process.set_memory(bytes);
            self.told = self.told.saturating_add(bytes);
        }
    }
}

/// What the host says of a guest's memory without looking closely.
#[derive(Debug, Default, PartialEq, Eq)]
struct Memory {
    /// Pages that it has written, in memory or not, some of which others may share.
    own: u64,
    /// Pages of files in memory and of memory that is shared.
    shared: u64,
}

impl Memory {
    fn most(&self) -> u64 {
        self.own.saturating_add(self.shared)
    }

    fn read(status: &str) -> Self {
        Self {
            own: kib(status, "RssAnon:").saturating_add(kib(status, "VmSwap:")),
            shared: kib(status, "RssShmem:"),
        }
    }
}

/// The number of bytes behind a name in a text of the host.
fn kib(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let number = |line: &str| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok();
    lines
        .filter_map(number)
        .fold(0, u64::saturating_add)
        .saturating_mul(1024)
}

/// Bytes of memory that is shared without being a file, from the list of a guest's mappings.
fn shared_without_name(maps: &str) -> u64 {
    let mut counts = false;
    let mut bytes = 0u64;
    for line in maps.lines() {
        match line.split_once(' ') {
            // A line with a range of addresses begins a mapping.
            Some((range, _)) if !range.ends_with(':') => counts = line.ends_with("/dev/zero (deleted)"),
            _ if counts => bytes = bytes.saturating_add(kib(line, "Pss:")),
            _ => {}
        }
    }
    bytes
}

impl Guest {
    /// Whether what its process of the host uses is the process's own: a stand-in's is not.
    fn is_measured(&self) -> bool {
        !matches!(self.state, State::Foreign(_))
    }

    /// Tells the kernel what CPU time it has used since the last time.
    pub(super) fn charge_cpu(&mut self) {
        let Some(now) = sys::cpu_time(self.pid) else { return };
        // Else the number may be another's by now.
        if !sys::is_there(self.pid_fd.as_fd()) {
            return;
        }
        let used = now.saturating_sub(self.cpu_ns);
        self.cpu_ns = self.cpu_ns.max(now);
        self.process.charge(used);
    }

    fn text(&self, name: &std::ffi::CStr) -> Option<String> {
        sys::read_text(self.proc_dir.as_fd(), name).ok()
    }

    fn rough_memory(&self) -> Option<Memory> {
        // One that begins in another's memory has none of its own.
        match self.lender {
            Some(_) => Some(Memory::default()),
            None => Some(Memory::read(&self.text(c"status")?)),
        }
    }

    fn exact_memory(&self, rough: &Memory) -> Option<u64> {
        if self.lender.is_some() {
            return Some(0);
        }
        let totals = self.text(c"smaps_rollup")?;
        let own = kib(&totals, "Pss_Anon:").saturating_add(kib(&totals, "SwapPss:"));
        let shared = match rough.shared > LITTLE {
            true => shared_without_name(&self.text(c"smaps")?),
            false => 0,
        };
        Some(own.saturating_add(shared))
    }

    /// Threads that it has.
    pub(crate) fn threads(&self) -> u64 {
        let status = self.text(c"status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        line.and_then(|line| line.trim().parse().ok()).unwrap_or(1)
    }
}

impl Vm {
    /// Whether a guest may have one more thread: all together have at most [`THREADS_MAX`] times as many as there may be processes.
    pub(crate) fn may_add_thread(&mut self, processes: u64) -> bool {
        let most = processes.saturating_mul(THREADS_MAX);
        if self.thread_count >= most {
            // Ends of threads are not told: they are counted anew once it matters.
            self.thread_count = self.guests.values().map(Guest::threads).fold(0, u64::saturating_add);
        }
        let may = self.thread_count < most;
        self.thread_count += u64::from(may);
        may
    }
}

/// Threads of all Linux programs of a VM for each process that it may have (`maxProcesses`); then `EAGAIN`.
const THREADS_MAX: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_what_the_host_writes() {
        let status =
            "Name:\tx\nRssAnon:\t     100 kB\nRssFile:\t    5000 kB\nRssShmem:\t      20 kB\nVmSwap:\t       3 kB\n";
        let memory = Memory::read(status);
        assert_eq!((memory.own, memory.shared), (103 * 1024, 20 * 1024));
        assert_eq!(Memory::read("nonsense\nRssAnon: x kB"), Memory::default());
        let maps = "7f00-7f10 rw-s 00000000 00:01 5    /dev/zero (deleted)\nSize:  64 kB\nPss:  32 kB\n\
                    7f20-7f30 rw-s 00000000 00:01 6    /memfd:file (deleted)\nPss:  500 kB\n\
                    7f40-7f50 rw-s 00000000 00:01 7    /dev/zero (deleted)\nPss:  8 kB\nPss_Anon:  7 kB\n";
        assert_eq!(shared_without_name(maps), 40 * 1024);
    }
}
