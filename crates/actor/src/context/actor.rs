//! The context of an actor's own code.

use std::path::Path;
use std::sync::Arc;

use agentos_store::{DataDir, Database};
use agentos_value::{ActorError, ActorId, Key, Value};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{Client, Db, Kv};
use crate::cron::{CronJobs, CronLimits};
use crate::lifecycle::{Busy, Cause, Cell, CellRef};
use crate::queue::Queues;
use crate::store::{ActorStore, StoreLease};
use crate::workflow::Workflows;
use crate::{Clock, Conn, DueTimes, Event, Failure, KeepAwake, Schedule};

/// One actor, for its own code: its state, its clients, its way to other actors. Cloning is cheap.
///
/// A context belongs to one generation of the actor. Work that goes on after the actor stopped can hold on to it, but
/// nothing that it writes is kept.
#[derive(Clone)]
pub struct ActorContext {
    inner: Arc<Inner>,
    depth: u32,
    /// The saves of the state that were settled when the work of this context began.
    since: u64,
}

struct Inner {
    cell: CellRef,
    store: Arc<ActorStore>,
    busy: Arc<Busy>,
    abort: CancellationToken,
    /// The share of the open store that an action answered from storage has.
    lease: Mutex<Option<StoreLease>>,
}

impl ActorContext {
    pub(crate) fn new(cell: CellRef, store: Arc<ActorStore>, busy: Arc<Busy>, abort: CancellationToken) -> Self {
        let (since, lease) = (store.state().mark(), Mutex::new(None));
        let inner = Inner {
            cell,
            store,
            busy,
            abort,
            lease,
        };
        Self {
            inner: Arc::new(inner),
            depth: 0,
            since,
        }
    }

    /// A context for an action that is answered from storage.
    pub(crate) fn stored(cell: &Arc<Cell>, lease: StoreLease, depth: u32) -> Self {
        let busy = match cell.awake() {
            Some(awake) => Arc::clone(&awake.busy),
            None => Busy::new(Arc::clone(&cell.shared.clock)),
        };
        let (store, cell) = (Arc::clone(lease.store()), CellRef::new(Arc::clone(cell)));
        let context = Self::new(cell, store, busy, CancellationToken::new()).at_depth(depth);
        *context.inner.lease.lock() = Some(lease);
        context
    }

    /// Gives back the share of the open store that an action answered from storage has.
    pub(crate) fn give_back(&self) {
        drop(self.inner.lease.lock().take());
    }

    pub(crate) fn at_depth(&self, depth: u32) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            depth,
            since: self.inner.store.state().mark(),
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

    /// Counts that a limit was exceeded, `count` times, for whoever watches the registry. `limit` is the path under which it is
    /// configured. It is a constant of a program, so that neither guests nor clients can make new ones.
    pub fn limit_exceeded(&self, limit: &'static str, count: u64) {
        self.inner.cell.shared.metrics.limit_exceeded(limit, count);
    }

    /// The open connections.
    pub fn conns(&self) -> Vec<Conn> {
        self.inner.cell.connections.all()
    }

    /// The actor's state: one value that is kept as long as the actor; `null` at first.
    pub fn state(&self) -> Value {
        self.inner.store.state().get()
    }

    /// Replaces the state. It is durable before the action that does this is acknowledged.
    ///
    /// # Errors
    /// `agentos/limit_exceeded` for a state of more than 16 MiB.
    pub fn set_state(&self, state: Value) -> Result<(), Failure> {
        self.update_state(|current| *current = state)
    }

    /// Changes the state in place, at once for all who look at it.
    ///
    /// # Errors
    /// Those of [`ActorContext::set_state`]; the state is then as it was.
    pub fn update_state<R>(&self, change: impl FnOnce(&mut Value) -> R) -> Result<R, Failure> {
        self.inner.store.state().update(change)
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
        self.set_state(Value::from_serialize(state)?)
    }

    /// The actor's keys and values.
    pub fn kv(&self) -> Kv {
        Kv::new(self.inner.store.kv())
    }

    /// The user's database, if actors of this kind have one.
    pub fn db(&self) -> Db {
        Db::of_context(self.clone())
    }

    /// Bytes of the user's database; 0 while it has never been used. Blocks for a moment.
    pub fn user_database_bytes(&self) -> u64 {
        self.inner.store.user().bytes()
    }

    /// What the creator sent along.
    ///
    /// # Errors
    /// Storage that failed.
    pub fn input(&self) -> Result<Value, Failure> {
        self.inner.store.input()
    }

    /// Actions to be called later, durably.
    pub fn schedule(&self) -> Schedule {
        Schedule::new(self.inner.store.schedules().clone(), Arc::clone(self.clock()))
    }

