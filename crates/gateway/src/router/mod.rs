//! From a request to whoever answers it.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::Peer;
use crate::auth::host;
use crate::auth::token::GatewayToken;
use crate::body::Body;
use crate::cors::{self, Origin, Origins};
use crate::extension::Extension;
use crate::limits::Limits;

/// Who is admitted, and where.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) token: Option<GatewayToken>,
    pub(crate) origins: Origins,
    pub(crate) check_host: bool,
    pub(crate) preview_host: Option<String>,
    pub(crate) base_path: String,
}

/// Answers requests.
pub(crate) struct Router {
    rules: Rules,
    limits: Limits,
    extensions: Vec<Arc<dyn Extension>>,
}

impl Router {
    pub(crate) fn new(rules: Rules, limits: Limits, extensions: Vec<Arc<dyn Extension>>) -> Self {
        Self {
            rules,
            limits,
            extensions,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn base_path(&self) -> &str {
        &self.rules.base_path
    }

    pub(crate) async fn serve(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let _beat = peer.pulse().begin();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Router")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
