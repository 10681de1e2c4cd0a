//! Requests from the host to servers in the VM.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod support;

use agentos::http::{Method, Request, StatusCode};
use agentos::{AgentOs, Error, Process, RequestBody};
use bytes::Bytes;
use futures_core::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use support::{limited, lives};

/// Starts a server by its command line and waits until it says on standard error that it listens.
async fn serve(vm: &AgentOs, script: &str) -> Process {
    let mut server = vm.spawn("sh", ["-c", script]).start().await.expect("it starts");
    server.first_output().await.expect("it says that it listens");
    server
}

/// A server that answers one connection with the bytes that `printf` makes of `answer`, and keeps what it was sent.
async fn canned(vm: &AgentOs, answer: &str) -> Process {
    serve(vm, &format!("printf '{answer}' | nc -v -l 8081 > /tmp/request")).await
}

fn get(uri: &str) -> Request<()> {
    Request::builder().uri(uri).body(()).unwrap()
}

#[tokio::test]
async fn a_file_server_in_the_vm_answers_the_host() {
    let vm = limited(&[]).await;
    vm.write_file("/home/user/index.html", "<h1>hello</h1>").await.unwrap();
    let _server = serve(&vm, "exec httpd -p 8080").await;
    for _ in 0..3 {
        let response = vm.fetch(8080, get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.into_body().text().await.unwrap(), "<h1>hello</h1>");
    }
    let response = vm.fetch(8080, get("http://example.com/none?q=1")).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_but_a_listener_of_this_vm_is_reached() {
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let vm = limited(&[]).await;
    let refused = vm.fetch(port, get("/")).await.unwrap_err();
    assert!(
        matches!(refused, Error::NoListener { port: named } if named == port),
        "{refused}"
    );
    assert_eq!(
        (refused.code(), refused.errno()),
        ("no_listener", Some(agentos::Errno::ECONNREFUSED))
    );
    host.set_nonblocking(true).unwrap();
    assert_eq!(host.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn the_request_arrives_as_http_asks_for() {
    let vm = limited(&[]).await;
    // The server answers once it has the whole request; one that answers at once may be left without its end.
    let script = r#"mkfifo /tmp/answer; nc -v -l 8081 <> /tmp/answer | {
        while IFS= read -r line && [ "$line" != $'\r' ]; do printf '%s\n' "$line"; done > /tmp/request
        head -c 8 > /tmp/body
        printf 'HTTP/1.1 201 Made\r\nX-Answer: yes\r\nContent-Length: 2\r\n\r\nok' > /tmp/answer
    }"#;
    let _server = serve(&vm, script).await;
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://name.test/path?query")
        .header("x-own", "1")
        .header("proxy-authorization", "secret")
        .body("the body")
        .unwrap();
    let response = vm.fetch(8081, request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-answer"]),
        (201, &"yes".parse().unwrap())
    );
    assert_eq!(response.into_body().text().await.unwrap(), "ok");
    let sent = vm.read_file("/tmp/request").await.unwrap();
    let sent = String::from_utf8(sent.to_vec()).unwrap().to_ascii_lowercase();
    assert!(sent.starts_with("post /path?query http/1.1\r\n"), "{sent}");
    assert!(
        sent.contains("\r\nhost: name.test\r\n") && sent.contains("\r\nx-own: 1\r\n"),
        "{sent}"
    );
    assert!(sent.contains("content-length: 8\r\n"), "{sent}");
    assert!(!sent.contains("secret"), "{sent}");
    assert_eq!(&vm.read_file("/tmp/body").await.unwrap()[..], b"the body");
}

/// Chunks that are there at once, and how many of them were taken.
struct Chunks(VecDeque<Bytes>);

impl Stream for Chunks {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let vm = limited(&[]).await;
    // Two megabytes come back in chunks of HTTP; the request's are sent without their length being known.
    let script = r#"mkfifo /tmp/answer; nc -v -l 8081 <> /tmp/answer | {
        while IFS= read -r line && [ "$line" != $'0\r' ]; do printf '%s\n' "$line"; done > /tmp/request
        printf 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
        for i in 1 2 3 4 5 6 7 8; do printf '40000\r\n'; head -c 262144 /dev/zero; printf '\r\n'; done
        printf '0\r\n\r\n'
    } > /tmp/answer"#;
    let _server = serve(&vm, script).await;
    let chunks = Chunks(["one", "two", "three"].map(Bytes::from).into());
    let request = Request::post("/").body(RequestBody::stream(chunks)).unwrap();
    let mut body = vm.fetch(8081, request).await.unwrap().into_body();
    let (mut size, mut pieces) = (0, 0);
    while let Some(piece) = body.chunk().await.unwrap() {
        (size, pieces) = (size + piece.len(), pieces + 1);
    }
    assert_eq!(size, 8 * 262_144);
    assert!(pieces > 1);
    let sent = vm.read_file("/tmp/request").await.unwrap();
    assert!(sent.ends_with(b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n"), "{sent:?}");
}

#[tokio::test]
async fn what_is_too_large_names_the_limit() {
    let vm = limited(&[
        ("maxFetchResponseBytes", 1000),
        ("maxFetchRequestBytes", 4),
        ("maxHeaderBytes", 8192),
    ])
    .await;
    let limit = |error: Error| {
        (
            error.limit().map(|limit| (limit.limit, limit.observed)),
            error.to_string(),
        )
    };

    let _server = serve(&vm, "exec httpd -p 8080").await;
    let request = Request::post("/").body("12345").unwrap();
    let (found, text) = limit(vm.fetch(8080, request).await.unwrap_err());
    assert_eq!(found, Some(("maxFetchRequestBytes", 5)), "{text}");

    vm.write_file("/home/user/large", vec![b'x'; 1001]).await.unwrap();
    let response = vm.fetch(8080, get("/large")).await.unwrap();
    let (found, text) = limit(response.into_body().bytes().await.unwrap_err());
    assert_eq!(found, Some(("maxFetchResponseBytes", 1001)), "{text}");

    // The same without an announcement of the length, from a server that would never end.
    let _endless = serve(&vm, r"(printf 'HTTP/1.1 200 OK\r\n\r\n'; yes) | nc -v -l 8081").await;
    let response = vm.fetch(8081, get("/")).await.unwrap();
    let (found, text) = limit(response.into_body().bytes().await.unwrap_err());
    assert!(
        matches!(found, Some(("maxFetchResponseBytes", more)) if more > 1000),
        "{text}"
    );

    let _giant = serve(
        &vm,
        r"(printf 'HTTP/1.1 200 OK\r\nX: '; yes | tr -d '\n') | nc -v -l 8082",
    )
    .await;
    let (found, text) = limit(vm.fetch(8082, get("/")).await.unwrap_err());
    assert_eq!(found, Some(("maxHeaderBytes", 8193)), "{text}");
    lives(&vm).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let vm = limited(&[("fetchTimeoutMs", 50)]).await;
    let _mute = serve(&vm, "sleep 1000 | nc -v -l 8081").await;
    let error = vm.fetch(8081, get("/")).await.unwrap_err();
    assert_eq!(
        error.limit().map(|limit| limit.limit),
        Some("fetchTimeoutMs"),
        "{error}"
    );
    let _half = serve(
        &vm,
        r"(printf 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'; sleep 1000) | nc -v -l 8082",
    )
    .await;
    // On a busy machine even the head may come too late; the same limit ends that.
    let error = match vm.fetch(8082, get("/")).await {
        Ok(response) => response.into_body().bytes().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(
        error.limit().map(|limit| limit.limit),
        Some("fetchTimeoutMs"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_lies_is_an_error_and_no_harm() {
    let vm = limited(&[]).await;
    for (answer, whole_head) in [
        (r"\\000\\001\\002\r\n\r\n", false),
        (r"HTTP/1.1 2x0 OK\r\n\r\n", false),
        (
            r"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            false,
        ),
        (r"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false),
        (r"HTTP/1.1 200 OK\r\n", false),
        (r"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", true),
        (r"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true),
    ] {
        let mut server = canned(&vm, answer).await;
        let error = match vm.fetch(8081, get("/")).await {
            Err(error) => error,
            Ok(response) if whole_head => response.into_body().bytes().await.unwrap_err(),
            Ok(response) => panic!("{answer}: {response:?}"),
        };
        assert_eq!(error.code(), "bad_response", "{answer}: {error}");
        server.wait().await.unwrap();
    }
    lives(&vm).await;
}

#[tokio::test]
async fn a_dropped_answer_ends_the_connection_and_disposal_ends_all() {
    let vm = limited(&[]).await;
    let mut server = serve(&vm, r"(printf 'HTTP/1.1 200 OK\r\n\r\n'; yes) | nc -v -l 8081").await;
    let response = vm.fetch(8081, get("/")).await.unwrap();
    drop(response);
    // `yes` writes without end unless the connection is gone.
    server.wait().await.unwrap();
    vm.dispose().await;
    assert!(matches!(vm.fetch(8081, get("/")).await, Err(Error::Disposed)));
}
