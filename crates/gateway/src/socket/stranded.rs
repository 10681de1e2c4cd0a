//! A connection to an actor whose storage is full or fails.
//!
//! The hooks admitted the client, but there is no connection to give it, because an actor that is new cannot be stored. Closing
//! the socket would be no answer: clients of all versions come back for ever, and what their users called waits with them.
//! So the socket stays for a moment, and each action that arrives gets the error. Then it is closed as temporarily
//! unavailable, and the client comes back; by then there may be space.

use std::time::Duration;

use agentos_actor::CloseReason;
use agentos_value::ActorError;
use agentos_wire::{ActorSpecifier, Format, ToServer, Version, decode_to_server, peek_action_id};
use bytes::Bytes;

use super::channel::Channel;
use super::connect::Manner;
use super::end::End;
use crate::router::Router;
use crate::ws::{Message, Opcode, ReadError};
use crate::{Peer, heavy, ids};

/// How long the client is answered before it has to come back.
const STAY: Duration = Duration::from_secs(5);

/// Answers whatever the client asks with `error`, for a while.
pub(super) async fn serve(
    error: ActorError,
    actor: ActorSpecifier,
    manner: Manner,
    mut channel: Channel,
    router: &Router,
    peer: &Peer,
) {
    let stranded = Stranded { error, actor, manner };
    let stay = stranded.answer(&mut channel, router);
    let end = tokio::select! {
        biased;
        () = peer.closing() => End::Close(CloseReason::going_away()),
        stayed = tokio::time::timeout(STAY, stay) => stayed.unwrap_or_else(|_| End::Close(CloseReason::unavailable())),
    };
    channel.farewell(end, None, &router.limits).await;
}

struct Stranded {
    error: ActorError,
    actor: ActorSpecifier,
    manner: Manner,
}

impl Stranded {
    async fn answer(&self, channel: &mut Channel, router: &Router) -> End {
        let format = self.manner.format(Version::UNREADABLE);
        let hello = format.init(&self.actor.actor_id, &ids::connection_id());
        if self.send(channel, hello).await.is_err() {
            return End::Gone;
        }
        loop {
            let sent = match channel.reader.next().await {
                Ok(Message::Whole(_, payload)) => match self.heard(payload, router).await {
                    Ok(Some(frame)) => self.send(channel, frame).await,
                    Ok(None) => Ok(()),
                    Err(error) => return End::of_error(error),
                },
                Ok(Message::Oversized { start, .. }) => match peek_action_id(&start, self.manner.encoding) {
                    Some(id) => self.send(channel, self.refusal(format, id)).await,
                    None => return End::of_error(self.error.clone()),
                },
                Ok(Message::Ping(payload)) => {
                    channel.writer.control(Opcode::Pong, &payload);
                    channel.writer.flush().await
                }
                Ok(Message::Pong) => Ok(()),
                Ok(Message::Close(close)) => return End::Client(close),
                Err(ReadError::Gone) => return End::Gone,
                Err(ReadError::Violation(violation)) => return End::of_violation(violation),
            };
            if sent.is_err() {
                return End::Gone;
            }
        }
    }

    /// The answer to a frame, if it is one that is answered.
    async fn heard(&self, payload: Bytes, router: &Router) -> Result<Option<Bytes>, ActorError> {
        let (encoding, limits) = (self.manner.encoding, router.wire_limits);
        let decoded = heavy::read(payload, move |payload| decode_to_server(payload, encoding, &limits)).await;
        let (version, message) = decoded.map_err(|error| error.to_actor_error())?;
        Ok(match message {
            ToServer::Action { id, .. } => Some(self.refusal(self.manner.format(version), id)),
            ToServer::Subscription { .. } => None,
        })
    }

    fn refusal(&self, format: Format, id: u64) -> Bytes {
        format.error(&self.error, Some(&self.actor), Some(id))
    }

    async fn send(&self, channel: &mut Channel, frame: Bytes) -> std::io::Result<()> {
        channel.writer.message(self.manner.kind(), frame).await?;
        channel.writer.flush().await
    }
}
