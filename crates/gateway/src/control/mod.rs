//! The control API: actors by name, key and id. Always JSON.

mod actors;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response};
use hyper::body::Incoming;

use crate::body::Body;
use crate::refusal;
use crate::router::{Exchange, Router};

/// The routes that need no token and touch nothing: clients wait for one of them before anything else.
pub(crate) fn open_route(exchange: &Exchange) -> Option<Response<Body>> {
    let path = exchange.target.split('?').next().unwrap_or_default();
    let body = match path {
        "/metadata" => metadata(),
        "/health" => health(),
        _ => return None,
    };
    if !matches!(exchange.head.method, Method::GET | Method::HEAD) {
        return Some(exchange.not_allowed("GET"));
    }
    Some(json(body))
}

/// Answers whatever is not addressed to one actor.
pub(crate) async fn route(router: &Arc<Router>, exchange: &mut Exchange, body: Incoming) -> Response<Body> {
    let target = exchange.target.clone();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let method = exchange.head.method.clone();
    let result = match (path, method) {
        ("/actors", Method::GET | Method::HEAD) => actors::list(router, exchange, query),
        ("/actors", Method::PUT) => actors::get_or_create(router, exchange, body, query).await,
        ("/actors", Method::POST) => actors::create(router, exchange, body, query).await,
        ("/actors", _) => return exchange.not_allowed("GET, PUT, POST"),
        (path, method) => match path.strip_prefix("/actors/") {
            Some(id) if !id.is_empty() && !id.contains('/') => {
                if method != Method::DELETE {
                    return exchange.not_allowed("DELETE");
                }
                actors::destroy(router, exchange, id, query).await
            }
            _ => Err(refusal::no_route()),
        },
    };
    match result {
        Ok(body) => json(body),
        Err(error) => exchange.error(&error),
    }
}

/// What a server says about itself. It names no endpoint, since that would replace the one that the user wrote.
pub(crate) fn metadata() -> Bytes {
    static BODY: LazyLock<Bytes> = LazyLock::new(|| format!(r#"{{"runtime":"agentos","version":"{VERSION}"}}"#).into());
    BODY.clone()
}

pub(crate) fn health() -> Bytes {
    static BODY: LazyLock<Bytes> =
        LazyLock::new(|| format!(r#"{{"status":"ok","runtime":"agentos","version":"{VERSION}"}}"#).into());
    BODY.clone()
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn json(body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
