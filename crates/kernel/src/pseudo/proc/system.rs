//! Files about the VM.

use super::ProcFs;
use super::node::Item;
use crate::cred::Credentials;
use crate::fd::PIPE_CAPACITY;
use crate::process::{Kernel, OS_RELEASE, OS_VERSION, PID_MAX};
use std::fmt::Write as _;

/// Nanoseconds of a tick of CPU time.
const TICK_NS: u64 = 10_000_000;
const SECOND_NS: u64 = 1_000_000_000;

impl ProcFs {
    pub(super) fn system_text(&self, kernel: &Kernel, item: Item) -> Vec<u8> {
        let limits = kernel.limits();
        let line = |text: String| (text + "\n").into_bytes();
        match item {
            Item::CmdLine => b"\n".to_vec(),
            Item::CpuInfo => cpu_info(limits.cpu_count).into_bytes(),
            Item::Filesystems => b"nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\toverlay\n".to_vec(),
            Item::LoadAvg => load_average(kernel).into_bytes(),
            Item::MemInfo => memory(kernel).into_bytes(),
            Item::Stat => stat(kernel).into_bytes(),
            Item::Swaps => b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_vec(),
            Item::Uptime => uptime(kernel).into_bytes(),
            Item::Version => line(format!("Linux version {OS_RELEASE} (agentos) {OS_VERSION}")),
            Item::VmStat => b"nr_free_pages 0\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n".to_vec(),
            Item::Devices => b"Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n".to_vec(),
            Item::FileMax => line(limits.max_open_fds.to_string()),
            Item::FileNr => line(format!(
                "{}\t0\t{}",
                kernel.usage().open_fds.used(),
                limits.max_open_fds
            )),
            Item::NrOpen => line(limits.max_open_fds_per_process.to_string()),
            Item::PipeMaxSize => line(PIPE_CAPACITY.to_string()),
            Item::HostName => [kernel.hostname().as_slice(), b"\n"].concat(),
            Item::DomainName => b"(none)\n".to_vec(),
            Item::NGroupsMax => line(Credentials::MAX_GROUPS.to_string()),
            Item::OsRelease => line(OS_RELEASE.to_owned()),
            Item::OsType => b"Linux\n".to_vec(),
            Item::PidMax => line(PID_MAX.to_string()),
            Item::SysVersion => line(OS_VERSION.to_owned()),
            Item::ThreadsMax => line(limits.max_processes.to_string()),
            Item::CapLastCap => b"40\n".to_vec(),
            Item::BootId => line(self.boot_id.get_or_init(|| uuid(kernel)).clone()),
            Item::Entropy | Item::PoolSize => b"256\n".to_vec(),
            Item::Uuid => line(uuid(kernel)),
            Item::Overcommit => b"1\n".to_vec(),
            Item::MaxMapCount => b"65530\n".to_vec(),
            _ => Vec::new(),
        }
    }
}

fn cpu_info(cpus: u64) -> String {
    let mut text = String::new();
    for cpu in 0..cpus {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "processor\t: {cpu}\nvendor_id\t: agentOS\nmodel name\t: agentOS virtual CPU\ncpu MHz\t\t: 1000.000\n\
             physical id\t: 0\nsiblings\t: {cpus}\ncore id\t\t: {cpu}\ncpu cores\t: {cpus}\nbogomips\t: 2000.00\n\n"
        );
    }
    text
}

/// Processes that are not zombies, and those among them that are not stopped.
fn alive(kernel: &Kernel) -> (usize, usize) {
    use crate::process::RunState;
    let states: Vec<RunState> = kernel.processes().iter().map(|process| process.run_state()).collect();
    let count = |wanted: &[RunState]| states.iter().filter(|state| wanted.contains(state)).count();
    (
        count(&[RunState::Running, RunState::Stopped]),
        count(&[RunState::Running]),
    )
}

fn load_average(kernel: &Kernel) -> String {
    let (alive, running) = alive(kernel);
    let last = kernel.processes().last().map_or(1, |process| process.pid().0);
    format!("0.00 0.00 0.00 {}/{} {last}\n", running.min(1), alive + 1)
}

fn memory(kernel: &Kernel) -> String {
    let usage = kernel.usage();
    let total = usage.memory.capacity() / 1024;
    let free = total.saturating_sub(usage.memory.used() / 1024);
    let shared = kernel.quota().bytes.used() / 1024;
    let rows = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", total - free),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", total - free),
        ("Mapped", 0),
        ("Shmem", shared),
        ("Slab", 0),
        ("SReclaimable", 0),
    ];
    rows.iter()
        .map(|(name, kib)| format!("{:<16}{kib:>8} kB\n", format!("{name}:")))
        .collect()
}

/// CPU time used and idle since the VM was created, in ns.
fn cpu_times(kernel: &Kernel) -> (u64, u64) {
    let used = kernel.usage().cpu_ns();
    let all = kernel.uptime().saturating_mul(kernel.limits().cpu_count);
    (used, all.saturating_sub(used))
}

fn stat(kernel: &Kernel) -> String {
    let cpus = kernel.limits().cpu_count;
    let (used, idle) = cpu_times(kernel);
    let row = |name: String, share: u64| {
        format!(
            "{name} {} 0 0 {} 0 0 0 0 0 0\n",
            used / share / TICK_NS,
            idle / share / TICK_NS
        )
    };
    let mut text = row("cpu ".to_owned(), 1);
    for cpu in 0..cpus {
        text += &row(format!("cpu{cpu}"), cpus);
    }
    let (_, running) = alive(kernel);
    let booted = kernel.booted().0.div_euclid(SECOND_NS as i64);
    let started = kernel.usage().processes_started();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "intr 0\nctxt 0\nbtime {booted}\nprocesses {started}\nprocs_running {}\nprocs_blocked 0\nsoftirq 0\n",
        running.max(1)
    );
    text
}

fn uptime(kernel: &Kernel) -> String {
    let seconds = |ns: u64| format!("{}.{:02}", ns / SECOND_NS, ns % SECOND_NS / TICK_NS);
    format!("{} {}\n", seconds(kernel.uptime()), seconds(cpu_times(kernel).1))
}

/// A random identifier in the form of RFC 9562.
fn uuid(kernel: &Kernel) -> String {
    let mut bytes = [0; 16];
    kernel.entropy().fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
