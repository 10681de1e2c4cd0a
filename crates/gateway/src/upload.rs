//! Bodies of requests that are read whole.
//!
//! The first piece is read on its own: it shows the version of the protocol in which even a refusal must be written, and it
//! is nearly always everything. The rest is read only for clients that have been admitted.

use agentos_value::ActorError;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::budget::{Budget, Share};
use crate::limits::Limits;
use crate::refusal;

/// A request's body, part of it read.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    most: usize,
    deadline: Instant,
    share: Share,
    first: Bytes,
}

impl Upload {
    /// Reads the first piece of a body. Nothing is read of a body whose announced length is beyond the limit.
    pub(crate) async fn begin(
        headers: &HeaderMap,
        body: Incoming,
        limits: &Limits,
        budget: &Budget,
    ) -> Result<Self, ActorError> {
        let most = limits.max_incoming_message;
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(length) = announced
            && length > most as u64
        {
            return Err(refusal::message_too_large(length, most, "maxIncomingMessageSize"));
        }
        // Strangers have no more time for the beginning than for the head.
        let begun = Instant::now();
        let mut upload = Self {
            body,
            most,
            deadline: begun + limits.head_timeout.min(limits.body_timeout),
            share: budget.share(),
            first: Bytes::new(),
        };
        while upload.first.len() < 2 {
            let Some(piece) = upload.piece().await? else { break };
            upload.first = if upload.first.is_empty() {
                piece
            } else {
                [upload.first, piece].concat().into()
            };
        }
        upload.deadline = begun + limits.body_timeout;
        Ok(upload)
    }

    /// What has been read so far.
    pub(crate) fn start(&self) -> &[u8] {
        &self.first
    }

    /// Reads the rest.
    pub(crate) async fn finish(mut self) -> Result<Bytes, ActorError> {
        let Some(second) = self.piece().await? else {
            return self.check(self.first.len()).map(|()| self.first);
        };
        let mut whole = BytesMut::from(&self.first[..]);
        let mut next = Some(second);
        while let Some(piece) = next {
            self.check(whole.len() + piece.len())?;
            self.hold(whole.len() + piece.len()).await?;
            whole.extend_from_slice(&piece);
            next = self.piece().await?;
        }
        Ok(whole.freeze())
    }

    fn check(&self, bytes: usize) -> Result<(), ActorError> {
        if bytes <= self.most {
            return Ok(());
        }
        Err(refusal::message_too_large(
            bytes as u64,
            self.most,
            "maxIncomingMessageSize",
        ))
    }

    async fn hold(&mut self, bytes: usize) -> Result<(), ActorError> {
        timeout_at(self.deadline, self.share.grow(bytes))
            .await
            .map_err(|_| refusal::body_timed_out())
    }

    /// The next piece of data; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, ActorError> {
        while !self.body.is_end_stream() {
            // What has arrived already needs no timer.
            let frame = match self.body.frame().now_or_never() {
                Some(frame) => frame,
                None => timeout_at(self.deadline, self.body.frame())
                    .await
                    .map_err(|_| refusal::body_timed_out())?,
            };
            match frame {
                None => break,
                Some(Err(_)) => return Err(refusal::invalid_request("The request's body ends early.")),
                // Trailers say nothing here.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(_) => {}
                },
            }
        }
        Ok(None)
    }
}
