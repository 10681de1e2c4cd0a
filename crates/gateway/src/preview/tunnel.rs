//! Bytes between a client and a guest after both agreed to speak WebSocket. Frames are not looked at.

use super::activity::Activity;
use super::body::Hold;
use super::exchange::Switched;
use super::stats::Stats;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

/// Held for each direction of each open WebSocket.
const BUFFER: usize = 16 << 10;

/// Moves bytes until both sides are done, the token ends, or nothing moves for too long.
pub(super) async fn tunnel<C>(client: C, guest: Switched, mut hold: Hold)
where
    C: AsyncRead + AsyncWrite + Send + Unpin,
{
    let mut client = Counted {
        inner: client,
        early: Bytes::new(),
        activity: hold.activity.clone(),
        count: Count(hold.stats.clone(), Stats::sent),
    };
    let mut guest = Counted {
        inner: guest.io,
        early: guest.early,
        activity: hold.activity.clone(),
        count: Count(hold.stats.clone(), Stats::received),
    };
    tokio::select! {
        biased;
        _ = poll_fn(|cx| hold.poll_over(cx)) => {}
        // Whichever side broke the connection, there is nobody left to be told.
        _ = copy_bidirectional_with_sizes(&mut client, &mut guest, BUFFER, BUFFER) => {}
    }
}

struct Count(Arc<Stats>, fn(&Stats, usize));

/// A stream whose reads are noted.
struct Counted<S> {
    inner: S,
    early: Bytes,
    activity: Activity,
    count: Count,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.early.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        } else {
            let size = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early.split_to(size));
        }
        self.activity.touch();
        (self.count.1)(&self.count.0, buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
