//! Whether a connection is in the middle of a request, shared by the transport, which must know whose turn it is to be
//! patient, and the service, which knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Requests in work on one connection.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Requests and streamed bodies in work.
    busy: AtomicU32,
    /// Requests begun since the connection was made.
    begun: AtomicU32,
}

impl Pulse {
    pub(crate) fn begin(self: &Arc<Self>) -> Beat {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.busy.fetch_add(1, Ordering::Relaxed);
        Beat(Arc::clone(self))
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// A number that changes with each request.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }
}

/// One request in work. The connection is not idle while it lives.
#[derive(Debug)]
pub(crate) struct Beat(Arc<Pulse>);

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
