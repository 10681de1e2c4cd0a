//! What an embedder may set.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of one executor. The defaults suit a host that runs VMs next to other work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmConfig {
    /// Where compiled programs are kept between runs; a private folder inside is made. `None` compiles afresh in each process.
    pub cache_dir: Option<PathBuf>,
    /// Bytes that the compiled programs in `cache_dir` may occupy; the oldest go first.
    pub cache_bytes: u64,
    /// Threads that run guests; 0 takes one for each CPU of the host.
    pub workers: usize,
    /// Instances for which address space is reserved up front (about 4 GiB each, untouched). Fewer are taken if the host
    /// refuses; instances beyond are made on demand, a few microseconds dearer. 0 reserves none.
    pub pool_slots: u32,
    /// Most processes of all VMs that may live at once; a spawn beyond is `EAGAIN`.
    pub max_live_processes: u32,
    /// Most programs that may wait for a compiler; an exec beyond is `EAGAIN`.
    pub max_queued_programs: usize,
    /// Bytes of machine code of other programs than the bundled ones that are kept loaded although nobody runs them.
    pub max_idle_code_bytes: u64,
    /// Length of a time slice.
    pub tick: Duration,
    /// Counts instructions, for VMs with an instruction budget (`limits.resources.maxWasmFuel`). Programs are compiled apart
    /// for that, and run at about a third of their speed.
    pub fuel: bool,
}

impl Default for WasmConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            cache_bytes: 1 << 30,
            workers: 0,
            pool_slots: 1000,
            max_live_processes: 8192,
            max_queued_programs: 64,
            max_idle_code_bytes: 256 << 20,
            tick: Duration::from_millis(1),
            fuel: false,
        }
    }
}
