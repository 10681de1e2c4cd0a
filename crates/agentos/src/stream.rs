//! Awaiting the kernel's non-blocking operations.

use agentos_kernel::Result;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::process::{ExitStatus, Process};
use std::future::poll_fn;

/// Writes everything.
pub(crate) async fn write_all(file: &OpenFile, mut data: &[u8]) -> Result<()> {
    while !data.is_empty() {
        let written = poll_fn(|cx| file.write(data, Some(cx.waker()))).await?;
        data = data.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Waits until a process has ended.
pub(crate) async fn exit(process: &Process) -> ExitStatus {
    poll_fn(|cx| process.poll_exit(cx.waker())).await
}
