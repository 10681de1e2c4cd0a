//! A client that shows what went over the wire.
#![allow(dead_code)]

use agentos_model::{Bounds, ModelServer, Script};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: String,
    /// Whether the body broke off.
    pub(crate) broken: bool,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Events as their names and data; what is no JSON is a string.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let event = |text: &str| {
            let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let data = line("data: ").unwrap_or_default();
            (
                line("event: ").unwrap_or_default(),
                serde_json::from_str(&data).unwrap_or(Value::String(data)),
            )
        };
        self.body.split_terminator("\n\n").map(event).collect()
    }
}

pub(crate) async fn serve(script: &str) -> ModelServer {
    ModelServer::builder(Script::from_json(script).expect("a script"))
        .start()
        .await
        .expect("a port")
}

pub(crate) async fn serve_within(script: &str, change: impl FnOnce(&mut Bounds)) -> ModelServer {
    let mut bounds = Bounds::default();
    change(&mut bounds);
    let script = Script::from_json(script).expect("a script");
    ModelServer::builder(script)
        .bounds(bounds)
        .start()
        .await
        .expect("a port")
}

/// Sends a request with the headers of Anthropic's clients.
pub(crate) async fn send(server: &ModelServer, method: &str, path: &str, body: &str) -> Got {
    let headers = [("anthropic-version", "2023-06-01"), ("x-api-key", "a-key")];
    send_with(server, method, path, &headers, body).await
}

pub(crate) async fn send_with(
    server: &ModelServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Got {
    let stream = TcpStream::connect(("127.0.0.1", server.port()))
        .await
        .expect("it listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP");
    let driven = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    let (mut read, mut broken, mut body) = (Vec::new(), false, response.into_body());
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => read.extend_from_slice(frame.data_ref().expect("data")),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    driven.abort();
    let body = String::from_utf8(read).expect("text");
    Got {
        status,
        kind,
        body,
        broken,
    }
}

/// A request to Anthropic's API.
pub(crate) fn ask(stream: bool, messages: &Value) -> String {
    let tools = json!([
        {"name": "write", "input_schema": {"type": "object", "properties": {"path": {}, "content": {}}}},
        {"name": "bash", "input_schema": {"type": "object", "properties": {"command": {}}}}]);
    json!({"model": "scripted", "max_tokens": 100, "stream": stream, "messages": messages, "tools": tools}).to_string()
}
