//! Threads, and waiting on behalf of Python.

use crate::failure::Failure;
use crate::reply::Reply;
use pyo3::prelude::*;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Worker threads at most. Guests run on threads of their own, so a few are enough.
const WORKERS_MAX: usize = 4;
/// How often a thread that waits looks for signals such as Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// A call that has begun.
pub(crate) type Call = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// The threads of this process, started when they are first needed.
///
/// # Errors
/// The host gives no threads, or this process was forked off the one that has them.
pub(crate) fn runtime() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<(u32, Option<Runtime>)> = OnceLock::new();
    let process = std::process::id();
    let (owner, runtime) = RUNTIME.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.clamp(1, WORKERS_MAX);
        let mut builder = Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(workers)
            .thread_name("agentos-python")
            .enable_all()
            .build();
        (process, runtime.ok())
    });
    if *owner != process {
        let advice = "agentOS does not survive fork(): start processes with multiprocessing's method \"spawn\"";
        return Err(Failure::new("forked", advice));
    }
    runtime
        .as_ref()
        .ok_or_else(|| Failure::new("vm_boot_failed", "agentOS could not start its threads"))
}

/// Waits for a call while other threads of Python run. A signal whose handler raises, such as that of Ctrl-C, cancels it.
pub(crate) fn wait(py: Python<'_>, call: Call) -> PyResult<Result<Reply, Failure>> {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut call = pin!(call);
    loop {
        let turn = py.detach(|| runtime.block_on(async { tokio::time::timeout(SIGNAL_INTERVAL, call.as_mut()).await }));
        match turn {
            Ok(outcome) => return Ok(outcome),
            Err(_) => py.check_signals()?,
        }
    }
}
