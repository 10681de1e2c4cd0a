//! HTTP/1.1, over TLS and plain.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// One request over TLS: what the host got, what the guest got.
async fn over_tls(world: &World, request: &str, response: &[&str]) -> (String, String) {
    let (guest, host) = world.connect(&[API], 443);
    let guest = async {
        let guest = world.guest_tls(guest, API, &["http/1.1"]).await.unwrap();
        exchange(guest, request).await
    };
    let host = async {
        let host = world.host_tls(host, API, &["http/1.1"]).await.unwrap();
        answer(host, &[response]).await
    };
    let (got, seen) = both(guest, host).await;
    (seen.join("---"), got)
}

/// One request without TLS.
async fn plain(world: &World, names: &[&str], request: &str, response: &[&str]) -> (String, String) {
    let (guest, host) = world.connect(names, 80);
    let (got, seen) = both(exchange(guest, request), answer(host, &[response])).await;
    (seen.join("---"), got)
}

fn get(headers: &str) -> String {
    format!("GET /a?b=c HTTP/1.1\r\nhost: {API}\r\nconnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_request_header_carries_the_value_and_the_guest_never_sees_it() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let headers = format!("authorization: Bearer {key}\r\n");
    let echo = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-echo: {VALUE}\r\n\r\n{VALUE}",
        VALUE.len()
    );
    for (seen, got) in [
        over_tls(&world, &get(&headers), &[&echo]).await,
        plain(&world, &[API], &get(&headers), &[&echo]).await,
    ] {
        assert!(seen.contains(&format!("authorization: Bearer {VALUE}\r\n")), "{seen}");
        assert!(
            seen.starts_with("GET /a?b=c HTTP/1.1\r\n") && seen.contains(&format!("host: {API}\r\n")),
            "{seen}"
        );
        assert!(seen.contains("accept-encoding: identity\r\n"), "{seen}");
        let mask = "*".repeat(VALUE.len());
        assert!(
            got.contains(&format!("x-echo: {mask}\r\n")) && got.ends_with(&format!("\r\n\r\n{mask}")),
            "{got}"
        );
        assert!(got.contains(&format!("content-length: {}\r\n", VALUE.len())), "{got}");
        assert!(!got.contains(VALUE) && !got.contains("date:"), "{got}");
    }
}

#[tokio::test]
async fn basic_credentials_carry_it_and_a_restricted_secret_only_its_header() {
    let world = World::new();
    let (key, token) = (world.placeholder("KEY"), world.placeholder("TOKEN"));
    let basic = STANDARD.encode(format!("user:{key}"));
    let headers =
        format!("authorization: Basic {basic}\r\nx-token: {token}\r\nx-other: {token}\r\ncookie: k={key}\r\n");
    let echoed = STANDARD.encode(format!("user:{VALUE}"));
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{echoed}", echoed.len());
    let (seen, got) = over_tls(&world, &get(&headers), &[&response]).await;
    assert!(seen.contains(&format!("authorization: Basic {echoed}\r\n")), "{seen}");
    assert!(seen.contains(&format!("x-token: {TOKEN}\r\n")), "{seen}");
    assert!(seen.contains(&format!("x-other: {token}\r\n")), "{seen}");
    assert!(seen.contains(&format!("cookie: k={VALUE}\r\n")), "{seen}");
    assert!(!got.contains(&echoed) && got.contains("******"), "{got}");
}

#[tokio::test]
async fn a_placeholder_elsewhere_stays_a_placeholder() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let request = format!(
        "POST /{key}?q={key} HTTP/1.1\r\nhost: {API}\r\nconnection: close\r\ntransfer-encoding: chunked\r\ntrailer: x-key\r\n\r\n\
         {:x}\r\n{key}\r\n0\r\nx-key: {key}\r\n\r\n",
        key.len()
    );
    let (seen, _) = over_tls(&world, &request, &[OK]).await;
    assert!(!seen.contains(VALUE), "{seen}");
    assert!(seen.starts_with(&format!("POST /{key}?q={key} HTTP/1.1\r\n")), "{seen}");
    assert!(seen.matches(key.as_str()).count() >= 3, "{seen}");
}

