//! One request on one connection to a guest. HTTP/1.1 is hyper's.
//!
//! No task runs behind it: the connection moves while somebody waits for the head or reads the body, which is the back-pressure,
//! and ends when that is dropped.

use super::activity::Activity;
use super::body::Upload;
use super::options::PreviewOptions;
use super::source::GuestConnection;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::task::{Context, Poll};

type Running = Box<Connection<TokioIo<GuestConnection>, Upload>>;

/// Drives a connection while it is polled.
pub(super) struct Exchange {
    connection: Option<Running>,
    _sender: SendRequest<Upload>,
}

/// The connection after HTTP, with the bytes that came with the head.
pub(super) struct Switched {
    pub(super) io: GuestConnection,
    pub(super) early: Bytes,
}

/// What came of a request.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) exchange: Exchange,
    /// Only after a 101.
    pub(super) switched: Option<Switched>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// No head in time.
    TooSlow,
    /// No HTTP, too large a head, or the connection broke.
    Broken,
}

/// Sends the request and waits for the head of the answer.
pub(super) async fn exchange(
    io: GuestConnection,
    request: Request<Upload>,
    activity: &Activity,
    options: &PreviewOptions,
) -> Result<Answer, Failed> {
    activity.touch();
    let answer = send(io, request, options.max_header_bytes);
    tokio::select! {
        biased;
        answer = answer => answer,
        () = activity.silence(options.head_timeout) => Err(Failed::TooSlow),
    }
}

async fn send(io: GuestConnection, request: Request<Upload>, most: usize) -> Result<Answer, Failed> {
    let broken = |_: hyper::Error| Failed::Broken;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(most.max(8192))
        .handshake(TokioIo::new(io))
        .await
        .map_err(broken)?;
    let mut connection = Some(Box::new(connection));
    let (mut answer, mut ended) = (std::pin::pin!(sender.send_request(request)), None);
    let response = poll_fn(|cx| {
        ended = drive(&mut connection, cx).or(ended.take());
        answer.as_mut().poll(cx)
    });
    let response = response.await.map_err(broken)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        poll_fn(|cx| {
            ended = drive(&mut connection, cx).or(ended.take());
            if connection.is_some() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    } else {
        ended = None;
    }
    Ok(Answer {
        response,
        switched: ended,
        exchange: Exchange {
            connection,
            _sender: sender,
        },
    })
}

impl Exchange {
    /// Moves bytes. Errors show in the body that is read.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drop(drive(&mut self.connection, cx));
    }
}

/// Moves bytes until HTTP is over on the connection; what is left of it then.
fn drive(connection: &mut Option<Running>, cx: &mut Context<'_>) -> Option<Switched> {
    let Poll::Ready(ended) = connection.as_mut()?.poll_without_shutdown(cx) else {
        return None;
    };
    let Parts { io, read_buf, .. } = connection.take()?.into_parts();
    ended.ok().map(|()| Switched {
        io: io.into_inner(),
        early: read_buf,
    })
}
