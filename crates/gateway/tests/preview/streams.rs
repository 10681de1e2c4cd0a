//! Bodies: they stream both ways, hold back whoever is faster, and end with whatever ends first.

use crate::support::{OK, PIPE, TOKEN, WRONG, body, house, house_with, request, status, values};
use agentos_gateway::preview::{Form, Refusal};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// Reads until the text so far ends with `end`.
async fn until(stream: &mut DuplexStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let byte = stream.read_u8().await;
        text.push(byte.unwrap_or_else(|_| panic!("{end:?} is missing after {:?}", String::from_utf8_lossy(&text))));
    }
    String::from_utf8(text).unwrap()
}

fn post(lines: &str, content: &str) -> String {
    request(Form::Path, TOKEN, "POST", "/", lines) + content
}

#[tokio::test]
async fn a_sized_body_stays_sized_and_a_chunked_one_chunked_on_both_ways() {
    let house = house();
    let mut guest = house.guest();
    let asking = house.raw(post("Content-Length: 5\r\n", "hello"));
    let serving = async {
        let head = guest.head().await;
        assert_eq!(
            (values(&head, "content-length"), values(&head, "transfer-encoding")),
            (vec!["5"], vec![])
        );
        until(&mut guest.0, "hello").await;
        guest.write(OK).await;
    };
    let (answer, ()) = tokio::join!(asking, serving);
    assert_eq!((values(&answer, "content-length"), body(&answer)), (vec!["2"], "ok"));

    let mut guest = house.guest();
    let asking = house.raw(post(
        "Transfer-Encoding: chunked\r\n",
        "3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
    ));
    let serving = async {
        let head = guest.head().await;
        assert_eq!(
            (values(&head, "content-length"), values(&head, "transfer-encoding")),
            (vec![], vec!["chunked"])
        );
        assert_eq!(until(&mut guest.0, "0\r\n\r\n").await.replace("\r\n", ""), "3abc1d0");
        guest
            .write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            .await;
    };
    let (answer, ()) = tokio::join!(asking, serving);
    assert_eq!(values(&answer, "transfer-encoding"), ["chunked"]);
    assert_eq!(body(&answer), "2\r\nok\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_without_a_length_lasts_until_the_guest_closes() {
    let house = house();
    house.canned("HTTP/1.0 200 OK\r\n\r\nbytes");
    let answer = house.get("").await;
    assert_eq!(values(&answer, "transfer-encoding"), ["chunked"]);
    assert_eq!(body(&answer), "5\r\nbytes\r\n0\r\n\r\n");
}

#[tokio::test]
async fn trailers_pass_both_ways_without_what_headers_may_not_say() {
    let house = house();
    let mut guest = house.guest();
    let lines = "Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: x-sum, x-rivet-token\r\n";
    let asking = house.raw(post(
        lines,
        "1\r\na\r\n0\r\nx-sum: 1\r\nx-rivet-token: gatesecret\r\n\r\n",
    ));
    let serving = async {
        let head = guest.head().await;
        assert_eq!(values(&head, "te"), ["trailers"]);
        let sent = until(&mut guest.0, "\r\n\r\n").await;
        assert!(sent.ends_with("0\r\nx-sum: 1\r\n\r\n"), "{sent}");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, set-cookie\r\n\r\n";
        guest
            .write(&format!("{head}2\r\nok\r\n0\r\nx-sum: 2\r\nset-cookie: a=1\r\n\r\n"))
            .await;
    };
    let (answer, ()) = tokio::join!(asking, serving);
    assert!(answer.ends_with("0\r\nx-sum: 2\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn events_arrive_one_by_one_and_leaving_ends_the_guest() {
    let house = house();
    let asked = request(Form::Path, TOKEN, "GET", "/events", "Accept: text/event-stream\r\n");
    let (mut client, mut guest, _) = house.asked(asked).await;
    guest
        .write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .await;
    for number in 0..3 {
        let event = format!("data: {number}\n\n");
        guest.write(&event).await;
        until(&mut client, &event).await;
    }
    assert_eq!(house.proxy.active(), 1);
    drop(client);
    guest.gone().await;
    assert_eq!(house.proxy.active(), 0);
}

/// Writes as long as anything fits, while others have their turns; how much that was.
async fn fill(stream: &mut DuplexStream) -> usize {
    let (chunk, mut written, mut refusals) = ([b'x'; 4096], 0, 0);
    while refusals < 100 && written < 64 << 20 {
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_write(cx, &chunk))).await {
            Poll::Ready(more) => (written, refusals) = (written + more.unwrap(), 0),
            Poll::Pending => {
                refusals += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    written
}

#[tokio::test]
async fn a_reader_that_rests_holds_the_writer_back_on_both_ways() {
    let house = house();
    let (mut client, mut guest, _) = house.asked(post("Content-Length: 100000000\r\n", "")).await;
    let sent = fill(&mut client).await;
    assert!(sent < 2 << 20, "{sent}");
    guest
        .write("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        .await;
    let answered = fill(&mut guest.0).await;
    assert!(answered < 2 << 20, "{answered}");
    // Reading makes room again.
    until(&mut client, "\r\n\r\n").await;
    let mut taken = vec![0; 4 * PIPE];
    client.read_exact(&mut taken).await.unwrap();
    assert!(fill(&mut guest.0).await > 0);
}

#[tokio::test]
async fn the_body_is_asked_for_once_the_guest_takes_it_and_never_for_nothing() {
    let house = house();
    let lines = "Expect: 100-continue\r\nContent-Length: 2\r\n";
    let (mut client, mut guest, head) = house.asked(post(lines, "")).await;
    assert_eq!(values(&head, "expect"), [""; 0]);
    assert!(until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    client.write_all(b"hi").await.unwrap();
    until(&mut guest.0, "hi").await;
    guest.write(OK).await;
    assert_eq!(status(&until(&mut client, "ok").await), 200);

    house.refuse(Refusal::NoListener);
    assert_eq!(status(&house.raw(post(lines, "")).await), 502);
    let denied = request(Form::Path, WRONG, "POST", "/", lines);
    assert_eq!(status(&house.raw(denied).await), 403);
}

#[tokio::test]
async fn a_guest_may_answer_before_it_has_read_the_request() {
    let house = house();
    let (mut client, mut guest, _) = house.asked(post("Content-Length: 1000000\r\n", "begin")).await;
    guest
        .write("HTTP/1.1 413 Too much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        .await;
    let answer = until(&mut client, "no").await;
    assert_eq!(status(&answer), 413);
}

#[tokio::test]
async fn silence_ends_a_stream_and_every_byte_delays_it() {
    let house = house_with(|options| options.idle_timeout = Duration::from_secs(300));
    let (mut client, mut guest, _) = house.asked(request(Form::Path, TOKEN, "GET", "/", "")).await;
    guest.write("HTTP/1.1 200 OK\r\n\r\n").await;
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(299));
        guest.write("x").await;
        until(&mut client, "x\r\n").await;
    }
    house.clock.advance(Duration::from_secs(300));
    guest.gone().await;
    let mut rest = String::new();
    let _ = client.read_to_string(&mut rest).await;
    assert_eq!(rest, "", "an ending that looks whole would be a lie");
}

#[tokio::test]
async fn a_revoked_token_ends_what_it_opened() {
    let house = house();
    let (mut client, mut guest, _) = house.asked(request(Form::Path, TOKEN, "GET", "/", "")).await;
    guest.write("HTTP/1.1 200 OK\r\n\r\nx").await;
    until(&mut client, "x\r\n").await;
    let waiting = house.guest();
    let asked = house.get("");
    let revoke = async {
        tokio::task::yield_now().await;
        house.actor.revoked.send_replace(true);
    };
    let (answer, ()) = tokio::join!(asked, revoke);
    assert_eq!(status(&answer), 403);
    guest.gone().await;
    waiting.gone().await;
    assert_eq!(house.proxy.active(), 0);
}

#[tokio::test]
async fn a_guest_that_says_nothing_is_given_up_but_not_while_it_is_sent_to() {
    let house = house();
    let (mut client, mut guest, _) = house.asked(post("Content-Length: 3\r\n", "")).await;
    for _ in 0..2 {
        house.clock.advance(Duration::from_secs(59));
        client.write_all(b"x").await.unwrap();
        until(&mut guest.0, "x").await;
    }
    house.clock.advance(Duration::from_secs(60));
    let answer = until(&mut client, "in time.\n").await;
    assert_eq!(status(&answer), 504);
    guest.gone().await;
}
