//! Sending to the queue of an actor from outside.

use std::sync::Arc;
use std::time::Duration;

use agentos_value::{ActorError, Value};

use crate::connection::Conn;
use crate::error::action_aborted;
use crate::hooks::hook;
use crate::{Failure, HookContext};

/// How a send ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The message is durable; with waiting, it was also completed, with this value.
    Completed(Option<Value>),
    /// It is durable, and was not completed in time. It stays in its queue.
    TimedOut,
}

/// Puts a message into a queue of the connection's actor, which is woken for it.
///
/// `wait` is cut to the deadline of an action. `on_before_action` decides about it as about an action with the name `queue/<queue>` and the message as its argument.
pub(crate) async fn send(
    conn: &Conn,
    queue: &str,
    body: Value,
    wait: Option<Duration>,
) -> Result<SendOutcome, ActorError> {
    let cell = conn.cell();
    let registered = &cell.registered;
    if !registered.definition.has_queue(queue) {
        return Err(ActorError::queue(
            "unsupported",
            format!("This actor has no queue '{queue}'."),
        ));
    }
    if registered.hooks.before_action {
        let (context, name, args) = (HookContext::of_conn(conn), format!("queue/{queue}"), [body.clone()]);
        let allow = async { registered.definition.on_before_action(context, &name, &args).await };
        hook(
            &*cell.shared.clock,
            "onBeforeAction",
            cell.shared.limits.hook_timeout,
            allow,
        )
        .await?;
    }
    let work = cell.work(body.size(), crate::lifecycle::Entry::Ready).await?;
    let (_, store) = work.awake.context.parts();
    let (hub, now) = (Arc::clone(store.queues()), cell.shared.clock.now_ms());
    let publish = |failure: Failure| failure.publish("queue send");
    let Some(wait) = wait else {
        hub.push(queue, &body, now).await.map_err(publish)?;
        return Ok(SendOutcome::Completed(None));
    };
    let wait = wait.min(registered.options.action_timeout);
    let mut reply = hub.push_and_wait(queue, &body, now).await.map_err(publish)?;
    tokio::select! {
        biased;
        value = reply.value() => match value {
            Some(value) => Ok(SendOutcome::Completed(Some(value))),
            None => Err(action_aborted(queue)),
        },
        () = cell.shared.clock.sleep(wait) => Ok(SendOutcome::TimedOut),
        () = work.awake.cut_off.cancelled() => Err(action_aborted(queue)),
    }
}
