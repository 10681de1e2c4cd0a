//! An actor of another kind beside the VMs, which keeps what it is given in its key-value store and counts in its state.

use agentos_server::Value;
use agentos_server::actor::{ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, Failure};
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Keeper;

impl ActorDefinition for Keeper {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        match name {
            "put" => Some(ActionKind::Awake),
            "get" | "count" => Some(ActionKind::Stored),
            _ => None,
        }
    }

    fn boot<'a>(&'a self, _: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Self) as Arc<dyn Actor>) })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            if call.name == "count" {
                return Ok(ctx.state());
            }
            let found = ctx.kv().get(argument(&call, 0).as_bytes())?;
            Ok(found.map_or(Value::Null, |bytes| {
                Value::from(String::from_utf8_lossy(&bytes).as_ref())
            }))
        })
    }
}

impl Actor for Keeper {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            ctx.kv().put(argument(&call, 0), argument(&call, 1)).await?;
            ctx.update_state(|state| *state = Value::from(argument(&call, 1)))?;
            Ok(Value::Null)
        })
    }
}

fn argument(call: &ActionCall, at: usize) -> &str {
    call.args.get(at).and_then(Value::as_str).unwrap_or_default()
}
