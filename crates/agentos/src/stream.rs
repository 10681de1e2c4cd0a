//! Awaiting the kernel's non-blocking operations.

use agentos_kernel::Result;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::process::{ExitStatus, Process};
use std::future::poll_fn;

/// Reads some bytes; 0 is the end.
pub(crate) async fn read(file: &OpenFile, buf: &mut [u8]) -> Result<usize> {
    poll_fn(|cx| file.read(buf, Some(cx.waker()))).await
}

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
