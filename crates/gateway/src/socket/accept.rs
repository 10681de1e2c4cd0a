//! From an upgrade to a socket that is served: who asks, for which actor, and with what.

use std::sync::Arc;

use agentos_actor::{CloseReason, ConnectRequest, Connection, Transport, is_of_storage};
use agentos_rounds::Rounds;
use agentos_value::ActorError;
use agentos_wire::{ActorSpecifier, Address};
use http::Response;
use hyper::upgrade::OnUpgrade;
use tokio::time::timeout;

use super::channel::Channel;
use super::connect::{Connect, Manner};
use super::end::End;
use super::handshake::Handshake;
use super::{raw, stranded};
use crate::Peer;
use crate::body::Body;
use crate::refusal;
use crate::router::{Exchange, Router, specifier};

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Actions and events.
    Connect,
    /// Frames for the actor's own handler.
    Raw,
}

/// A request for a socket.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) address: Address,
    pub(crate) path: String,
    pub(crate) way: Way,
    /// Whether its requests are delivered while the actor starts and stops.
    pub(crate) skip_ready_wait: bool,
    /// What the gateway's own checks said; a refusal is told on the socket.
    pub(crate) admitted: Result<(), ActorError>,
}

/// A socket that is accepted and not yet admitted.
struct Visitor {
    router: Arc<Router>,
    peer: Peer,
    entry: Entry,
    /// Absent if the client wants an encoding that does not exist.
    manner: Option<Manner>,
    request: Result<ConnectRequest, ActorError>,
}

/// Accepts the upgrade of a request; what happens then is told on the socket.
pub(crate) fn accept(router: Arc<Router>, exchange: &mut Exchange, entry: Entry) -> Result<Response<Body>, ActorError> {
    let offer = exchange.subprotocols()?;
    let (encoding, params) = (offer.encoding(), offer.params());
    let handshake = Handshake::take(&mut exchange.head)?;
    let manner = encoding.map(|encoding| Manner {
        encoding,
        dialect: exchange.format.dialect,
    });
    let transport = match entry.way {
        Way::Connect => Transport::Socket,
        Way::Raw => Transport::RawSocket,
    };
    let request = params.map_err(|error| error.to_actor_error());
    let request = request.map(|params| {
        let request = router.connect_request(exchange, transport, params, &entry.path);
        request.skip_ready_wait(entry.skip_ready_wait)
    });
    let (response, upgrade) = handshake.accept();
    let peer = exchange.peer.clone();
    let visitor = Visitor {
        router,
        peer: peer.clone(),
        entry,
        manner,
        request,
    };
    peer.spawn(Rounds::new(visitor.serve(upgrade)));
    Ok(response)
}

impl Visitor {
    async fn serve(self, upgrade: OnUpgrade) {
        let closing = self.peer.clone();
        let limits = &self.router.limits;
        let opened = Channel::open(upgrade, &self.peer, limits, &self.router.budget);
        let channel = tokio::select! {
            biased;
            () = closing.closing() => return,
            channel = opened => channel,
        };
        let Some(channel) = channel else { return };
        let raw = self.entry.way == Way::Raw;
        let manner = match self.manner {
            Some(manner) => manner,
            None if raw => Manner::default(),
            None => {
                let reason = CloseReason::new(1003, "actor.unsupported_websocket_encoding");
                return channel.farewell(End::Close(reason), None, limits).await;
            }
        };
        let Visitor {
            router,
            peer,
            entry,
            request,
            ..
        } = self;
        let admission = timeout(router.limits.open_timeout, admit(&router, &peer, entry, request));
        let admitted = tokio::select! {
            biased;
            () = closing.closing() => Err(refusal::draining().into()),
            admitted = admission => admitted.unwrap_or_else(|_| Err(refusal::open_timed_out().into())),
        };
        match admitted {
            Ok((connection, _)) if raw => raw::serve(connection, channel, &router, &peer).await,
            Ok((connection, actor)) => {
                let connect = Connect::new(connection, manner, actor, &router.limits, &router.wire_limits);
                connect.run(channel, &peer).await;
            }
            Err(Refused {
                error,
                actor: Some(actor),
            }) if !raw && is_of_storage(&error) => {
                stranded::serve(error, *actor, manner, channel, &router, &peer).await;
            }
            Err(Refused { error, .. }) => {
                let message = (!raw).then(|| manner.refusal(&error));
                channel.farewell(End::of_error(error), message, &router.limits).await;
            }
        }
    }
}

/// Why there is no connection, and to which actor.
struct Refused {
    error: ActorError,
    actor: Option<Box<ActorSpecifier>>,
}

impl From<ActorError> for Refused {
    fn from(error: ActorError) -> Self {
        Self { error, actor: None }
    }
}

async fn admit(
    router: &Router,
    peer: &Peer,
    entry: Entry,
    request: Result<ConnectRequest, ActorError>,
) -> Result<(Connection, ActorSpecifier), Refused> {
    entry.admitted?;
    let request = request?;
    let info = router.resolve(peer, &entry.address).await?;
    let connected = router.registry.connect(&info.id, request).await;
    match connected.inspect_err(|error| router.count_refusal(peer, error)) {
        Ok(connection) => Ok((connection, specifier(&info))),
        Err(error) => Err(Refused {
            error,
            actor: Some(Box::new(specifier(&info))),
        }),
    }
}
