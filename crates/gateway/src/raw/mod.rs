//! Raw HTTP requests, answered by the actor's own handler.

use std::sync::Arc;

use agentos_value::ActorError;
use agentos_wire::Target;
use http::Response;
use hyper::body::Incoming;

use crate::body::Body;
use crate::refusal;
use crate::router::{Exchange, Router};

/// `/request/...`.
pub(crate) async fn request(
    _router: &Arc<Router>,
    _exchange: &mut Exchange,
    _body: Incoming,
    _target: &Target,
    _inner: &str,
) -> Result<Response<Body>, ActorError> {
    Err(refusal::route_not_found())
}
