//! One action of one connection, from its arrival to its answer.

use std::sync::Arc;

use agentos_value::{ActorError, Value};
use http_body_util::BodyExt as _;

use super::conn::Conn;
use crate::clock::timeout;
use crate::error::{action_aborted, action_not_found, action_timed_out};
use crate::hooks::{Panicked, catch, hook};
use crate::lifecycle::{Cell, Entry, Work};
use crate::{ActionCall, ActionKind, ActorContext, Failure, HookContext, RawBody, RawSocket};

/// Runs an action of a connection: `on_before_action`, then the action itself.
pub(super) async fn run(conn: &Conn, name: String, args: Vec<Value>) -> Result<Value, ActorError> {
    let cell = &conn.0.cell;
    let registered = &cell.registered;
    let Some(kind) = registered.definition.action_kind(&name) else {
        return Err(action_not_found(&name));
    };
    if registered.hooks.before_action {
        let context = HookContext::of_conn(conn);
        let allow = async { registered.definition.on_before_action(context, &name, &args).await };
        hook(
            &*cell.shared.clock,
            "onBeforeAction",
            cell.shared.limits.hook_timeout,
            allow,
        )
        .await?;
    }
    let call = ActionCall {
        name,
        args,
        conn: Some(conn.clone()),
    };
    cell.act(kind, call, conn.depth()).await
}

/// Has the awake actor answer a raw request.
pub(super) async fn raw_request(
    conn: &Conn,
    request: http::Request<RawBody>,
) -> Result<http::Response<RawBody>, ActorError> {
    let work = conn.cell().work(0, entry(conn, false)).await?;
    let context = work.awake.context.at_depth(conn.depth());
    let answer = catch(async { work.awake.instance.raw_request(context, conn.clone(), request).await });
    let cut_off = work.awake.cut_off.clone();
    let response = tokio::select! {
        biased;
        answer = answer => publish(answer, "request")?,
        () = cut_off.cancelled() => return Err(action_aborted("request")),
    };
    // The body keeps the actor awake as long as it is there.
    Ok(response.map(|body| {
        let keep = move |frame| {
            let _ = &work;
            frame
        };
        body.map_frame(keep).boxed_unsync()
    }))
}

/// Has the awake actor serve a raw socket.
pub(super) async fn raw_socket(conn: &Conn, socket: RawSocket) -> Result<(), ActorError> {
    let work = conn.cell().work(0, entry(conn, false)).await?;
    let context = work.awake.context.at_depth(conn.depth());
    tokio::select! {
        biased;
        served = catch(async { work.awake.instance.raw_socket(context, conn.clone(), socket).await }) => {
            publish(served, "websocket")
        }
        () = work.awake.cut_off.cancelled() => Err(action_aborted("websocket")),
    }
}

/// When work of a connection may go ahead; `reading` says that it only looks.
fn entry(conn: &Conn, reading: bool) -> Entry {
    match (conn.0.request.skip_ready_wait, reading) {
        (true, _) => Entry::AtOnce,
        (false, true) => Entry::Reading,
        (false, false) => Entry::Ready,
    }
}

/// The result for the client.
fn publish<T>(outcome: Result<Result<T, Failure>, Panicked>, what: &str) -> Result<T, ActorError> {
    outcome
        .unwrap_or_else(|panicked| Err(Failure::internal(panicked)))
        .map_err(|failure| failure.publish(what))
}

impl Cell {
    /// Runs an action that nothing stands in the way of any more.
    pub(crate) async fn act(
        self: &Arc<Self>,
        kind: ActionKind,
        call: ActionCall,
        depth: u32,
    ) -> Result<Value, ActorError> {
        let started = std::time::Instant::now();
        let result = match kind {
            ActionKind::Stored => self.act_stored(call, depth).await,
            ActionKind::Awake => self.act_awake(call, depth).await,
        };
        self.shared.metrics.acted(started.elapsed(), result.is_ok());
        result
    }

    async fn act_awake(self: &Arc<Self>, call: ActionCall, depth: u32) -> Result<Value, ActorError> {
        let bytes = call.args.iter().map(Value::size).sum();
        let reading = self.registered.definition.allowed_while_stopping(&call.name);
        let entry = match &call.conn {
            Some(conn) => entry(conn, reading),
            None if reading => Entry::Reading,
            None => Entry::Ready,
        };
        let work = self.work(bytes, entry).await.inspect_err(|unready| {
            if let Some(conn) = call.conn.as_ref().filter(|_| unready.overloaded) {
                conn.overwhelm();
            }
        })?;
        let name = call.name.clone();
        let action = act_on(&work, call, depth);
        tokio::select! {
            biased;
            result = self.bounded(&name, action) => result,
            () = work.awake.cut_off.cancelled() => Err(action_aborted(&name)),
        }
    }

    async fn act_stored(self: &Arc<Self>, call: ActionCall, depth: u32) -> Result<Value, ActorError> {
        if let Some(awake) = self.awake() {
            awake.busy.touch();
        }
        let name = call.name.clone();
        let action = async {
            let lease = self.store.open(self).await?;
            let context = ActorContext::stored(self, lease, depth);
            let value = self.registered.definition.stored_action(context.clone(), call).await?;
            context.settle().await?;
            // A definition that keeps the context keeps no store open.
            context.give_back();
            Ok(value)
        };
        self.bounded(&name, action).await
    }

    /// Runs an action with its deadline.
    async fn bounded(
        &self,
        name: &str,
        action: impl Future<Output = Result<Value, Failure>> + Send,
    ) -> Result<Value, ActorError> {
        let registered = &self.registered;
        let deadline = registered
            .definition
            .action_timeout(name)
            .unwrap_or(registered.options.action_timeout);
        match timeout(&*self.shared.clock, deadline, catch(action)).await {
            Ok(outcome) => publish(outcome, name),
            Err(_) => Err(action_timed_out(name, deadline.as_millis())),
        }
    }
}

/// The instance's own part. What it wrote is durable before the caller learns that it succeeded.
async fn act_on(work: &Work, call: ActionCall, depth: u32) -> Result<Value, Failure> {
    let context = work.awake.context.at_depth(depth);
    let value = work.awake.instance.action(context.clone(), call).await?;
    context.settle().await?;
    Ok(value)
}
