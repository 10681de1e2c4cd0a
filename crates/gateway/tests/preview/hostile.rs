//! Guests and clients that mean harm.

use crate::support::{Guest, House, OK, TOKEN, body, house, request, status, values};
use agentos_gateway::preview::Form;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a client sees of a guest that answers `answer` and closes.
async fn seen(house: &House, answer: &'static str) -> String {
    house.canned(answer);
    house.get("").await
}

#[tokio::test]
async fn an_answer_that_is_no_http_or_contradicts_itself_is_not_passed_on() {
    let house = house();
    for answer in [
        "",
        "\0\u{1}\u{2}\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX y: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: 1\r\n folded: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 101 Unasked\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
    ] {
        let answer_seen = seen(&house, answer).await;
        assert_eq!(status(&answer_seen), 502, "{answer:?} gave {answer_seen}");
        assert_eq!(values(&answer_seen, "x"), [""; 0]);
    }
    assert_eq!(house.proxy.active(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_off_for_the_client() {
    let house = house();
    for (answer, part) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "short"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
            "5\r\nshort\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n",
            "5\r\nshort\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshortXX5\r\n",
            "5\r\nshort\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nffffffffffffffffff\r\n",
            "5\r\nshort\r\n",
        ),
    ] {
        let answer_seen = seen(&house, answer).await;
        // What arrives is at most what came before the break, and never an end that looks whole.
        if answer_seen.is_empty() {
            continue;
        }
        assert_eq!(status(&answer_seen), 200, "{answer}");
        assert!(part.starts_with(body(&answer_seen)), "{answer_seen}");
    }
    assert_eq!(house.proxy.active(), 0);
}

#[tokio::test]
async fn more_than_was_announced_is_nobodys() {
    let house = house();
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 4\r\n\r\nevil";
    house.canned(smuggled);
    house.canned("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    // Both requests on one connection: the second answer is that of the second exchange.
    let first = request(Form::Path, TOKEN, "GET", "/", "").replace("Connection: close\r\n", "");
    let both = house.raw(first + &request(Form::Path, TOKEN, "GET", "/", "")).await;
    assert!(both.ends_with("good") && !both.contains("evil"), "{both}");
}

#[tokio::test]
async fn a_head_without_end_costs_no_more_than_its_limit() {
    for line in ["X-More: yes\r\n", "HTTP/1.1 100 Go on\r\n\r\n"] {
        let house = house();
        let mut guest = house.guest();
        let flood = tokio::spawn(async move {
            guest.head().await;
            let first = if line.starts_with("HTTP") {
                ""
            } else {
                "HTTP/1.1 200 OK\r\n"
            };
            guest.write(first).await;
            let mut written = 0;
            while written < 64 << 20 && guest.0.write_all(line.as_bytes()).await.is_ok() {
                written += line.len();
                tokio::task::yield_now().await;
            }
            written
        });
        let asking = tokio::spawn(async move {
            let answer = house.get("");
            tokio::select! {
                answer = answer => answer,
                () = async {
                    loop {
                        // Informational heads are each whole; it is time that ends them.
                        tokio::task::yield_now().await;
                        house.clock.advance(Duration::from_millis(100));
                    }
                } => unreachable!(),
            }
        });
        let answer = asking.await.unwrap();
        assert!(matches!(status(&answer), 502 | 504), "{answer}");
        assert!(flood.await.unwrap() < 1 << 20, "{line}");
    }
}

#[tokio::test]
async fn a_request_with_two_framings_has_one_for_the_guest() {
    let house = house();
    let mut guest = house.guest();
    let lines = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let smuggling = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut client = house.client();
    let asked = request(Form::Path, TOKEN, "POST", "/", lines) + smuggling;
    client.write_all(asked.as_bytes()).await.unwrap();
    let serving = tokio::spawn(async move {
        let mut sent = Vec::new();
        let mut head = [0; 1];
        while !sent.ends_with(b"0\r\n\r\n") && guest.0.read(&mut head).await.unwrap_or(0) > 0 {
            sent.push(head[0]);
        }
        guest.write(OK).await;
        guest.0.read_to_end(&mut sent).await.unwrap();
        String::from_utf8(sent).unwrap()
    });
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer).await;
    if status(&answer) == 200 {
        let sent = serving.await.unwrap();
        assert_eq!(
            (values(&sent, "content-length"), values(&sent, "transfer-encoding")),
            (vec![], vec!["chunked"])
        );
        assert!(!sent.contains("admin"), "{sent}");
    } else {
        assert_eq!(status(&answer), 400, "{answer}");
    }
}

#[tokio::test]
async fn malformed_requests_reach_no_guest() {
    let house = house();
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "X: a\rY: b\r\n",
        "X : 1\r\n",
    ] {
        let answer = house.raw(request(Form::Path, TOKEN, "POST", "/", lines)).await;
        assert!(matches!(status(&answer), 400 | 502), "{lines:?} gave {answer}");
    }
    assert_eq!(house.proxy.active(), 0);
}

#[tokio::test]
async fn a_chunked_upload_that_breaks_off_is_no_whole_request_to_the_guest() {
    let house = house();
    let mut guest = house.guest();
    let mut client = house.client();
    let asked = request(Form::Path, TOKEN, "POST", "/", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\nzz\r\n";
    client.write_all(asked.as_bytes()).await.unwrap();
    let Guest(mut stream) = {
        guest.head().await;
        guest
    };
    let mut sent = Vec::new();
    let _ = stream.read_to_end(&mut sent).await;
    assert!(!sent.ends_with(b"0\r\n\r\n"), "{sent:?}");
}

#[tokio::test]
async fn a_client_that_leaves_lets_go_of_the_guest_at_any_time() {
    let house = house();
    for moment in 0..3 {
        let mut guest = house.guest();
        let mut client = house.client();
        let lines = "Content-Length: 1000\r\n";
        client
            .write_all(request(Form::Path, TOKEN, "POST", "/", lines).as_bytes())
            .await
            .unwrap();
        guest.head().await;
        if moment > 0 {
            client.write_all(b"some").await.unwrap();
        }
        if moment > 1 {
            guest.write("HTTP/1.1 200 OK\r\n\r\nx").await;
            client.read_u8().await.unwrap();
        }
        drop(client);
        guest.gone().await;
    }
    // The last connection's task has let go of its slot when the guest's end is closed.
    assert_eq!(house.proxy.active(), 0);
}
