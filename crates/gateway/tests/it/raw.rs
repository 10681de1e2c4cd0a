//! Raw requests and sockets, answered by the actor's own handlers.

use ::http::Method;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{http, serve, soon, until, ws};

#[tokio::test]
async fn a_raw_request_goes_through_as_it_came() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let target = format!("/gateway/{id}/request/a%2Fb//c?x=1&y=?");
    let refused = http::call(server.address(), Method::PATCH, &target, &[], b"").await;
    assert_eq!(http::error(&refused), "guard/no_route", "two slashes");
    let target = format!("/gateway/{id}/request/a%2Fb/c?x=1&u=http://x?y");
    let headers = [
        ("x-rivet-conn-params", r#"{"a":7}"#),
        ("x-rivet-internal-original-request-url", "http://evil"),
        ("x-own", "1"),
        ("te", "trailers"),
    ];
    let body = [0_u8, 159, 146, 150];
    let answer = http::call(server.address(), Method::PATCH, &target, &headers, &body).await;
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (418, &body[..]));
    assert_eq!(
        answer.headers()["x-line"],
        "PATCH /a%2Fb/c?x=1&u=http://x?y Some(Int(7))"
    );
    assert_eq!(answer.headers()["x-rivet-actor"], id.as_str());
    assert!(!answer.headers().contains_key("x-hop"));
    let failed = http::get(server.address(), &format!("/gateway/{id}/request/fail")).await;
    assert_eq!(
        (failed.status().as_u16(), http::error(&failed).as_str()),
        (400, "user/no")
    );
    until(|| server.log.count("disconnected") == 2).await;
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!("POST /gateway/{id}/request/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // Each piece comes back before the next is sent.
    let mut seen = String::new();
    for piece in ["one", "two", "three"] {
        stream
            .write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())
            .await
            .unwrap();
        while !seen.contains(piece) {
            let mut buffer = [0; 1024];
            let count = soon(stream.read(&mut buffer)).await.unwrap();
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
    assert_eq!(server.log.count("disconnected"), 0, "open while it streams");
    drop(stream);
    until(|| server.log.count("disconnected") == 1).await;
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    soon(socket.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn frames_of_raw_sockets_are_untouched() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let protocols = "rivet, rivet_encoding.bare";
    let mut socket = ws::open(server.address(), &format!("/gateway/{id}/websocket/x?y=1"), protocols).await;
    assert_eq!(next(&mut socket).await, Message::text("/websocket/x?y=1"));
    for message in [
        Message::text("hé"),
        Message::binary(vec![0, 255]),
        Message::text(""),
        Message::binary(vec![7; 100_000]),
    ] {
        soon(socket.send(message.clone())).await.unwrap();
        assert_eq!(next(&mut socket).await, message);
    }
    soon(socket.send(Message::text("bye"))).await.unwrap();
    assert!(matches!(next(&mut socket).await, Message::Close(Some(frame)) if u16::from(frame.code) == 1000));
    until(|| server.log.count("disconnected") == 1).await;
}

#[tokio::test]
async fn a_refused_raw_socket_is_closed_with_the_reason_and_no_message() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    for (target, reason) in [
        (format!("/gateway/{id}/websocket/refuse"), "user.no"),
        ("/gateway/unknown/websocket".to_owned(), "actor.not_found"),
    ] {
        let mut socket = ws::open(server.address(), &target, "rivet").await;
        match next(&mut socket).await {
            Message::Close(Some(frame)) => assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1011, reason)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_drain_sends_raw_sockets_away() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = ws::open(server.address(), &format!("/gateway/{id}/websocket"), "rivet").await;
    assert_eq!(next(&mut socket).await, Message::text("/websocket"));
    let client = async { next(&mut socket).await };
    let (drained, close) = soon(async { tokio::join!(server.running.drain(crate::support::PATIENCE), client) }).await;
    assert!(drained);
    assert!(matches!(close, Message::Close(Some(frame)) if frame.reason == "ws.going_away"));
}
