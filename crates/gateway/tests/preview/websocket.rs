//! WebSockets: an upgrade is passed on, and then bytes are bytes.

use crate::support::{Guest, House, OK, TOKEN, house, request, status, values};
use agentos_gateway::preview::Form;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const WISH: &str = "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: rivet, rivet_token.gatesecret, hmr\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";

fn wish(form: Form) -> String {
    request(form, TOKEN, "GET", "/socket", WISH).replace("Connection: close", "Connection: keep-alive, Upgrade")
}

const AGREED: &str = "HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: hmr\r\nSet-Cookie: a=1\r\n\r\nearly";

/// A WebSocket that is open on both ends.
async fn open(house: &House, form: Form) -> (DuplexStream, Guest) {
    let mut guest = house.guest();
    let mut client = house.client();
    client.write_all(wish(form).as_bytes()).await.unwrap();
    let asked = guest.head().await;
    assert_eq!(
        (values(&asked, "upgrade"), values(&asked, "connection")),
        (vec!["websocket"], vec!["Upgrade"])
    );
    assert_eq!(values(&asked, "sec-websocket-protocol"), ["hmr"]);
    assert_eq!(values(&asked, "sec-websocket-extensions"), ["permessage-deflate"]);
    guest.write(AGREED).await;
    let mut own = Guest(client);
    let answer = own.head().await;
    assert_eq!(status(&answer), 101);
    assert_eq!(values(&answer, "sec-websocket-protocol"), ["hmr"]);
    assert_eq!(
        values(&answer, "sec-websocket-accept"),
        ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    );
    assert_eq!(
        (values(&answer, "upgrade"), values(&answer, "connection")),
        (vec!["websocket"], vec!["Upgrade"])
    );
    assert_eq!(values(&answer, "set-cookie").len(), usize::from(form == Form::Origin));
    let mut early = [0; 5];
    own.0.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    (own.0, guest)
}

#[tokio::test]
async fn bytes_pass_untouched_until_both_have_said_goodbye() {
    for form in [Form::Path, Form::Origin] {
        let house = house();
        let (client, guest) = open(&house, form).await;
        let odd: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let (one, two) = (odd.clone(), odd.clone());
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_guest, mut to_guest) = tokio::io::split(guest.0);
        let writing = tokio::spawn(async move {
            to_client.write_all(&one).await.unwrap();
            to_guest.write_all(&two).await.unwrap();
            to_client.shutdown().await.unwrap();
            to_guest.shutdown().await.unwrap();
        });
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let (one, two) = tokio::join!(from_guest.read_to_end(&mut left), from_client.read_to_end(&mut right));
        one.unwrap();
        two.unwrap();
        writing.await.unwrap();
        assert!(left == odd && right == odd);
        assert_eq!((house.proxy.active(), house.proxy.stats().upgrades()), (0, 1));
        assert_eq!(house.proxy.stats().bytes(), (100_000, 100_005));
    }
}

#[tokio::test]
async fn the_end_of_the_token_ends_it_and_so_does_silence() {
    let house = house();
    let (mut client, guest) = open(&house, Form::Path).await;
    house.actor.revoked.send_replace(true);
    assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    guest.gone().await;
    house.actor.revoked.send_replace(false);

    let (mut client, mut guest) = open(&house, Form::Path).await;
    house.clock.advance(Duration::from_secs(299));
    guest.write("x").await;
    client.read_exact(&mut [0; 1]).await.unwrap();
    house.clock.advance(Duration::from_secs(299));
    client.write_all(b"y").await.unwrap();
    guest.0.read_exact(&mut [0; 1]).await.unwrap();
    house.clock.advance(Duration::from_secs(300));
    assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    guest.gone().await;
    assert_eq!(house.proxy.active(), 0);
}

#[tokio::test]
async fn a_refusal_is_an_ordinary_answer() {
    let house = house();
    house.canned(OK);
    let answer = house
        .raw(wish(Form::Path).replace("keep-alive, Upgrade", "close, Upgrade"))
        .await;
    assert_eq!(status(&answer), 200);
}

#[tokio::test]
async fn no_other_protocol_is_spoken() {
    let house = house();
    for (lines, connection) in [
        (
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            "close, Upgrade, HTTP2-Settings",
        ),
        ("Upgrade: websocket\r\n", "close"),
    ] {
        let guest = house.canned("HTTP/1.1 101 Anyway\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n");
        let asked = request(Form::Path, TOKEN, "GET", "/", lines)
            .replace("Connection: close", &format!("Connection: {connection}"));
        let answer = house.raw(asked).await;
        assert_eq!(status(&answer), 502, "{answer}");
        let head = guest.await.unwrap();
        assert_eq!(
            (values(&head, "upgrade"), values(&head, "http2-settings")),
            (vec![], vec![])
        );
    }
    let posted = wish(Form::Path)
        .replace("GET ", "POST ")
        .replace("keep-alive, Upgrade", "close, Upgrade");
    let guest = house.canned(OK);
    assert_eq!(status(&house.raw(posted).await), 200);
    assert_eq!(values(&guest.await.unwrap(), "upgrade"), [""; 0]);
}
