//! Frames on their way to a client.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::ws::{self, Kind, Opcode};

/// A payload of this size is written from where it is instead of being copied behind others.
const LARGE: usize = 32 * 1024;
/// When this much waits, it is written before more is collected.
const FULL: usize = 128 * 1024;

/// The writing half of a WebSocket. Frames are collected and go out together.
#[derive(Debug)]
pub(crate) struct Outbound<W> {
    stream: W,
    batch: BytesMut,
}

impl<W: AsyncWrite + Unpin> Outbound<W> {
    pub(crate) fn new(stream: W) -> Self {
        Self {
            stream,
            batch: BytesMut::new(),
        }
    }

    /// Adds a message.
    pub(crate) async fn message(&mut self, kind: Kind, payload: Bytes) -> io::Result<()> {
        if payload.len() >= LARGE {
            ws::message_head(&mut self.batch, kind, payload.len());
            self.flush().await?;
            return self.stream.write_all(&payload).await;
        }
        ws::message(&mut self.batch, kind, &payload);
        if self.batch.len() >= FULL {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Adds a ping or pong.
    pub(crate) fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        ws::control(&mut self.batch, opcode, payload);
    }

    /// Adds a close frame. No frame may follow.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        ws::close(&mut self.batch, code, reason);
    }

    /// Writes what was added, in one write if the client's window has room for it.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.stream.write_all(&self.batch).await?;
            self.batch.clear();
            if self.batch.capacity() > LARGE {
                self.batch = BytesMut::new();
            }
        }
        self.stream.flush().await
    }

    /// Ends the stream.
    pub(crate) async fn shutdown(&mut self) {
        let _ = self.stream.shutdown().await;
    }
}
