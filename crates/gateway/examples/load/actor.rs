//! An actor that does next to nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentos_actor::{ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, Failure, HookSet};
use agentos_value::Value;

pub(crate) struct Load;

struct Awake;

impl ActorDefinition for Load {
    fn hooks(&self) -> HookSet {
        HookSet::default()
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        ["add", "tick"].contains(&name).then_some(ActionKind::Awake)
    }

    fn boot<'a>(&'a self, _ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async {
            let awake: Arc<dyn Actor> = Arc::new(Awake);
            Ok(awake)
        })
    }
}

impl Actor for Awake {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            if call.name == "tick" {
                let [Value::Int(per_second), Value::Int(seconds)] = call.args[..] else {
                    return Ok(Value::Null);
                };
                let period = Duration::from_micros(1_000_000 / u64::try_from(per_second.max(1)).unwrap_or(1));
                let mut ticks = tokio::time::interval(period);
                for _ in 0..per_second * seconds {
                    ticks.tick().await;
                    ctx.broadcast("tick", vec![Value::number(now_us())]);
                }
                return Ok(Value::Null);
            }
            Ok(call.args.into_iter().next().unwrap_or(Value::Null))
        })
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() * 1e6)
}
