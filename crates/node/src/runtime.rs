//! The threads of the addon: one tokio runtime for all environments of the process, started when it is first needed.

use agentos_value::ActorError;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};

/// Worker threads at most. Guests run on threads of their own, so a few are enough.
const WORKERS_MAX: usize = 4;

/// Calls of applications that wait for filesystems which block, at a time; others wait for their turn. A chain of VMs that read each
/// other's files takes one for each.
const BLOCKING_MAX: usize = 4096;

/// The runtime's handle.
///
/// # Errors
/// The host gives no threads.
pub(crate) fn handle() -> Result<&'static Handle, ActorError> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Builder::new_multi_thread()
            .worker_threads(cores.clamp(1, WORKERS_MAX))
            .max_blocking_threads(BLOCKING_MAX)
            .thread_name("agentos-node")
            .enable_all()
            .build()
            .ok()
    });
    match runtime {
        Some(runtime) => Ok(runtime.handle()),
        None => Err(ActorError::agentos(
            "vm_boot_failed",
            "agentOS could not start its threads",
        )),
    }
}