#[tokio::test]
async fn another_host_of_the_same_address_gets_no_value() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let request = format!("GET / HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\nauthorization: {key}\r\n\r\n");
    let (seen, got) = plain(&world, &[API, "other.test"], &request, &[OK]).await;
    assert!(seen.contains(&key) && !seen.contains(VALUE), "{seen}");
    assert!(got.ends_with("ok"), "{got}");
    // A listed host that was not resolved to this address gets nothing at all.
    let request = request.replace("other.test", "evil.example.org");
    let (seen, got) = plain(&world, &[API], &request, &[OK]).await;
    assert!(seen.is_empty() && got.starts_with("HTTP/1.1 421 "), "{seen} {got}");
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_never_reaches_the_host() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let auth = format!("authorization: {key}\r\nconnection: close\r\n");
    for request in [
        format!("POST / HTTP/1.1\r\nhost: {API}\r\nhost: other.test\r\n{auth}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: other.test\r\n{auth}\r\n"),
        format!("GET https://other.test/ HTTP/1.1\r\nhost: {API}\r\n{auth}\r\n"),
        format!("GET http://{API}/ HTTP/1.1\r\nhost: {API}\r\n{auth}\r\n"),
        format!("GET / HTTP/1.1\r\n{auth}\r\n"),
        format!("CONNECT {API}:443 HTTP/1.1\r\nhost: {API}\r\n{auth}\r\n"),
        format!("POST / HTTP/1.1\r\nhost: {API}\r\ncontent-length: 3\r\ncontent-length: 4\r\n{auth}\r\nabcd"),
        format!("POST / HTTP/1.1\r\nhost: {API}\r\ntransfer-encoding: xchunked\r\n{auth}\r\n"),
        format!("POST / HTTP/1.1\r\nhost: {API}\r\ntransfer-encoding: chunked, identity\r\n{auth}\r\n0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {API}\r\nx: a\r\n b\r\n{auth}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {API}\r\n{auth}x : a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost : {API}\r\n{auth}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {API}\r\n{auth}x: a\rb\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {API}\r\n{auth}x: a\0b\r\n\r\n"),
        format!("GET  / HTTP/1.1\r\nhost: {API}\r\n{auth}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {API}@other.test\r\n{auth}\r\n"),
        format!("GET @other.test/ HTTP/1.1\r\nhost: {API}\r\n{auth}\r\n"),
    ] {
        let (seen, got) = over_tls(&world, &request, &[OK]).await;
        assert!(seen.is_empty(), "{request}\n{seen}");
        assert!(got.is_empty() || got.starts_with("HTTP/1.1 4"), "{request}\n{got}");
        assert!(!got.contains(VALUE), "{got}");
    }
}

#[tokio::test]
async fn both_lengths_at_once_become_one() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nhost: {API}\r\nauthorization: {key}\r\n\r\n");
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {API}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    let (seen, _) = over_tls(&world, &request, &[OK]).await;
    let head = seen.split("\r\n\r\n").next().unwrap();
    assert!(
        !(head.contains("content-length") && head.contains("transfer-encoding")),
        "{seen}"
    );
    assert!(!seen.contains("smuggled"), "{seen}");
}

#[tokio::test]
async fn pipelined_requests_are_judged_one_by_one() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let one = |path: &str, host: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {key}\r\n{more}\r\n")
    };
    let request = [
        one("/1", API, ""),
        one("/2", "other.test", ""),
        one("/3", API, "connection: close\r\n"),
    ]
    .concat();
    let (guest, host) = world.connect(&[API], 443);
    let guest = async { exchange(world.guest_tls(guest, API, &[]).await.unwrap(), &request).await };
    let host = async { answer(world.host_tls(host, API, &[]).await.unwrap(), &[&[OK], &[OK]]).await };
    let (got, seen) = both(guest, host).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(
        seen[0].starts_with("GET /1 ") && seen[1].starts_with("GET /3 "),
        "{seen:?}"
    );
    assert!(seen.iter().all(|seen| seen.contains(VALUE)));
    let statuses: Vec<&str> = got.matches("HTTP/1.1 ").collect();
    assert!(statuses.len() == 3 && got.contains("HTTP/1.1 421 "), "{got}");
}

