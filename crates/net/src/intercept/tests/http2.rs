//! HTTP/2, over TLS and with prior knowledge.

use super::*;
use bytes::Bytes;
use core::convert::Infallible;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// What the host saw of a request.
type Seen = Arc<Mutex<Vec<(http::Uri, HeaderMap, Bytes)>>>;

/// Sends one request with the placeholder in a header; gives status, headers, body and trailers as text.
pub(super) async fn get<S>(stream: S, host: &str, placeholder: &str) -> String
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = Request::get(format!("https://{host}/a?b")).header("authorization", format!("Bearer {placeholder}"));
    send(stream, request.body(Empty::new()).unwrap()).await
}

async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> String
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => return format!("{error:?}"),
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    drop(sender);
    let _ = connection.await;
    format!("{} {:?} {text} {trailers:?}", parts.status, parts.headers)
}

/// Serves HTTP/2, keeps what was asked, and echoes the value in every place.
async fn serve<S>(stream: S, seen: Seen)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            seen.lock().unwrap().push((parts.uri, parts.headers, body));
            let (first, second) = VALUE.split_at(11);
            let mut trailers = HeaderMap::new();
            trailers.insert("x-trailer", VALUE.parse().unwrap());
            let frames = [
                Frame::data(Bytes::from(format!("x {first}"))),
                Frame::data(Bytes::from(format!("{second} y"))),
                Frame::trailers(trailers),
            ];
            let frames = futures_like(frames.map(Ok::<_, Infallible>));
            let mut response = Response::new(StreamBody::new(frames));
            response.headers_mut().insert("x-echo", VALUE.parse().unwrap());
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    server.auto_date_header(false);
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

/// A stream of ready items.
fn futures_like<T: Unpin, const N: usize>(items: [T; N]) -> impl futures_core::Stream<Item = T> + Unpin {
    struct Ready<T>(std::collections::VecDeque<T>);
    impl<T: Unpin> futures_core::Stream for Ready<T> {
        type Item = T;
        fn poll_next(
            mut self: core::pin::Pin<&mut Self>,
            _: &mut core::task::Context<'_>,
        ) -> core::task::Poll<Option<T>> {
            core::task::Poll::Ready(self.0.pop_front())
        }
    }
    Ready(items.into_iter().collect())
}

#[tokio::test]
async fn a_request_carries_the_value_and_every_echo_is_masked() {
    let world = World::new();
    let key = world.placeholder("KEY");
    for port in [443, 80] {
        let seen = Seen::default();
        let (guest, host) = world.connect(&[API], port);
        let guest = async {
            if port == 443 {
                get(world.guest_tls(guest, API, &["h2"]).await.unwrap(), API, &key).await
            } else {
                let request =
                    Request::get(format!("http://{API}/a?b")).header("authorization", format!("Bearer {key}"));
                send(guest, request.body(Empty::new()).unwrap()).await
            }
        };
        let host = async {
            if port == 443 {
                serve(world.host_tls(host, API, &["h2"]).await.unwrap(), Arc::clone(&seen)).await;
            } else {
                serve(host, Arc::clone(&seen)).await;
            }
        };
        let (got, ()) = both(guest, host).await;
        let seen = seen.lock().unwrap();
        let (uri, headers, _) = &seen[0];
        assert_eq!(uri.path_and_query().unwrap(), "/a?b");
        assert_eq!(uri.authority().unwrap(), API);
        assert_eq!(headers["authorization"], format!("Bearer {VALUE}"));
        assert!(!got.contains(VALUE), "{got}");
        let mask = "*".repeat(VALUE.len());
        assert!(got.contains(&format!("\"x-echo\": \"{mask}\"")), "{got}");
        assert!(got.contains(&format!("x {mask} y")), "{got}");
        assert!(got.contains(&format!("\"x-trailer\": \"{mask}\"")), "{got}");
    }
}

