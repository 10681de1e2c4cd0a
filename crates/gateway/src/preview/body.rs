//! The two bodies of one exchange, as they stream.
//!
//! Neither holds more than the frame in hand: a side that does not read is not read for. Both note that something moved;
//! the response's body ends the exchange when nothing does, and when the token ends.

use super::activity::{Activity, Silence};
use super::address::Form;
use super::exchange::Exchange;
use super::limiter::Slot;
use super::source::{Grant, Waiting};
use super::stats::Stats;
use super::{request, response};
use crate::BodyError;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What the client sends, on its way to the guest.
pub(super) struct Upload {
    inner: UnsyncBoxBody<Bytes, BodyError>,
    activity: Activity,
    stats: Arc<Stats>,
}

impl Upload {
    pub(super) fn new<B>(body: B, activity: Activity, stats: Arc<Stats>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let inner = body.map_err(Into::into).boxed_unsync();
        Self { inner, activity, stats }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &mut frame {
            self.activity.touch();
            match frame.data_ref() {
                Some(data) => self.stats.sent(data.len()),
                None => {
                    if let Some(trailers) = frame.trailers_mut() {
                        request::clean_trailers(trailers);
                    }
                }
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

/// What must live, and what ends it, while bytes of one exchange move.
pub(super) struct Hold {
    pub(super) ended: Waiting<'static, ()>,
    pub(super) silence: Silence,
    pub(super) activity: Activity,
    pub(super) stats: Arc<Stats>,
    pub(super) _grant: Arc<dyn Grant>,
    pub(super) _slot: Slot,
}

impl Hold {
    /// Why the exchange must end now, if it must.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready("the preview has ended");
        }
        ready!(Pin::new(&mut self.silence).poll(cx));
        Poll::Ready("nothing moved for too long")
    }
}

/// What the guest answers, on its way to the client. Dropping it ends the guest's connection.
pub(super) struct Download {
    incoming: Incoming,
    exchange: Exchange,
    hold: Hold,
    form: Form,
}

impl Download {
    pub(super) fn new(incoming: Incoming, exchange: Exchange, hold: Hold, form: Form) -> Self {
        Self {
            incoming,
            exchange,
            hold,
            form,
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(reason) = this.hold.poll_over(cx) {
            return Poll::Ready(Some(Err(reason.into())));
        }
        this.exchange.drive(cx);
        let mut frame = ready!(Pin::new(&mut this.incoming).poll_frame(cx));
        if let Some(Ok(frame)) = &mut frame {
            this.hold.activity.touch();
            match frame.data_ref() {
                Some(data) => this.hold.stats.received(data.len()),
                None => {
                    if let Some(trailers) = frame.trailers_mut() {
                        response::clean_trailers(trailers, this.form);
                    }
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
