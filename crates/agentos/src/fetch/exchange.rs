//! One connection with one request on it.

use super::body::{Bounds, RequestBody};
use crate::connect::GuestStream;
use crate::error::{Error, Result};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// The work of hyper's on one connection.
type Running = Box<Connection<TokioIo<GuestStream>, RequestBody>>;

/// Drives the connection. Without being polled it does nothing, which is the backpressure.
pub(super) struct Exchange {
    sender: SendRequest<RequestBody>,
    connection: Option<Running>,
    /// What carries the other protocol after the answer agreed to one.
    upgraded: Option<GuestStream>,
    bounds: Bounds,
}

impl Exchange {
    pub(super) async fn begin(stream: GuestStream, bounds: &Bounds) -> Result<Self> {
        let handshake = http1::Builder::new()
            .max_buf_size(bounds.header)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(|error| bounds.explain(&error))?;
        Ok(Self {
            sender,
            connection: Some(Box::new(connection)),
            upgraded: None,
            bounds: bounds.clone(),
        })
    }

    /// Sends the request and waits for the head of the answer.
    pub(super) async fn send(
        mut self,
        request: http::Request<RequestBody>,
    ) -> Result<http::Response<(Incoming, Self)>> {
        let mut answer = std::pin::pin!(self.sender.send_request(request));
        let (connection, mut ended) = (&mut self.connection, None);
        let answer = poll_fn(|cx| {
            ended = drive(connection, cx).or(ended.take());
            answer.as_mut().poll(cx)
        });
        let response = answer.await.map_err(|error| self.bounds.explain(&error))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            poll_fn(|cx| {
                ended = drive(connection, cx).or(ended.take());
                if connection.is_some() {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            self.upgraded = ended;
        }
        Ok(response.map(|body| (body, self)))
    }

    /// Moves bytes. Errors show in the body that is read, so they are not reported here, too.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drop(drive(&mut self.connection, cx));
    }

    /// The stream, if the other side agreed to change the protocol.
    pub(super) fn into_upgraded(self) -> Option<GuestStream> {
        self.upgraded
    }
}

/// Moves bytes until HTTP is over on the connection; what is left of it then.
fn drive(connection: &mut Option<Running>, cx: &mut Context<'_>) -> Option<GuestStream> {
    let running = connection.as_mut()?;
    let Poll::Ready(ended) = running.poll_without_shutdown(cx) else {
        return None;
    };
    let Parts { io, read_buf, .. } = connection.take()?.into_parts();
    ended.ok().map(|()| io.into_inner().unread(read_buf))
}

impl Bounds {
    /// What an error of hyper's means to the caller.
    pub(super) fn explain(&self, error: &hyper::Error) -> Error {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(at) = cause {
            if let Some(limit) = at.downcast_ref::<agentos_kernel::LimitExceeded>() {
                return limit.clone().into();
            }
            cause = at.source();
        }
        if error.is_parse_too_large() {
            // Reading stops there, so how long it is nobody knows.
            return self.head_too_large(self.header as u64 + 1).into();
        }
        let mut reason = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            reason = format!("{reason}: {source}");
        }
        Error::Fetch { reason }
    }
}