#[tokio::test]
async fn authorities_that_disagree_get_nothing() {
    let world = World::new();
    let key = world.placeholder("KEY");
    for (uri, host_header, status) in [
        ("https://other.test/".to_owned(), None, StatusCode::MISDIRECTED_REQUEST),
        (format!("https://{API}:8443/"), None, StatusCode::MISDIRECTED_REQUEST),
        (format!("https://{API}/"), Some("other.test"), StatusCode::BAD_REQUEST),
        ("https://other.test/".to_owned(), Some(API), StatusCode::BAD_REQUEST),
        (format!("http://{API}/"), None, StatusCode::BAD_REQUEST),
        (format!("https://user@{API}/"), None, StatusCode::BAD_REQUEST),
    ] {
        let seen = Seen::default();
        let (guest, host) = world.connect(&[API], 443);
        let mut request = Request::get(&uri).header("authorization", &key);
        if let Some(host) = host_header {
            request = request.header("host", host);
        }
        let request = request.body(Empty::new()).unwrap();
        let guest = async { send(world.guest_tls(guest, API, &["h2"]).await.unwrap(), request).await };
        let host = async { serve(world.host_tls(host, API, &["h2"]).await.unwrap(), Arc::clone(&seen)).await };
        let (got, ()) = both(guest, host).await;
        assert!(seen.lock().unwrap().is_empty(), "{uri} {host_header:?}");
        assert!(
            got.starts_with(status.as_str()) || got.contains("PROTOCOL_ERROR"),
            "{uri} {host_header:?}: {got}"
        );
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field, neither indexed nor compressed.
fn field(name: &str, value: &str) -> Vec<u8> {
    [
        &[0, name.len() as u8],
        name.as_bytes(),
        &[value.len() as u8],
        value.as_bytes(),
    ]
    .concat()
}

/// Names and values of a header block.
type Fields = Vec<(&'static str, String)>;

#[tokio::test]
async fn malformed_pseudo_headers_get_nothing() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let base = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", API),
        (":path", "/"),
    ];
    let with = |change: &dyn Fn(&mut Fields)| {
        let mut fields: Fields = base.map(|(name, value)| (name, value.to_owned())).into();
        change(&mut fields);
        fields.push(("authorization", key.clone()));
        fields
    };
    let cases = [
        with(&|fields| fields.push((":authority", "other.test".to_owned()))),
        with(&|fields| fields.push((":path", "/other".to_owned()))),
        with(&|fields| fields.insert(0, ("x-first", "1".to_owned()))),
        with(&|fields| fields.push((":protocol", "websocket".to_owned()))),
        with(&|fields| fields.push((":status", "200".to_owned()))),
        with(&|fields| fields.push(("transfer-encoding", "chunked".to_owned()))),
        with(&|fields| fields.push(("connection", "close".to_owned()))),
        with(&|fields| fields.push(("Upper", "1".to_owned()))),
        with(&|fields| fields.push(("x", "a\r\nhost: other.test".to_owned()))),
        with(&|fields| fields[3].1 = "/ HTTP/1.1\r\nhost: other.test".to_owned()),
        with(&|fields| fields[3].1 = String::new()),
        with(&|fields| fields[2].1 = "other.test".to_owned()),
        with(&|fields| drop(fields.remove(2))),
        with(&|fields| fields[0].1 = "CONNECT".to_owned()),
    ];
    for fields in cases {
        let seen = Seen::default();
        let (guest, host) = world.connect(&[API], 443);
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        let wire = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, 0, 0, &[]),
            frame(1, 5, 1, &block),
            // The end of the connection.
            frame(7, 0, 0, &[0; 8]),
        ]
        .concat();
        let guest = async {
            let mut guest = world.guest_tls(guest, API, &["h2"]).await.unwrap();
            guest.write_all(&wire).await.unwrap();
            guest.flush().await.unwrap();
            let mut got = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut guest, &mut got).await;
        };
        let host = async { serve(world.host_tls(host, API, &["h2"]).await.unwrap(), Arc::clone(&seen)).await };
        let ((), ()) = both(guest, host).await;
        let seen = seen.lock().unwrap();
        assert!(
            seen.iter()
                .all(|(_, headers, _)| !format!("{headers:?}").contains(VALUE)),
            "{fields:?} {seen:?}"
        );
        assert!(seen.is_empty(), "{fields:?} {seen:?}");
    }
}

#[tokio::test]
async fn many_requests_at_once_keep_their_own_secrets() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let seen = Seen::default();
    let (guest, host) = world.connect(&[API], 443);
    let guest = async {
        let stream = world.guest_tls(guest, API, &["h2"]).await.unwrap();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        let connection = tokio::spawn(connection);
        let mut running = tokio::task::JoinSet::new();
        for number in 0..50 {
            let (mut sender, key) = (sender.clone(), key.clone());
            running.spawn(async move {
                let secret = if number % 2 == 0 { key } else { "none".to_owned() };
                let request = Request::post(format!("https://{API}/{number}")).header("x-key", secret);
                let response = sender
                    .send_request(request.body(Full::new(Bytes::from("body"))).unwrap())
                    .await
                    .unwrap();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert!(!String::from_utf8_lossy(&body).contains(VALUE));
            });
        }
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
        drop(sender);
        let _ = connection.await;
    };
    let host = async { serve(world.host_tls(host, API, &["h2"]).await.unwrap(), Arc::clone(&seen)).await };
    both(guest, host).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 50);
    for (uri, headers, body) in seen.iter() {
        let even = uri.path()[1..].parse::<u32>().unwrap() % 2 == 0;
        assert_eq!(headers["x-key"], if even { VALUE } else { "none" });
        assert_eq!(body, "body");
    }
}
