//! The one runtime of the process that waits for the host's network.
//!
//! It exists from the first use on and serves every VM. Its few threads watch sockets, keep deadlines and run what stands
//! between a guest and its peer (TLS, proxies, hooks); the bytes of a plain connection do not pass through them.

use agentos_kernel::{Errno, Error, Result};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// Most threads; a quarter of the CPUs, and at least one, if that is less.
const MOST_THREADS: usize = 4;

/// The runtime, made if this is the first use.
///
/// # Errors
/// `EAGAIN` if the host has no thread for it; a later call tries again.
pub(crate) fn handle() -> Result<Handle> {
    let mut runtime = RUNTIME.lock();
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let made = build().map_err(|_| Error::from(Errno::EAGAIN))?;
    let handle = made.handle().clone();
    *runtime = Some(made);
    Ok(handle)
}

fn build() -> std::io::Result<Runtime> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads((cpus / 4).clamp(1, MOST_THREADS))
        .thread_name("agentos-net")
        .enable_all()
        .build()
}
