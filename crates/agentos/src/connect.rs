//! Streams from the host to listeners inside the VM.
//!
//! A stream is a connection of the VM's own loopback network; it can only end at a listener that this VM owns. No host socket
//! is involved, no name is resolved, and the guests' egress policy has no say (security.md section 2.7).
//!
//! Invariants:
//!
//! * No task runs behind a stream: bytes move in the caller's own polls, so whoever does not read holds the guest back.
//! * What a stream buffers is the guest's and counts against `limits.resources.maxSocketBufferedBytes`; the connection counts
//!   against `maxConnections`.

use crate::error::{Error, Result};
use crate::exec::within;
use crate::vm::AgentOs;
use agentos_kernel::fd::File;
use agentos_kernel::net::{Shutdown, Socket};
use agentos_kernel::{Errno, Error as KernelError, LimitExceeded};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl AgentOs {
    /// Connects to whoever listens on `port` of the VM's loopback addresses, 127.0.0.1 first, and to nobody else.
    ///
    /// Waits, at most `limits.network.connectTimeoutMs`, while the listener's backlog is full or the VM has as many connections
    /// as it may.
    ///
    /// # Errors
    /// [`Error::NoListener`] if nothing listens, [`Error::Limit`] if there was no room in time, [`Error::InvalidOption`] for
    /// port 0, [`Error::Disposed`].
    pub async fn connect(&self, port: u16) -> Result<GuestStream> {
        self.vm.alive()?;
        if port == 0 {
            return Err(Error::port_zero());
        }
        let patience = self.limits().connect_timeout_ms;
        let clock = self.vm.kernel.clock().clone();
        let connected = within(&*clock, Duration::from_millis(patience), self.dial(port)).await;
        self.vm.noted(connected.unwrap_or_else(|| {
            let path = "limits.network.connectTimeoutMs";
            Err(LimitExceeded::new(path, "ms", patience, patience, "connect", Errno::ETIMEDOUT).into())
        }))
    }

    /// A connection, however long it takes to get one.
    pub(crate) async fn dial(&self, port: u16) -> Result<GuestStream> {
        let socket = poll_fn(|cx| self.vm.kernel.net().connect_from_host(port, Some(cx.waker()))).await;
        let socket = socket.map_err(|error| Error::no_listener(port, error))?;
        Ok(GuestStream::new(socket, Bytes::new()))
    }
}

/// The host's end of a connection into the VM ([`AgentOs::connect`]). Shutting down ends the direction to the guest alone;
/// dropping ends both.
///
/// Everything that is read here was written by a guest and deserves no trust.
pub struct GuestStream {
    socket: Arc<Socket>,
    /// Bytes that were read with something that came before them.
    early: Bytes,
    /// Nothing is read yet; whoever wanted to is woken.
    silence: Option<Option<Waker>>,
}

impl GuestStream {
    fn new(socket: Arc<Socket>, early: Bytes) -> Self {
        Self {
            socket,
            early,
            silence: None,
        }
    }

    /// Reads nothing before something was written: a server that answers at once, before it was asked, is heard when it was.
    pub(crate) fn speaking_first(mut self) -> Self {
        self.silence = Some(None);
        self
    }

    /// Puts bytes back that are to be read first.
    pub(crate) fn unread(mut self, early: Bytes) -> Self {
        self.early = early;
        self
    }
}

impl fmt::Debug for GuestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestStream").finish_non_exhaustive()
    }
}

impl AsyncRead for GuestStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let size = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early.split_to(size));
            return Poll::Ready(Ok(()));
        }
        if let Some(reader) = &mut self.silence {
            *reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let read = self.socket.read(buf.initialize_unfilled(), Some(cx.waker()));
        let read = ready!(read).map_err(|error| failed(&error))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.socket.write(data, Some(cx.waker()));
        if written.is_ready()
            && let Some(reader) = self.silence.take()
        {
            reader.into_iter().for_each(Waker::wake);
        }
        written.map_err(|error| failed(&error))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A peer that is gone has nothing left to be told.
        let _ = self.socket.shutdown(Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}

fn failed(error: &KernelError) -> io::Error {
    io::Error::from_raw_os_error(error.errno().raw())
}
