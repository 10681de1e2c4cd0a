//! The context of an actor's own code.

use std::sync::Arc;

use agentos_value::{ActorError, ActorId, Key, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{Client, Kv};
use crate::lifecycle::{Busy, Cause, Cell, CellRef};
use crate::store::ActorStore;
use crate::{Clock, Conn, Event, Failure, KeepAwake};

/// One actor, for its own code: its state, its clients, its way to other actors. Cloning is cheap.
///
/// A context belongs to one generation of the actor. Work that goes on after the actor stopped can hold on to it, but
/// nothing that it writes is kept.
#[derive(Clone)]
pub struct ActorContext {
    inner: Arc<Inner>,
    depth: u32,
}

struct Inner {
    cell: CellRef,
    store: Arc<ActorStore>,
    busy: Arc<Busy>,
    abort: CancellationToken,
}

impl ActorContext {
    pub(crate) fn new(cell: CellRef, store: Arc<ActorStore>, busy: Arc<Busy>, abort: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                cell,
                store,
                busy,
                abort,
            }),
            depth: 0,
        }
    }

    /// A context for an action that is answered from storage.
    pub(crate) async fn stored(cell: &Arc<Cell>, depth: u32) -> Result<Self, Failure> {
        let store = cell.store.open(cell).await?;
        let busy = cell
            .awake()
            .map_or_else(|| Busy::new(Arc::clone(&cell.shared.clock)), |awake| awake.busy.clone());
        Ok(Self::new(CellRef::new(Arc::clone(cell)), store, busy, CancellationToken::new()).at_depth(depth))
    }

    pub(crate) fn at_depth(&self, depth: u32) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            depth,
        }
    }

    /// The actor's id.
    pub fn actor_id(&self) -> &ActorId {
        &self.inner.cell.identity.id
    }

    /// The name of its definition.
    pub fn name(&self) -> &str {
        &self.inner.cell.identity.name
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.inner.cell.identity.key
    }

    /// The clock that the registry runs on.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.cell.shared.clock
    }

    /// Sends an event to every connection that subscribed to its name.
    pub fn broadcast(&self, name: impl Into<String>, args: Vec<Value>) {
        self.emit(Event::new(name, args));
    }

    /// Sends an event to every connection that subscribed to its name.
    pub fn emit(&self, event: Event) {
        let cell = &self.inner.cell;
        let lost = cell.connections.broadcast(&Arc::new(event));
        cell.shared.metrics.events_lost(lost);
    }

    /// The open connections.
    pub fn conns(&self) -> Vec<Conn> {
        self.inner.cell.connections.all()
    }

    /// The actor's state: one value that is kept as long as the actor; `null` at first.
    pub fn state(&self) -> Value {
        self.inner.store.kept.lock().state.clone()
    }

    /// Replaces the state. It is durable before the action that does this is acknowledged.
    pub fn set_state(&self, state: Value) {
        self.inner.store.kept.lock().state = state;
    }

    /// Changes the state in place, at once for all who look at it.
    pub fn update_state<R>(&self, change: impl FnOnce(&mut Value) -> R) -> R {
        change(&mut self.inner.store.kept.lock().state)
    }

    /// The state as a type of the program; `None` if nothing was kept.
    ///
    /// # Errors
    /// A state that is no such type.
    pub fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        let state = self.state();
        if state.is_nullish() {
            return Ok(None);
        }
        Ok(Some(state.deserialize()?))
    }

    /// Replaces the state by a type of the program.
    ///
    /// # Errors
    /// A type that has no form as a value.
    pub fn save<T: Serialize>(&self, state: &T) -> Result<(), Failure> {
        self.set_state(Value::from_serialize(state)?);
        Ok(())
    }

    /// The actor's keys and values.
    pub fn kv(&self) -> Kv {
        Kv::new(Arc::clone(&self.inner.store))
    }

    /// Waits until everything that was written so far is durable. An action's success waits for this by itself.
    ///
    /// # Errors
    /// Storage that failed.
    #[expect(clippy::unused_async, reason = "becomes durable here")]
    pub async fn settle(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Keeps the actor awake until the guard is dropped. `reason` is shown by its status: `process:12`, `shell:shell-1`.
    pub fn keep_awake(&self, reason: impl Into<String>) -> KeepAwake {
        self.inner.busy.guard(reason.into())
    }

    /// Cancelled when the actor stops: work in the background ends then.
    pub fn abort_signal(&self) -> &CancellationToken {
        &self.inner.abort
    }

    /// Calls other actors.
    pub fn client(&self) -> Client {
        Client::new(&self.inner.cell.shared, self.depth + 1)
    }

    /// Whether the registry drains: no work that takes long shall begin.
    pub fn is_draining(&self) -> bool {
        self.inner.cell.shared.is_draining()
    }

    /// Puts the actor to sleep and waits until it is. For actions answered from storage; one of the awake actor would wait
    /// for its own end and is cut off.
    pub async fn sleep(&self) {
        self.inner.cell.sleep(|| Cause::Asked).await;
    }

    /// Destroys the actor with all its data. Returns once that is certain; the rest goes on by itself.
    ///
    /// # Errors
    /// `actor/not_found` if it has been destroyed already; storage that failed.
    pub async fn destroy(&self) -> Result<(), Failure> {
        self.inner.cell.shared.begin_destroy(self.actor_id()).await.map(drop)
    }

    /// Ends this generation because it cannot go on: the actor is then asleep, and the next use boots it.
    pub fn crash(&self, failure: Failure) {
        let current = self
            .inner
            .cell
            .awake()
            .is_some_and(|awake| Arc::ptr_eq(&awake.context.inner, &self.inner));
        if current {
            self.inner.cell.stop(Cause::Crash(failure));
        }
    }

    /// Where the actor stands, as everybody sees it.
    ///
    /// # Errors
    /// `actor/not_found` once it is destroyed.
    pub fn status(&self) -> Result<crate::ActorStatus, ActorError> {
        self.inner.cell.shared.status(self.actor_id())
    }

    pub(crate) fn is_first_boot(&self) -> bool {
        !self.inner.store.kept.lock().booted
    }

    pub(crate) async fn finish_first_boot(&self) -> Result<(), Failure> {
        self.inner.store.kept.lock().booted = true;
        self.settle().await
    }
}

impl std::fmt::Debug for ActorContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorContext")
            .field("id", self.actor_id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
