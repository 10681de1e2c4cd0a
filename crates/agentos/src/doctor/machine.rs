//! What the host gives this process.

use super::{Check, CheckState, Section};
use agentos_kernel::descriptors;

/// Descriptors below which a server with some VMs runs out of them.
const FEW_FILES: u64 = 4096;
/// Processes below which Linux programs of some VMs run out of them.
const FEW_PROCESSES: u64 = 1024;
/// Memory below which a VM with the default limits does not fit.
const LITTLE_MEMORY: u64 = 1 << 30;
/// Address space that a pool of instances reserves.
const RESERVED: u64 = 8 << 40;

pub(super) fn section() -> Section {
    let mut checks = vec![system(), cpus()];
    checks.extend(memory());
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let purpose = "files, pipes and sockets of all VMs; Linux programs take some for each process";
    let files = limit(&limits, "Max open files", "descriptors", purpose, FEW_FILES);
    checks.extend(files.map(|check| raised(check, descriptors::inherited())));
    let purpose = "processes and threads of this user, Linux programs of all VMs among them";
    checks.extend(limit(&limits, "Max processes", "processes", purpose, FEW_PROCESSES));
    let purpose = "reserving memory of WebAssembly programs, which is not used until they touch it";
    checks.extend(limit(&limits, "Max address space", "address space", purpose, RESERVED));
    Section::new("This machine", checks)
}

fn system() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let detail = format!("{} {} {}", std::env::consts::OS, release.trim(), std::env::consts::ARCH);
    Check::works(
        "system",
        "Linux programs need Linux 6.3 or later on x86-64",
        detail.replace("  ", " "),
    )
}

fn cpus() -> Check {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    Check::works("processors", "that VMs share", count.to_string())
}

/// What is free on the machine, and what the process's group may use.
fn memory() -> Vec<Check> {
    let mut checks = Vec::new();
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    if let Some(kib) = free.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()) {
        let purpose = "all VMs together; one VM takes up to maxMemoryBytes";
        let check = Check::works("memory", purpose, format!("{} MiB available", kib >> 10));
        checks.push(if kib << 10 < LITTLE_MEMORY {
            check
                .state(CheckState::Limited)
                .advice("lower limits.resources.maxMemoryBytes")
        } else {
            check
        });
    }
    let group = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let capped = group
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    // The older interface says "none" by a number that no machine has.
    if let Some(bytes) = capped.filter(|bytes| *bytes < 1 << 60) {
        let detail = format!("{} MiB", bytes >> 20);
        checks.push(Check::works(
            "memory of the container",
            "beyond it the host kills this process",
            detail,
        ));
    }
    checks
}

/// The same limit in a process that has raised it.
fn raised(mut check: Check, before: Option<u64>) -> Check {
    if let (Some(before), Some(now)) = (before, check.detail.split_ascii_whitespace().next()) {
        check.detail = format!("{now} ({before} until this process raised it)");
    }
    check
}

/// A row of `/proc/self/limits`.
fn limit(text: &str, row: &str, name: &str, purpose: &str, enough: u64) -> Option<Check> {
    let line = text.lines().find_map(|line| line.strip_prefix(row))?;
    let mut words = line.split_ascii_whitespace();
    let (soft, hard) = (words.next()?, words.next()?);
    let low = |value: &str| value.parse::<u64>().is_ok_and(|value| value < enough);
    let check = Check::works(name, purpose, format!("{soft} (may be raised to {hard})"));
    Some(match (low(soft), low(hard)) {
        (false, _) => check,
        (true, false) => check
            .state(CheckState::Limited)
            .advice("raise the soft limit (ulimit) before starting the process, or in it, as the command agentos does"),
        (true, true) => check
            .state(CheckState::Limited)
            .advice("the hard limit is low: let the service manager raise it (LimitNOFILE, ulimit -H -n)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_judged() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             100                  200                  processes \n\
                    Max open files            1024                 524288               files     \n\
                    Max address space         unlimited            unlimited            bytes     \n";
        let state =
            |row: &str, enough| limit(text, row, "name", "purpose", enough).map(|check| (check.state, check.advice));
        let soft = state("Max open files", 4096).unwrap();
        assert!(soft.0 == CheckState::Limited && soft.1.unwrap().contains("soft limit"));
        let hard = state("Max processes", 1024).unwrap();
        assert!(hard.0 == CheckState::Limited && hard.1.unwrap().contains("hard limit"));
        assert_eq!(state("Max address space", RESERVED), Some((CheckState::Works, None)));
        assert_eq!(state("Max open files", 1024), Some((CheckState::Works, None)));
        assert_eq!(state("Max nonsense", 1), None);
        let row =
            |before| limit(text, "Max open files", "name", "purpose", 1).map(|check| raised(check, before).detail);
        assert_eq!(row(None).unwrap(), "1024 (may be raised to 524288)");
        assert_eq!(row(Some(256)).unwrap(), "1024 (256 until this process raised it)");
    }

    #[test]
    fn a_machine_has_a_system_and_processors() {
        let section = section();
        assert!(section.works() && section.checks.len() >= 2, "{section:?}");
    }
}
