//! The life of one accepted connection: TLS if configured, then requests until either side has enough.
//!
//! When the server drains, a connection on which nothing runs is not closed at once: its client may be sending a request at
//! this very moment, and would have to guess whether that was carried out. The next request is still answered, with the word
//! that the connection ends, and only a connection that stays silent is closed without.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use super::Shared;
use super::peer::Peer;
use super::transport::{Stream, Transport};

/// How long a connection may take to send its next request once the server drains.
pub(super) const NEXT_REQUEST: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(crate) async fn serve(stream: TcpStream, peer: Peer, shared: Arc<Shared>) {
    let closing = peer.clone();
    tokio::select! {
        biased;
        () = closing.closing() => {}
        () = run(stream, peer, shared) => {}
    }
}

async fn run(stream: TcpStream, peer: Peer, shared: Arc<Shared>) {
    let Some(stream) = secured(stream, &peer, &shared).await else {
        return;
    };
    let http2 = stream.speaks_http2();
    let transport = Transport::new(stream, Arc::clone(peer.pulse()), shared.limits());
    if http2 {
        return super::http2::serve(transport, peer, &shared).await;
    }
    let service = {
        let peer = peer.clone();
        let shared = Arc::clone(&shared);
        service_fn(move |request| {
            let (service, peer) = (Arc::clone(&shared.service), peer.clone());
            async move { Ok::<_, std::convert::Infallible>(crate::observe::serve(service, request, peer).await) }
        })
    };
    let limits = shared.limits();
    let connection = http1::Builder::new()
        .max_headers(limits.max_headers)
        // The head in one buffer: the target, the headers, and the room that hyper wants to keep free while it reads.
        .max_buf_size((limits.max_target + limits.max_header_bytes).max(8192) + 8192)
        .serve_connection(TokioIo::new(transport), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = peer.draining() => {
            let before = peer.pulse().begun();
            let next = poll_fn(|context| match connection.as_mut().poll(context) {
                Poll::Pending if !peer.pulse().is_busy() && peer.pulse().begun() == before => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(result) => Poll::Ready(Some(result)),
            });
            match timeout(NEXT_REQUEST, next).await {
                Ok(Some(result)) => result,
                Ok(None) | Err(_) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = result {
        debug!(%error, "connection ended");
    }
}

async fn secured(stream: TcpStream, peer: &Peer, shared: &Shared) -> Option<Stream> {
    let Some(tls) = &shared.tls else {
        return Some(Stream::Plain(stream));
    };
    let handshake = tls.acceptor().accept(stream);
    match timeout(shared.limits().handshake_timeout, handshake).await {
        Ok(Ok(stream)) => Some(Stream::Secure(Box::new(stream))),
        Ok(Err(error)) => {
            debug!(%error, peer = %peer.address().ip(), "TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}
