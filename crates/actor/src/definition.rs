//! The two traits that make a kind of actor: its definition, which always exists, and its awake instance.
//!
//! Order of calls for one actor, from nothing to nothing:
//!
//! ```text
//! on_before_connect → create_conn_state → on_connect      per connection; storage is made after the first success
//! on_before_action → stored_action                        answered from storage, the actor stays asleep
//! on_before_action → boot → Actor::action                 concurrent first actions share one boot
//! Actor::on_shutdown → (abort signal) → Actor::on_sleep   nothing to do for the idle time, or asked to
//! Actor::on_shutdown → Actor::on_destroy                  destroyed; storage is removed afterwards
//! on_disconnect                                           once for every connection that completed on_connect
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agentos_value::{ActorError, ActorId, Value};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use agentos_store::UserLimits;

use crate::{ActorContext, ActorOptions, Conn, Failure, HookContext, PreviewBounds};

/// A future that traits can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream of bytes into an actor.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// The body of a raw request or of its response.
pub type RawBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// One frame of a raw socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawMessage {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Bytes),
}

/// The actor's side of a raw socket. Dropping it closes the socket.
#[derive(Debug)]
pub struct RawSocket {
    /// Frames of the client; ends when the client closes.
    pub incoming: mpsc::Receiver<RawMessage>,
    /// Frames for the client.
    pub outgoing: mpsc::Sender<RawMessage>,
}

/// Whether an action needs the awake actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Answered from storage by [`ActorDefinition::stored_action`]; the actor stays as it is.
    Stored,
    /// Answered by [`Actor::action`]; a sleeping actor is woken.
    Awake,
}

/// One call of an action.
#[derive(Clone, Debug)]
pub struct ActionCall {
    /// The action's name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// Who calls; absent for scheduled work.
    pub conn: Option<Conn>,
}

/// What is known about a boot.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Whether the actor never finished a boot before.
    pub first: bool,
    /// What the creator sent along.
    pub input: Value,
}

/// Why an awake actor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// It goes to sleep.
    Sleep,
    /// It is destroyed.
    Destroy,
    /// It crashed or did not boot.
    Error,
}

impl ShutdownReason {
    /// `sleep`, `destroy` or `error`, as in the event `vmShutdown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sleep => "sleep",
            Self::Destroy => "destroy",
            Self::Error => "error",
        }
    }
}

/// Which hooks are called. A hook that is left out is never called and costs nothing, so leaving one out is a promise that it
/// is not implemented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one hook exists")]
pub struct HookSet {
    /// [`ActorDefinition::on_before_connect`].
    pub before_connect: bool,
    /// [`ActorDefinition::create_conn_state`].
    pub conn_state: bool,
    /// [`ActorDefinition::on_connect`].
    pub connect: bool,
    /// [`ActorDefinition::on_disconnect`].
    pub disconnect: bool,
    /// [`ActorDefinition::on_before_action`].
    pub before_action: bool,
    /// [`ActorDefinition::can_receive`].
    pub can_receive: bool,
}

impl HookSet {
    /// Every hook.
    pub const ALL: Self = Self {
        before_connect: true,
        conn_state: true,
        connect: true,
        disconnect: true,
        before_action: true,
        can_receive: true,
    };
}

