//! The gateway's token and the record of addresses that failed to show it.

use std::time::Instant;

use agentos_value::ActorError;
use tracing::warn;

use super::{Exchange, Router};
use crate::auth::control::is_local;
use crate::auth::token::{self, Verdict};
use crate::refusal;

impl Router {
    /// Admits a request by its token.
    pub(crate) fn admit(&self, exchange: &Exchange, in_target: Option<&str>) -> Result<(), ActorError> {
        let address = exchange.peer.address().ip();
        let exhausted = self.failures.exhausted(address, Instant::now());
        // Behind a proxy on this machine all clients share one address; there, the right token passes in any case.
        if exhausted && !address.is_loopback() {
            return Err(refusal::too_many_failures());
        }
        match token::judge(self.rules.token.as_ref(), &exchange.head.headers, in_target) {
            Verdict::Admitted => Ok(()),
            Verdict::Missing | Verdict::Wrong => {
                self.failures.count(address, Instant::now());
                self.audit(exchange, "token", "unauthorized");
                Err(if exhausted {
                    refusal::too_many_failures()
                } else {
                    refusal::unauthorized()
                })
            }
        }
    }

    /// Admits a request to a route that tells about, or ends, actors of others.
    pub(crate) fn admit_administrator(&self, exchange: &Exchange) -> Result<(), ActorError> {
        self.admit(exchange, None)?;
        if self.rules.token.is_some() || is_local(&exchange.peer, &exchange.head.headers) {
            return Ok(());
        }
        self.audit(exchange, "control", "forbidden");
        Err(refusal::administrative())
    }

    /// Counts a refusal of the hooks against the address, as a guess at whatever they ask for.
    pub(crate) fn count_refusal(&self, peer: &crate::Peer, error: &ActorError) {
        let by_hooks = matches!(error.group.as_ref(), "user" | "auth" | "internal");
        if by_hooks && !peer.is_loopback() {
            self.failures.count(peer.address().ip(), Instant::now());
        }
    }

    pub(crate) fn audit(&self, exchange: &Exchange, step: &str, code: &str) {
        self.watch.traffic.auth_failed();
        let peer = exchange.peer.address().ip();
        warn!(target: "audit", event = "security.auth.failed", step, code, %peer);
    }
}
