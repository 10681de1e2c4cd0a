//! The proxy as one of the gateway's extensions.

use super::{Match, PreviewProxy, Visitor};
use crate::{Answer, Claim, Extension, Peer};
use http::Request;
use http::request::Parts;
use hyper::body::Incoming;

impl Extension for PreviewProxy {
    /// A preview's token is its only protection, so the gateway's own checks do not apply.
    fn claims(&self, head: &Parts, target: &str) -> Option<Claim> {
        (self.matches(head, target) != Match::Other).then_some(Claim::Public)
    }

    fn handle(&self, request: Request<Incoming>, target: String, peer: Peer) -> Answer {
        let proxy = self.clone();
        let visitor = Visitor {
            address: peer.address().ip(),
            secure: peer.is_secure(),
        };
        Box::pin(async move {
            let reply = proxy.answer(request, &target, visitor).await;
            if let Some(tunnel) = reply.tunnel {
                let held = peer.clone();
                peer.spawn(async move {
                    tokio::select! {
                        () = held.closing() => {}
                        () = tunnel => {}
                    }
                });
            }
            reply.response
        })
    }
}
