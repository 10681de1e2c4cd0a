//! One connection with one request on it.

use super::body::{Bounds, RequestBody};
use super::io::SocketIo;
use crate::error::{Error, Result};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The work of hyper's on one connection.
type Running = Pin<Box<Connection<TokioIo<SocketIo>, RequestBody>>>;

/// Drives the connection. Without being polled it does nothing, which is the backpressure.
pub(super) struct Exchange {
    sender: SendRequest<RequestBody>,
    connection: Option<Running>,
    bounds: Bounds,
}

impl Exchange {
    pub(super) async fn begin(socket: SocketIo, bounds: &Bounds) -> Result<Self> {
        let handshake = http1::Builder::new()
            .max_buf_size(bounds.header)
            .handshake(TokioIo::new(socket))
            .await;
        let (sender, connection) = handshake.map_err(|error| bounds.explain(&error))?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection)),
            bounds: bounds.clone(),
        })
    }

    /// Sends the request and waits for the head of the answer.
    pub(super) async fn send(
        mut self,
        request: http::Request<RequestBody>,
    ) -> Result<http::Response<(Incoming, Self)>> {
        let mut answer = std::pin::pin!(self.sender.send_request(request));
        let connection = &mut self.connection;
        let answer = std::future::poll_fn(|cx| {
            drive(connection, cx);
            answer.as_mut().poll(cx)
        });
        let response = answer.await.map_err(|error| self.bounds.explain(&error))?;
        Ok(response.map(|body| (body, self)))
    }

    /// Moves bytes. Errors show in the body that is read, so they are not reported here, too.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, cx);
    }
}

fn drive(connection: &mut Option<Running>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && let Poll::Ready(_) = running.as_mut().poll(cx)
    {
        *connection = None;
    }
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
            return self.head_too_large().into();
        }
        let mut reason = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            reason = format!("{reason}: {source}");
        }
        Error::Fetch { reason }
    }
}