#[tokio::test]
async fn an_echo_is_masked_however_it_is_cut_and_wherever_it_stands() {
    let world = World::new();
    let (first, second) = VALUE.split_at(9);
    let chunked = [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n".to_owned(),
        format!("b\r\nx {first}\r\n"),
        format!("{:x};ext={VALUE}\r\n{second} y\r\n", second.len() + 2),
        format!("0\r\nx-t: {VALUE}\r\n\r\n"),
    ];
    let chunked: Vec<&str> = chunked.iter().map(String::as_str).collect();
    let (_, got) = over_tls(&world, &get("te: trailers\r\n"), &chunked).await;
    assert!(!got.contains(VALUE) && !got.contains(second), "{got}");
    assert!(got.contains("x-t: ****") || !got.contains("x-t: "), "{got}");
    let redirect = format!(
        "HTTP/1.1 302 {VALUE}\r\nlocation: https://other.test/?k={VALUE}\r\nx-{VALUE}: 1\r\nset-cookie: k={VALUE}\r\n\
         alt-svc: h3=\":443\"\r\ncontent-length: 0\r\n\r\n"
    );
    let (_, got) = over_tls(&world, &get(""), &[&redirect]).await;
    assert!(!got.contains(VALUE) && !got.contains("alt-svc"), "{got}");
    assert!(got.starts_with("HTTP/1.1 302 Found\r\n"), "{got}");
    assert!(
        got.contains("location: https://other.test/?k=****") && !got.contains(&format!("x-{VALUE}")),
        "{got}"
    );
    let bytes: Vec<String> = VALUE.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let mut pieces = vec!["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"];
    pieces.extend(bytes.iter().map(String::as_str));
    pieces.push("0\r\n\r\n");
    let (_, got) = over_tls(&world, &get(""), &pieces).await;
    let letters: String = got
        .split("\r\n\r\n")
        .nth(1)
        .unwrap()
        .lines()
        .skip(1)
        .step_by(2)
        .collect();
    assert!(!letters.contains(VALUE) && !letters.contains(&VALUE[..4]), "{got}");
    let until_close = format!("HTTP/1.0 200 OK\r\n\r\n{VALUE}");
    let (_, got) = over_tls(&world, &get(""), &[&until_close]).await;
    assert!(!got.contains(VALUE) && got.contains("****"), "{got}");
}

#[tokio::test]
async fn what_cannot_be_searched_is_not_passed_on() {
    let world = World::new();
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-encoding: identity, br\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nabc",
        "not http\r\n\r\nabc",
    ] {
        let (_, got) = over_tls(
            &world,
            &get("accept-encoding: gzip\r\nrange: bytes=0-1\r\n"),
            &[response],
        )
        .await;
        assert!(
            got.starts_with("HTTP/1.1 502 ") && !got.contains("abc"),
            "{response}\n{got}"
        );
    }
    let (seen, got) = over_tls(&world, &get("range: bytes=0-1\r\nif-range: x\r\nexpect: x\r\n"), &[OK]).await;
    assert!(
        !seen.contains("range") && !seen.contains("expect") && got.ends_with("ok"),
        "{seen}"
    );
    let head = format!("HEAD / HTTP/1.1\r\nhost: {API}\r\nconnection: close\r\n\r\n");
    let response = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 300\r\n\r\n";
    let (_, got) = over_tls(&world, &head, &[response]).await;
    assert!(
        got.starts_with("HTTP/1.1 200 ") && got.contains("content-length: 300"),
        "{got}"
    );
}

#[tokio::test]
async fn a_websocket_passes_masked() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let (mut guest, host) = world.connect(&[API], 80);
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: {API}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\
         sec-websocket-extensions: permessage-deflate\r\nauthorization: {key}\r\n\r\n"
    );
    let guest = async {
        guest.write_all(request.as_bytes()).await.unwrap();
        let head = message(&mut guest).await;
        let rest = exchange(guest, &format!("frame {key}")).await;
        (head, rest)
    };
    let host = async {
        let mut host = host;
        let request = message(&mut host).await;
        let response =
            format!("HTTP/1.1 101 {VALUE}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x01\x05{VALUE}");
        host.write_all(response.as_bytes()).await.unwrap();
        let mut frame = vec![0; "frame ".len() + key.len()];
        host.read_exact(&mut frame).await.unwrap();
        host.write_all(format!("again {VALUE} end").as_bytes()).await.unwrap();
        drop(host);
        (request, String::from_utf8(frame).unwrap())
    };
    let ((head, rest), (request, frame)) = both(guest, host).await;
    assert!(request.contains(&format!("authorization: {VALUE}\r\n")), "{request}");
    assert!(
        request.contains("upgrade: websocket") && !request.contains("deflate"),
        "{request}"
    );
    assert_eq!(frame, format!("frame {key}"));
    let got = head + &rest;
    assert!(got.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{got}");
    assert!(
        !got.contains(VALUE) && got.contains("\x01\x05****") && got.ends_with("* end"),
        "{got}"
    );
}

