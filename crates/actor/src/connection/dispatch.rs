//! One action of one connection, from its arrival to its answer.

use std::sync::Arc;

use agentos_value::{ActorError, Value};

use super::conn::Conn;
use crate::clock::timeout;
use crate::error::{action_aborted, action_not_found, action_timed_out};
use crate::hooks::{catch, hook};
use crate::lifecycle::{Cell, Work};
use crate::{ActionCall, ActionKind, ActorContext, Failure, HookContext};

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
        let during_stop = self.registered.definition.allowed_while_stopping(&call.name);
        let work = self.work(bytes, during_stop).await?;
        let name = call.name.clone();
        let action = act_on(&work, call, depth);
        tokio::select! {
            biased;
            result = self.bounded(&name, action) => result,
            () = work.awake.cut_off.cancelled() => Err(action_aborted(&name)),
        }
    }

    async fn act_stored(self: &Arc<Self>, call: ActionCall, depth: u32) -> Result<Value, ActorError> {
        let name = call.name.clone();
        let action = async {
            let lease = self.store.open(self).await?;
            let context = ActorContext::stored(self, lease.store(), depth);
            let value = self.registered.definition.stored_action(context.clone(), call).await?;
            context.settle().await?;
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
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(failure))) => Err(failure.publish(name)),
            Ok(Err(panicked)) => Err(Failure::internal(panicked).publish(name)),
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
