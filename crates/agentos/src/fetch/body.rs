//! Bodies of requests and responses, bounded on both ways.

use super::exchange::Exchange;
use crate::connect::GuestStream;
use crate::error::{Error, Result};
use crate::exec::within;
use crate::vm::Vm;
use agentos_kernel::limits::Limits;
use agentos_kernel::{Errno, LimitExceeded};
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The limits of the `http` group, as one request meets them.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) request: u64,
    pub(super) response: u64,
    pub(super) header: usize,
    pub(super) timeout_ms: u64,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            request: limits.max_fetch_request_bytes,
            response: limits.max_fetch_response_bytes,
            header: usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX),
            timeout_ms: limits.fetch_timeout_ms,
        }
    }

    pub(super) fn too_slow(&self) -> LimitExceeded {
        let path = "limits.http.fetchTimeoutMs";
        LimitExceeded::new(path, "ms", self.timeout_ms, self.timeout_ms, "fetch", Errno::ETIMEDOUT)
    }

    /// A head of `observed` bytes, of which there may be fewer.
    pub(super) fn head_too_large(&self, observed: u64) -> LimitExceeded {
        let path = "limits.http.maxHeaderBytes";
        LimitExceeded::new(path, "bytes", observed, self.header as u64, "fetch", Errno::EMSGSIZE)
    }

    fn response_too_large(&self, observed: u64) -> LimitExceeded {
        let path = "limits.http.maxFetchResponseBytes";
        LimitExceeded::new(path, "bytes", observed, self.response, "fetch", Errno::EMSGSIZE)
    }
}

/// What a request carries: nothing, bytes, or a stream of them.
pub struct RequestBody {
    inner: UnsyncBoxBody<Bytes, Failure>,
    /// Bytes that may still be sent, and the cap they count against.
    left: u64,
    cap: u64,
}

impl RequestBody {
    /// A body that is sent as it comes; its length is not announced. An error ends the request.
    pub fn stream<S, E>(chunks: S) -> Self
    where
        S: futures_core::Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let frames = Frames(Box::pin(chunks));
        Self::new(StreamBody::new(frames))
    }

    /// Any body of hyper's kind, with trailers if it has them.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self {
            inner: body.map_err(Into::into).boxed_unsync(),
            left: u64::MAX,
            cap: u64::MAX,
        }
    }

    pub(super) fn bounded(mut self, cap: u64) -> Self {
        (self.left, self.cap) = (cap, cap);
        self
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::from(())
    }
}

impl From<()> for RequestBody {
    fn from((): ()) -> Self {
        Self::new(Empty::new())
    }
}

macro_rules! from_bytes {
    ($($kind:ty),*) => {
        $(impl From<$kind> for RequestBody {
            fn from(data: $kind) -> Self {
                Self::new(Full::new(Bytes::from(data)))
            }
        })*
    };
}

from_bytes!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let size = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        match self.left.checked_sub(size) {
            Some(left) => self.left = left,
            None => {
                let path = "limits.http.maxFetchRequestBytes";
                let observed = self.cap.saturating_add(size - self.left);
                let breach = LimitExceeded::new(path, "bytes", observed, self.cap, "fetch", Errno::EMSGSIZE);
                return Poll::Ready(Some(Err(breach.into())));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A stream of chunks as the frames of a body.
struct Frames<S>(Pin<Box<S>>);

impl<S, E> futures_core::Stream for Frames<S>
where
    S: futures_core::Stream<Item = Result<Bytes, E>>,
{
    type Item = Result<Frame<Bytes>, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .as_mut()
            .poll_next(cx)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// What the server answers, as it comes. Not reading holds the server back; dropping it ends the connection.
pub struct ResponseBody {
    incoming: Incoming,
    exchange: Exchange,
    vm: Arc<Vm>,
    bounds: Bounds,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, exchange: Exchange, vm: Arc<Vm>, bounds: Bounds) -> Self {
        Self {
            incoming,
            exchange,
            vm,
            bounds,
        }
    }

    /// The connection, after an answer of 101 to a request that asked to change the protocol (`Connection: upgrade`); `None`
    /// after any other answer.
    pub fn upgrade(self) -> Option<GuestStream> {
        self.exchange.into_upgraded()
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Fetch`] if the connection breaks, [`Error::Limit`] if nothing comes within `limits.http.fetchTimeoutMs`.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let clock = self.vm.kernel.clock().clone();
        let bounds = self.bounds.clone();
        let next = async {
            loop {
                match poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => return Ok(Some(data)),
                        Err(_trailers) => {}
                    },
                    Some(Err(error)) => return Err(error),
                    None => return Ok(None),
                }
            }
        };
        let patience = Duration::from_millis(bounds.timeout_ms);
        let next = within(&*clock, patience, next).await;
        // An error of the connection was noted when it was polled for.
        next.unwrap_or_else(|| self.vm.noted(Err(bounds.too_slow().into())))
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than `limits.http.maxFetchResponseBytes`, besides those of [`chunk`](Self::chunk).
    pub async fn bytes(mut self) -> Result<Bytes> {
        let announced = self.incoming.size_hint().lower();
        if announced > self.bounds.response {
            return self.vm.noted(Err(self.bounds.response_too_large(announced).into()));
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            let size = (whole.len() + chunk.len()) as u64;
            if size > self.bounds.response {
                return self.vm.noted(Err(self.bounds.response_too_large(size).into()));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The whole body as text; bytes that are no UTF-8 become replacement characters.
    ///
    /// # Errors
    /// Those of [`bytes`](Self::bytes).
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        this.exchange.drive(cx);
        let frame = ready!(Pin::new(&mut this.incoming).poll_frame(cx));
        Poll::Ready(frame.map(|frame| this.vm.noted(frame.map_err(|error| this.bounds.explain(&error)))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
