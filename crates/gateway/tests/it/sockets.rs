//! Protocol connections.

use agentos_value::{INTERNAL_MESSAGE, Value};
use agentos_wire::{Encoding, ToClient, ToServer, Version};
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use crate::support::ws::{Said, Socket};
use crate::support::{http, serve, soon, until, ws};

#[tokio::test]
async fn actions_and_events_in_every_encoding_and_version() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut total = 0;
    for encoding in Encoding::ALL {
        for version in 1..=4 {
            let mut socket = Socket::connect(server.address(), &id, encoding).await;
            socket.version = version;
            socket.subscribe("tick").await;
            socket.subscribe("tick").await;
            let unknown = ToServer::Subscription {
                event: "unknown".into(),
                subscribe: false,
            };
            socket.send(&unknown).await;
            total += 1;
            socket.act(128, "increment", vec![Value::Int(1)]).await;
            let Said::Message(answered, message) = socket.next().await else {
                panic!("closed")
            };
            assert_eq!(
                message,
                ToClient::Response {
                    id: 128,
                    output: Value::Int(total)
                }
            );
            if encoding == Encoding::Bare {
                assert_eq!(answered.number(), version);
            }
            // An action's events come before its answer.
            socket.act(u64::MAX >> 1, "emit", vec![Value::Int(3)]).await;
            for index in 0..3 {
                assert_eq!(
                    socket.message().await,
                    ToClient::Event {
                        name: "tick".into(),
                        args: vec![Value::Int(index)]
                    }
                );
            }
            let output = Value::from("emitted");
            assert_eq!(
                socket.message().await,
                ToClient::Response {
                    id: u64::MAX >> 1,
                    output
                }
            );
        }
    }
}

#[tokio::test]
async fn errors_name_their_action_and_the_connection_stays() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    for (action, code, message) in [
        ("forbidden", "nope_code", "Nope"),
        ("broken", "internal_error", INTERNAL_MESSAGE),
        ("nothing", "action_not_found", "Action `nothing` was not found."),
    ] {
        socket.act(7, action, vec![]).await;
        let ToClient::Error { body, action_id } = socket.message().await else {
            panic!("no error")
        };
        assert_eq!(
            (action_id, body.error.code.as_ref(), body.error.message.as_str()),
            (Some(7), code, message)
        );
        assert_eq!(body.actor.map(|actor| actor.actor_id), Some(id.clone()));
    }
    socket.act(8, "increment", vec![]).await;
    assert_eq!(
        socket.message().await,
        ToClient::Response {
            id: 8,
            output: Value::Int(1)
        }
    );
}

#[tokio::test]
async fn refusals_of_hooks_are_told_before_the_close() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "guarded", "k").await;
    for encoding in Encoding::ALL {
        let bad = "%7B%22authToken%22%3A%22bad%22%7D";
        let refused = Socket::open(server.address(), &id, encoding, Some(bad))
            .await
            .refused()
            .await;
        assert_eq!(
            refused,
            ("user/forbidden: Forbidden".into(), 1011, "user.forbidden".into())
        );
        let refused = Socket::open(server.address(), &id, encoding, None)
            .await
            .refused()
            .await;
        assert_eq!(
            refused,
            (
                format!("internal/internal_error: {INTERNAL_MESSAGE}"),
                1011,
                "internal.internal_error".into()
            )
        );
        let refused = Socket::open(server.address(), &id, encoding, Some("%7B"))
            .await
            .refused()
            .await;
        assert_eq!((refused.1, refused.2.as_str()), (1011, "actor.invalid_params"));
        let good = "%7B%22authToken%22%3A%22good%22%7D";
        let mut admitted = Socket::open(server.address(), &id, encoding, Some(good)).await;
        assert!(matches!(admitted.message().await, ToClient::Init { .. }));
    }
    let missing = Socket::open(server.address(), "nosuchactor", Encoding::Json, None)
        .await
        .refused()
        .await;
    assert_eq!((missing.1, missing.2.as_str()), (1011, "actor.not_found"));
}

