//! Collecting what a process writes, up to a limit.

use crate::process::Stream;
use agentos_kernel::fd::OpenFile;
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// How much is read from a pipe at once: all that a pipe can hold.
const CHUNK: usize = 64 << 10;

/// How much is read before others get their turn, in bytes. A process that writes as fast as it is read must not hold the
/// thread, which may be somebody's event loop.
const BURST: usize = 1 << 20;

/// Called with every piece of output, in the order of each stream.
pub(crate) type Tap = Box<dyn FnMut(Stream, Bytes) + Send>;

/// One output stream and what was kept of it.
pub(crate) struct Capture {
    file: Option<Arc<OpenFile>>,
    kept: Vec<u8>,
    limit: usize,
    /// Bytes that were read.
    seen: u64,
    stream: Stream,
}

impl Capture {
    /// Keeps at most `limit` bytes of `file`; the rest is read and thrown away.
    pub(crate) fn new(stream: Stream, file: Arc<OpenFile>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            file: Some(file),
            kept: Vec::new(),
            limit,
            seen: 0,
            stream,
        }
    }

    /// Reads all that is there; of very much a part, and wakes at once for the rest. Ready at the end of the stream.
    pub(crate) fn poll(&mut self, waker: &Waker, tap: &mut Option<Tap>) -> Poll<()> {
        let mut left = BURST;
        let mut chunk = [0; 4096];
        let mut large = Vec::new();
        loop {
            let Some(file) = &self.file else { return Poll::Ready(()) };
            if left == 0 {
                waker.wake_by_ref();
                return Poll::Pending;
            }
            // The first read is small, as most output is; a stream that fills it gets a large buffer.
            let buf = if large.is_empty() {
                &mut chunk[..]
            } else {
                &mut large[..]
            };
            match file.read(buf, Some(waker)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => self.file = None,
                Poll::Ready(Ok(n)) => {
                    let full = n == buf.len();
                    left = left.saturating_sub(n);
                    if let Some(tap) = tap {
                        tap(self.stream, Bytes::copy_from_slice(&buf[..n]));
                    }
                    let room = self.limit - self.kept.len();
                    self.seen += n as u64;
                    self.kept.extend_from_slice(&buf[..n.min(room)]);
                    if full && large.is_empty() {
                        large = vec![0; CHUNK];
                    }
                }
            }
        }
    }

    /// Takes what was kept, and tells how much there was in all.
    pub(crate) fn finish(&mut self) -> (Vec<u8>, u64) {
        (std::mem::take(&mut self.kept), self.seen)
    }
}
