//! Raw sockets, answered by the actor's own handler.

use std::sync::Arc;

use agentos_actor::{CloseReason, Connection};

use super::channel::Channel;
use super::end::End;
use crate::Peer;
use crate::refusal;
use crate::router::Router;

pub(crate) async fn serve(connection: Connection, channel: Channel, router: &Arc<Router>, _peer: &Peer) {
    connection.close(CloseReason::client());
    channel
        .farewell(End::of_error(refusal::route_not_found()), None, &router.limits)
        .await;
}
