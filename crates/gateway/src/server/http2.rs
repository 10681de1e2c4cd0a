//! A connection that speaks HTTP/2, which clients may over TLS: browsers send bodies that stream in no other way.
//!
//! Everything behind here knows requests in the form of HTTP/1.1, with one `Host` and a target that begins with a slash, and
//! rules that protect something rest on that form; so it is made here. WebSockets have connections of their own: without the
//! extension that would carry them, clients open those with HTTP/1.1.

use std::sync::Arc;

use http::header::{COOKIE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, Version};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tracing::debug;

use super::Shared;
use super::peer::Peer;
use super::transport::Transport;

/// Requests of one connection at a time.
const STREAMS: u32 = 100;

/// Bytes of requests that one connection may send ahead of whoever reads their bodies.
const WINDOW: u32 = 256 << 10;

/// Bytes of one answer that wait for the client's window, besides the piece in hand.
const SEND_BUFFER: usize = 32 << 10;

/// Serves one connection to its end.
pub(super) async fn serve(transport: Transport, peer: Peer, shared: &Arc<Shared>) {
    let service = {
        let (peer, shared) = (peer.clone(), Arc::clone(shared));
        service_fn(move |request| {
            let (service, peer) = (Arc::clone(&shared.service), peer.clone());
            let request = as_http1(request);
            async move { Ok::<_, std::convert::Infallible>(crate::observe::serve(service, request, peer).await) }
        })
    };
    let limits = shared.limits();
    let head = u32::try_from(limits.max_target + limits.max_header_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(head)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(transport), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = peer.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "connection ended");
    }
}

/// The request as a client of HTTP/1.1 would have written it.
fn as_http1<B>(mut request: Request<B>) -> Request<B> {
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let target = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    if let Some(host) = authority.and_then(|host| HeaderValue::try_from(host).ok()) {
        // One that says something else is a second one, and whoever asks for the host refuses two.
        if headers.get(HOST) != Some(&host) {
            headers.append(HOST, host);
        }
    }
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_host_one_cookie_and_a_path() {
        let request = Request::builder()
            .uri("https://gate.test:1/a%2Fb?c")
            .version(Version::HTTP_2)
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        let request = as_http1(request);
        assert_eq!(
            (request.uri().to_string().as_str(), request.version()),
            ("/a%2Fb?c", Version::HTTP_11)
        );
        assert_eq!(request.headers()["host"], "gate.test:1");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
        let two = Request::builder()
            .uri("https://a/")
            .header("host", "b")
            .body(())
            .unwrap();
        assert_eq!(as_http1(two).headers().get_all("host").iter().count(), 2);
        let same = Request::builder()
            .uri("https://a/")
            .header("host", "a")
            .body(())
            .unwrap();
        assert_eq!(as_http1(same).headers().get_all("host").iter().count(), 1);
    }
}
