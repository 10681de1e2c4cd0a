//! `/inspector/`: a page that shows actors, and the two routes it asks besides the ordinary ones.
//!
//! The page is two files without secrets. A browser that opens it cannot send a token along, so the token comes behind `#`, where
//! no server sees it, or is typed in; the page sends it with every request. `/inspector/api/` compares it in constant time.
//! The actions that the page runs are the gateway's ordinary ones, with their ordinary checks.
//!
//! The script comes from `inspector/`, built by `cargo xtask inspector build`. Its content security policy admits scripts of this
//! server alone and no frame around it. Styles may be inline, since the terminal writes its own.

use super::metrics::Metrics;
use super::{text, with_type};
use crate::Body;
use agentos_actor::{ActorFilter, ActorInfo, Registry};
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

/// Actors that the page lists.
const MOST: usize = 500;

const PAGE: &str = include_str!("../../assets/inspector.html");
/// Compressed; browsers undo that.
const SCRIPT: &[u8] = include_bytes!("../../assets/inspector.js.gz");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; \
     font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn answer(registry: &Registry, metrics: &Metrics, token: &str, head: &Parts, path: &str) -> Response<Body> {
    match path {
        // Relative addresses of the page need the slash.
        "/inspector" => {
            let mut response = text(StatusCode::PERMANENT_REDIRECT, "");
            response
                .headers_mut()
                .insert(LOCATION, HeaderValue::from_static("inspector/"));
            response
        }
        "/inspector/" => page("text/html; charset=utf-8", PAGE.as_bytes()),
        "/inspector/inspector.js" => {
            let mut response = page("text/javascript; charset=utf-8", SCRIPT);
            response
                .headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        _ if !path.starts_with("/inspector/api/") => text(StatusCode::NOT_FOUND, "There is nothing at this address.\n"),
        _ if !admitted(head, token) => text(StatusCode::UNAUTHORIZED, "The inspector's token is missing or wrong.\n"),
        "/inspector/api/actors" => actors(registry),
        "/inspector/api/server" => server(registry, metrics),
        _ => text(StatusCode::NOT_FOUND, "There is nothing at this address.\n"),
    }
}

fn page(kind: &'static str, content: &'static [u8]) -> Response<Body> {
    let mut response = with_type(kind, content);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}

fn admitted(head: &Parts, token: &str) -> bool {
    let given = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| !token.is_empty() && bool::from(given.ct_eq(token.as_bytes())))
}

fn actors(registry: &Registry) -> Response<Body> {
    let filter = ActorFilter {
        limit: Some(MOST),
        ..ActorFilter::default()
    };
    match registry.list(&filter) {
        Ok(found) => json_of(&json!({ "actors": found.iter().map(actor).collect::<Vec<_>>(), "most": MOST })),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "The actors cannot be listed.\n"),
    }
}

fn actor(info: &ActorInfo) -> Value {
    json!({
        "id": info.id.as_str(),
        "name": info.name,
        "key": info.key.serialized(),
        "phase": info.phase.as_str(),
        "createdAt": info.created_at_ms,
        "startedAt": info.started_at_ms,
        "sleptAt": info.slept_at_ms,
    })
}

fn server(registry: &Registry, metrics: &Metrics) -> Response<Body> {
    let now = metrics.snapshot();
    let definitions: Vec<Value> = registry
        .definitions()
        .into_iter()
        .map(|one| json!({ "name": one.name, "actions": one.actions }))
        .collect();
    json_of(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "definitions": definitions,
        "actors": now.actors,
        "awake": now.awake,
        "connections": now.open_connections,
        "actions": now.actions,
        "actionFailures": now.action_failures,
        "boots": now.boots,
    }))
}

fn json_of(value: &Value) -> Response<Body> {
    with_type("application/json", value.to_string())
}
