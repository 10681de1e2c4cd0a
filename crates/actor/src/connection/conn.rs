//! One connection as the actor sees it.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::CloseReason;
use super::outbox::Outbox;
use super::table::Place;
use crate::error::{invalid_params, limit_exceeded};
use crate::hooks::notify;
use crate::lifecycle::CellRef;
use crate::store::encode_value;
use crate::{ConnectRequest, Event, Failure, HookContext, RequestInfo, Transport};

/// A connection of a client to an actor. Cloning is cheap; all clones are the same connection.
#[derive(Clone)]
pub struct Conn(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) id: Arc<str>,
    pub(super) cell: CellRef,
    pub(super) request: ConnectRequest,
    pub(super) outbox: Mutex<Outbox>,
    /// Notified when the outbox has something new.
    pub(super) filled: Notify,
    /// Actions whose reply has not been taken.
    pub(super) in_flight: AtomicUsize,
    /// Actions that have not ended.
    pub(super) running: AtomicUsize,
    /// Notified when an action has ended and when a reply was taken.
    pub(super) eased: Notify,
    state: Mutex<Value>,
    subscriptions: Mutex<HashSet<String>>,
    finished: AtomicBool,
    /// Too much waited for the actor to wake.
    overwhelmed: AtomicBool,
    _place: Place,
}

impl Conn {
    pub(super) fn new(id: Arc<str>, cell: CellRef, request: ConnectRequest, state: Value, place: Place) -> Self {
        let limits = &cell.shared.limits;
        let outbox = Mutex::new(Outbox::new(
            limits.connection_queue_events,
            limits.connection_queue_bytes,
        ));
        Self(Arc::new(Inner {
            id,
            cell,
            request,
            outbox,
            filled: Notify::new(),
            in_flight: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            eased: Notify::new(),
            state: Mutex::new(state),
            subscriptions: Mutex::default(),
            finished: AtomicBool::new(false),
            overwhelmed: AtomicBool::new(false),
            _place: place,
        }))
    }

    /// A random UUID.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// What the client sent for the hooks; `null` if it sent nothing. It may hold secrets.
    pub fn params(&self) -> &Value {
        &self.0.request.params
    }

    /// The connection's state, as `create_conn_state` made it or [`Conn::set_state`] left it.
    pub fn state(&self) -> Value {
        self.0.state.lock().clone()
    }

    /// Replaces the connection's state.
    ///
    /// # Errors
    /// A state that is too large.
    pub fn set_state(&self, state: Value) -> Result<(), Failure> {
        check_state(&state, self.0.cell.shared.limits.conn_state_bytes)?;
        *self.0.state.lock() = state;
        Ok(())
    }

    /// The request that opened the connection; absent for calls within the process.
    pub fn request(&self) -> Option<&Arc<RequestInfo>> {
        self.0.request.request.as_ref()
    }

    /// The peer's address; absent for calls within the process.
    pub fn peer(&self) -> Option<IpAddr> {
        self.0.request.peer
    }

    /// How the connection reaches the actor.
    pub fn transport(&self) -> Transport {
        self.0.request.transport
    }

    /// Sends an event to this connection alone, if it subscribed to it.
    pub fn send(&self, event: Event) {
        let lost = self.offer(&Arc::new(event));
        self.0.cell.shared.metrics.events_lost(lost);
    }

    /// Closes the connection with `group.code` as the reason for the client.
    pub fn disconnect(&self, reason: impl Into<String>) {
        self.finish(CloseReason::new(1000, reason));
    }

    /// Whether the connection subscribed to an event.
    pub fn is_subscribed(&self, event: &str) -> bool {
        self.0.subscriptions.lock().contains(event)
    }

    pub(crate) fn shared_id(&self) -> &Arc<str> {
        &self.0.id
    }

    pub(crate) fn cell(&self) -> &CellRef {
        &self.0.cell
    }

    pub(crate) fn depth(&self) -> u32 {
        self.0.request.depth
    }

