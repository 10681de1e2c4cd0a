//! The end of a server.

use std::time::Duration;

use agentos_wire::{Encoding, ToClient};

use crate::support::ws::{Said, Socket};
use crate::support::{PATIENCE, http, serve, soon, until};

const BODY: &[u8] = br#"{"args":[]}"#;

#[tokio::test]
async fn a_drain_completes_what_was_begun_and_sends_the_rest_away() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let id = http::actor(address, "counter", "k").await;
    let mut idle = Socket::connect(address, &id, Encoding::Bare).await;
    let mut busy = Socket::connect(address, &id, Encoding::Bare).await;
    busy.act(1, "hold", vec![]).await;
    let mut kept_alive = http::Client::connect(address).await;
    assert_eq!(kept_alive.get("/health").await.status(), 200);
    let target = format!("/gateway/{id}/action/hold");
    let request = tokio::spawn(async move { http::call(address, ::http::Method::POST, &target, &[], BODY).await });
    until(|| server.log.count("holding") == 2).await;
    let drained = async {
        let completed = server.running.drain(PATIENCE).await;
        assert!(completed);
    };
    let clients = async {
        assert_eq!(idle.next().await, Said::Close(1012, "ws.going_away".into()));
        server.log.open_gate();
        assert!(matches!(busy.message().await, ToClient::Response { id: 1, .. }));
        assert_eq!(busy.next().await, Said::Close(1012, "ws.going_away".into()));
        assert_eq!(request.await.unwrap().status(), 200);
    };
    soon(async { tokio::join!(drained, clients) }).await;
    assert_eq!(server.running.connections(), 0);
}

#[tokio::test]
async fn a_budget_ends_and_a_second_signal_ends_at_once() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut busy = Socket::connect(server.address(), &id, Encoding::Bare).await;
    busy.act(1, "hold", vec![]).await;
    until(|| server.log.count("holding") == 1).await;
    assert!(!soon(server.running.drain(Duration::from_millis(50))).await);
    assert_eq!(busy.next().await, Said::Close(1012, "ws.going_away".into()));

    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut busy = Socket::connect(server.address(), &id, Encoding::Bare).await;
    busy.act(1, "hold", vec![]).await;
    until(|| server.log.count("holding") == 1).await;
    let (completed, ()) = soon(async { tokio::join!(server.running.drain(PATIENCE), server.running.close()) }).await;
    let _ = completed;
    assert_eq!(busy.next().await, Said::Close(1012, "ws.going_away".into()));
    until(|| server.running.connections() == 0).await;
}

#[tokio::test]
async fn while_it_drains_the_port_refuses_nobody_and_new_calls_may_be_repeated() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let id = http::actor(address, "counter", "k").await;
    let mut busy = Socket::connect(address, &id, Encoding::Bare).await;
    busy.act(1, "hold", vec![]).await;
    until(|| server.log.count("holding") == 1).await;
    let drain = server.running.drain(PATIENCE);
    let newcomer = async {
        tokio::task::yield_now().await;
        // The kernel takes the connection; a successor would answer it.
        let stream = soon(tokio::net::TcpStream::connect(address)).await;
        assert!(stream.is_ok());
        server.log.open_gate();
    };
    soon(async { tokio::join!(drain, newcomer) }).await;
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "closed at the end"
    );
}

#[tokio::test]
async fn dropping_the_handle_closes() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let id = http::actor(address, "counter", "k").await;
    let mut socket = Socket::connect(address, &id, Encoding::Bare).await;
    drop(server.running);
    assert_eq!(socket.next().await, Said::Close(1012, "ws.going_away".into()));
    soon(async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_was_accepted_before_the_drain_is_answered() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut busy = Socket::connect(server.address(), &id, Encoding::Bare).await;
    busy.act(1, "hold", vec![]).await;
    until(|| server.log.count("holding") == 1).await;
    let mut accepted = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    until(|| server.running.connections() == 2).await;
    let client = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        // The drain has begun: it was polled first.
        accepted
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        soon(accepted.read_to_string(&mut answer)).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"),
            "{answer}"
        );
        server.log.open_gate();
    };
    let (drained, ()) = soon(async { tokio::join!(server.running.drain(PATIENCE), client) }).await;
    assert!(drained);
}

#[tokio::test]
async fn a_kept_alive_connection_is_answered_once_more_and_told_that_it_ends() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let mut kept_alive = http::Client::connect(address).await;
    assert_eq!(kept_alive.get("/health").await.status(), 200);
    let silent = http::Client::connect(address).await;
    until(|| server.running.connections() == 2).await;
    let client = async {
        // The drain has begun: it was polled first.
        let last = kept_alive.get("/health").await;
        assert_eq!(
            (last.status().as_u16(), last.headers()["connection"].as_bytes()),
            (200, b"close".as_slice())
        );
    };
    let drain = async {
        let (completed, ()) = tokio::join!(server.running.drain(PATIENCE), server.running.quiet());
        completed
    };
    let (completed, ()) = soon(async { tokio::join!(drain, client) }).await;
    assert!(completed, "one that stays silent is not waited for");
    assert_eq!(server.running.connections(), 0);
    drop(silent);
}