/// A kind of actor.
///
/// Hooks run with a deadline, and whatever they do other than succeed refuses: an error, a panic, a hook that takes too
/// long. Futures may be dropped at any await when a deadline passes.
pub trait ActorDefinition: Send + Sync + 'static {
    /// Options for all actors of this kind; read once when a registry is built.
    fn options(&self) -> ActorOptions {
        ActorOptions::default()
    }

    /// Which hooks below are to be called; read once when a registry is built. All are unless told otherwise: a hook that is
    /// implemented and forgotten here would admit everyone.
    fn hooks(&self) -> HookSet {
        HookSet::ALL
    }

    /// Whether [`on_before_connect`](Self::on_before_connect) decides who may connect. A server that has no token and a
    /// definition that does not say so listens on loopback alone.
    fn authenticates(&self) -> bool {
        false
    }

    /// What kind of action `name` is, or `None` if there is no such action.
    fn action_kind(&self, name: &str) -> Option<ActionKind>;

    /// Whether actors of this kind have a queue of this name, which clients may send to.
    fn has_queue(&self, _name: &str) -> bool {
        false
    }

    /// The names of all actions, for people who inspect an actor.
    fn action_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// A deadline of one action that differs from [`ActorOptions::action_timeout`].
    fn action_timeout(&self, _name: &str) -> Option<Duration> {
        None
    }

    /// Whether an action may still run between the announcement of a shutdown and its teardown: readings that a listener
    /// makes in reaction to it.
    fn allowed_while_stopping(&self, _name: &str) -> bool {
        false
    }

    /// The bounds of the database for the application (`db`) of one actor, or `None`: there is none. Asked before each call;
    /// the bounds of the first call after the store was opened hold until it is closed.
    ///
    /// # Errors
    /// Bounds that cannot be known; the call fails.
    fn user_database<'a>(&'a self, _ctx: ActorContext) -> BoxFuture<'a, Result<Option<UserLimits>, Failure>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Called after each call to the database of an actor: with its size in bytes, or with the limit that refused the call.
    /// Must return soon.
    fn user_database_used(&self, _ctx: &ActorContext, _limits: UserLimits, _outcome: Result<u64, &ActorError>) {}

    /// Bounds of the requests for the previews of one actor.
    fn preview_bounds(&self, _id: &ActorId) -> PreviewBounds {
        PreviewBounds::default()
    }

    /// Takes an entry of the audit trail, one JSON object that the log has already. Must return soon.
    fn on_audit_event(&self, _entry: &serde_json::Value) {}

    /// Starts the actor: makes its first state or wakes it. The waiting work runs when this has returned.
    ///
    /// # Errors
    /// The actor is then failed, the waiting work gets `vm_boot_failed`, and the next use tries again.
    fn boot<'a>(&'a self, ctx: ActorContext, boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>>;

    /// Called when a boot failed, after whatever it started has been dropped.
    fn on_boot_failed<'a>(&'a self, _ctx: ActorContext, _error: &'a ActorError) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Answers an action of kind [`ActionKind::Stored`].
    ///
    /// # Errors
    /// Whatever the action fails with.
    fn stored_action<'a>(&'a self, _ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(std::future::ready(Err(
            crate::error::action_not_found(&call.name).into()
        )))
    }

    /// Accepts a connection by succeeding, before anything else happens. `params` is `null` if the client sent none.
    ///
    /// # Errors
    /// The refusal that the client gets.
    fn on_before_connect<'a>(&'a self, _ctx: HookContext, _params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Makes the connection's state; kept while the connection hibernates.
    ///
    /// # Errors
    /// The refusal that the client gets.
    fn create_conn_state<'a>(&'a self, _ctx: HookContext, _params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(std::future::ready(Ok(Value::Null)))
    }

    /// Called when the connection is visible, before the client learns that it is open.
    ///
    /// # Errors
    /// The refusal that the client gets; the connection is then removed without [`ActorDefinition::on_disconnect`].
    fn on_connect<'a>(&'a self, _ctx: HookContext, _conn: Conn) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Called once for every connection that [`ActorDefinition::on_connect`] accepted.
    fn on_disconnect<'a>(&'a self, _ctx: HookContext, _conn: Conn) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Allows one action by succeeding.
    ///
    /// # Errors
    /// The refusal that the client gets; the connection stays.
    fn on_before_action<'a>(
        &'a self,
        _ctx: HookContext,
        _action: &'a str,
        _args: &'a [Value],
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether one event may reach one connection (`ctx.conn`).
    fn can_receive<'a>(&'a self, _ctx: HookContext, _event: &'a str, _args: &'a [Value]) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }
}

/// An awake actor.
///
/// Actions run concurrently. A panic in one is that action's masked error and nobody else's.
pub trait Actor: Send + Sync + 'static {
    /// Answers an action of kind [`ActionKind::Awake`].
    ///
    /// # Errors
    /// Whatever the action fails with.
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>>;

    /// What keeps the actor awake besides guards, requests in flight and runs: asked when the idle time has passed and
    /// for the status.
    fn awake_because(&self) -> Vec<String> {
        Vec::new()
    }

    /// Tells subscribers that the actor is about to end; everything still works.
    fn on_shutdown<'a>(&'a self, _ctx: ActorContext, _reason: ShutdownReason) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Ends whatever runs, within the shutdown budget, and flushes. The store closes afterwards.
    fn on_sleep<'a>(&'a self, _ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Makes durable what the actor keeps beside its state. Called once nothing of it runs any more, before the store closes.
    ///
    /// # Errors
    /// Of the disk, for example. The actor sleeps all the same; whoever put it to sleep gets the error.
    fn save<'a>(&'a self, _ctx: ActorContext) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Ends whatever runs, without grace. The store is removed afterwards.
    fn on_destroy<'a>(&'a self, _ctx: ActorContext) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Opens a stream to a port on which something inside the actor listens.
    ///
    /// # Errors
    /// `agentos/no_listener`.
    fn open_port<'a>(&'a self, port: u16) -> BoxFuture<'a, Result<Box<dyn ByteStream>, Failure>> {
        let error = ActorError::agentos("no_listener", format!("nothing listens on port {port}"))
            .with_metadata(Value::object([("port", i64::from(port))]));
        Box::pin(std::future::ready(Err(error.into())))
    }

    /// Answers a raw HTTP request; `/request` has been removed from its path.
    ///
    /// # Errors
    /// `actor/route_not_found` unless the actor has such a handler.
    fn raw_request<'a>(
        &'a self,
        _ctx: ActorContext,
        _conn: Conn,
        _request: http::Request<RawBody>,
    ) -> BoxFuture<'a, Result<http::Response<RawBody>, Failure>> {
        Box::pin(std::future::ready(Err(crate::error::route_not_found().into())))
    }

    /// Serves a raw socket until this returns; `/websocket` has been removed from the path of `conn`'s request.
    ///
    /// # Errors
    /// `actor/route_not_found` unless the actor has such a handler.
    fn raw_socket<'a>(
        &'a self,
        _ctx: ActorContext,
        _conn: Conn,
        _socket: RawSocket,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Err(crate::error::route_not_found().into())))
    }
}
