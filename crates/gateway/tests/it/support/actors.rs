//! The actors of the tests.

use std::sync::Arc;

use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, Conn, Failure, HookContext, HookSet,
    RawBody, RawMessage, RawSocket,
};
use agentos_value::{ActorError, Value};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The key of an actor that starts until the gate opens, and answers meanwhile who does not want to wait.
pub(crate) const SLOW: &str = "slow";

/// What happened on the server's side, for tests to look at; and the gate that `hold` waits at.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lines: Mutex<Vec<String>>,
    gate: Notify,
}

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lines.lock().push(line.into());
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.0.lines.lock().iter().filter(|found| *found == line).count()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lines.lock().clone()
    }

    /// Lets everyone go who waits in `hold`.
    pub(crate) fn open_gate(&self) {
        self.0.gate.notify_waiters();
    }
}

pub(crate) struct Counter {
    log: Log,
    guarded: bool,
}

impl Counter {
    pub(crate) fn open(log: Log) -> Self {
        Self { log, guarded: false }
    }

    pub(crate) fn guarded(log: Log) -> Self {
        Self { log, guarded: true }
    }
}

struct Awake(Log);

impl ActorDefinition for Counter {
    fn hooks(&self) -> HookSet {
        HookSet {
            before_connect: self.guarded,
            disconnect: true,
            ..HookSet::default()
        }
    }

    fn authenticates(&self) -> bool {
        self.guarded
    }

    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        let known = [
            "increment",
            "echo",
            "emit",
            "forbidden",
            "broken",
            "big",
            "bigEvent",
            "hold",
            "seen",
        ];
        known.contains(&name).then_some(ActionKind::Awake)
    }

    fn boot<'a>(&'a self, ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        self.log.add("boot");
        let awake: Arc<dyn Actor> = Arc::new(Awake(self.log.clone()));
        Box::pin(async move {
            if ctx.key().serialized() == SLOW {
                let released = self.log.0.gate.notified();
                ctx.serve_early(Arc::clone(&awake));
                released.await;
            }
            Ok(awake)
        })
    }

    fn on_before_connect<'a>(&'a self, ctx: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        let _ = ctx;
        self.log.add("asked");
        let token = params.get("authToken").and_then(Value::as_str).map(str::to_owned);
        Box::pin(async move {
            match token.as_deref() {
                Some("good") => Ok(()),
                Some("slow") => std::future::pending().await,
                Some(_) => Err(ActorError::user("forbidden", "Forbidden").into()),
                None => Err(Failure::internal("cannot read property authToken of null")),
            }
        })
    }

    fn on_disconnect<'a>(&'a self, _ctx: HookContext, _conn: Conn) -> BoxFuture<'a, ()> {
        self.log.add("disconnected");
        Box::pin(std::future::ready(()))
    }
}

impl Actor for Awake {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(self.act(ctx, call))
    }

    fn raw_request<'a>(
        &'a self,
        _ctx: ActorContext,
        conn: Conn,
        request: http::Request<RawBody>,
    ) -> BoxFuture<'a, Result<http::Response<RawBody>, Failure>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            if head.uri.path() == "/fail" {
                return Err(ActorError::user("no", "No").into());
            }
            let names: Vec<_> = head.headers.keys().map(|name| name.as_str().to_owned()).collect();
            assert!(!names.iter().any(|name| name.starts_with("x-rivet-")), "{names:?}");
            let line = format!("{} {} {:?}", head.method, head.uri, conn.params().get("a"));
            // The body goes back as it comes.
            let body = body.map_err(Into::into).boxed_unsync();
            let mut response = http::Response::new(body);
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            response
                .headers_mut()
                .insert("x-line", line.parse().map_err(Failure::internal)?);
            response
                .headers_mut()
                .insert("connection", http::HeaderValue::from_static("x-hop"));
            response
                .headers_mut()
                .insert("x-hop", http::HeaderValue::from_static("1"));
            Ok(response)
        })
    }

    fn raw_socket<'a>(
        &'a self,
        _ctx: ActorContext,
        conn: Conn,
        mut socket: RawSocket,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let path = conn.request().map(|request| request.path.clone()).unwrap_or_default();
            if path.ends_with("/refuse") {
                return Err(ActorError::user("no", "No").into());
            }
            let _ = socket.outgoing.send(RawMessage::Text(path)).await;
            while let Some(message) = socket.incoming.recv().await {
                if message == RawMessage::Text("bye".into()) || socket.outgoing.send(message).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
    }
}

impl Awake {
    async fn act(&self, ctx: ActorContext, call: ActionCall) -> Result<Value, Failure> {
        let number = |index: usize| match call.args.get(index) {
            Some(Value::Int(number)) => *number,
            _ => 1,
        };
        Ok(match call.name.as_str() {
            "increment" => ctx.update_state(|state| {
                let next = match state {
                    Value::Int(before) => *before + number(0),
                    _ => number(0),
                };
                *state = Value::Int(next);
                Value::Int(next)
            })?,
            "echo" => Value::Array(call.args),
            "emit" => {
                for index in 0..number(0) {
                    ctx.broadcast("tick", vec![Value::Int(index)]);
                }
                Value::from("emitted")
            }
            "forbidden" => {
                let error = ActorError::user("nope_code", "Nope").with_metadata(Value::object([("a", 1_i64)]));
                return Err(error.into());
            }
            "broken" => return Err(Failure::internal("a secret of the server")),
            "big" => Value::from("x".repeat(usize::try_from(number(0)).unwrap_or(0))),
            "bigEvent" => {
                ctx.broadcast(
                    "tick",
                    vec![Value::from("x".repeat(usize::try_from(number(0)).unwrap_or(0)))],
                );
                Value::Null
            }
            "hold" => {
                let released = self.0.0.gate.notified();
                self.0.add("holding");
                released.await;
                Value::from("held")
            }
            _ => Value::from(
                call.conn
                    .and_then(|conn| conn.request().map(|request| format!("{:?}", request)))
                    .unwrap_or_default(),
            ),
        })
    }
}
