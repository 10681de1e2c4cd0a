//! One connection as whoever talks to the client sees it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use agentos_value::{ActorError, ActorId, Key, Value};
use tracing::Instrument as _;

use super::CloseReason;
use super::conn::Conn;
use super::dispatch;
use super::outbox::{Head, Outgoing};
use crate::error::{connection_closed, limit_exceeded, not_found};
use crate::hooks::{catch, hook};
use crate::queue::SendOutcome;
use crate::registry::Shared;
use crate::{ActorInfo, Event, Failure, HookContext, RawBody, RawSocket, Transport};

/// An open connection to an actor. Dropping it closes it.
///
/// The actor may sleep and wake meanwhile; the connection stays the same.
#[derive(Debug)]
pub struct Connection(Conn);

impl Connection {
    pub(super) const fn new(conn: Conn) -> Self {
        Self(conn)
    }

    /// A random UUID.
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// The actor; `None` once it is destroyed.
    pub fn actor(&self) -> Option<ActorInfo> {
        self.0.0.cell.info()
    }

    /// The actor's id.
    pub fn actor_id(&self) -> &ActorId {
        &self.0.0.cell.identity.id
    }

    /// The actor's key.
    pub fn key(&self) -> &Key {
        &self.0.0.cell.identity.key
    }

    /// The connection as the actor sees it.
    pub const fn conn(&self) -> &Conn {
        &self.0
    }

    /// Runs an action and waits for its answer. It runs to its end even if this future is dropped.
    ///
    /// # Errors
    /// The error for the client.
    pub async fn call(&self, action: impl Into<String>, args: Vec<Value>) -> Result<Value, ActorError> {
        let (conn, name) = (self.0.clone(), action.into());
        let in_flight = InFlight::begin(&conn)?;
        let span = span(&conn, &name);
        let shared = Arc::clone(&conn.0.cell.shared);
        let task = async move {
            let run = catch(dispatch::run(&conn, name, args)).await;
            let result = run.unwrap_or_else(|panicked| Err(Failure::internal(panicked).publish("call")));
            drop(in_flight);
            result
        };
        let mut task = Box::pin(task.instrument(span));
        if let Some(result) = at_once(&shared, task.as_mut()) {
            return result;
        }
        match shared.tasks.spawn_on(task, &shared.runtime).await {
            Ok(result) => result,
            Err(error) => Err(Failure::internal(error).publish("call")),
        }
    }

    /// Puts a message into a queue of the actor; it is durable when this returns. With `wait`, also waits that long for its
    /// completion. The message stays even if this future is dropped.
    ///
    /// # Errors
    /// `queue/unsupported` for a queue that the actor does not have, the refusal of `on_before_action`, or
    /// `agentos/limit_exceeded` for a full queue or a message that is too large.
    pub async fn send(&self, queue: &str, body: Value, wait: Option<Duration>) -> Result<SendOutcome, ActorError> {
        let in_flight = InFlight::begin(&self.0)?;
        let sent = crate::queue::send(&self.0, queue, body, wait).await;
        drop(in_flight);
        sent
    }

    /// Runs an action; its answer comes out of [`Connection::next`] under `tag`, after the events that it emitted. What has to
    /// wait for something goes on in a task of its own; most actions have nothing to wait for, and are done when this
    /// returns.
    ///
    /// # Errors
    /// `agentos/limit_exceeded` with too many actions in flight ([`Connection::dispatch_ready`] waits until there are
    /// not), or a closed connection.
    pub fn dispatch(&self, tag: u64, action: impl Into<String>, args: Vec<Value>) -> Result<(), ActorError> {
        let (conn, name) = (self.0.clone(), action.into());
        let in_flight = InFlight::begin(&conn)?;
        let span = span(&conn, &name);
        let shared = Arc::clone(&conn.0.cell.shared);
        let task = async move {
            let run = catch(dispatch::run(&conn, name, args)).await;
            let result = run.unwrap_or_else(|panicked| Err(Failure::internal(panicked).publish("action")));
            conn.reply(tag, result);
            in_flight.replied();
            if conn.is_overwhelmed() && conn.transport() == Transport::Socket {
                conn.finish(CloseReason::unavailable());
            }
        };
        let mut task = Box::pin(task.instrument(span));
        if at_once(&shared, task.as_mut()).is_none() {
            shared.tasks.spawn_on(task, &shared.runtime);
        }
        Ok(())
    }

    /// Resolves when [`Connection::dispatch`] has room: whoever reads from the client waits for this before each message.
    pub async fn dispatch_ready(&self) {
        loop {
            let eased = self.0.0.eased.notified();
            let mut eased = std::pin::pin!(eased);
            eased.as_mut().enable();
            if self.0.is_finished() || InFlight::has_room(&self.0) {
                return;
            }
            eased.await;
        }
    }

    /// Begins or ends a subscription. Both may be repeated.
    ///
    /// # Errors
    /// `agentos/limit_exceeded` with too many subscriptions.
    pub fn subscribe(&self, event: &str, subscribe: bool) -> Result<(), ActorError> {
        self.0.subscribe(event, subscribe)
    }

