//! What a VM used of the network.

use core::sync::atomic::{AtomicU64, Ordering};

/// Counters of one VM; they only grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) flows: AtomicU64,
    pub(crate) lookups: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) denied: AtomicU64,
}

/// What a VM used of the network so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NetworkUsage {
    /// Stream connections that were begun.
    pub connections: u64,
    /// Flows of datagrams (guest socket and destination) that were opened.
    pub flows: u64,
    /// Names that were looked up, and questions to the VM's resolver.
    pub lookups: u64,
    /// Bytes that guests received.
    pub bytes_in: u64,
    /// Bytes that guests sent.
    pub bytes_out: u64,
    /// Connections, flows and lookups that policy or guard refused.
    pub denied: u64,
}

impl Counters {
    pub(crate) fn usage(&self) -> NetworkUsage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        NetworkUsage {
            connections: read(&self.connections),
            flows: read(&self.flows),
            lookups: read(&self.lookups),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            denied: read(&self.denied),
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
