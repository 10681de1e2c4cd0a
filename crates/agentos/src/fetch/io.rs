//! A kernel socket as hyper reads and writes one.

use agentos_kernel::Error as KernelError;
use agentos_kernel::fd::File;
use agentos_kernel::net::{Shutdown, Socket};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The host's end of a connection into the VM. Closed with the last handle.
pub(super) struct SocketIo(Arc<Socket>);

impl SocketIo {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self(socket)
    }
}

fn failed(error: &KernelError) -> io::Error {
    io::Error::from_raw_os_error(error.errno().raw())
}

impl AsyncRead for SocketIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.0.read(buf.initialize_unfilled(), Some(cx.waker()))).map_err(|error| failed(&error))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.write(data, Some(cx.waker())).map_err(|error| failed(&error))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A peer that is gone has nothing left to be told.
        let _ = self.0.shutdown(Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}
