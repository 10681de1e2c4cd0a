//! Bodies of responses: streamed, with values masked, trailers included.

use super::reply::mask_headers;
use crate::secrets::{Patterns, Scrubber};
use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll};
use http::HeaderMap;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// What a guest gets.
pub(super) enum ReplyBody {
    /// A text of ours.
    Own(Full<Bytes>),
    /// What the host sent.
    Masked(Box<Masked>),
}

/// A host's body.
pub(super) struct Masked {
    inner: Incoming,
    patterns: Patterns,
    scrubber: Scrubber,
    trailers: Option<HeaderMap>,
    ended: bool,
}

impl Masked {
    pub(super) fn new(inner: Incoming, patterns: Patterns) -> Self {
        Self {
            scrubber: Scrubber::new(patterns.clone()),
            inner,
            patterns,
            trailers: None,
            ended: false,
        }
    }

    /// The next piece; nothing comes after the trailers.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        while !self.ended {
            match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        let decided = self.scrubber.push(data);
                        if !decided.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(decided))));
                        }
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => {
                    return match self.scrubber.release() {
                        Some(released) => Poll::Ready(Some(Ok(Frame::data(released)))),
                        None => Poll::Pending,
                    };
                }
            }
        }
        let rest = self.scrubber.finish();
        if !rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        Poll::Ready(self.trailers.take().map(|mut trailers| {
            mask_headers(&mut trailers, &self.patterns);
            Ok(Frame::trailers(trailers))
        }))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Own(text) => Pin::new(text).poll_frame(context).map_err(|never| match never {}),
            Self::Masked(masked) => masked.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(text) => text.is_end_stream(),
            Self::Masked(masked) => {
                masked.inner.is_end_stream() && masked.scrubber.pending() == 0 && masked.trailers.is_none()
            }
        }
    }

    /// Masks are as long as what they cover, so lengths stay.
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(text) => text.size_hint(),
            Self::Masked(masked) => {
                let pending = masked.scrubber.pending() as u64;
                let inner = masked.inner.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(inner.lower().saturating_add(pending));
                if let Some(upper) = inner.upper() {
                    hint.set_upper(upper.saturating_add(pending));
                }
                hint
            }
        }
    }
}
