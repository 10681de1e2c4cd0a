//! One kept-alive connection, served by whoever has a request for it.
//!
//! A connection that has a task of its own costs every request half a dozen handovers between two tasks. Here the caller's
//! own task writes, reads and waits: a [`Link`] does nothing while nobody asks. One that the server closed meanwhile is found
//! out when it is looked at before its next use.

use super::ANSWER_MAX;
use crate::stream::Transport;
use agentos_rounds::Rounds;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How long an unused connection is kept; servers keep theirs at least that long.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Reads and writes for a connection while it is polled.
type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One connection.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// None once the connection has ended.
    driver: Option<Driver>,
    used: Instant,
}

/// Why a request has no answer.
pub(super) enum Failed {
    /// Nothing of the request has been sent; here it is again.
    Unsent(Box<Request<Full<Bytes>>>, hyper::Error),
    /// Whether the server has it, nobody knows.
    Broken(hyper::Error),
    /// The answer is larger than any that this client takes.
    TooLarge,
}

impl Link {
    /// Begins to speak HTTP.
    pub(super) async fn new(stream: Box<dyn Transport>) -> hyper::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            driver: Some(Box::pin(connection)),
            used: Instant::now(),
        })
    }

    /// Whether it can serve one more request, as far as anybody can tell.
    pub(super) fn is_usable(&mut self) -> bool {
        if self.used.elapsed() > KEPT_FOR {
            return false;
        }
        // Whoever uses it registers a waker of its own.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failed> {
        let Self { sender, driver, used } = self;
        let answer = Rounds::new(async {
            let mut answer = pin!(answer(sender, request));
            std::future::poll_fn(|context| {
                // Before: what is to be sent. After: what has come.
                if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                    return Poll::Ready(answer);
                }
                drive(driver, context);
                answer.as_mut().poll(context)
            })
            .await
        })
        .await;
        *used = Instant::now();
        answer
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        drive(&mut self.driver, context);
    }
}

/// Polls a connection unless it has ended. How it ended, the request that it is about learns.
fn drive(driver: &mut Option<Driver>, context: &mut Context<'_>) {
    if driver
        .as_mut()
        .is_some_and(|driver| driver.as_mut().poll(context).is_ready())
    {
        *driver = None;
    }
}

async fn answer(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, Failed> {
    if let Err(error) = sender.ready().await {
        return Err(Failed::Unsent(Box::new(request), error));
    }
    let sent = sender.try_send_request(request).await;
    let response = sent.map_err(|mut failed| match failed.take_message() {
        Some(request) => Failed::Unsent(Box::new(request), failed.into_error()),
        None => Failed::Broken(failed.into_error()),
    })?;
    let (head, body) = response.into_parts();
    match Limited::new(body, ANSWER_MAX).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(error) => Failed::Broken(*error),
            Err(other) => {
                debug_assert!(other.is::<LengthLimitError>());
                Failed::TooLarge
            }
        }),
    }
}
