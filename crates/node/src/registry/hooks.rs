//! Hooks that are functions of JavaScript.
//!
//! There is one function for all hooks of a registry. It gets the name of the definition, that of the hook, the context as
//! plain data and the hook's arguments, and gives back what the hook returned. The service bounds each hook's time by dropping
//! the call; the deadline here is for calls that nothing else bounds. No thread waits for JavaScript: a hook that never
//! returns costs its own caller an error and nobody else anything.

use super::actors::Instances;
use crate::callback::{CallError, Callback};
use agentos::Reply;
use agentos_server::actor::Client;
use agentos_server::{ActorError, Conn, Failure, HookContext, HookSet, OptionsRequest, Value, VmHooks};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a hook may take that the service does not bound itself.
const LONGEST: Duration = Duration::from_secs(60);
/// Audit entries that wait for the application; what comes beyond is in the log alone.
const AUDIT_WAITING_MAX: usize = 1024;

/// The way to the hooks of one registry.
pub(super) struct Dispatch {
    function: Callback,
    client: Mutex<Option<Client>>,
    audits: AtomicUsize,
    /// Awake actors whose code is JavaScript.
    pub(super) instances: Instances,
}

impl Dispatch {
    /// Hooks behind this function.
    pub(super) fn new(function: Callback) -> Arc<Self> {
        Arc::new(Self {
            function,
            client: Mutex::default(),
            audits: AtomicUsize::new(0),
            instances: Instances::default(),
        })
    }

    /// Says which actors the hooks are about.
    pub(super) fn serves(&self, client: Client) {
        *self.client.lock() = Some(client);
    }

    /// The way to the actors, once the registry is there.
    pub(super) fn client(&self) -> Option<Client> {
        self.client.lock().clone()
    }

    /// The options of one VM as JSON.
    pub(super) async fn options(&self, definition: &str, request: OptionsRequest) -> Result<String, Failure> {
        let context = Value::object([
            ("key", key(request.key.parts())),
            ("actorId", Value::from(request.actor_id.as_str())),
            ("name", Value::from(definition)),
            ("input", request.input),
        ]);
        match self.call(definition, "options", context, Vec::new()).await? {
            Value::Text(json) => Ok(json),
            _ => Err(Failure::internal("options: the function gave no options")),
        }
    }

    pub(super) async fn call(
        &self,
        definition: &str,
        hook: &'static str,
        context: Value,
        args: Vec<Value>,
    ) -> Result<Value, Failure> {
        let args = vec![Value::from(definition), Value::from(hook), context, Value::Array(args)];
        let answer = self.function.call(args, LONGEST).await;
        answer.map_err(|error| match error {
            CallError::Refused(error) => Failure::Public(error),
            other => Failure::internal(format!("{hook} of \"{definition}\": {other}")),
        })
    }
}

/// The hooks of one definition.
pub(super) struct JsHooks {
    definition: Arc<str>,
    set: HookSet,
    audits: bool,
    session_events: bool,
    permission_requests: bool,
    dispatch: Arc<Dispatch>,
}

impl JsHooks {
    /// The hooks of this definition that are functions.
    pub(super) fn new(definition: &str, hooks: &[&str], dispatch: Arc<Dispatch>) -> Self {
        let has = |name: &str| hooks.contains(&name);
        let set = HookSet {
            before_connect: has("onBeforeConnect"),
            conn_state: has("createConnState"),
            connect: has("onConnect"),
            disconnect: has("onDisconnect"),
            before_action: has("onBeforeAction"),
            can_receive: has("canReceive"),
        };
        Self {
            audits: has("onAuditEvent"),
            session_events: has("onSessionEvent"),
            permission_requests: has("onPermissionRequest"),
            ..Self::of_actor(definition, set, dispatch)
        }
    }

    /// The hooks of an actor whose code is JavaScript.
    pub(super) fn of_actor(definition: &str, set: HookSet, dispatch: Arc<Dispatch>) -> Self {
        Self {
            definition: definition.into(),
            set,
            audits: false,
            session_events: false,
            permission_requests: false,
            dispatch,
        }
    }

    async fn call(&self, hook: &'static str, c: &HookContext, args: Vec<Value>) -> Result<Value, Failure> {
        self.dispatch.call(&self.definition, hook, context(c), args).await
    }

    fn failed(&self, hook: &str, failure: &Failure) {
        tracing::error!(target: "agentos::hooks", definition = %self.definition, hook, error = %failure, "a hook failed");
    }
}

impl VmHooks for JsHooks {
    fn hooks(&self) -> HookSet {
        self.set
    }

    fn authenticates(&self) -> bool {
        self.set.before_connect
    }

    async fn on_before_connect(&self, c: HookContext, params: Value) -> Result<(), Failure> {
        self.call("onBeforeConnect", &c, vec![params]).await.map(drop)
    }

