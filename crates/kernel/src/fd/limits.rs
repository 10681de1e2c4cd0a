//! The counters of one VM that descriptors draw from.

use super::hosted::{self, Hosted, PipeUse};
use crate::errno::Errno;
use crate::limits::{Counter, Limits};
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Counts open descriptions, pipes and what is in them, and knows the caps of one call.
#[derive(Debug)]
pub struct FdLimits {
    descriptions: Counter,
    pipes: Counter,
    input: Hosted,
    output: Hosted,
    memory: Arc<Counter>,
    max_read: usize,
    max_write: usize,
    next_id: AtomicU64,
}

impl FdLimits {
    /// Empty counters with the caps of `limits`.
    pub fn new(limits: &Limits) -> Arc<Self> {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let counter = |path, noun, cap, errno| Counter::new(path, noun, cap, errno);
        let descriptions = "limits.resources.maxOpenFds";
        let memory = "limits.resources.maxMemoryBytes";
        let (bytes, streams) = hosted::events(limits.pending_event_bytes, limits.pending_event_count);
        Arc::new(Self {
            descriptions: counter(descriptions, "descriptors", limits.max_open_fds, Errno::ENFILE),
            pipes: counter("limits.resources.maxPipes", "pipes", limits.max_pipes, Errno::EAGAIN),
            input: Hosted::new(hosted::stdin_bytes(limits.pending_stdin_bytes), None),
            output: Hosted::new(bytes, Some(streams)),
            memory: Arc::new(counter(memory, "bytes", limits.max_memory_bytes, Errno::ENOMEM)),
            // All guests are WebAssembly programs.
            max_read: size(limits.max_pread_bytes.min(limits.wasm_sync_read_limit_bytes)),
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

    /// Input from the host that guests have not read, and bytes that pipes hold beyond their capacity because their writer
    /// could not wait for itself (see [`PipeEnd::write_growing`](super::PipeEnd::write_growing)), against `pendingStdinBytes`;
    /// `ENOMEM` at the cap for the latter.
    pub fn grown(&self) -> &Counter {
        self.input.bytes()
    }

    /// Memory of all processes and of what waits in pipes, terminals and sockets, against `maxMemoryBytes`; `ENOMEM` at the
    /// cap.
    pub fn memory(&self) -> &Arc<Counter> {
        &self.memory
    }

    /// The stock that pipes of this use share.
    pub(super) fn hosted(&self, used_for: PipeUse) -> Option<&Hosted> {
        match used_for {
            PipeUse::Guests => None,
            PipeUse::Input => Some(&self.input),
            PipeUse::Output => Some(&self.output),
        }
    }

    /// Every stock that is warned about.
    pub(crate) fn stocks(&self) -> impl Iterator<Item = &Counter> {
        let pending = [self.input.bytes(), self.output.bytes()]
            .into_iter()
            .chain(self.output.streams());
        [&self.descriptions, &self.pipes, &*self.memory]
            .into_iter()
            .chain(pending)
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
