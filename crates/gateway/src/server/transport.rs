//! A client's stream with deadlines in both directions.
//!
//! Clients that send a request one byte a minute, or that ask for much and read nothing, hold a connection for ever if
//! nobody looks at the clock. The transport looks, because it alone sees the bytes:
//!
//! * reading, between requests: the idle time;
//! * reading, from the first byte of a head until the service has it: the head time;
//! * reading, while a request is in work or after an upgrade: no deadline here, the reader of the body or the frames has one;
//! * in HTTP/2, where frames come between requests as well, only the idle time: a head that does not end is an idle connection;
//! * writing: whenever the peer's window is full, it must take [`SLOW_BYTES`] in each write time.
//!
//! Timers are armed only when an operation has to wait, and re-armed only when one fires early, so that a connection that
//! is always ready never touches the timer wheel.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use super::pulse::Pulse;
use super::tls::HTTP2;
use crate::limits::{Limits, SLOW_BYTES};

/// The bytes below HTTP.
pub(crate) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether client and server have agreed to speak HTTP/2.
    pub(crate) fn speaks_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Secure(stream) => stream.get_ref().1.alpn_protocol() == Some(HTTP2),
        }
    }
}

/// A stream with deadlines.
pub(crate) struct Transport {
    stream: Stream,
    pulse: Arc<Pulse>,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// Bytes need not begin a request.
    framed: bool,
    reading: ReadWatch,
    writing: WriteWatch,
}

#[derive(Default)]
struct ReadWatch {
    /// The request that was last begun when the times below were taken.
    request: u32,
    idle_since: Option<Instant>,
    head_since: Option<Instant>,
    timer: Timer,
}

#[derive(Default)]
struct WriteWatch {
    /// When the peer stopped taking bytes, and how many it has taken since.
    stalled: Option<(Instant, usize)>,
    timer: Timer,
}

/// A timer that is made on first use and moved only when it must fire earlier than it would.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let timer = self
                .0
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

impl Transport {
    pub(crate) fn new(stream: Stream, pulse: Arc<Pulse>, limits: &Limits) -> Self {
        Self {
            pulse,
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            framed: stream.speaks_http2(),
            stream,
            reading: ReadWatch::default(),
            writing: WriteWatch::default(),
        }
    }

    /// Ends a connection that waits too long for a request or its head.
    fn watch_read(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.pulse.is_busy() {
            // Whoever works on the request reads its body, and has a deadline for that.
            self.reading.idle_since = None;
            return Poll::Pending;
        }
        self.renew();
        let now = Instant::now();
        let deadline = match self.reading.head_since {
            Some(since) => since + self.head_timeout,
            None => *self.reading.idle_since.get_or_insert(now) + self.idle_timeout,
        };
        ready!(self.reading.timer.poll(deadline, context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "no request in time"))
    }

    /// Forgets the times of an earlier request.
    fn renew(&mut self) {
        let request = self.pulse.begun();
        if request != self.reading.request {
            self.reading.request = request;
            self.reading.idle_since = None;
            self.reading.head_since = None;
        }
    }

    fn watch_write(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let now = Instant::now();
        let (since, taken) = self.writing.stalled.get_or_insert((now, 0));
        if *taken >= SLOW_BYTES {
            (*since, *taken) = (now, 0);
        }
        let deadline = *since + self.write_timeout;
        ready!(self.writing.timer.poll(deadline, context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly"))
    }

    fn written(&mut self, context: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => self.watch_write(context).map(Err),
            Poll::Ready(Ok(count)) => {
                if let Some((_, taken)) = &mut self.writing.stalled {
                    *taken += count;
                }
                Poll::Ready(Ok(count))
            }
            failed => failed,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Secure(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if result.is_pending() {
            return this.watch_read(context).map(Err);
        }
        if buffer.filled().len() > before && !this.framed && !this.pulse.is_busy() {
            this.renew();
            this.reading.head_since.get_or_insert_with(Instant::now);
        }
        result
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Secure(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        this.written(context, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Secure(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        this.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Secure(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Secure(stream) => Pin::new(stream).poll_flush(context),
        };
        match result {
            Poll::Pending => this.watch_write(context).map(Err),
            Poll::Ready(Ok(())) => {
                this.writing.stalled = None;
                Poll::Ready(Ok(()))
            }
            failed => failed,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        };
        match result {
            Poll::Pending => this.watch_write(context).map(Err),
            done => done,
        }
    }
}
