//! Collecting what a process writes, up to a limit.

use agentos_kernel::fd::OpenFile;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// How much is read from a pipe at once: all that a pipe can hold.
const CHUNK: usize = 64 << 10;

/// One output stream and what was kept of it.
pub(crate) struct Capture {
    file: Option<Arc<OpenFile>>,
    kept: Vec<u8>,
    limit: usize,
    /// Bytes that were read.
    seen: u64,
}

impl Capture {
    /// Keeps at most `limit` bytes of `file`; the rest is read and thrown away.
    pub(crate) fn new(file: Arc<OpenFile>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            file: Some(file),
            kept: Vec::new(),
            limit,
            seen: 0,
        }
    }

    /// Reads all that is there. Ready at the end of the stream.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let mut chunk = [0; 4096];
        let mut large = Vec::new();
        loop {
            let Some(file) = &self.file else { return Poll::Ready(()) };
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