    /// The next thing for the client. After [`Outgoing::Close`] it is always that. Dropping the future loses nothing; only
    /// one task shall wait here at a time.
    pub async fn next(&self) -> Outgoing {
        let inner = &self.0.0;
        loop {
            let filled = inner.filled.notified();
            let mut filled = std::pin::pin!(filled);
            filled.as_mut().enable();
            let head = inner.outbox.lock().head();
            match head {
                Head::Nothing => filled.await,
                Head::Event(number, event) => {
                    let may = self.may_receive(&event).await;
                    if inner.outbox.lock().take_event(number) && may {
                        return Outgoing::Event(event);
                    }
                }
                Head::Taken(Outgoing::Event(event)) if !self.0.is_subscribed(&event.name) => {}
                Head::Taken(outgoing) => {
                    if matches!(outgoing, Outgoing::Reply { .. }) {
                        inner.in_flight.fetch_sub(1, Ordering::AcqRel);
                        inner.eased.notify_waiters();
                    }
                    return outgoing;
                }
            }
        }
    }

    /// Has the awake actor answer a raw HTTP request; `/request` has been removed from its path. The actor stays awake until
    /// the body of the response has been read or dropped.
    ///
    /// # Errors
    /// The error for the client; `actor/route_not_found` unless the actor has a handler.
    pub async fn raw_request(&self, request: http::Request<RawBody>) -> Result<http::Response<RawBody>, ActorError> {
        dispatch::raw_request(&self.0, request).await
    }

    /// Has the awake actor serve a raw socket, until it is done with it.
    ///
    /// # Errors
    /// The error for the client; `actor/route_not_found` unless the actor has a handler.
    pub async fn raw_socket(&self, socket: RawSocket) -> Result<(), ActorError> {
        dispatch::raw_socket(&self.0, socket).await
    }

    /// Closes the connection. What waits comes out of [`Connection::next`] before the reason.
    pub fn close(&self, reason: CloseReason) {
        self.0.finish(reason);
        self.0.0.eased.notify_waiters();
    }

    async fn may_receive(&self, event: &Event) -> bool {
        let cell = &self.0.0.cell;
        if !cell.registered.hooks.can_receive {
            return true;
        }
        let context = HookContext::of_conn(&self.0);
        let decide = async {
            Ok::<_, Failure>(
                cell.registered
                    .definition
                    .can_receive(context, &event.name, &event.args)
                    .await,
            )
        };
        let limits = &cell.shared.limits;
        hook(&*cell.shared.clock, "canReceive", limits.receive_timeout, decide)
            .await
            .unwrap_or(false)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close(CloseReason::client());
    }
}

/// What is done without waiting is done by whoever asks: handing it to a task, and the answer back, costs more than most
/// actions do. Polls `task` once, and gives its result if it has one by then. A task that is not done shall be spawned: its next
/// poll registers who is to be woken, which nobody is before.
fn at_once<F: Future>(shared: &Shared, task: Pin<&mut F>) -> Option<F::Output> {
    let _runtime = shared.runtime.enter();
    match task.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// What the log records of an action belong to; a child of what the caller does.
fn span(conn: &Conn, action: &str) -> tracing::Span {
    let actor = &conn.cell().identity.id;
    // The name is the client's, of any length.
    let action = &action[..action.floor_char_boundary(64)];
    tracing::info_span!(target: "agentos::actor", "action", %actor, action)
}

/// Counts one action of a connection until its answer has been taken.
struct InFlight(Option<Conn>);

impl InFlight {
    fn has_room(conn: &Conn) -> bool {
        let limits = &conn.0.cell.shared.limits;
        conn.0.in_flight.load(Ordering::Acquire) < limits.max_in_flight_actions
            && conn.0.outbox.lock().reply_bytes() <= limits.connection_queue_bytes
    }

    fn begin(conn: &Conn) -> Result<Self, ActorError> {
        if conn.is_finished() {
            let gone = conn.cell().info().is_none();
            return Err(if gone { not_found() } else { connection_closed() });
        }
        let max = conn.0.cell.shared.limits.max_in_flight_actions;
        let before = conn.0.in_flight.fetch_add(1, Ordering::AcqRel);
        conn.0.running.fetch_add(1, Ordering::AcqRel);
        let in_flight = Self(Some(conn.clone()));
        if before >= max {
            let (limit, path) = (
                "maxInFlightActionsPerConnection",
                "limits.server.maxInFlightActionsPerConnection",
            );
            let (observed, max) = (before as u64 + 1, max as u64);
            return Err(limit_exceeded(limit, observed, max, "count", "action", path));
        }
        Ok(in_flight)
    }

    /// The answer waits in the outbox; whoever takes it there ends the count.
    fn replied(mut self) {
        if let Some(conn) = self.0.take_if(|conn| !conn.is_finished()) {
            conn.0.running.fetch_sub(1, Ordering::AcqRel);
            conn.0.eased.notify_waiters();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            conn.0.running.fetch_sub(1, Ordering::AcqRel);
            conn.0.in_flight.fetch_sub(1, Ordering::AcqRel);
            conn.0.eased.notify_waiters();
        }
    }
}
