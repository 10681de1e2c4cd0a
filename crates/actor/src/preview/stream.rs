//! A stream into an actor that ends with the right to have it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::PreviewGrant;
use crate::clock::timeout;
use crate::error::service_unavailable;
use crate::hooks::catch;
use crate::lifecycle::{Entry, Work};
use crate::registry::Shared;
use crate::{BoxFuture, ByteStream, Failure};

/// How long the actor has to connect to its own port.
const CONNECT: Duration = Duration::from_secs(30);

/// A stream to a port of an actor. The actor stays awake while it is open; it ends with an error when the token is revoked
/// or expires, and when the actor stops.
pub struct PortStream {
    stream: Box<dyn ByteStream>,
    ended: BoxFuture<'static, ()>,
    is_ended: bool,
    _work: Work,
}

impl std::fmt::Debug for PortStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortStream")
            .field("is_ended", &self.is_ended)
            .finish_non_exhaustive()
    }
}

/// Wakes the actor and connects to the port.
pub(crate) async fn open(shared: &Arc<Shared>, grant: &PreviewGrant) -> Result<PortStream, Failure> {
    let cell = shared.cell(grant.actor_id())?;
    let work = cell.work(0, Entry::Ready).await?;
    let (instance, port) = (Arc::clone(&work.awake.instance), grant.port());
    let connect = catch(async move { instance.open_port(port).await });
    let ended = grant.ended();
    let stream = tokio::select! {
        biased;
        stream = timeout(&*shared.clock, CONNECT, connect) => match stream {
            Ok(stream) => stream.map_err(Failure::internal)??,
            Err(_) => return Err(service_unavailable("The port did not answer in time.").into()),
        },
        () = grant.ended() => return Err(ended_error().into()),
    };
    let cut_off = work.awake.cut_off.clone();
    let ended = Box::pin(async move {
        tokio::select! {
            () = ended => {}
            () = cut_off.cancelled() => {}
        }
    });
    Ok(PortStream {
        stream,
        ended,
        is_ended: false,
        _work: work,
    })
}

fn ended_error() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the preview has ended")
}

impl PortStream {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_ended = self.is_ended || self.ended.as_mut().poll(cx).is_ready();
        if self.is_ended { Err(ended_error()) } else { Ok(()) }
    }
}

impl AsyncRead for PortStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PortStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