#[tokio::test]
async fn an_unknown_encoding_and_undecodable_frames_close_with_reasons() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let stream = ws::open(
        server.address(),
        &format!("/gateway/{id}/connect"),
        "rivet, rivet_encoding.xml",
    )
    .await;
    let mut socket = Socket {
        stream,
        encoding: Encoding::Json,
        version: 4,
    };
    assert_eq!(
        socket.next().await,
        Said::Close(1003, "actor.unsupported_websocket_encoding".into())
    );
    for bad in [&b"\x05\x00\x00\x00"[..], b"", b"\x03\x00\x09"] {
        let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
        soon(socket.stream.send(Message::binary(bad.to_vec()))).await.unwrap();
        let ToClient::Error { body, action_id: None } = socket.message().await else {
            panic!("no error")
        };
        assert_eq!(body.error.code, "invalid_request");
        assert_eq!(socket.next().await, Said::Close(1011, "actor.invalid_request".into()));
    }
    // No encoding at all is JSON.
    let stream = ws::open(server.address(), &format!("/gateway/{id}/connect"), "rivet").await;
    let mut socket = Socket {
        stream,
        encoding: Encoding::Json,
        version: 2,
    };
    assert!(matches!(socket.message().await, ToClient::Init { .. }));
}

#[tokio::test]
async fn the_clients_close_is_echoed_and_the_actor_hears_of_it() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1000.into(),
        reason: "Disposed".into(),
    };
    soon(socket.stream.close(Some(frame))).await.unwrap();
    assert_eq!(socket.next().await, Said::Close(1000, "Disposed".into()));
    until(|| server.log.count("disconnected") == 1).await;
    // One that vanishes without a word is noticed, too.
    drop(Socket::connect(server.address(), &id, Encoding::Bare).await);
    until(|| server.log.count("disconnected") == 2).await;
    until(|| server.running.connections() == 0).await;
}

#[tokio::test]
async fn pings_are_answered_between_frames() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Json).await;
    soon(socket.stream.send(Message::Ping("hello".into()))).await.unwrap();
    let answer = soon(futures_util::StreamExt::next(&mut socket.stream)).await;
    assert!(matches!(answer, Some(Ok(Message::Pong(payload))) if payload == "hello"));
}

#[tokio::test]
async fn a_destroyed_actor_closes_its_sockets() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    let answer = http::call(
        server.address(),
        ::http::Method::DELETE,
        &format!("/actors/{id}"),
        &[],
        b"",
    )
    .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(socket.next().await, Said::Close(1000, "actor.destroyed".into()));
}

#[tokio::test]
async fn a_socket_lives_through_the_sleep_of_its_actor() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    socket.subscribe("tick").await;
    socket.act(1, "increment", vec![]).await;
    assert_eq!(
        socket.message().await,
        ToClient::Response {
            id: 1,
            output: Value::Int(1)
        }
    );
    let actor = agentos_value::ActorId::new(id.as_str()).unwrap();
    soon(server.registry.sleep(&actor)).await.unwrap();
    // The next message wakes it; nobody was told, and the subscription is still there.
    socket.act(2, "emit", vec![]).await;
    assert!(matches!(socket.message().await, ToClient::Event { .. }));
    assert!(matches!(socket.message().await, ToClient::Response { id: 2, .. }));
    assert_eq!(server.log.count("boot"), 2);
    assert_eq!(server.log.count("disconnected"), 0);
}

#[tokio::test]
async fn answers_come_in_any_order_each_once() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::connect(server.address(), &id, Encoding::Bare).await;
    socket.act(1, "hold", vec![]).await;
    until(|| server.log.count("holding") == 1).await;
    socket.act(2, "increment", vec![]).await;
    assert!(matches!(socket.message().await, ToClient::Response { id: 2, .. }));
    server.log.open_gate();
    assert!(matches!(socket.message().await, ToClient::Response { id: 1, .. }));
}

#[tokio::test]
async fn init_is_of_version_two() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut socket = Socket::open(server.address(), &id, Encoding::Bare, None).await;
    assert!(matches!(
        socket.next().await,
        Said::Message(Version::UNREADABLE, ToClient::Init { .. })
    ));
}
