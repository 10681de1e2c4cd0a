//! HTTP requests from the host to a server inside the VM.
//!
//! The connection is one of the VM's own loopback network and ends at a listener of one of its processes; no host socket is
//! involved, no name is resolved, and the guests' egress policy has no say (security.md section 2.7). HTTP/1.1 itself is
//! hyper's.
//!
//! ```text
//!   fetch(port, request) -> Response<ResponseBody>
//!                              |  owns
//!                              v
//!                           Exchange: hyper's connection, driven by whoever waits for the answer or reads the body
//!                              |
//!                              v
//!                           GuestStream: bytes to and from the kernel's socket
//! ```
//!
//! Invariants:
//!
//! * There is no background task: the exchange moves while its future or body is polled, so what is not read is not fetched,
//!   and dropping either ends the connection.
//! * A request to change the protocol travels as such; after an answer of 101 the connection is the caller's
//!   ([`ResponseBody::upgrade`]).
//! * A guest that answers nothing, nonsense or without end costs no more than the limits of the `http` group.

mod body;
mod exchange;
mod request;

use crate::error::Result;
use crate::exec::within;
use crate::vm::AgentOs;
pub use body::{RequestBody, ResponseBody};
use exchange::Exchange;
use std::time::Duration;

impl AgentOs {
    /// Sends an HTTP request to whoever listens on `port` of the VM's loopback addresses, 127.0.0.1 first.
    ///
    /// Of the request's URI only path and query are used. An authority in it becomes the `Host` header, which is
    /// `localhost:<port>` otherwise. The response is there as soon as its head is; its body streams, and so does the request's.
    ///
    /// # Errors
    /// [`NoListener`](crate::Error::NoListener) if nothing listens, [`Limit`](crate::Error::Limit) for a request body above
    /// `limits.http.maxFetchRequestBytes`, a head above `maxHeaderBytes` or no head within `fetchTimeoutMs`,
    /// [`Fetch`](crate::Error::Fetch) if the server's answer is not HTTP or ends too early,
    /// [`InvalidOption`](crate::Error::InvalidOption) for port 0.
    pub async fn fetch<B: Into<RequestBody>>(
        &self,
        port: u16,
        request: http::Request<B>,
    ) -> Result<http::Response<ResponseBody>> {
        self.vm.alive()?;
        self.vm.noted(self.request(port, request.map(Into::into)).await)
    }

    async fn request(&self, port: u16, request: http::Request<RequestBody>) -> Result<http::Response<ResponseBody>> {
        let limits = body::Bounds::of(self.limits());
        let request = request::prepare(port, request, &limits)?;
        let clock = self.vm.kernel.clock().clone();
        let head = async {
            let stream = self.dial(port).await?;
            Exchange::begin(stream.speaking_first(), &limits)
                .await?
                .send(request)
                .await
        };
        let patience = Duration::from_millis(limits.timeout_ms);
        match within(&*clock, patience, head).await {
            Some(response) => response.map(|response| {
                response.map(|(incoming, exchange)| ResponseBody::new(incoming, exchange, self.vm.clone(), limits))
            }),
            None => Err(limits.too_slow().into()),
        }
    }
}
