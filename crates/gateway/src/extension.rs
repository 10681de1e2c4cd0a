//! Routes beside the client protocol: previews, metrics, the inspector.
//!
//! An extension sees a request's head before the protocol's router does and may claim it. A public claim passes the
//! gateway's own checks by: host, origin and token are the extension's business from then on. An administrative claim is
//! checked like the control routes that need the token.

use std::future::Future;
use std::pin::Pin;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::Peer;
use crate::body::Body;

/// The answer of an extension, to come.
pub type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// How a claimed request is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The extension checks what needs checking.
    Public,
    /// The gateway's token; without one, loopback peers only.
    Administrative,
}

/// Routes beside the client protocol.
pub trait Extension: Send + Sync + 'static {
    /// Whether a request is meant for this extension, by its head alone. `target` is the raw request target behind the
    /// gateway's base path. Called for every request, so it must be quick and take no lock that is held long.
    fn claims(&self, head: &Parts, target: &str) -> Option<Claim>;

    /// Answers a claimed request. `target` is as in [`claims`](Self::claims). Upgrades are the extension's to make, with
    /// [`hyper::upgrade::on`]; it keeps a clone of the peer for as long as the upgraded stream lives.
    fn handle(&self, request: Request<Incoming>, target: String, peer: Peer) -> Answer;
}
