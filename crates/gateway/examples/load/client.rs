//! Clients that write the protocol's bytes by hand, so that they cost little themselves.

use std::future::Future;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One action: call and answer.
pub(crate) trait Caller {
    fn call(&mut self) -> impl Future<Output = ()> + Send;
}

/// Makes an actor and returns its id.
pub(crate) async fn create(address: SocketAddr, key: &str) -> String {
    let body = format!(r#"{{"name":"load","key":"{key}"}}"#);
    let request = format!(
        "PUT /actors HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = connect(address).await;
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut buffer = BytesMut::new();
    let answer = answer(&mut stream, &mut buffer).await;
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    answer["actor"]["actor_id"].as_str().expect("an id").to_owned()
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("connects");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// The body of the next response.
async fn answer(stream: &mut TcpStream, buffer: &mut BytesMut) -> BytesMut {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = std::str::from_utf8(&buffer[..end]).expect("text");
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .expect("a length");
            let length: usize = length.parse().expect("a length");
            if buffer.len() >= end + 4 + length {
                buffer.advance(end + 4);
                return buffer.split_to(length);
            }
        }
        assert_ne!(stream.read_buf(buffer).await.expect("read"), 0, "closed");
    }
}

pub(crate) struct Http {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: BytesMut,
}

impl Http {
    pub(crate) async fn open(address: SocketAddr, id: &str) -> Self {
        let head = format!(
            "POST /gateway/{id}/action/add HTTP/1.1\r\nhost: localhost\r\nuser-agent: RivetKit/2.3.19 Node.js/22\r\n\
             x-rivet-encoding: bare\r\ncontent-type: application/octet-stream\r\ncontent-length: 5\r\n\r\n"
        );
        let request = [head.as_bytes(), b"\x03\x00\x02\x81\x05"].concat();
        Self {
            stream: connect(address).await,
            request,
            buffer: BytesMut::with_capacity(4096),
        }
    }
}

impl Caller for Http {
    async fn call(&mut self) {
        self.stream.write_all(&self.request).await.expect("written");
        let body = answer(&mut self.stream, &mut self.buffer).await;
        assert_eq!(&body[..], b"\x03\x00\x01\x05");
    }
}

pub(crate) struct Socket {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Socket {
    pub(crate) async fn open(address: SocketAddr, id: &str) -> Self {
        let request = format!(
            "GET /gateway/{id}/connect HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: rivet, rivet_encoding.bare\r\n\r\n"
        );
        let mut socket = Self {
            stream: connect(address).await,
            buffer: BytesMut::with_capacity(4096),
        };
        socket.stream.write_all(request.as_bytes()).await.expect("written");
        loop {
            if let Some(end) = socket.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                socket.buffer.advance(end + 4);
                break;
            }
            assert_ne!(
                socket.stream.read_buf(&mut socket.buffer).await.expect("read"),
                0,
                "closed"
            );
        }
        socket.receive().await;
        socket
    }

    /// Sends calls of `add(5)` in one write.
    pub(crate) async fn send(&mut self, calls: usize) {
        let frame = frame(b"\x03\x00\x00\x07\x03add\x02\x81\x05");
        self.stream.write_all(&frame.repeat(calls)).await.expect("written");
    }

    pub(crate) async fn subscribe(&mut self, event: &str) {
        let length = u8::try_from(event.len()).expect("short");
        let message = [b"\x03\x00\x01", &[length][..], event.as_bytes(), b"\x01"].concat();
        self.stream.write_all(&frame(&message)).await.expect("written");
    }

    /// Sends `tick(per_second, seconds)`, both below 24.
    pub(crate) async fn tick(&mut self, per_second: u8, seconds: u8) {
        let message = [b"\x03\x00\x00\x01\x04tick\x03\x82", &[per_second, seconds][..]].concat();
        self.stream.write_all(&frame(&message)).await.expect("written");
    }

    /// The next message. Messages of this program are short.
    pub(crate) async fn receive(&mut self) -> BytesMut {
        loop {
            if let [first, length, ..] = self.buffer[..] {
                assert!(length < 126, "a short message");
                let length = usize::from(length);
                if self.buffer.len() >= 2 + length {
                    self.buffer.advance(2);
                    let message = self.buffer.split_to(length);
                    if first == 0x82 {
                        return message;
                    }
                    continue;
                }
            }
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.expect("read"), 0, "closed");
        }
    }
}

impl Caller for Socket {
    async fn call(&mut self) {
        self.send(1).await;
        let answer = self.receive().await;
        assert_eq!(&answer[..], b"\x03\x00\x02\x07\x01\x05");
    }
}

/// A client's frame with a mask of zeros, which every server must take off like any other.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u8::try_from(message.len()).expect("short");
    [&[0x82, 0x80 | length, 0, 0, 0, 0][..], message].concat()
}
