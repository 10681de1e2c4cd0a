//! What is decided by a request's head alone, before anything is looked up.

use std::sync::Arc;

use agentos_value::ActorError;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, Response};

use super::{Exchange, Router};
use crate::auth::host;
use crate::body::Body;
use crate::cors::{self, Origin};
use crate::extension::{Claim, Extension};
use crate::refusal;

/// What ends the screening early.
pub(crate) enum Early {
    /// The answer.
    Response(Response<Body>),
    /// An extension that does its own checks.
    Public(Arc<dyn Extension>),
}

impl Router {
    /// Screens a request. `None` if it is to be routed.
    pub(crate) fn screen(&self, exchange: &mut Exchange) -> Result<Option<Early>, ActorError> {
        self.measure(exchange)?;
        self.strip_base_path(exchange)?;
        if let Some((extension, Claim::Public)) = self.claimed(exchange) {
            return Ok(Some(Early::Public(extension)));
        }
        if self.rules.check_host && !host::is_ours(&exchange.head, self.rules.preview_host.as_deref()) {
            return Err(refusal::forbidden_host());
        }
        match self.rules.origins.judge(&exchange.head.headers) {
            Origin::None => Ok(None),
            Origin::Refused => {
                self.audit(exchange, "origin", "forbidden_origin");
                Err(refusal::forbidden_origin())
            }
            Origin::Admitted(origin) => {
                let preflight = cors::preflight(&exchange.head);
                exchange.origin = Some(origin);
                Ok(preflight.map(Early::Response))
            }
        }
    }

    fn measure(&self, exchange: &Exchange) -> Result<(), ActorError> {
        let (target, most) = (exchange.target.len(), self.limits.max_target);
        if target > most {
            return Err(refusal::target_too_long(target, most));
        }
        let (bytes, most) = (size(&exchange.head.headers), self.limits.max_header_bytes);
        if bytes > most {
            return Err(refusal::headers_too_large(bytes, most));
        }
        let offers = exchange.head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let (bytes, most) = (offers.map(http::HeaderValue::len).sum(), self.limits.max_subprotocol);
        if bytes > most {
            return Err(refusal::headers_too_large(bytes, most));
        }
        Ok(())
    }

    fn strip_base_path(&self, exchange: &mut Exchange) -> Result<(), ActorError> {
        let base = self.rules.base_path.as_str();
        if base.is_empty() {
            return Ok(());
        }
        let rest = exchange.target.strip_prefix(base).ok_or_else(refusal::no_route)?;
        let inner = match rest.as_bytes().first() {
            Some(b'/') => rest.to_owned(),
            None | Some(b'?') => format!("/{rest}"),
            Some(_) => return Err(refusal::no_route()),
        };
        exchange.target = inner;
        Ok(())
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}
