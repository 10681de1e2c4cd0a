//! What a client cannot do: send too much, hold too much, wait for ever, come without the key.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;

use agentos_model::{Error, ModelServer, Script};
use common::{ask, send, send_with, serve, serve_within};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HELLO: &str = r#"{"turns": [{"say": [{"text": "hello"}]}]}"#;

#[tokio::test]
async fn bodies_are_bounded_whether_their_length_is_told_or_not() {
    let server = serve_within(HELLO, |bounds| bounds.max_body_bytes = 1000).await;
    let got = send(&server, "POST", "/v1/messages", &"x".repeat(1001)).await;
    assert_eq!(
        (got.status, &got.json()["error"]["type"]),
        (413, &json!("request_too_large"))
    );
    assert!(
        got.body.contains("maxBodyBytes: 1001 is more than 1000"),
        "{}",
        got.body
    );
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let chunk = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001));
    stream.write_all(format!("{head}{chunk}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        send(
            &server,
            "POST",
            "/v1/messages",
            &ask(false, &json!([{"role": "user", "content": "a"}]))
        )
        .await
        .status
            == 200
    );
}

#[tokio::test]
async fn connections_are_bounded_and_given_back() {
    let server = serve_within(HELLO, |bounds| bounds.max_connections = 1).await;
    // It is counted once it was answered on.
    let mut first = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    first
        .write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(first.read(&mut [0; 64]).await.unwrap() > 0);
    let mut second = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 529") && answer.contains("maxConnections: 2 is more than 1"),
        "{answer}"
    );
    drop(first);
    loop {
        let mut next = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        // One that is turned away may be reset before it is read.
        let _ = next
            .write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        let mut answer = Vec::new();
        let _ = next.read_to_end(&mut answer).await;
        if answer.starts_with(b"HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test]
async fn who_sends_nothing_is_closed() {
    let server = serve_within(HELLO, |bounds| bounds.read_timeout = Duration::from_millis(50)).await;
    let mut silent = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).await.unwrap();
    let mut slow = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nx";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_key_is_wanted_in_either_form() {
    let script = Script::from_json(HELLO).unwrap();
    let server = ModelServer::builder(script).key("right").start().await.unwrap();
    for (header, status) in [
        (("x-api-key", "right"), 200),
        (("authorization", "Bearer right"), 200),
        (("x-api-key", "wrong"), 401),
        (("authorization", "right"), 401),
    ] {
        let got = send_with(&server, "GET", "/v1/models", &[header], "").await;
        assert_eq!(got.status, status, "{header:?}");
    }
    let got = send(&server, "POST", "/v1/messages", "").await;
    assert_eq!(got.json()["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn streams_hang_and_break_where_the_script_says_so() {
    let server = serve(
        r#"{"turns": [{"end": "cut", "say": [{"text": "one two three four five six"}]},
        {"end": "hang", "pauseMs": 1, "say": [{"text": "one two three four five six"}]}]}"#,
    )
    .await;
    let mut messages = json!([{"role": "user", "content": "a"}]);
    let got = send(&server, "POST", "/v1/messages", &ask(true, &messages)).await;
    assert!(
        got.broken && got.body.contains("message_start") && !got.body.contains("message_stop"),
        "{got:?}"
    );
    messages
        .as_array_mut()
        .unwrap()
        .push(json!({"role": "assistant", "content": "b"}));
    let body = ask(true, &messages);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nanthropic-version: 1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut read = String::new();
    while !read.contains("content_block_delta") {
        let mut chunk = [0; 1024];
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "{read}");
        read.push_str(std::str::from_utf8(&chunk[..n]).unwrap());
    }
    // It ends with the server, and not before.
    drop(server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("message_stop"));
}

#[tokio::test]
async fn a_turn_for_one_use_is_used_once() {
    let server = serve(
        r#"{"turns": [
        {"when": {}, "once": true, "error": {"status": 529, "type": "overloaded_error", "message": "Overloaded"}},
        {"say": [{"text": "hello"}]}]}"#,
    )
    .await;
    let body = ask(false, &json!([{"role": "user", "content": "a"}]));
    let first = send(&server, "POST", "/v1/messages", &body).await;
    assert_eq!(
        (first.status, &first.json()["error"]["type"]),
        (529, &json!("overloaded_error"))
    );
    assert_eq!(
        send(&server, "POST", "/v1/messages", &body).await.json()["content"][0]["text"],
        "hello"
    );
    let port = server.port();
    let taken = ModelServer::builder(Script::write_and_run())
        .port(port)
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(taken, Error::Listen { port: named, .. } if named == port),
        "{taken}"
    );
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let server = serve_within(HELLO, |bounds| bounds.max_seen = 2).await;
    for text in ["a", "b", &"c".repeat(1000)] {
        send(
            &server,
            "POST",
            "/v1/messages",
            &ask(false, &json!([{"role": "user", "content": text}])),
        )
        .await;
    }
    let prompts: Vec<usize> = server.seen().iter().map(|seen| seen.prompt.len()).collect();
    assert_eq!(prompts, [1, 256]);
}
