//! The group of one VM's thread.

use super::share::{self, write};
use crate::sys;
use agentos_kernel::limits::Limits;
use agentos_kernel::{Errno, LimitExceeded};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory that the host needs for a VM's guests besides what the VM counts: page tables, open files, pipes, sockets.
const SLACK: u64 = 64 << 20;
/// The same for each thread that there may be: its stack in the host, and what is known of it.
const THREAD: u64 = 32 << 10;
/// Threads for each process that a VM may have (`vm/meter.rs`), and those of what is parked.
const THREADS: u64 = 16;
const PARKED_THREADS: u64 = 64;
/// Length of the turns in which processor time is shared out, in µs.
const TURN: u64 = 100_000;

/// What a group may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caps {
    /// Bytes.
    memory: u64,
    threads: u64,
    /// Processors; none for as many as there are.
    cpus: Option<u64>,
}

impl Caps {
    /// What guests of a VM with these limits may have on a host with so many processors. Never less than what the VM lets them have:
    /// their files are in the host's memory, too.
    pub(super) fn of(limits: &Limits, processors: u64) -> Self {
        let threads = limits
            .max_processes
            .saturating_mul(THREADS)
            .saturating_add(PARKED_THREADS);
        let memory = limits
            .max_memory_bytes
            .saturating_add(limits.max_filesystem_bytes)
            .saturating_add(SLACK)
            .saturating_add(threads.saturating_mul(THREAD));
        Self {
            memory,
            threads,
            cpus: Some(limits.cpu_count.max(1)).filter(|count| *count < processors),
        }
    }
}

/// The group of one VM's thread. Its end is that of all who are in it.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    dir: Arc<OwnedFd>,
    caps: Caps,
    divides_cpu: bool,
    /// Processes that were killed for want of memory, and told of.
    told: u64,
}

impl Group {
    pub(super) fn new(path: &Path, limits: &Limits, divides_cpu: bool) -> io::Result<Self> {
        std::fs::create_dir(path)?;
        let made = File::open(path).and_then(|dir| {
            let caps = Caps::of(limits, sys::processors());
            set(path, &caps, divides_cpu)?;
            Ok(Self {
                path: path.to_owned(),
                dir: Arc::new(dir.into()),
                caps,
                divides_cpu,
                told: 0,
            })
        });
        made.inspect_err(|_| share::remove(path))
    }

    /// From now on it has these limits.
    pub(crate) fn limit(&mut self, limits: &Limits) -> io::Result<()> {
        let caps = Caps::of(limits, sys::processors());
        if caps != self.caps {
            set(&self.path, &caps, self.divides_cpu)?;
            self.caps = caps;
        }
        Ok(())
    }

    /// Its directory, for who makes a process in it.
    pub(crate) fn dir(&self) -> &Arc<OwnedFd> {
        &self.dir
    }

    /// Puts a process into it that could not be made there.
    pub(crate) fn place(&self, pid: u32) -> io::Result<()> {
        write(&self.path.join("cgroup.procs"), &pid.to_string())
    }

    /// The limit for which the host has killed a process of the group, if it has killed one that was not told of.
    pub(crate) fn killed(&mut self) -> Option<LimitExceeded> {
        let events = self.text("memory.events")?;
        let killed = value(&events, "oom_kill")?;
        if killed <= self.told {
            return None;
        }
        self.told += 1;
        let peak = self.text("memory.peak").and_then(|peak| peak.trim().parse().ok());
        let capacity = self.caps.memory;
        let observed = capacity.max(peak.unwrap_or(0));
        let (path, errno) = ("limits.resources.maxMemoryBytes", Errno::ENOMEM);
        Some(LimitExceeded::new(path, "bytes", observed, capacity, "cgroup", errno))
    }

    fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path.join(name)).ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        share::remove(&self.path);
    }
}

/// Gives a group its limits.
fn set(path: &Path, caps: &Caps, divides_cpu: bool) -> io::Result<()> {
    let put = |name: &str, value: String| {
        write(&path.join(name), &value).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
    };
    put("memory.max", caps.memory.to_string())?;
    // The limit is one of memory, wherever it is kept. A host without swap may have no such file.
    match put("memory.swap.max", "0".into()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    put("pids.max", caps.threads.to_string())?;
    if !divides_cpu {
        return Ok(());
    }
    let turn = match caps.cpus {
        Some(cpus) => format!("{} {TURN}", cpus.saturating_mul(TURN)),
        None => format!("max {TURN}"),
    };
    put("cpu.max", turn)
}

/// The number behind a name in a table of the host.
fn value(table: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(other, _)| *other == name)
        .and_then(|(_, number)| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(place: &Path, limits: &Limits) -> Group {
        let path = place.join("vm-1");
        std::fs::create_dir(&path).unwrap();
        for file in ["memory.max", "memory.swap.max", "pids.max", "cpu.max", "cgroup.procs"] {
            std::fs::write(path.join(file), "").unwrap();
        }
        let caps = Caps::of(limits, 8);
        set(&path, &caps, true).unwrap();
        Group {
            dir: Arc::new(File::open(&path).unwrap().into()),
            path,
            caps,
            divides_cpu: true,
            told: 0,
        }
    }

    #[test]
    fn a_group_has_what_the_vm_may_have_and_what_the_host_needs_for_that() {
        let mut limits = Limits::default();
        limits.max_memory_bytes = 100 << 20;
        limits.max_filesystem_bytes = 50 << 20;
        limits.max_processes = 4;
        limits.cpu_count = 2;
        let caps = Caps::of(&limits, 8);
        // 4 processes with 16 threads each, and 64 that are parked.
        assert_eq!(caps.threads, 128);
        assert_eq!(caps.memory, (150 + 64 + 4) << 20);
        assert_eq!(caps.cpus, Some(2));
        assert_eq!(Caps::of(&limits, 2).cpus, None);
        let place = tempfile::tempdir().unwrap();
        let group = group(place.path(), &limits);
        let text = |name: &str| group.text(name).unwrap();
        assert_eq!(
            ["memory.max", "memory.swap.max", "pids.max", "cpu.max"].map(text),
            ["228589568", "0", "128", "200000 100000"]
        );
        group.place(77).unwrap();
        assert_eq!(text("cgroup.procs"), "77");
    }

    #[test]
    fn a_process_that_the_host_has_killed_is_told_of_once() {
        let place = tempfile::tempdir().unwrap();
        let mut group = group(place.path(), &Limits::default());
        let says = |text: &str| std::fs::write(place.path().join("vm-1/memory.events"), text).unwrap();
        assert_eq!(group.killed(), None);
        says("low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\noom_group_kill 0\n");
        assert_eq!(group.killed(), None);
        says("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 0\n");
        let limit = group.killed().unwrap();
        assert_eq!(limit.configuration_path, "limits.resources.maxMemoryBytes");
        assert_eq!((limit.observed, limit.capacity), (group.caps.memory, group.caps.memory));
        assert!(group.killed().is_some() && group.killed().is_none());
    }
}
