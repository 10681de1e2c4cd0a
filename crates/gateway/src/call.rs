//! Actions and queue sends over HTTP: one request, one short connection with all its hooks.

use std::sync::Arc;
use std::time::Duration;

use agentos_actor::queue::SendOutcome;
use agentos_actor::{Connection, Transport};
use agentos_value::ActorError;
use agentos_wire::{QueueStatus, Target, decode_action_request, decode_queue_request, peek_version};
use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;

use crate::body::Body;
use crate::router::{Exchange, Router, specifier};
use crate::upload::Upload;
use crate::{heavy, refusal};

/// `POST /action/{name}`.
pub(crate) async fn action(
    router: &Arc<Router>,
    exchange: &mut Exchange,
    body: Incoming,
    target: &Target,
    name: String,
) -> Result<Response<Body>, ActorError> {
    let (connection, body) = open(router, exchange, body, target).await?;
    let (encoding, limits) = (exchange.format.encoding, router.wire_limits);
    let decoded = heavy::read(body, move |body| decode_action_request(body, encoding, &limits)).await;
    let (version, request) = decoded.map_err(|error| error.to_actor_error())?;
    exchange.format.version = version;
    let output = connection.call(name, request.args).await?;
    let format = exchange.format;
    let written = heavy::write(output.size(), move || format.action_response(&output)).await;
    let written = written.map_err(|error| refusal::internal("an action's result", &error))?;
    fits(router, &written)?;
    Ok(exchange.reply(written))
}

/// `POST /queue/{name}`.
pub(crate) async fn queue(
    router: &Arc<Router>,
    exchange: &mut Exchange,
    body: Incoming,
    target: &Target,
    name: String,
) -> Result<Response<Body>, ActorError> {
    let (connection, body) = open(router, exchange, body, target).await?;
    let decoded = decode_queue_request(&body, exchange.format.encoding, &router.wire_limits);
    let (version, request) = decoded.map_err(|error| error.to_actor_error())?;
    exchange.format.version = version;
    // The actor's deadline for actions bounds the wait.
    let patience = request.timeout_ms.map_or(Duration::MAX, Duration::from_millis);
    let sent = connection
        .send(&name, request.body, request.wait.then_some(patience))
        .await?;
    let (status, response) = match sent {
        SendOutcome::Completed(response) => (QueueStatus::Completed, response),
        _ => (QueueStatus::TimedOut, None),
    };
    let written = exchange.format.queue_response(status, response.as_ref());
    let written = written.map_err(|error| refusal::internal("a queue's response", &error))?;
    fits(router, &written)?;
    Ok(exchange.reply(written))
}

/// Opens the connection of a request and reads its body: the beginning first, which says how a refusal must be written, and
/// the rest only for those whom the hooks have admitted.
async fn open(
    router: &Arc<Router>,
    exchange: &mut Exchange,
    body: Incoming,
    target: &Target,
) -> Result<(Connection, Bytes), ActorError> {
    let upload = Upload::begin(&exchange.head.headers, body, &router.limits, &router.budget).await?;
    exchange.format.version = peek_version(upload.start(), exchange.format.encoding);
    let params = exchange.params()?;
    let info = router.resolve(&exchange.peer, &target.address).await?;
    exchange.actor = Some(specifier(&info));
    let request = router.connect_request(exchange, Transport::Http, params, &target.path);
    let request = request.skip_ready_wait(target.skip_ready_wait);
    let connected = router.registry.connect(&info.id, request).await;
    let connection = connected.inspect_err(|error| router.count_refusal(&exchange.peer, error))?;
    Ok((connection, upload.finish().await?))
}

fn fits(router: &Router, body: &Bytes) -> Result<(), ActorError> {
    let most = router.limits.max_outgoing_message;
    if body.len() <= most {
        return Ok(());
    }
    Err(refusal::message_too_large(
        body.len() as u64,
        most,
        "maxOutgoingMessageSize",
    ))
}
