//! Requests over HTTP, on kept-alive connections.

mod link;

use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::stream;
use agentos_value::Value;
use agentos_wire::{Dialect, Encoding, Format, Limits, Version, decode_action_response, decode_http_error};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use link::{Failed, Link};
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::sync::Arc;

/// How this client names itself.
pub(crate) const AGENT: &str = concat!("agentos-client/", env!("CARGO_PKG_VERSION"));
/// Bytes of an answer, at most: what a server may send at its default limit, with room for its frame.
pub(crate) const ANSWER_MAX: usize = (32 << 20) + 4096;

/// Connections that are kept while nobody uses them, at most.
const KEPT: usize = 64;

/// The pool of connections.
pub(crate) struct Http {
    tls: Arc<ClientConfig>,
    /// The one that was used last comes last.
    idle: Mutex<Vec<Link>>,
}

impl Http {
    pub(crate) fn new(tls: Arc<ClientConfig>) -> Self {
        Self {
            tls,
            idle: Mutex::default(),
        }
    }

    /// A control request with JSON both ways. `target` begins with a slash.
    pub(crate) async fn control(
        &self,
        endpoint: &Endpoint,
        method: Method,
        target: &str,
        body: Option<serde_json::Value>,
    ) -> Result<serde_json::Value> {
        let mut request = request(endpoint, method, &format!("{}{target}", endpoint.base))?;
        request
            .headers_mut()
            .insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        *request.body_mut() = Full::new(body.map_or_else(Bytes::new, |body| body.to_string().into()));
        let (status, body) = self.send(endpoint, request).await?;
        if !status.is_success() {
            return Err(refusal(status, &body, Encoding::Json));
        }
        serde_json::from_slice(&body).map_err(|error| Error::Protocol(error.to_string()))
    }

    /// One action of the actor `id`.
    pub(crate) async fn action(
        &self,
        endpoint: &Endpoint,
        id: &str,
        params: Option<&http::HeaderValue>,
        action: &str,
        args: &[Value],
    ) -> Result<Value> {
        let name = percent_encoding::utf8_percent_encode(action, crate::endpoint::SEGMENT);
        let path = endpoint.actor_path(id, &format!("/action/{name}"));
        let encoding = endpoint.encoding;
        let mut request = request(endpoint, Method::POST, &path)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(encoding.content_type()));
        headers.insert("x-rivet-encoding", http::HeaderValue::from_static(encoding.name()));
        if let Some(params) = params {
            headers.insert("x-rivet-conn-params", params.clone());
        }
        *request.body_mut() = Full::new(format(encoding).action_request(args)?);
        let (status, body) = self.send(endpoint, request).await?;
        if !status.is_success() {
            return Err(refusal(status, &body, encoding));
        }
        Ok(decode_action_response(&body, encoding, &Limits::default())?.1)
    }

    async fn send(&self, endpoint: &Endpoint, mut request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        let unreachable = |reason: String| Error::Unreachable {
            endpoint: endpoint.url(),
            reason,
        };
        loop {
            let kept = self.kept();
            let fresh = kept.is_none();
            let mut link = match kept {
                Some(link) => link,
                None => self.connect(endpoint).await.map_err(unreachable)?,
            };
            match link.exchange(request).await {
                Ok(answer) => {
                    self.keep(link);
                    return Ok((answer.status(), answer.into_body()));
                }
                // The server closed it while nobody looked.
                Err(Failed::Unsent(unsent, _)) if !fresh => request = *unsent,
                Err(Failed::Unsent(_, error) | Failed::Broken(error)) => return Err(unreachable(chain(&error))),
                Err(Failed::TooLarge) => {
                    return Err(Error::Protocol(format!("an answer of more than {ANSWER_MAX} bytes")));
                }
            }
        }
    }

    /// A connection that is open already.
    fn kept(&self) -> Option<Link> {
        loop {
            // The lock is not held while the link is looked at.
            let mut link = self.idle.lock().pop()?;
            if link.is_usable() {
                return Some(link);
            }
        }
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Link, String> {
        let stream = stream::open(endpoint, &self.tls)
            .await
            .map_err(|error| error.to_string())?;
        Link::new(stream).await.map_err(|error| chain(&error))
    }

    fn keep(&self, mut link: Link) {
        if link.is_usable() {
            let mut idle = self.idle.lock();
            if idle.len() < KEPT {
                idle.push(link);
            }
        }
    }
}

/// How this client writes messages.
pub(crate) fn format(encoding: Encoding) -> Format {
    Format::new(encoding, Version::NEWEST, Dialect::default())
}

/// A request without a body.
fn request(endpoint: &Endpoint, method: Method, path: &str) -> Result<Request<Full<Bytes>>> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, endpoint.host_header())
        .header(USER_AGENT, AGENT);
    if let Some(token) = &endpoint.token {
        builder = builder.header("x-rivet-token", token.as_str());
    }
    builder
        .body(Full::default())
        .map_err(|error| Error::Protocol(error.to_string()))
}

/// The error that an unsuccessful answer carries.
fn refusal(status: StatusCode, body: &Bytes, encoding: Encoding) -> Error {
    let error = decode_http_error(body, encoding, &Limits::default())
        .or_else(|_| decode_http_error(body, Encoding::Json, &Limits::default()));
    match error {
        Ok((_, body)) => Error::Actor(body.error),
        Err(_) => Error::Protocol(format!("status {status} without an error that can be read")),
    }
}

/// An error with its causes: hyper's own text alone is "client error".
fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
