//! HTTP between a guest and a host, one version on both sides.
//!
//! One connection of the guest has one connection to the host, never a shared one. Each request is judged, gets values for
//! placeholders, and is written anew, so what the host reads is what was judged. The response is cleaned and streamed back.

use super::body::ReplyBody;
use super::head::{self, Rule, strip_hop_by_hop, wants_websocket};
use super::reply::{cleaned, failure, refusal};
use super::{End, Ended, InterceptLimits, tunnel};
use crate::secrets::{Patterns, SecretSet, swap};
use core::convert::Infallible;
use core::pin::pin;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, IF_RANGE, RANGE, SEC_WEBSOCKET_EXTENSIONS,
    UPGRADE,
};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn as host_side;
use hyper::server::conn as guest_side;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::sync::Arc;

/// Streams of an HTTP/2 connection at once.
const STREAMS: u32 = 100;

/// Bytes in flight on an HTTP/2 stream and connection, and those waiting to be sent on a stream.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
const SEND_BUFFER: usize = 64 << 10;

/// Header fields of one message.
const FIELDS: usize = 256;

/// What is needed to judge and change what passes on one connection.
pub(super) struct Exchange {
    pub(super) secrets: Arc<SecretSet>,
    pub(super) patterns: Patterns,
    pub(super) rule: Rule,
    pub(super) limits: InterceptLimits,
}

/// Carries requests and responses until one side ends the connection.
pub(super) async fn serve<G: End, H: End>(exchange: Exchange, http2: bool, guest: G, host: H) -> Result<(), Ended> {
    let exchange = Arc::new(exchange);
    if http2 {
        serve_http2(exchange, guest, host).await
    } else {
        serve_http1(exchange, guest, host).await
    }
}

