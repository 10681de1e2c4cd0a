//! The counter of the scenarios: it counts, echoes, fails in every way, and serves raw requests and sockets.

use std::sync::Arc;
use std::time::Duration;

use agentos_actor::queue::TakeOptions;
use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, ActorOptions, Boot, BoxFuture, Conn, Failure,
    HookContext, HookSet, RawBody, RawMessage, RawSocket,
};
use agentos_value::{ActorError, Value};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};

/// The definition. A strict one needs parameters: without any its hook fails as JavaScript does when it reads a member of
/// null.
pub(crate) struct Counter {
    pub(crate) strict: bool,
}

const ACTIONS: [&str; 14] = [
    "increment",
    "whoami",
    "echo",
    "types",
    "nothing",
    "userErr",
    "boom",
    "later",
    "tick",
    "doDestroy",
    "goToSleep",
    "a.b",
    "slow",
    "input",
];

impl ActorDefinition for Counter {
    fn options(&self) -> ActorOptions {
        ActorOptions::default()
    }

    fn hooks(&self) -> HookSet {
        HookSet {
            before_connect: true,
            conn_state: true,
            ..HookSet::default()
        }
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        let kind = if name == "goToSleep" {
            ActionKind::Stored
        } else {
            ActionKind::Awake
        };
        ACTIONS.contains(&name).then_some(kind)
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, _call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            ctx.sleep().await?;
            Ok(Value::Undefined)
        })
    }

    fn has_queue(&self, name: &str) -> bool {
        name == "jobs"
    }

    fn boot<'a>(&'a self, ctx: ActorContext, boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async move {
            if boot.first {
                let start = boot.input.get("start").and_then(Value::as_int).unwrap_or(0);
                ctx.set_state(Value::object([("count", start.into()), ("input", boot.input)]))?;
            }
            tokio::spawn(work(ctx));
            Ok(Arc::new(Counting) as Arc<dyn Actor>)
        })
    }

    fn on_before_connect<'a>(&'a self, _ctx: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let token = params.get("authToken").and_then(Value::as_str);
            if self.strict {
                return match token {
                    Some("good") => Ok(()),
                    Some(_) => Err(ActorError::user("forbidden", "Forbidden").into()),
                    None => Err(Failure::internal(
                        "a secret of the hook: cannot read properties of null",
                    )),
                };
            }
            match token {
                None | Some("valid-token") => Ok(()),
                Some("throw") => Err(Failure::internal("a secret of the hook")),
                Some(_) => {
                    let why = Value::object([("why", "bad token")]);
                    Err(ActorError::user("forbidden", "Forbidden").with_metadata(why).into())
                }
            }
        })
    }

    fn create_conn_state<'a>(&'a self, _ctx: HookContext, params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
        let user = params.get("user").cloned().unwrap_or_else(|| "anonymous".into());
        Box::pin(std::future::ready(Ok(Value::object([("user", user)]))))
    }
}

/// The awake instance; what it knows is in its state.
struct Counting;

impl Actor for Counting {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(act(ctx, call))
    }

    fn raw_request<'a>(
        &'a self,
        _ctx: ActorContext,
        _conn: Conn,
        request: http::Request<RawBody>,
    ) -> BoxFuture<'a, Result<http::Response<RawBody>, Failure>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(Failure::internal)?.to_bytes();
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            let text = format!("raw {} {target} body={}", head.method, String::from_utf8_lossy(&body));
            let body = Full::new(Bytes::from(text))
                .map_err(|never| match never {})
                .boxed_unsync();
            let response = http::Response::builder().status(201).header("x-foo", "bar").body(body);
            response.map_err(Failure::internal)
        })
    }

    fn raw_socket<'a>(
        &'a self,
        _ctx: ActorContext,
        _conn: Conn,
        mut socket: RawSocket,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            while let Some(message) = socket.incoming.recv().await {
                let echo = match message {
                    RawMessage::Text(text) => RawMessage::Text(format!("echo:{text}")),
                    binary => binary,
                };
                if socket.outgoing.send(echo).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Completes every job with its number doubled, until the actor stops.
async fn work(ctx: ActorContext) {
    let queues = ctx.queues();
    while let Ok(Some(job)) = queues.next(&TakeOptions::completable("jobs")).await {
        let number = job.body().get("id").and_then(Value::as_int).unwrap_or(0);
        if job.complete(Value::object([("done", number * 2)])).await.is_err() {
            break;
        }
    }
}

async fn act(ctx: ActorContext, call: ActionCall) -> Result<Value, Failure> {
    let number = call.args.first().and_then(Value::as_int).unwrap_or(0);
    match call.name.as_str() {
        "increment" => {
            let count = ctx.update_state(|state| {
                let count = state.get("count").and_then(Value::as_int).unwrap_or(0) + number;
                if let Value::Object(state) = state {
                    state.insert("count", count);
                }
                count
            })?;
            let details = Value::object([("bytes", Value::Bytes(Bytes::from_static(&[1, 2, 3])))]);
            ctx.broadcast("newCount", vec![count.into(), details]);
            Ok(count.into())
        }
        "whoami" => {
            let conn = call.conn.ok_or_else(|| Failure::internal("nobody calls"))?;
            Ok(Value::object([
                ("conn", conn.state()),
                ("params", conn.params().clone()),
            ]))
        }
        "input" => Ok(ctx.state().get("input").cloned().unwrap_or_default()),
        "echo" => Ok(Value::Array(call.args)),
        "types" => Ok(types()),
        "nothing" => Ok(Value::Undefined),
        "userErr" => Err(ActorError::user("nope_code", "Nope")
            .with_metadata(Value::object([("a", 1)]))
            .into()),
        "boom" => Err(Failure::internal("a secret of the actor")),
        "later" => {
            let after = Duration::from_millis(number.try_into().unwrap_or(0));
            ctx.schedule().after(after, "tick", vec!["arg1".into()]).await?;
            Ok("scheduled".into())
        }
        "tick" => {
            ctx.broadcast("ticked", call.args);
            Ok(Value::Undefined)
        }
        "slow" => {
            tokio::time::sleep(Duration::from_millis(number.try_into().unwrap_or(0))).await;
            Ok(Value::Null)
        }
        "doDestroy" => {
            ctx.destroy().await?;
            Ok(Value::Undefined)
        }
        "a.b" => Ok((number + 1).into()),
        other => Err(ActorError::actor("action_not_found", format!("Action `{other}` was not found.")).into()),
    }
}

/// One value of each kind, as far as an actor makes them.
fn types() -> Value {
    Value::object([
        ("none", Value::Undefined),
        ("bytes", Value::Bytes(Bytes::from_static(&[0, 255]))),
        ("big", Value::BigInt(12_345_678_901_234_567_890_u64.into())),
        ("date", Value::Date(0.0)),
        ("float", 1.5.into()),
        ("large", (1_i64 << 40).into()),
        ("list", Value::Array(vec![1.into(), "x".into(), Value::Null])),
    ])
}
