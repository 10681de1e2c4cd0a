//! From a request to whoever answers it.
//!
//! ```text
//!  screen: sizes, extensions, host, origin, preflight     the head alone; nobody is woken
//!     │
//!  metadata, health                                       no token, nothing is touched
//!     │
//!  guard: failures of the address, the token
//!     │
//!  control: actors by name, key, id          gateway: one actor
//!                                               action, queue, raw request, socket, raw socket
//! ```
//!
//! Errors are written in the request's encoding and in the version of its body as soon as that is known.

mod exchange;
mod gateway;
mod guard;
pub(crate) mod path;
mod screen;

use std::sync::Arc;

use agentos_actor::Registry;
use agentos_wire::Target;
use http::{Request, Response};
use hyper::body::Incoming;

pub(crate) use exchange::Exchange;
pub(crate) use gateway::specifier;

use crate::Peer;
use crate::auth::attempts::Attempts;
use crate::auth::token::GatewayToken;
use crate::body::Body;
use crate::budget::Budget;
use crate::control;
use crate::cors::{self, Origins};
use crate::extension::{Claim, Extension};
use crate::limits::Limits;

/// Who is admitted, and where.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) token: Option<GatewayToken>,
    pub(crate) origins: Origins,
    pub(crate) check_host: bool,
    pub(crate) preview_host: Option<String>,
    pub(crate) base_path: String,
    pub(crate) namespace: String,
    pub(crate) allow_ambiguous_keys: bool,
}

/// Answers requests.
pub(crate) struct Router {
    pub(crate) registry: Registry,
    pub(crate) rules: Rules,
    pub(crate) limits: Limits,
    pub(crate) wire_limits: agentos_wire::Limits,
    pub(crate) budget: Budget,
    failures: Attempts,
    extensions: Vec<Arc<dyn Extension>>,
    pub(crate) watch: crate::observe::Watch,
}

impl Router {
    pub(crate) fn new(
        registry: Registry,
        rules: Rules,
        limits: Limits,
        extensions: Vec<Arc<dyn Extension>>,
        watch: crate::observe::Watch,
    ) -> Self {
        Self {
            registry,
            rules,
            wire_limits: agentos_wire::Limits::default(),
            budget: Budget::new(limits.max_buffered, limits.max_incoming_message),
            failures: Attempts::new(limits.max_auth_failures),
            limits,
            extensions,
            watch,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn base_path(&self) -> &str {
        &self.rules.base_path
    }

    /// Answers one request.
    pub(crate) async fn serve(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let beat = peer.pulse().begin();
        let (head, body) = request.into_parts();
        let mut exchange = Exchange::new(head, peer);
        let mut response = match self.screen(&mut exchange) {
            Ok(None) => Arc::clone(&self).route(&mut exchange, body).await,
            Ok(Some(screen::Early::Response(response))) => response,
            Ok(Some(screen::Early::Public(extension))) => {
                let target = std::mem::take(&mut exchange.target);
                let request = Request::from_parts(exchange.head, body);
                return extension
                    .handle(request, target, exchange.peer)
                    .await
                    .map(|body| body.hold(beat));
            }
            Err(error) => exchange.error(&error),
        };
        exchange.finish(&mut response);
        if let Some(origin) = &exchange.origin {
            cors::admit(response.headers_mut(), origin);
        }
        response.map(|body| body.hold(beat))
    }

    async fn route(self: Arc<Self>, exchange: &mut Exchange, body: Incoming) -> Response<Body> {
        if let Some(response) = control::open_route(exchange) {
            return response;
        }
        if let Some((extension, Claim::Administrative)) = self.claimed(exchange) {
            if let Err(error) = self.admit_administrator(exchange) {
                return exchange.error(&error);
            }
            let target = exchange.target.clone();
            let head = exchange.take_head();
            return extension
                .handle(Request::from_parts(head, body), target, exchange.peer.clone())
                .await;
        }
        let target = match exchange
            .hints()
            .and_then(|hints| Target::parse(&exchange.target, &hints).map_err(|error| error.to_actor_error()))
        {
            Ok(target) => target,
            Err(error) => return exchange.error(&error),
        };
        match target {
            Some(target) => self.to_actor(exchange, body, target).await,
            None => control::route(&self, exchange, body).await,
        }
    }

    fn claimed(&self, exchange: &Exchange) -> Option<(Arc<dyn Extension>, Claim)> {
        self.extensions.iter().find_map(|extension| {
            let claim = extension.claims(&exchange.head, &exchange.target)?;
            Some((Arc::clone(extension), claim))
        })
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