async fn serve_http1<G: End, H: End>(exchange: Arc<Exchange>, guest: G, host: H) -> Result<(), Ended> {
    let limits = exchange.limits;
    let handshake = host_side::http1::Builder::new()
        .max_headers(FIELDS)
        .max_header_size(limits.max_header_bytes)
        .max_buf_size(limits.max_header_bytes.max(8192))
        .handshake(TokioIo::new(host));
    let (sender, connection) = handshake
        .await
        .map_err(|_| Ended::Refused("the host's connection failed"))?;
    let sender = Arc::new(tokio::sync::Mutex::new(sender));
    let tunnel: Arc<Mutex<Option<Tunnel>>> = Arc::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (exchange, sender, tunnel) = (Arc::clone(&exchange), Arc::clone(&sender), Arc::clone(&tunnel));
        async move { Ok::<_, Infallible>(exchange.over_http1(request, &sender, &tunnel).await) }
    });
    let served = http1_server(&limits).serve_connection(TokioIo::new(guest), service);
    {
        let mut served = pin!(served.with_upgrades());
        let mut connection = pin!(connection.with_upgrades());
        let mut connected = true;
        loop {
            tokio::select! {
                _ = &mut served => break,
                _ = &mut connection, if connected => {
                    connected = false;
                    // Without its host a connection takes no further request. One that was upgraded goes on by itself.
                    if tunnel.lock().is_none() {
                        served.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
    let tunnel = tunnel.lock().take();
    match tunnel {
        Some(ends) => ends.carry(&exchange.patterns).await,
        None => Ok(()),
    }
}

async fn serve_http2<G: End, H: End>(exchange: Arc<Exchange>, guest: G, host: H) -> Result<(), Ended> {
    let limits = exchange.limits;
    let handshake = host_side::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(header_list(&limits))
        .handshake(TokioIo::new(host));
    let (sender, connection) = handshake
        .await
        .map_err(|_| Ended::Refused("the host's connection failed"))?;
    let service = service_fn(|request: Request<Incoming>| {
        let (exchange, sender) = (Arc::clone(&exchange), sender.clone());
        async move { Ok::<_, Infallible>(exchange.over_http2(request, sender).await) }
    });
    let mut served = pin!(http2_server(&limits).serve_connection(TokioIo::new(guest), service));
    let mut connection = pin!(connection);
    let mut connected = true;
    loop {
        tokio::select! {
            _ = &mut served => return Ok(()),
            _ = &mut connection, if connected => {
                connected = false;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Answers every request with the same failure.
pub(super) async fn refuse_all<G: End>(
    reason: String,
    http2: bool,
    guest: G,
    limits: &InterceptLimits,
) -> Result<(), Ended> {
    let service = service_fn(|_: Request<Incoming>| {
        let response = failure(&reason);
        async move { Ok::<_, Infallible>(response) }
    });
    // How a refused connection ends matters to nobody.
    if http2 {
        let _ = http2_server(limits)
            .serve_connection(TokioIo::new(guest), service)
            .await;
    } else {
        let mut server = http1_server(limits);
        let _ = server
            .keep_alive(false)
            .serve_connection(TokioIo::new(guest), service)
            .await;
    }
    Ok(())
}

fn http1_server(limits: &InterceptLimits) -> guest_side::http1::Builder {
    let mut server = guest_side::http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(FIELDS)
        .max_header_size(limits.max_header_bytes)
        .max_buf_size(limits.max_header_bytes.max(8192))
        .half_close(true)
        .auto_date_header(false);
    server
}

fn http2_server(limits: &InterceptLimits) -> guest_side::http2::Builder<TokioExecutor> {
    let mut server = guest_side::http2::Builder::new(TokioExecutor::new());
    server
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(header_list(limits))
        .auto_date_header(false);
    server
}

fn header_list(limits: &InterceptLimits) -> u32 {
    u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX)
}

/// Both ends of a connection that became something else.
struct Tunnel {
    guest: OnUpgrade,
    host: OnUpgrade,
}

impl Tunnel {
    async fn carry(self, patterns: &Patterns) -> Result<(), Ended> {
        let upgraded = tokio::try_join!(self.guest, self.host);
        let (guest, host) = upgraded.map_err(|_| Ended::Refused("the upgrade failed"))?;
        Ok(tunnel::masked(TokioIo::new(guest), TokioIo::new(host), patterns).await?)
    }
}

impl Exchange {
    async fn over_http1(
        &self,
        mut request: Request<Incoming>,
        sender: &tokio::sync::Mutex<host_side::http1::SendRequest<Incoming>>,
        tunnel: &Mutex<Option<Tunnel>>,
    ) -> Response<ReplyBody> {
        let websocket = wants_websocket(request.headers());
        let guest = websocket.then(|| on(&mut request));
        let method = request.method().clone();
        let request = match self.prepared(request, false, websocket) {
            Ok(request) => request,
            Err(response) => return *response,
        };
        let sent = {
            let mut sender = sender.lock().await;
            match sender.ready().await {
                Ok(()) => sender.send_request(request),
                Err(_) => return failure("the host closed the connection"),
            }
        };
        let mut response = match sent.await {
            Ok(response) => response,
            Err(error) => return failure(explain(&error)),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return cleaned(response, &method, &self.patterns);
        }
        let (Some(guest), true) = (guest, wants_websocket(response.headers())) else {
            return failure("the host changed the protocol without being asked");
        };
        let host = on(&mut response);
        *tunnel.lock() = Some(Tunnel { guest, host });
        let mut response = cleaned(response, &method, &self.patterns);
        add_upgrade(response.headers_mut());
        response
    }

    async fn over_http2(
        &self,
        request: Request<Incoming>,
        mut sender: host_side::http2::SendRequest<Incoming>,
    ) -> Response<ReplyBody> {
        let method = request.method().clone();
        let request = match self.prepared(request, true, false) {
            Ok(request) => request,
            Err(response) => return *response,
        };
        if sender.ready().await.is_err() {
            return failure("the host closed the connection");
        }
        match sender.send_request(request).await {
            Ok(response) => cleaned(response, &method, &self.patterns),
            Err(error) => failure(explain(&error)),
        }
    }

    /// The request as the host gets it, or what the guest is told instead.
    fn prepared(
        &self,
        request: Request<Incoming>,
        http2: bool,
        websocket: bool,
    ) -> Result<Request<Incoming>, Box<Response<ReplyBody>>> {
        let lists = |host: &str| self.secrets.lists(host, self.rule.port);
        let judged = self.rule.judge(&request, lists);
        let destination = judged.map_err(|reason| Box::new(refusal(reason)))?;
        let target = head::target(&destination, self.rule.scheme, http2);
        let target = target.map_err(|_| Box::new(failure("the target is not a path")))?;
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        strip_hop_by_hop(&mut headers);
        for name in [EXPECT, RANGE, IF_RANGE, CONTENT_LENGTH] {
            // The length is written anew from the body's; answers to the others could not be searched.
            headers.remove(name);
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(HOST);
        if !http2 && let Ok(host) = HeaderValue::from_str(destination.authority.as_str()) {
            headers.insert(HOST, host);
        }
        if websocket {
            headers.remove(SEC_WEBSOCKET_EXTENSIONS);
            add_upgrade(&mut headers);
        }
        if destination.trusted {
            swap(&mut headers, &self.secrets.for_host(&destination.host, self.rule.port));
        }
        check_size(&headers, self.limits.max_header_bytes)?;
        let mut request = Request::new(body);
        *request.method_mut() = parts.method;
        *request.uri_mut() = target;
        *request.version_mut() = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn add_upgrade(headers: &mut http::HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Values may be longer than placeholders.
fn check_size(headers: &http::HeaderMap, most: usize) -> Result<(), Box<Response<ReplyBody>>> {
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if size <= most {
        return Ok(());
    }
    Err(Box::new(refusal(head::Refusal {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        reason: "the header is too large",
    })))
}

/// What went wrong with a host, without a word of what it sent.
fn explain(error: &hyper::Error) -> &'static str {
    if error.is_timeout() {
        "the host took too long"
    } else if error.is_parse_too_large() {
        "the host's response header is too large"
    } else if error.is_parse() {
        "the host's response is not valid HTTP"
    } else {
        "the host ended the connection before it answered"
    }
}
