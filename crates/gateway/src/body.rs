//! Bodies of responses.
//!
//! Nearly every answer is a few bytes that exist already; they travel without an allocation of their own. What is streamed
//! (raw requests, previews) keeps whatever guards it needs inside the stream, so that they live until the last byte is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::server::pulse::Beat;

/// Why a streamed body ended early. Hyper closes the connection; nobody reads the text but the log.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response of the gateway.
pub struct Body(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Stream {
        body: UnsyncBoxBody<Bytes, BodyError>,
        held: Option<Beat>,
    },
}

impl Body {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self(Inner::Whole(None))
    }

    /// Bytes that are complete already.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Inner::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// A body that arrives over time, trailers included.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self(Inner::Stream {
            body: body.map_err(Into::into).boxed_unsync(),
            held: None,
        })
    }

    /// Keeps the connection from counting as idle until the body is sent.
    pub(crate) fn hold(mut self, beat: Beat) -> Self {
        if let Inner::Stream { held, .. } = &mut self.0 {
            *held = Some(beat);
        }
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Stream { body, .. } => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_none(),
            Inner::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Inner::Stream { body, .. } => body.size_hint(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Inner::Whole(bytes) => write!(formatter, "Body({} bytes)", bytes.as_ref().map_or(0, Bytes::len)),
            Inner::Stream { .. } => formatter.write_str("Body(stream)"),
        }
    }
}