    /// Queues an event if the connection subscribed to it; returns how many events were lost for it.
    pub(super) fn offer(&self, event: &Arc<Event>) -> u64 {
        if !self.is_subscribed(&event.name) {
            return 0;
        }
        let lost = self.0.outbox.lock().push_event(Arc::clone(event));
        self.0.cell.shared.metrics.event_sent();
        self.0.filled.notify_one();
        lost
    }

    pub(super) fn subscribe(&self, event: &str, subscribe: bool) -> Result<(), ActorError> {
        let max = self.0.cell.shared.limits.max_subscriptions;
        let mut subscriptions = self.0.subscriptions.lock();
        if !subscribe {
            subscriptions.remove(event);
        } else if !subscriptions.contains(event) {
            if subscriptions.len() >= max {
                let (limit, path) = (
                    "maxSubscriptionsPerConnection",
                    "limits.server.maxSubscriptionsPerConnection",
                );
                let max = max as u64;
                return Err(limit_exceeded(limit, max + 1, max, "count", "subscribe", path));
            }
            subscriptions.insert(event.to_owned());
        }
        Ok(())
    }

    /// Resolves when no action runs.
    pub(super) async fn answered(&self) {
        loop {
            let eased = self.0.eased.notified();
            let mut eased = std::pin::pin!(eased);
            eased.as_mut().enable();
            if self.0.running.load(Ordering::Acquire) == 0 {
                return;
            }
            eased.await;
        }
    }

    /// Ends a connection that was open: what waits is still delivered, then the reason. `on_disconnect` runs once, however
    /// often and by whomever this is called.
    pub(crate) fn finish(&self, reason: CloseReason) {
        self.0.outbox.lock().close(reason);
        self.0.filled.notify_one();
        if self.0.finished.swap(true, Ordering::AcqRel) {
            return;
        }
        let cell = &self.0.cell;
        cell.connections.remove(&self.0.id);
        if !cell.registered.hooks.disconnect {
            return;
        }
        let (conn, shared) = (self.clone(), Arc::clone(&cell.shared));
        let task = async move {
            let cell = &conn.0.cell;
            let context = HookContext::of_conn(&conn);
            let hook = async { cell.registered.definition.on_disconnect(context, conn.clone()).await };
            notify(
                &*cell.shared.clock,
                "onDisconnect",
                cell.shared.limits.hook_timeout,
                hook,
            )
            .await;
        };
        shared.tasks.spawn_on(task, &shared.runtime);
    }

    /// Ends a connection whose `on_connect` refused: `on_disconnect` is not called.
    pub(super) fn abandon(&self) {
        self.0.finished.store(true, Ordering::Release);
        self.0.cell.connections.remove(&self.0.id);
        self.0.outbox.lock().close(CloseReason::client());
    }

    pub(super) fn reply(&self, tag: u64, result: Result<Value, ActorError>) {
        self.0.outbox.lock().push_reply(tag, result);
        self.0.filled.notify_one();
    }

    /// Notes that a message waited in vain for the actor to wake; a socket is closed for it.
    pub(crate) fn overwhelm(&self) {
        self.0.overwhelmed.store(true, Ordering::Release);
    }

    pub(super) fn is_overwhelmed(&self) -> bool {
        self.0.overwhelmed.load(Ordering::Acquire)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.finished.load(Ordering::Acquire)
    }
}

/// Refuses a connection's state that is too large to be kept.
pub(super) fn check_state(state: &Value, max: usize) -> Result<(), ActorError> {
    let size = encode_value(state)
        .map_err(|error| invalid_params(error.to_string()))?
        .len();
    if size <= max {
        return Ok(());
    }
    let (size, max) = (size as u64, max as u64);
    Err(limit_exceeded(
        "connStateBytes",
        size,
        max,
        "bytes",
        "createConnState",
        "limits.server.connStateBytes",
    ))
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No parameters, state or headers: they may hold secrets.
        f.debug_struct("Conn")
            .field("id", &self.0.id)
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Conn {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