    async fn create_conn_state(&self, c: HookContext, params: Value) -> Result<Value, Failure> {
        self.call("createConnState", &c, vec![params]).await
    }

    async fn on_connect(&self, c: HookContext, conn: Conn) -> Result<(), Failure> {
        self.call("onConnect", &c, vec![connection(&conn)]).await.map(drop)
    }

    async fn on_disconnect(&self, c: HookContext, conn: Conn) {
        if let Err(failure) = self.call("onDisconnect", &c, vec![connection(&conn)]).await {
            self.failed("onDisconnect", &failure);
        }
    }

    async fn on_before_action(&self, c: HookContext, action: &str, args: &[Value]) -> Result<(), Failure> {
        let args = vec![Value::from(action), Value::Array(args.to_vec())];
        self.call("onBeforeAction", &c, args).await.map(drop)
    }

    async fn can_receive(&self, c: HookContext, event: &str, payload: &Value) -> bool {
        match self
            .call("canReceive", &c, vec![Value::from(event), payload.clone()])
            .await
        {
            Ok(answer) => answer.as_bool() == Some(true),
            Err(failure) => {
                self.failed("canReceive", &failure);
                false
            }
        }
    }

    async fn on_session_event(&self, c: HookContext, session_id: &str, event: &Value) {
        if !self.session_events {
            return;
        }
        let args = vec![Value::from(session_id), event.clone()];
        if let Err(failure) = self.call("onSessionEvent", &c, args).await {
            self.failed("onSessionEvent", &failure);
        }
    }

    /// The function answers by an action of its own, if it does; what it returns says nothing.
    async fn on_permission_request(
        &self,
        c: HookContext,
        session_id: &str,
        request: &Value,
    ) -> Result<Option<Reply>, Failure> {
        if self.permission_requests {
            let args = vec![Value::from(session_id), request.clone()];
            self.call("onPermissionRequest", &c, args).await?;
        }
        Ok(None)
    }

    fn on_audit_event(&self, event: &serde_json::Value) {
        if !self.audits {
            return;
        }
        let waiting = self.dispatch.audits.fetch_add(1, Ordering::AcqRel);
        let handle = crate::runtime::handle();
        let (Ok(handle), Ok(entry), true) = (handle, Value::from_serialize(event), waiting < AUDIT_WAITING_MAX) else {
            self.dispatch.audits.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(target: "agentos::hooks", definition = %self.definition, "onAuditEvent is too slow; an entry is in the log alone");
            return;
        };
        let (dispatch, definition) = (Arc::clone(&self.dispatch), Arc::clone(&self.definition));
        handle.spawn(async move {
            let context = dispatch.audited(&definition, &entry);
            let called = dispatch.call(&definition, "onAuditEvent", context, vec![entry]).await;
            dispatch.audits.fetch_sub(1, Ordering::AcqRel);
            if let Err(failure) = called {
                tracing::error!(target: "agentos::hooks", %definition, hook = "onAuditEvent", error = %failure, "a hook failed");
            }
        });
    }
}

impl Dispatch {
    /// The context of an entry of the audit trail, which knows its actor's id alone.
    fn audited(&self, definition: &str, entry: &Value) -> Value {
        let id = entry.get("actorId").and_then(Value::as_str).unwrap_or_default();
        let actor = agentos_value::ActorId::new(id).ok();
        let info = self.client().zip(actor).and_then(|(client, id)| client.info(&id).ok());
        Value::object([
            (
                "key",
                info.map_or(Value::Array(Vec::new()), |info| key(info.key.parts())),
            ),
            ("actorId", Value::from(id)),
            ("name", Value::from(definition)),
        ])
    }
}

/// A key as plain data.
pub(super) fn key(parts: &[String]) -> Value {
    Value::Array(parts.iter().map(|part| Value::from(part.as_str())).collect())
}

/// What a hook is told about where it is called, as plain data.
fn context(c: &HookContext) -> Value {
    let mut members = vec![
        ("key", key(c.key().parts())),
        ("actorId", Value::from(c.actor_id().as_str())),
        ("name", Value::from(c.name())),
    ];
    if let Some(conn) = c.conn() {
        members.push(("conn", connection(conn)));
    }
    if let Some(request) = c.request() {
        let headers = request.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Value::Array(vec![Value::from(name.as_str()), Value::from(value)])
        });
        members.push((
            "request",
            Value::object([
                ("method", Value::from(request.method.as_str())),
                ("url", Value::from(request.path.as_str())),
                ("headers", Value::Array(headers.collect())),
            ]),
        ));
    }
    Value::object(members)
}

/// A connection as plain data.
pub(super) fn connection(conn: &Conn) -> Value {
    Value::object([
        ("id", Value::from(conn.id())),
        ("state", conn.state()),
        ("params", conn.params().clone()),
    ])
}

/// Nothing serves yet, or nothing does any more.
pub(super) fn not_serving() -> ActorError {
    ActorError::guard("service_unavailable", "The registry does not serve.")
}
