//! The counters of one VM that descriptors draw from.

use crate::errno::Errno;
use crate::limits::{Counter, Limits};
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Counts open descriptions, pipes and grown pipe bytes of a VM, and knows the caps of one call.
#[derive(Debug)]
pub struct FdLimits {
    descriptions: Counter,
    pipes: Counter,
    grown: Counter,
    max_read: usize,
    max_write: usize,
    next_id: AtomicU64,
}

impl FdLimits {
    /// Empty counters with the caps of `limits`.
    pub fn new(limits: &Limits) -> Arc<Self> {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let descriptions = Counter::new(
            "limits.resources.maxOpenFds",
            "descriptors",
            limits.max_open_fds,
            Errno::ENFILE,
        );
        let grown = Counter::new(
            "limits.process.pendingStdinBytes",
            "bytes",
            limits.pending_stdin_bytes,
            Errno::ENOMEM,
        );
        Arc::new(Self {
            descriptions,
            pipes: Counter::new("limits.resources.maxPipes", "pipes", limits.max_pipes, Errno::EAGAIN),
            grown,
            max_read: size(limits.max_pread_bytes),
            max_write: size(limits.max_fd_write_bytes),
            next_id: AtomicU64::new(1),
        })
    }

    /// Open descriptions, against `maxOpenFds`; `ENFILE` at the cap.
    pub fn descriptions(&self) -> &Counter {
        &self.descriptions
    }

    /// Pipes and open FIFOs, against `maxPipes`; `EAGAIN` at the cap.
    pub fn pipes(&self) -> &Counter {
        &self.pipes
    }

    /// Bytes that pipes hold beyond their capacity because their writer could not wait for itself (see
    /// [`PipeEnd::write_growing`](super::PipeEnd::write_growing)), against `pendingStdinBytes`; `ENOMEM` at the cap.
    pub fn grown(&self) -> &Counter {
        &self.grown
    }

    /// Every stock that is warned about.
    pub(crate) fn stocks(&self) -> [&Counter; 3] {
        [&self.descriptions, &self.pipes, &self.grown]
    }

    /// Most bytes of one read; a longer buffer gets a short count.
    pub fn max_read(&self) -> usize {
        self.max_read
    }

    /// Most bytes of one write; more is a short count.
    pub fn max_write(&self) -> usize {
        self.max_write
    }

    /// A number that no other description or pipe of the VM has had.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}