    /// The actor's queues.
    pub fn queues(&self) -> Queues {
        Queues::new(Arc::clone(self.inner.store.queues()), self.clone())
    }

    /// The actor's workflows.
    pub fn workflows(&self) -> Workflows {
        Workflows::new(self.clone())
    }

    /// When the actor must be awake next. What has due times of its own announces them here.
    pub fn due_times(&self) -> &DueTimes {
        self.inner.store.due()
    }

    /// The actor's cron jobs. Environments are sealed with the key of the data directory; a registry without one refuses
    /// jobs with an environment.
    ///
    /// # Errors
    /// A key file that cannot be used. Blocks on the disk for a moment.
    pub fn cron_jobs(&self, limits: CronLimits) -> Result<CronJobs, Failure> {
        let key = self.data_dir().map(|data| data.seal_key()).transpose()?;
        let due = self.due_times().clone();
        Ok(CronJobs::new(
            self.database(),
            due,
            self.actor_id().as_str(),
            key.map(Arc::new),
            limits,
        ))
    }

    /// Writes an entry about the actor into the audit trail (security.md section 8). `fields` is an object.
    pub fn audit(&self, event: &'static str, fields: serde_json::Value) {
        self.inner.cell.audit(event, fields);
    }

    /// The context of a hook that runs on behalf of the server: without a connection and a request.
    pub fn hook_context(&self) -> super::HookContext {
        super::HookContext::of_actor(&self.inner.cell)
    }

    /// Runs a hook on behalf of the server: one that nobody who connects or calls waits for. It has `hookTimeoutMs`, keeps the
    /// actor awake as `hook:<name>` meanwhile, and neither its error nor a panic in it gets further than into what is returned.
    ///
    /// # Errors
    /// The hook's own, masked unless it is for clients; `auth/auth_timeout`.
    pub async fn run_hook<T>(
        &self,
        name: &str,
        hook: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, ActorError> {
        let _awake = self.keep_awake(format!("hook:{name}"));
        let shared = &self.inner.cell.shared;
        crate::hooks::hook(&*shared.clock, name, shared.limits.hook_timeout, hook).await
    }

    /// Waits until everything that was written so far is durable. An action's success waits for this by itself.
    ///
    /// # Errors
    /// Storage that failed.
    pub async fn settle(&self) -> Result<(), Failure> {
        self.inner.store.state().settle(self.since).await
    }

    /// The actor's database, for definitions with tables of their own. It is closed when this generation ends.
    pub fn database(&self) -> &Database {
        self.inner.store.database()
    }

    /// The generation of the actor's store.
    pub fn generation(&self) -> u64 {
        self.inner.store.generation()
    }

    /// The directory of the actor's files, if the registry has a data directory. A database of the user is `user.sqlite`
    /// in it.
    pub fn directory(&self) -> Option<&Path> {
        self.inner.store.directory()
    }

    /// The registry's data directory, if it has one.
    pub fn data_dir(&self) -> Option<Arc<DataDir>> {
        self.inner.cell.shared.storage().ok()?.data_dir().cloned()
    }

    /// Keeps the actor awake until the guard is dropped. `reason` is shown by its status: `process:12`, `shell:shell-1`.
    pub fn keep_awake(&self, reason: impl Into<String>) -> KeepAwake {
        self.inner.busy.guard(reason.into())
    }

    /// For `boot`: lets `instance` answer while the boot goes on, for clients that ask for that (`skip-ready-wait`) and for them
    /// alone. Everybody else waits for the boot. What it then does is part of the boot's generation, and is cut off if the boot
    /// fails. Outside of a boot this does nothing.
    pub fn serve_early(&self, instance: Arc<dyn crate::Actor>) {
        self.inner.cell.serve_early(self.clone(), &self.inner.busy, instance);
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
    ///
    /// # Errors
    /// `agentos/ENOSPC`, `agentos/EIO` and other failures of the storage: the actor sleeps, and what it had not stored is lost.
    pub async fn sleep(&self) -> Result<(), ActorError> {
        // The end of the generation would wait for this action, which waits for it.
        self.give_back();
        self.inner.cell.sleep(|| Cause::Asked).await
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

    pub(crate) fn parts(&self) -> (&Arc<Cell>, &ActorStore) {
        (&self.inner.cell, &self.inner.store)
    }

    /// Where the actor stands, as everybody sees it.
    ///
    /// # Errors
    /// `actor/not_found` once it is destroyed.
    pub fn status(&self) -> Result<crate::ActorStatus, ActorError> {
        self.inner.cell.shared.status(self.actor_id())
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
