//! The decoder on a stream.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::decode::{Decoder, Message, Violation};
use crate::budget::{Budget, Share};

/// The room for one read while nothing long is on its way.
const CHUNK: usize = 8 * 1024;
/// The room for one read within a long message.
const LONG_CHUNK: usize = 128 * 1024;

/// Why there is no next message.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The client broke the rules; it is told so.
    Violation(Violation),
    /// The client is gone.
    Gone,
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Messages of a client.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    stream: R,
    decoder: Decoder,
    share: Share,
    /// When a message that takes much room was begun.
    begun: Option<Instant>,
    patience: Duration,
    meter: Meter,
}

/// Bytes that have been read, for whoever wonders whether the client is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Whether something has been read since `seen` was last written here.
    pub(crate) fn moved(&self, seen: &mut u64) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        std::mem::replace(seen, now) != now
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads from a stream of which `already` has been read. What is held of unfinished messages is taken from `budget`;
    /// a long message must be complete after `patience`.
    pub(crate) fn new(stream: R, already: Bytes, limit: usize, budget: &Budget, patience: Duration) -> Self {
        Self {
            stream,
            decoder: Decoder::new(limit, already),
            share: budget.share(),
            begun: None,
            patience,
            meter: Meter::default(),
        }
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The next message. A call that is dropped has lost nothing.
    pub(crate) async fn next(&mut self) -> Result<Message, ReadError> {
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => {
                    self.begun = None;
                    self.share.shrink(self.decoder.held());
                    return Ok(message);
                }
                Ok(None) => {}
                Err(violation) => return Err(ReadError::Violation(violation)),
            }
            if self.decoder.held() <= CHUNK {
                self.read(CHUNK).await?;
            } else {
                let deadline = *self.begun.get_or_insert_with(Instant::now) + self.patience;
                timeout_at(deadline, self.read(LONG_CHUNK))
                    .await
                    .map_err(|_| ReadError::Gone)??;
            }
        }
    }

    async fn read(&mut self, room: usize) -> Result<(), ReadError> {
        self.share.grow(self.decoder.held() + room).await;
        let buffer = self.decoder.buffer();
        if buffer.capacity() - buffer.len() < 1024 {
            buffer.reserve(room);
        }
        let count = self.stream.read_buf(buffer).await?;
        if count == 0 {
            return Err(ReadError::Gone);
        }
        self.meter.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(())
    }
}
