//! HTTP clients: a proper one, and one that sends exactly what it is told.

use std::net::SocketAddr;

use agentos_value::{ActorError, Value};
use agentos_wire::{Dialect, Encoding, Format, Version};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// A keep-alive connection.
pub(crate) struct Client(SendRequest<Full<Bytes>>, SocketAddr);

pub(crate) type Answer = Response<Bytes>;

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connects");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("handshake");
        tokio::spawn(connection);
        Self(sender, address)
    }

    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Answer {
        if !request.headers().contains_key("host") {
            let host = self.1.to_string().parse().expect("a host");
            request.headers_mut().insert("host", host);
        }
        let response = soon(self.0.send_request(request)).await.expect("an answer");
        let (head, body) = response.into_parts();
        Response::from_parts(head, soon(body.collect()).await.expect("a body").to_bytes())
    }

    pub(crate) async fn call(&mut self, method: Method, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(
            request
                .body(Full::new(Bytes::copy_from_slice(body)))
                .expect("a request"),
        )
        .await
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.call(Method::GET, target, &[], b"").await
    }
}

pub(crate) async fn call(
    address: SocketAddr,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    Client::connect(address).await.call(method, target, headers, body).await
}

pub(crate) async fn get(address: SocketAddr, target: &str) -> Answer {
    call(address, Method::GET, target, &[], b"").await
}

pub(crate) fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("no JSON: {:?}", answer.body()))
}

/// `group/code` of an error in JSON.
pub(crate) fn error(answer: &Answer) -> String {
    let body = json(answer);
    format!(
        "{}/{}",
        body["group"].as_str().unwrap_or("?"),
        body["code"].as_str().unwrap_or("?")
    )
}

/// Makes an actor by name and key, and returns its id.
pub(crate) async fn actor(address: SocketAddr, name: &str, key: &str) -> String {
    let body = format!(r#"{{"name":"{name}","key":"{key}","runner_name_selector":"default","crash_policy":"sleep"}}"#);
    let answer = call(address, Method::PUT, "/actors?namespace=default", &[], body.as_bytes()).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    json(&answer)["actor"]["actor_id"].as_str().expect("an id").to_owned()
}

pub(crate) fn format(encoding: Encoding, version: u16) -> Format {
    Format::new(encoding, Version::new(version).expect("a version"), Dialect::Modern)
}

/// Runs an action over HTTP.
pub(crate) async fn action(
    client: &mut Client,
    id: &str,
    name: &str,
    format: Format,
    args: &[Value],
) -> Result<Value, (u16, ActorError)> {
    let body = format.action_request(args).expect("arguments");
    let target = format!("/gateway/{id}/action/{name}");
    let answer = client
        .call(
            Method::POST,
            &target,
            &[("x-rivet-encoding", format.encoding.name())],
            &body,
        )
        .await;
    let limits = agentos_wire::Limits::default();
    if answer.status() == 200 {
        let (version, value) =
            agentos_wire::decode_action_response(answer.body(), format.encoding, &limits).expect("a result");
        if format.encoding == Encoding::Bare {
            assert_eq!(version, format.version);
        }
        return Ok(value);
    }
    let (_, body) = agentos_wire::decode_http_error(answer.body(), format.encoding, &limits).expect("an error");
    Err((answer.status().as_u16(), body.error))
}

/// Sends bytes as they are and returns everything that comes back until the server closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let _ = stream.write_all(bytes).await;
    let mut all = Vec::new();
    let _ = soon(stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}
