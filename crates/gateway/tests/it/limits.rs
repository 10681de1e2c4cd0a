//! What is too large, too many or too late.

use std::time::Duration;

use ::http::Method;
use agentos_actor::RegistryLimits;
use agentos_gateway::Limits;
use agentos_value::Value;
use agentos_wire::{Encoding, ToClient};
use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::ws::{Said, Socket};
use crate::support::{http, serve, serve_with, soon, until};

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.max_incoming_message = 1000;
    limits.max_outgoing_message = 2000;
    limits
}

#[tokio::test]
async fn large_bodies_in_both_directions() {
    let server = serve(|gateway| gateway.limits(small()));
    let id = http::actor(server.address(), "counter", "k").await;
    let mut client = http::Client::connect(server.address()).await;
    let format = http::format(Encoding::Bare, 3);
    let long = Value::from("x".repeat(2000));
    let (status, error) = http::action(&mut client, &id, "echo", format, &[long])
        .await
        .unwrap_err();
    assert_eq!(
        (status, error.group.as_ref(), error.code.as_ref()),
        (413, "actor", "message_too_large")
    );
    let mut client = http::Client::connect(server.address()).await;
    let (status, error) = http::action(&mut client, &id, "big", format, &[Value::Int(5000)])
        .await
        .unwrap_err();
    assert_eq!((status, error.code.as_ref()), (413, "message_too_large"));
    assert!(
        error.message.contains("limits.server.maxOutgoingMessageSize"),
        "{}",
        error.message
    );
    // Chunked, so that the length is not announced.
    let chunk = format!("3E8\r\n{}\r\n", "x".repeat(1000));
    let head = format!(
        "POST /gateway/{id}/action/echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let answer = http::raw(server.address(), format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn an_oversized_frame_is_answered_and_the_connection_stays() {
    let server = serve(|gateway| gateway.limits(small()));
    let id = http::actor(server.address(), "counter", "k").await;
    for encoding in Encoding::ALL {
        let mut socket = Socket::connect(server.address(), &id, encoding).await;
        for action_id in [5, 300] {
            socket
                .act(action_id, "echo", vec![Value::from("y".repeat(200_000))])
                .await;
            match socket.message().await {
                ToClient::Error {
                    body,
                    action_id: Some(answered),
                } => {
                    assert_eq!(
                        (answered, body.error.code.as_ref()),
                        (action_id, "message_too_large"),
                        "{encoding:?}"
                    );
                }
                other => panic!("{encoding:?} {other:?}"),
            }
        }
        socket.act(6, "big", vec![Value::Int(3000)]).await;
        assert!(
            matches!(socket.message().await, ToClient::Error { body, action_id: Some(6) } if body.error.code == "message_too_large")
        );
        socket.act(7, "echo", vec![]).await;
        assert!(
            matches!(socket.message().await, ToClient::Response { id: 7, .. }),
            "{encoding:?}"
        );
    }
}

#[tokio::test]
async fn an_event_beyond_the_limit_is_told_as_a_failed_stream() {
    let server = serve(|gateway| gateway.limits(small()));
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Json).await;
    socket.subscribe("tick").await;
    socket.act(1, "bigEvent", vec![Value::Int(3000)]).await;
    let ToClient::Event { name, args } = socket.message().await else {
        panic!("no event")
    };
    assert_eq!(
        (name.as_str(), args[0].get("code")),
        ("streamError", Some(&Value::from("stream_failed")))
    );
    assert!(matches!(socket.message().await, ToClient::Response { id: 1, .. }));
}

#[tokio::test]
async fn an_oversized_frame_without_an_id_closes() {
    let server = serve(|gateway| gateway.limits(small()));
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    soon(socket.stream.send(Message::binary(vec![0xff; 5000])))
        .await
        .unwrap();
    assert_eq!(socket.next().await, Said::Close(1009, "actor.message_too_large".into()));
}

#[tokio::test]
async fn long_targets_and_headers() {
    let mut limits = Limits::default();
    limits.max_header_bytes = 20_000;
    let server = serve(|gateway| gateway.limits(limits));
    let status = |target: String, header: usize| {
        let address = server.address();
        async move {
            let header = "h".repeat(header);
            http::call(address, Method::GET, &target, &[("x-h", header.as_str())], b"")
                .await
                .status()
                .as_u16()
        }
    };
    assert_eq!(status(format!("/metadata?{}", "q".repeat(16_000)), 0).await, 200);
    assert_eq!(status(format!("/metadata?{}", "q".repeat(16_400)), 0).await, 414);
    assert_eq!(status("/metadata".into(), 19_000).await, 200);
    assert_eq!(status("/metadata".into(), 20_100).await, 431);
    let endless = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}", "x".repeat(200_000));
    let answer = http::raw(server.address(), endless.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = (0..500).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let answer = http::raw(
        server.address(),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn reading_pauses_with_too_many_actions_in_flight() {
    let mut limits = Limits::default();
    limits.max_in_flight_actions = 3;
    let server = serve(|gateway| gateway.limits(limits));
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    for id in 1..=5 {
        socket.act(id, "hold", vec![]).await;
    }
    socket.act(6, "increment", vec![]).await;
    until(|| server.log.count("holding") == 3).await;
    // The rest waits in the socket, unread.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.log.count("holding"), 3);
    server.log.open_gate();
    until(|| server.log.count("holding") == 5).await;
    server.log.open_gate();
    let mut answered = Vec::new();
    for _ in 0..6 {
        match socket.message().await {
            ToClient::Response { id, .. } => answered.push(id),
            other => panic!("{other:?}"),
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn connections_of_one_actor_are_counted() {
    let limits = RegistryLimits {
        max_connections: 2,
        ..RegistryLimits::default()
    };
    let server = serve_with(limits, |gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let held = (
        Socket::connect(server.address(), &id, Encoding::Bare).await,
        Socket::connect(server.address(), &id, Encoding::Bare).await,
    );
    let refused = Socket::open(server.address(), &id, Encoding::Bare, None)
        .await
        .refused()
        .await;
    assert_eq!((refused.1, refused.2.as_str()), (1013, "guard.service_unavailable"));
    let mut client = http::Client::connect(server.address()).await;
    let (status, error) = http::action(&mut client, &id, "echo", http::format(Encoding::Bare, 3), &[])
        .await
        .unwrap_err();
    assert_eq!((status, error.code.as_ref()), (503, "service_unavailable"));
    drop(held);
    until(|| server.log.count("disconnected") == 2).await;
    http::action(&mut client, &id, "echo", http::format(Encoding::Bare, 3), &[])
        .await
        .unwrap();
}

#[tokio::test]
async fn transport_connections_beyond_the_limit_wait() {
    let mut limits = Limits::default();
    limits.max_connections = 2;
    let server = serve(|gateway| gateway.limits(limits));
    let mut first = http::Client::connect(server.address()).await;
    let mut second = http::Client::connect(server.address()).await;
    assert_eq!(
        (
            first.get("/health").await.status(),
            second.get("/health").await.status()
        ),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    // The third is accepted by the kernel and waits for its turn.
    let mut third = TcpStream::connect(server.address()).await.unwrap();
    third
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    assert!(
        tokio::time::timeout(Duration::from_millis(100), third.read_to_string(&mut answer))
            .await
            .is_err()
    );
    drop(first);
    soon(third.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
