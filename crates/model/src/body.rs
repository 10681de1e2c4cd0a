//! The body of a response: one text, or events with a pause between them that may break off.

use crate::answer::End;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// What is sent.
#[derive(Debug, Default)]
pub(crate) struct ReplyBody {
    left: VecDeque<Bytes>,
    pause: Duration,
    end: End,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Whether what came before a cut had its chance to be sent.
    flushed: bool,
}

/// The script breaks the stream off.
#[derive(Debug, thiserror::Error)]
#[error("the script cuts the stream")]
pub(crate) struct Cut;

impl ReplyBody {
    /// One text.
    pub(crate) fn whole(text: Bytes) -> Self {
        Self {
            left: VecDeque::from([text]),
            ..Self::default()
        }
    }

    /// Events; half of them if they are not to end as they should.
    pub(crate) fn events(mut events: Vec<Bytes>, pause: Duration, end: End) -> Self {
        if end != End::Whole {
            events.truncate(events.len().div_ceil(2));
        }
        Self {
            left: events.into(),
            pause,
            end,
            ..Self::default()
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(waiting) = &mut self.waiting {
            std::task::ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        if let Some(next) = self.left.pop_front() {
            if !self.pause.is_zero() && !self.left.is_empty() {
                self.waiting = Some(Box::pin(tokio::time::sleep(self.pause)));
            }
            return Poll::Ready(Some(Ok(Frame::data(next))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            // Nobody wakes this: the connection ends when the agent or the server does.
            End::Hang => Poll::Pending,
            End::Cut if self.flushed => Poll::Ready(Some(Err(Cut))),
            // The connection writes what it has when there is nothing to take.
            End::Cut => {
                self.flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.end == End::Whole
    }

    fn size_hint(&self) -> SizeHint {
        if self.end == End::Whole && self.left.len() <= 1 {
            return SizeHint::with_exact(self.left.front().map_or(0, Bytes::len) as u64);
        }
        SizeHint::default()
    }
}
