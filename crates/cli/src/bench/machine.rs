//! What machine the numbers are from.

use serde_json::{Value, json};

/// CPUs, memory, kernel and version of the product.
pub(crate) fn describe() -> Value {
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": kernel.trim(),
        "cpu": field(&cpuinfo, "model name"),
        "cpus": std::thread::available_parallelism().map(usize::from).unwrap_or(1),
        "memory": field(&meminfo, "MemTotal"),
        "version": env!("CARGO_PKG_VERSION"),
    })
}
