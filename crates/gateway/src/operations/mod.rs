//! Routes for those who run a server: metrics, a description of the interface, the inspector.
//!
//! `/metrics` and `/openapi.json` are administrative: the gateway checks its token, or that the peer is local, before they are
//! asked. The inspector is a page; its files hold nothing and are open, what it shows comes from routes that ask for a token.

mod inspector;
mod metrics;
pub mod openapi;

use crate::observe::Traffic;
use crate::preview::PreviewProxy;
use crate::{Answer, Body, Claim, Extension, Peer};
use agentos_actor::Registry;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use metrics::Metrics;
use std::sync::Arc;

/// The routes, as an extension of the gateway.
pub struct Operations {
    registry: Registry,
    metrics: Metrics,
    /// What opens the inspector's own routes.
    token: String,
}

impl Operations {
    /// Routes about `registry`. `traffic` is what the gateway counts in ([`crate::Builder::traffic`]); `token` opens the
    /// inspector: the gateway's own, or one that was made for this start if it has none.
    pub fn new(registry: Registry, previews: PreviewProxy, traffic: Arc<Traffic>, token: String) -> Self {
        let metrics = Metrics::new(registry.clone(), previews, traffic);
        Self {
            registry,
            metrics,
            token,
        }
    }

    /// Shows how many commands run and how many wait for their turn, as `count` says.
    #[must_use]
    pub fn executions(self, count: impl Fn() -> (u64, u64) + Send + Sync + 'static) -> Self {
        self.metrics.executions(count);
        self
    }

    fn answer(&self, head: &Parts, target: &str) -> Response<Body> {
        let path = target.split('?').next().unwrap_or_default();
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET is allowed here.\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/metrics" => match self.metrics.encode() {
                Some(metrics) => with_type("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics),
                None => text(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written.\n"),
            },
            "/openapi.json" => with_type("application/json", openapi::document(&self.registry).to_string()),
            _ => inspector::answer(&self.registry, &self.metrics, &self.token, head, path),
        }
    }
}

impl Extension for Operations {
    fn claims(&self, _: &Parts, target: &str) -> Option<Claim> {
        match target.split('?').next().unwrap_or_default() {
            "/metrics" | "/openapi.json" => Some(Claim::Administrative),
            path if path == "/inspector" || path.starts_with("/inspector/") => Some(Claim::Public),
            _ => None,
        }
    }

    fn handle(&self, request: Request<Incoming>, target: String, _: Peer) -> Answer {
        let response = self.answer(&request.into_parts().0, &target);
        Box::pin(std::future::ready(response))
    }
}

fn with_type(kind: &'static str, content: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(content.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn text(status: StatusCode, content: &'static str) -> Response<Body> {
    let mut response = with_type("text/plain; charset=utf-8", content);
    *response.status_mut() = status;
    response
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations").finish_non_exhaustive()
    }
}
