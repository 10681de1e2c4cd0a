//! What an application decides about the connections of its VMs (api.md section 2.1).
//!
//! [`VmHooks`] is what applications implement, with `async fn`s of which each has a default. The runtime needs objects, so
//! [`Erased`] boxes the futures; nothing else happens here. Deadlines, masking and refusal by failure are the runtime's.

use agentos::Reply;
use agentos_actor::{BoxFuture, Conn, Failure, HookContext, HookSet};
use agentos_value::Value;
use std::future::{Future, ready};
use std::sync::Arc;

/// Hooks of a VM definition.
///
/// A hook refuses by failing: with an [`ActorError::user`](agentos_value::ActorError::user), which the client sees as it is, or
/// with anything else, which the client sees masked.
///
/// ```
/// use agentos_server::{ActorError, Failure, HookContext, Value, VmHooks};
///
/// struct Tokens;
///
/// impl VmHooks for Tokens {
///     fn authenticates(&self) -> bool {
///         true
///     }
///
///     async fn on_before_connect(&self, _c: HookContext, params: Value) -> Result<(), Failure> {
///         match params.get("authToken").and_then(Value::as_str) {
///             Some("valid-token") => Ok(()),
///             _ => Err(ActorError::user("forbidden", "Forbidden").into()),
///         }
///     }
/// }
/// ```
pub trait VmHooks: Send + Sync + 'static {
    /// Which of the hooks below are called: all, unless told otherwise. Leaving out what is not implemented saves a little
    /// time for each action.
    fn hooks(&self) -> HookSet {
        HookSet::ALL
    }

    /// Whether [`on_before_connect`](Self::on_before_connect) decides who may connect. Unless it says so, a server without a
    /// token does not listen beyond loopback.
    fn authenticates(&self) -> bool {
        false
    }

    /// Accepts a connection by succeeding. `params` is `null` if the client sent none.
    fn on_before_connect(&self, _c: HookContext, _params: Value) -> impl Future<Output = Result<(), Failure>> + Send {
        ready(Ok(()))
    }

    /// Makes the connection's state.
    fn create_conn_state(
        &self,
        _c: HookContext,
        _params: Value,
    ) -> impl Future<Output = Result<Value, Failure>> + Send {
        ready(Ok(Value::Null))
    }

    /// Called when the connection is visible, before the client learns that it is open.
    fn on_connect(&self, _c: HookContext, _conn: Conn) -> impl Future<Output = Result<(), Failure>> + Send {
        ready(Ok(()))
    }

    /// Called once for every connection that [`on_connect`](Self::on_connect) accepted.
    fn on_disconnect(&self, _c: HookContext, _conn: Conn) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Allows one action by succeeding.
    fn on_before_action(
        &self,
        _c: HookContext,
        _action: &str,
        _args: &[Value],
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        ready(Ok(()))
    }

    /// Whether one event may reach the connection of `c`.
    fn can_receive(&self, _c: HookContext, _event: &str, _payload: &Value) -> impl Future<Output = bool> + Send {
        ready(true)
    }

    /// Hears of every event of a session, once and in the order of their numbers, whether or not clients are connected.
    fn on_session_event(&self, _c: HookContext, _session_id: &str, _event: &Value) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Is asked what an agent may do; `None` leaves the answer to clients, and so does failing.
    fn on_permission_request(
        &self,
        _c: HookContext,
        _session_id: &str,
        _request: &Value,
    ) -> impl Future<Output = Result<Option<Reply>, Failure>> + Send {
        ready(Ok(Option::None))
    }

    /// Takes an entry of the audit trail, in the shape of security.md section 8, as JSON. Called on a thread that serves all
    /// VMs; must return soon.
    fn on_audit_event(&self, _event: &serde_json::Value) {}
}

/// The hooks as an object.
pub(crate) trait Erased: Send + Sync {
    fn hooks(&self) -> HookSet;
    fn authenticates(&self) -> bool;
    fn on_before_connect(&self, c: HookContext, params: Value) -> BoxFuture<'_, Result<(), Failure>>;
    fn create_conn_state(&self, c: HookContext, params: Value) -> BoxFuture<'_, Result<Value, Failure>>;
    fn on_connect(&self, c: HookContext, conn: Conn) -> BoxFuture<'_, Result<(), Failure>>;
    fn on_disconnect(&self, c: HookContext, conn: Conn) -> BoxFuture<'_, ()>;
    fn on_before_action<'a>(
        &'a self,
        c: HookContext,
        action: &'a str,
        args: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>>;
    fn can_receive<'a>(&'a self, c: HookContext, event: &'a str, payload: &'a Value) -> BoxFuture<'a, bool>;
    fn on_session_event<'a>(&'a self, c: HookContext, session_id: &'a str, event: &'a Value) -> BoxFuture<'a, ()>;
    fn on_permission_request<'a>(
        &'a self,
        c: HookContext,
        session_id: &'a str,
        request: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Reply>, Failure>>;
    fn on_audit_event(&self, event: &serde_json::Value);
}

impl<H: VmHooks> Erased for H {
    fn hooks(&self) -> HookSet {
        VmHooks::hooks(self)
    }

    fn authenticates(&self) -> bool {
        VmHooks::authenticates(self)
    }

    fn on_before_connect(&self, c: HookContext, params: Value) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(VmHooks::on_before_connect(self, c, params))
    }

    fn create_conn_state(&self, c: HookContext, params: Value) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(VmHooks::create_conn_state(self, c, params))
    }

    fn on_connect(&self, c: HookContext, conn: Conn) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(VmHooks::on_connect(self, c, conn))
    }

    fn on_disconnect(&self, c: HookContext, conn: Conn) -> BoxFuture<'_, ()> {
        Box::pin(VmHooks::on_disconnect(self, c, conn))
    }

    fn on_before_action<'a>(
        &'a self,
        c: HookContext,
        action: &'a str,
        args: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(VmHooks::on_before_action(self, c, action, args))
    }

    fn can_receive<'a>(&'a self, c: HookContext, event: &'a str, payload: &'a Value) -> BoxFuture<'a, bool> {
        Box::pin(VmHooks::can_receive(self, c, event, payload))
    }

    fn on_session_event<'a>(&'a self, c: HookContext, session_id: &'a str, event: &'a Value) -> BoxFuture<'a, ()> {
        Box::pin(VmHooks::on_session_event(self, c, session_id, event))
    }

    fn on_permission_request<'a>(
        &'a self,
        c: HookContext,
        session_id: &'a str,
        request: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Reply>, Failure>> {
        Box::pin(VmHooks::on_permission_request(self, c, session_id, request))
    }

    fn on_audit_event(&self, event: &serde_json::Value) {
        VmHooks::on_audit_event(self, event);
    }
}

/// No hooks.
pub(crate) struct None;

impl VmHooks for None {
    fn hooks(&self) -> HookSet {
        HookSet::default()
    }
}

/// The hooks of a definition.
pub(crate) type Hooks = Arc<dyn Erased>;
