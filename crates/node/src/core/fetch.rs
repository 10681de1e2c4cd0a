//! HTTP to a server in the VM with streaming bodies, for `fetch(port, Request) -> Response`.
//!
//! The head comes as a value; the body stays here under a number and is read piece by piece, so that what the script does not
//! read is not fetched. A request's body comes the same way: the script sends a piece when the last one was taken.

use super::vm::Vm;
use agentos::http::{HeaderName, HeaderValue, Method, Request};
use agentos::{RequestBody, ResponseBody};
use agentos_server::client_error;
use agentos_value::{ActorError, Value};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Bodies that are under way.
#[derive(Default)]
pub(super) struct Bodies {
    next: AtomicU32,
    responses: Mutex<HashMap<u32, Arc<tokio::sync::Mutex<ResponseBody>>>>,
    requests: Mutex<HashMap<u32, Begun>>,
}

/// A request's body: where its pieces go, and, until the request is sent, where they come from.
struct Begun {
    sender: mpsc::Sender<Piece>,
    receiver: Option<mpsc::Receiver<Piece>>,
}

/// A request's body as it comes from the script.
struct Pieces(mpsc::Receiver<Piece>);

/// A piece of a body, or why there is no more: the request then ends unfinished instead of looking whole.
pub(super) type Piece = Result<Bytes, String>;

impl futures_core::Stream for Pieces {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

impl Bodies {
    /// A body that the script will send piece by piece; its number.
    pub(super) fn begin_request(&self) -> u32 {
        let (sender, receiver) = mpsc::channel(1);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let receiver = Some(receiver);
        self.requests.lock().insert(number, Begun { sender, receiver });
        number
    }

    /// What a request carries whose body was begun under this number; nothing if there is none.
    pub(super) fn take_request(&self, number: u32) -> RequestBody {
        let mut requests = self.requests.lock();
        match requests.get_mut(&number).and_then(|begun| begun.receiver.take()) {
            Some(receiver) => RequestBody::stream(Pieces(receiver)),
            None => RequestBody::from(()),
        }
    }

    /// Where the pieces of a request's body go.
    pub(super) fn sender(&self, number: u32) -> Option<mpsc::Sender<Piece>> {
        self.requests.lock().get(&number).map(|begun| begun.sender.clone())
    }

    /// Ends a request's body.
    pub(super) fn end_request(&self, number: u32) {
        self.requests.lock().remove(&number);
    }

    /// Gives a response's body up, which ends its connection.
    pub(super) fn close(&self, number: u32) {
        self.responses.lock().remove(&number);
    }

    fn keep(&self, body: ResponseBody) -> u32 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let body = Arc::new(tokio::sync::Mutex::new(body));
        self.responses.lock().insert(number, body);
        number
    }
}

/// A request from its parts: method and target, headers, body.
pub(super) fn request(
    method: &str,
    target: &str,
    headers: Vec<(String, String)>,
    body: RequestBody,
) -> Result<Request<RequestBody>, ActorError> {
    let refused = |what: &str| ActorError::agentos("invalid_argument", format!("fetch: {what}"));
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| refused("the method is not one"))?;
    *request.uri_mut() = target.parse().map_err(|_| refused("the URL cannot be requested"))?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| refused("a header's name is not one"))?;
        let value = HeaderValue::try_from(value).map_err(|_| refused("a header has a value that is not allowed"))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// Sends a request; the result is `{status, statusText, headers, body}`, the body as a number.
pub(super) async fn send(vm: Arc<Vm>, port: u16, request: Request<RequestBody>) -> Result<Value, ActorError> {
    let response = vm.embedded.vm().fetch(port, request).await.map_err(client_error)?;
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        Value::Array(vec![Value::from(name.as_str()), Value::from(&*value)])
    });
    Ok(Value::object([
        ("status", Value::from(head.status.as_u16())),
        ("statusText", head.status.canonical_reason().unwrap_or_default().into()),
        ("headers", Value::Array(headers.collect())),
        ("body", vm.bodies.keep(body).into()),
    ]))
}

/// The next piece of a response's body; `undefined` at its end.
pub(super) async fn read(vm: Arc<Vm>, number: u32) -> Result<Value, ActorError> {
    let body = vm.bodies.responses.lock().get(&number).cloned();
    let Some(body) = body else {
        return Ok(Value::Undefined);
    };
    let piece = body.lock().await.chunk().await.map_err(client_error);
    if !matches!(piece, Ok(Some(_))) {
        vm.bodies.close(number);
    }
    Ok(piece?.map_or(Value::Undefined, Value::Bytes))
}
