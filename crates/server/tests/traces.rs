//! Spans of requests arrive at a collector, in the trace of the client, without what must not be told.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use agentos_server::{LogFormat, Registry, VmDefinition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A collector that takes one batch and gives it back.
async fn batch(listener: TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    loop {
        request.push(stream.read_u8().await.unwrap());
        let Some(head) = request.strip_suffix(b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces "), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        return body;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_span_in_the_trace_of_the_client() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = collector.local_addr().unwrap();
    let collecting = tokio::spawn(batch(collector));
    agentos_server::init_with_traces(LogFormat::Json, Some(&format!("http://{address}/v1/traces")));
    let registry = Registry::builder().vm("vm", VmDefinition::default()).build().unwrap();
    let running = registry
        .serve(std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();

    let mut client = TcpStream::connect(running.address()).await.unwrap();
    let secret = "0123456789abcdefghijklmnopqrstuv";
    let head = format!(
        "GET /gateway/a1/request/fetch/{secret} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
        running.address().port()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    agentos_server::flush_traces().await;
    let body = collecting.await.unwrap();
    let holds = |bytes: &[u8]| body.windows(bytes.len()).any(|at| at == bytes);
    let trace = [
        0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c,
    ];
    let parent = [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31];
    assert!(holds(&trace) && holds(&parent));
    assert!(holds(b"/gateway/{actor}/request/fetch/{token}") && holds(b"agentos"));
    assert!(!holds(secret.as_bytes()));
    running.close().await;
}
