//! Every request, seen from outside: a span with its correlation id, one record when it is answered, and counts.
//!
//! Targets, headers and subprotocols hold tokens, parameters and preview addresses. Invariant: what is recorded of a request is
//! its [`Route`] (a template, never the target), its method, its ray id, the peer's address, the status and the time.
//!
//! Requests that went well are logged at `debug`, the others at `info`, and those that the server is to blame for at `warn`.

mod route;
mod traffic;

pub use route::Route;
pub use traffic::Traffic;
pub(crate) use traffic::seconds;

use crate::router::Router;
use crate::{Body, Peer, ids};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Instant;
use tracing::{Instrument, Span, debug, info, info_span, warn};

/// Called with the span and the headers of a request, to continue the caller's trace.
pub type OnSpan = Arc<dyn Fn(&Span, &HeaderMap) + Send + Sync>;

/// What watches a gateway's requests.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) on_span: Option<OnSpan>,
}

/// Answers a request, watched.
pub(crate) async fn serve(router: Arc<Router>, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
    let begin = Instant::now();
    let target = request.uri().path();
    let route = Route::of(target.strip_prefix(router.base_path()).unwrap_or(target));
    let ray = ids::ray(request.headers());
    let method = request.method().clone();
    let span = info_span!(
        target: "agentos_gateway::request",
        "request",
        otel.kind = "server",
        ray = ray.to_str().unwrap_or_default(),
        method = %method,
        route = route.name(),
        peer = %peer.address().ip(),
        status = tracing::field::Empty,
    );
    if let Some(on_span) = &router.watch.on_span {
        on_span(&span, request.headers());
    }
    request.headers_mut().insert(ids::RAY, ray);
    let traffic = router.watch.traffic.clone();
    let response = router.serve(request, peer).instrument(span.clone()).await;
    let (status, took) = (response.status(), begin.elapsed());
    span.record("status", status.as_u16());
    traffic.answered(route, status, took);
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let _entered = span.enter();
    match status.as_u16() {
        500.. => warn!(target: "agentos_gateway::request", status = status.as_u16(), us, "answered"),
        400..=499 => info!(target: "agentos_gateway::request", status = status.as_u16(), us, "answered"),
        _ => debug!(target: "agentos_gateway::request", status = status.as_u16(), us, "answered"),
    }
    response
}
