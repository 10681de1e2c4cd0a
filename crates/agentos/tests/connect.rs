//! Streams from the host to listeners in the VM.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod support;

use agentos::http::{Request, StatusCode};
use agentos::{AgentOs, Error, Process};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use support::{limited, lives};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Starts a server by its command line and waits until it says on standard error that it listens.
async fn serve(vm: &AgentOs, script: &str) -> Process {
    let mut server = vm.spawn("sh", ["-c", script]).start().await.expect("it starts");
    server.first_output().await.expect("it says that it listens");
    server
}

#[tokio::test]
async fn bytes_pass_both_ways_and_each_way_ends_by_itself() {
    let vm = limited(&[]).await;
    let mut server = serve(&vm, "printf hello | nc -v -l 8081 > /tmp/got").await;
    let mut stream = vm.connect(8081).await.unwrap();
    let mut back = String::new();
    stream.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "hello");
    stream.write_all(b"later").await.unwrap();
    stream.shutdown().await.unwrap();
    server.wait().await.unwrap();
    assert_eq!(&vm.read_file("/tmp/got").await.unwrap()[..], b"later");
}

#[tokio::test]
async fn nothing_but_a_listener_of_this_vm_is_reached() {
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let vm = limited(&[]).await;
    let refused = vm.connect(port).await.unwrap_err();
    assert!(
        matches!(refused, Error::NoListener { port: named } if named == port),
        "{refused}"
    );
    assert_eq!(refused.code(), "no_listener");
    host.set_nonblocking(true).unwrap();
    assert_eq!(host.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert!(
        vm.connect(0)
            .await
            .unwrap_err()
            .to_string()
            .contains("between 1 and 65535")
    );
}

#[tokio::test]
async fn a_guest_that_does_not_read_holds_the_writer_back() {
    let vm = limited(&[]).await;
    let _mute = serve(&vm, "sleep 1000 | nc -v -l 8081 | sleep 1000").await;
    let mut stream = pin!(vm.connect(8081).await.unwrap());
    let chunk = vec![0; 65_536];
    let mut written = 0;
    // Whatever fits, fits at once or after the guest moved it into its pipe; then nothing does, whatever else the VM does.
    let mut refusals = 0;
    while refusals < 20 {
        match poll_fn(|cx| Poll::Ready(stream.as_mut().poll_write(cx, &chunk))).await {
            Poll::Ready(more) => (written, refusals) = (written + more.unwrap(), 0),
            Poll::Pending => {
                refusals += 1;
                lives(&vm).await;
            }
        }
    }
    assert!(written < 8 << 20, "{written}");
}

#[tokio::test]
async fn a_vm_with_all_connections_in_use_makes_the_host_wait_and_names_the_limit() {
    let vm = limited(&[("maxConnections", 1), ("connectTimeoutMs", 50)]).await;
    let _server = serve(&vm, "sleep 1000 | nc -v -l 8081").await;
    let first = vm.connect(8081).await.unwrap();
    let error = vm.connect(8081).await.unwrap_err();
    match error.limit() {
        Some(limit) => assert_eq!(limit.limit, "connectTimeoutMs"),
        // The listener may be gone after its only connection.
        None => assert_eq!(error.code(), "no_listener", "{error}"),
    }
    drop(first);
}

#[tokio::test]
async fn the_end_of_the_guest_and_of_the_vm_end_the_stream() {
    let vm = limited(&[]).await;
    let mut server = serve(&vm, "sleep 1000 | nc -v -l 8081").await;
    let mut stream = vm.connect(8081).await.unwrap();
    let mut buffer = [0; 1];
    let reading = tokio::spawn(async move { stream.read(&mut buffer).await });
    vm.dispose().await;
    assert!(matches!(reading.await.unwrap(), Ok(0) | Err(_)));
    server.wait().await.unwrap();
    assert!(matches!(vm.connect(8081).await, Err(Error::Disposed)));
}

fn wish() -> Request<()> {
    let request = Request::get("/socket");
    request
        .header("connection", "Upgrade")
        .header("upgrade", "echo")
        .body(())
        .unwrap()
}

#[tokio::test]
async fn an_answer_of_101_gives_the_connection_away() {
    let vm = limited(&[]).await;
    let script = r#"mkfifo /tmp/answer; nc -v -l 8081 <> /tmp/answer | {
        while IFS= read -r line && [ "$line" != $'\r' ]; do printf '%s\n' "$line"; done > /tmp/request
        printf 'HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly '
        head -c 5
    } > /tmp/answer"#;
    let _server = serve(&vm, script).await;
    let response = vm.fetch(8081, wish()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = response.into_body().upgrade().expect("the connection");
    stream.write_all(b"bytes").await.unwrap();
    let mut back = [0; 11];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"early bytes");
    let sent = vm.read_file("/tmp/request").await.unwrap();
    let sent = String::from_utf8(sent.to_vec()).unwrap().to_ascii_lowercase();
    assert!(
        sent.contains("\r\nconnection: upgrade\r\n") && sent.contains("\r\nupgrade: echo\r\n"),
        "{sent}"
    );
}

#[tokio::test]
async fn any_other_answer_to_the_wish_is_an_answer() {
    let vm = limited(&[]).await;
    let _server = serve(
        &vm,
        r"printf 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno' | nc -v -l 8081",
    )
    .await;
    let response = vm.fetch(8081, wish()).await.unwrap();
    assert_eq!(response.into_body().text().await.unwrap(), "no");
    let _second = serve(
        &vm,
        r"printf 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno' | nc -v -l 8082",
    )
    .await;
    let response = vm.fetch(8082, wish()).await.unwrap();
    assert!(response.into_body().upgrade().is_none());
}