#[tokio::test]
async fn another_upgrade_is_an_ordinary_request() {
    let world = World::new();
    let (seen, got) = plain(
        &world,
        &[API],
        &format!("GET / HTTP/1.1\r\nhost: {API}\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n\r\n"),
        &[&OK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")],
    )
    .await;
    assert!(!seen.contains("upgrade") && !seen.contains("http2-settings"), "{seen}");
    assert!(got.ends_with("ok"), "{got}");
}

#[tokio::test]
async fn giant_and_slow_headers_end() {
    let world = World::new();
    let big = get(&format!("x: {}\r\n", "a".repeat(70 << 10)));
    let (seen, got) = over_tls(&world, &big, &[OK]).await;
    assert!(
        seen.is_empty() && (got.is_empty() || got.starts_with("HTTP/1.1 431 ")),
        "{got}"
    );
    let many: String = (0..300).map(|number| format!("x-{number}: 1\r\n")).collect();
    let (seen, got) = over_tls(&world, &get(&many), &[OK]).await;
    assert!(
        seen.is_empty() && (got.is_empty() || got.starts_with("HTTP/1.1 431 ")),
        "{got}"
    );
    let response = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(70 << 10));
    let (_, got) = over_tls(&world, &get(""), &[&response]).await;
    assert!(got.starts_with("HTTP/1.1 502 "), "{got}");
    // Placeholders are short: many of them could become a giant header.
    let key = world.placeholder("KEY");
    let padded = format!("{}x: {}\r\n", format!("k: {key}\r\n").repeat(200), "a".repeat(50 << 10));
    let (seen, got) = over_tls(&world, &get(&padded), &[OK]).await;
    assert!(seen.is_empty() || got.starts_with("HTTP/1.1 "), "{got}");
}

#[tokio::test]
async fn a_header_that_never_ends_is_cut_off() {
    let world = World::with(impatient());
    let (mut guest, _host) = world.connect(&[API], 80);
    guest
        .write_all(format!("GET / HTTP/1.1\r\nhost: {API}\r\n").as_bytes())
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = guest.read_to_end(&mut rest).await;
    let (mut guest, _host) = world.connect(&[API], 80);
    guest.write_all(b"GET / HT").await.unwrap();
    assert_eq!(guest.read_to_end(&mut rest).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_large_body_streams_both_ways_with_bounded_buffers() {
    let world = World::new();
    let (guest, host) = world.connect(&[API], 443);
    let size = 4 << 20;
    let guest = async {
        let mut guest = world.guest_tls(guest, API, &["http/1.1"]).await.unwrap();
        let head = format!("PUT / HTTP/1.1\r\nhost: {API}\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n");
        guest.write_all(head.as_bytes()).await.unwrap();
        let (mut from, mut to) = tokio::io::split(guest);
        let body = vec![b'u'; size];
        let mut got = Vec::new();
        let send = async {
            to.write_all(&body).await.unwrap();
            to.flush().await.unwrap();
        };
        let ((), _) = tokio::join!(send, from.read_to_end(&mut got));
        got.len()
    };
    let host = async {
        let host = world.host_tls(host, API, &["http/1.1"]).await.unwrap();
        let (mut from, mut to) = tokio::io::split(host);
        from.read_exact(&mut [0]).await.unwrap();
        let send = async move {
            to.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").as_bytes())
                .await
                .unwrap();
            to.write_all(&vec![b'd'; size - 1]).await.unwrap();
            to.flush().await.unwrap();
            to
        };
        let receive = async {
            let mut got = vec![0; size];
            from.read_exact(&mut got).await.unwrap();
        };
        let (mut to, ()) = tokio::join!(send, receive);
        to.write_all(b"e").await.unwrap();
        let _ = to.shutdown().await;
    };
    let (got, ()) = both(guest, host).await;
    assert!(got > size, "{got}");
}
