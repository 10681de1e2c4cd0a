//! Clients that mean no good: slow, stalled, malformed, vanishing, flooding.

use std::time::Duration;

use agentos_gateway::Limits;
use agentos_value::Value;
use agentos_wire::{Encoding, ToClient, ToServer};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::ws::{Said, Socket};
use crate::support::{Server, http, serve, soon, until};

/// A server with one short deadline: the others are those of production, so that nothing else ends what a test does, however
/// busy the machine is.
fn impatient(shorten: impl FnOnce(&mut Limits)) -> Server {
    let mut limits = Limits::default();
    shorten(&mut limits);
    serve(|gateway| gateway.limits(limits))
}

/// Writes a request byte by byte until the server has enough.
async fn trickle(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let mut answer = String::new();
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        match tokio::time::timeout(Duration::from_millis(20), stream.read_to_string(&mut answer)).await {
            Ok(_) => break,
            Err(_) => continue,
        }
    }
    answer
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_have_deadlines() {
    let server = impatient(|limits| limits.head_timeout = Duration::from_millis(100));
    let head = soon(trickle(&server, b"GET /health HTTP/1.1 and so on and so on")).await;
    assert!(!head.contains("200"), "{head}");
    until(|| server.running.connections() == 0).await;
    let server = impatient(|limits| limits.body_timeout = Duration::from_millis(150));
    let id = http::actor(server.address(), "counter", "k").await;
    let request =
        format!("POST /gateway/{id}/action/echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{\"args");
    let answer = soon(http::raw(server.address(), request.as_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    until(|| server.running.connections() == 0).await;
    let server = impatient(|limits| limits.idle_timeout = Duration::from_millis(100));
    let silent = soon(http::raw(server.address(), b"")).await;
    assert_eq!(silent, "");
    until(|| server.running.connections() == 0).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped() {
    let server = impatient(|limits| limits.write_timeout = Duration::from_secs(1));
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    for id in 0..10 {
        socket.act(id, "big", vec![Value::Int(8 << 20)]).await;
    }
    until(|| server.log.count("disconnected") == 1).await;
    until(|| server.running.connections() == 0).await;
    // The same over HTTP.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let body = format!(r#"{{"args":[{}]}}"#, 24 << 20);
    let length = body.len();
    let request =
        format!("POST /gateway/{id}/action/big HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    until(|| server.log.count("disconnected") == 2).await;
    until(|| server.running.connections() == 0).await;
}

#[tokio::test]
async fn a_crowd_of_stalled_clients_holds_up_nobody() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let id = http::actor(address, "counter", "k").await;
    let mut crowd = Vec::new();
    for number in 0..120_usize {
        // A head that never ends, a body that never comes, an answer that nobody reads, an upgrade that stays silent.
        let begun = match number % 4 {
            0 => "GET /health HTTP/1.1\r\nhost: loc".to_owned(),
            1 => format!("POST /gateway/{id}/action/echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{"),
            2 => format!(
                "POST /gateway/{id}/action/big HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20\r\n\r\n{{\"args\":[ 10485760]}}"
            ),
            _ => format!(
                "GET /gateway/{id}/connect HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            ),
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    until(|| server.running.connections() >= crowd.len()).await;
    let mut socket = Socket::connect(address, &id, Encoding::Bare).await;
    let mut client = http::Client::connect(address).await;
    for turn in 0..50 {
        let echoed = http::action(
            &mut client,
            &id,
            "echo",
            http::format(Encoding::Json, 2),
            &[Value::Int(turn)],
        )
        .await;
        assert!(echoed.is_ok(), "{echoed:?}");
        socket.act(turn.unsigned_abs(), "echo", vec![Value::Int(turn)]).await;
        assert!(matches!(soon(socket.message()).await, ToClient::Response { .. }));
    }
    drop((crowd, client, socket));
    until(|| server.running.connections() == 0).await;
}

#[tokio::test]
async fn a_silent_socket_is_asked_and_then_dropped() {
    let server = impatient(|limits| limits.ping_interval = Duration::from_secs(1));
    let id = http::actor(server.address(), "counter", "k").await;
    // This client's library answers pings only when it is polled.
    let socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    until(|| server.log.count("disconnected") == 1).await;
    drop(socket);
    // One that answers stays, although it says nothing else: it is asked more often than the silent one was.
    let mut alive = Socket::connect(server.address(), &id, Encoding::Bare).await;
    for _ in 0..4 {
        let asked = soon(alive.stream.next()).await;
        assert!(matches!(asked, Some(Ok(Message::Ping(_)))), "{asked:?}");
    }
    alive.act(1, "echo", vec![]).await;
    assert!(matches!(alive.message().await, ToClient::Response { .. }));
}

#[tokio::test]
async fn half_closed_and_vanished_clients_leave_nothing() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    for closing in ["half", "whole"] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let request = format!(
            "POST /gateway/{id}/action/hold HTTP/1.1\r\nhost: localhost\r\ncontent-length: 11\r\n\r\n{{\"args\":[]}}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        until(|| server.log.count("holding") >= 1).await;
        match closing {
            "half" => stream.shutdown().await.unwrap(),
            _ => drop(stream),
        }
        until(|| server.running.connections() == 0).await;
        server.log.open_gate();
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_dropped() {
    let server = serve(|gateway| gateway);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nxxxxxx",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST /actors HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /actors HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"GET / HTTP/1.1\r\nhost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET http://example.com/metadata HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{bytes:?}: {answer}"
        );
    }
    assert_eq!(http::get(server.address(), "/health").await.status(), 200);
}

/// A socket of which the test writes every byte.
async fn bare_socket(server: &Server, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "GET /gateway/{id}/connect HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: rivet\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    stream
}

#[tokio::test]
async fn frames_that_break_the_rules_close_with_their_code() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    for (frame, code) in [
        (&[0x81, 1, b'x'][..], 1002_u16),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
        (&[0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
    ] {
        let mut stream = bare_socket(&server, &id).await;
        stream.write_all(frame).await.unwrap();
        let mut all = Vec::new();
        let _ = soon(stream.read_to_end(&mut all)).await;
        let close = all
            .windows(4)
            .rposition(|window| window[0] == 0x88 && window[2..] == code.to_be_bytes());
        assert!(close.is_some(), "{frame:?}: {:?}", String::from_utf8_lossy(&all));
    }
    until(|| server.running.connections() == 0).await;
}

#[tokio::test]
async fn bad_upgrades_are_refused() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    for headers in [
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13",
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "connection: upgrade\r\nupgrade: h2c\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        let request = format!("GET /gateway/{id}/connect HTTP/1.1\r\nhost: localhost\r\n{headers}\r\nx: y\r\n\r\n");
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        soon(stream.read_exact(&mut start)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&start), "HTTP/1.1 426", "{headers}");
    }
}

#[tokio::test]
async fn a_flood_of_pings_and_messages_is_served_in_bounds() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut stream = bare_socket(&server, &id).await;
    let pings: Vec<u8> = std::iter::repeat_n([0x89, 0x81, 0, 0, 0, 0, b'p'], 100_000)
        .flatten()
        .collect();
    // Nothing is read while this is written; the server must neither store the answers nor stop.
    soon(stream.write_all(&pings)).await.unwrap();
    let mut other = Socket::connect(server.address(), &id, Encoding::Json).await;
    other.act(1, "echo", vec![]).await;
    assert!(matches!(other.message().await, ToClient::Response { .. }));
    let unsubscribe = ToServer::Subscription {
        event: "e".into(),
        subscribe: false,
    };
    for _ in 0..1000 {
        other.send(&unsubscribe).await;
    }
    for number in 0..2000 {
        let event = ToServer::Subscription {
            event: format!("e{number}"),
            subscribe: true,
        };
        other.send(&event).await;
    }
    // Too many subscriptions end the connection with their reason; the server lives.
    assert!(matches!(other.message().await, ToClient::Error { action_id: None, .. }));
    assert!(matches!(other.next().await, Said::Close(1011, reason) if reason == "agentos.limit_exceeded"));
    assert_eq!(http::get(server.address(), "/health").await.status(), 200);
}

#[tokio::test]
async fn many_connections_come_and_go_without_a_trace() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut before = 0;
    for round in 0..4 {
        for _ in 0..50 {
            let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
            socket.act(1, "echo", vec![]).await;
            let _ = http::raw(server.address(), b"GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
        }
        until(|| server.running.connections() == 0).await;
        if round == 0 {
            before = descriptors();
        }
    }
    // Other tests of this process come and go meanwhile.
    until(|| descriptors() <= before + 40).await;
    until(|| server.log.count("disconnected") == 200).await;
}

#[tokio::test]
async fn a_long_message_that_arrives_slowly_is_no_silence() {
    let server = impatient(|limits| limits.ping_interval = Duration::from_secs(1));
    let id = http::actor(server.address(), "counter", "k").await;
    let mut stream = bare_socket(&server, &id).await;
    // JSON, as no encoding was asked for; 2000 bytes in 20 pieces take longer than silence may last.
    let text = "y".repeat(2000);
    let message = format!(r#"{{"body":{{"tag":"ActionRequest","val":{{"id":7,"name":"echo","args":["{text}"]}}}}}}"#);
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0x81, 0xfe, length[0], length[1], 0, 0, 0, 0][..], message.as_bytes()].concat();
    for piece in frame.chunks(frame.len() / 20) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(&text) {
        assert_ne!(soon(stream.read_buf(&mut all)).await.unwrap(), 0, "closed");
    }
}
