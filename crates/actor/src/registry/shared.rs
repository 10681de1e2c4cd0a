//! What all actors of a registry share.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentos_value::{ActorError, ActorId, Key};
use parking_lot::RwLock;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cells::Cells;
use super::index::{self, Identity, Known};
use super::memory::Memory;
use super::metrics::Metrics;
use super::reservations::Reservations;
use super::{ActorFilter, ActorInfo, ActorStatus, AwakeSlots, CreateOptions, DefinitionInfo, Feed, MetricsSnapshot};
use crate::audit::Folds;
use crate::connection::CloseReason;
use crate::error::{invalid_params, limit_exceeded, not_found, not_registered, service_unavailable};
use crate::lifecycle::{Cell, CellRef, Phase};
use crate::preview::Streams;
use crate::store::{Storage, encode_input};
use crate::{ActorDefinition, ActorOptions, Clock, Failure, HookSet, RegistryLimits, random};

/// A definition under its name.
pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) definition: Arc<dyn ActorDefinition>,
    pub(crate) options: ActorOptions,
    pub(crate) hooks: HookSet,
}

impl Registered {
    pub(crate) fn new(name: String, definition: Arc<dyn ActorDefinition>) -> Self {
        let (options, hooks) = (definition.options(), definition.hooks());
        Self {
            name,
            definition,
            options,
            hooks,
        }
    }

    pub(crate) fn info(&self) -> DefinitionInfo {
        let (name, options) = (self.name.clone(), self.options.clone());
        DefinitionInfo {
            name,
            hooks: self.hooks,
            authenticates: self.hooks.before_connect && self.definition.authenticates(),
            options,
            actions: self.definition.action_names(),
        }
    }
}

/// The task that takes an actor apart.
pub(crate) type Destruction = tokio::task::JoinHandle<Result<(), Failure>>;

/// Stores that nobody waits for which are closed at the same time.
const CLOSING: usize = 8;

/// The inside of a registry.
pub(crate) struct Shared {
    pub(crate) definitions: BTreeMap<String, Arc<Registered>>,
    pub(crate) limits: RegistryLimits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) tasks: TaskTracker,
    pub(crate) reservations: Reservations,
    pub(crate) awake: AwakeSlots,
    pub(crate) metrics: Metrics,
    pub(crate) feed: Feed,
    pub(crate) cells: Cells,
    pub(crate) streams: Streams,
    pub(crate) folds: Folds,
    pub(crate) memory: Arc<Memory>,
    /// The right to close a store that nobody waits for. Each takes a thread for as long as the disk does, and what is freed
    /// by hundreds of threads lies among what each of them keeps, so that the host never gets it back.
    pub(crate) closing: tokio::sync::Semaphore,
    /// Notified when an actor is due earlier than was known.
    pub(crate) alarm: Arc<tokio::sync::Notify>,
    /// Gone once the registry has drained.
    storage: RwLock<Option<Arc<Storage>>>,
    draining: CancellationToken,
    creating: tokio::sync::Mutex<()>,
    allow_ambiguous_keys: bool,
}

/// What a registry is made of.
pub(crate) struct Parts {
    pub(crate) definitions: BTreeMap<String, Arc<Registered>>,
    pub(crate) limits: RegistryLimits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) storage: Storage,
    pub(crate) allow_ambiguous_keys: bool,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            definitions: parts.definitions,
            limits: parts.limits,
            clock: parts.clock,
            runtime: parts.runtime,
            tasks: TaskTracker::new(),
            reservations: Reservations::default(),
            awake: AwakeSlots::default(),
            metrics: Metrics::default(),
            feed: Feed::default(),
            cells: Cells::default(),
            streams: Streams::default(),
            folds: Folds::default(),
            memory: Arc::default(),
            closing: tokio::sync::Semaphore::new(CLOSING),
            alarm: Arc::default(),
            storage: RwLock::new(Some(Arc::new(parts.storage))),
            draining: CancellationToken::new(),
            creating: tokio::sync::Mutex::default(),
            allow_ambiguous_keys: parts.allow_ambiguous_keys,
        })
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Cancelled when the registry drains.
    pub(crate) fn drain_token(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Resolves when the registry drains.
    pub(crate) async fn draining(&self) {
        self.draining.cancelled().await;
    }

    pub(crate) fn storage(&self) -> Result<Arc<Storage>, Failure> {
        let storage = self.storage.read().clone();
        Ok(storage.ok_or_else(|| service_unavailable("The server is shutting down."))?)
    }

    /// The cell of an actor that exists.
    pub(crate) fn cell(self: &Arc<Self>, id: &ActorId) -> Result<CellRef, ActorError> {
        let cell = match self.cells.get(id) {
            Some(cell) => cell,
            None => {
                let known = self.storage().and_then(|storage| index::get(storage.index(), id));
                let known = known
                    .map_err(|failure| failure.publish("index"))?
                    .ok_or_else(not_found)?;
                let name = &known.identity.name;
                let registered = self.definitions.get(name).ok_or_else(|| not_registered(name))?;
                let registered = Arc::clone(registered);
                let cell = Cell::new(Arc::clone(self), registered, known);
                self.cells.insert(cell)
            }
        };
        // A cell outlives its entry in the index while its actor is taken apart.
        match cell.phase() {
            Phase::Destroying | Phase::Gone => Err(not_found()),
            _ => Ok(cell),
        }
    }

    pub(crate) fn info(&self, id: &ActorId) -> Result<Option<ActorInfo>, Failure> {
        if let Some(cell) = self.cells.get(id) {
            return Ok(cell.info());
        }
        Ok(index::get(self.storage()?.index(), id)?.map(|known| self.known_info(&known)))
    }

    pub(crate) fn find(&self, name: &str, key: &Key) -> Result<Option<ActorInfo>, Failure> {
        let key = key.serialized();
        if let Some(info) = self.cells.by_key(name, &key).and_then(|cell| cell.info()) {
            return Ok(Some(info));
        }
        let known = index::find(self.storage()?.index(), name, &key)?;
        Ok(known.map(|known| self.known_info(&known)))
    }

    pub(crate) fn list(&self, filter: &ActorFilter) -> Result<Vec<ActorInfo>, Failure> {
        let known = index::list(self.storage()?.index(), filter)?;
        Ok(known.into_iter().map(|known| self.known_info(&known)).collect())
    }

    fn known_info(&self, known: &Known) -> ActorInfo {
        if let Some(info) = self.cells.get(&known.identity.id).and_then(|cell| cell.info()) {
            return info;
        }
        ActorInfo {
            id: known.identity.id.clone(),
            name: known.identity.name.clone(),
            key: known.identity.key.clone(),
            created_at_ms: known.identity.created_at_ms,
            started_at_ms: None,
            slept_at_ms: known.last_use_ms,
            generation: 0,
            accepted: known.accepted,
            phase: Phase::Asleep,
        }
    }

    pub(crate) fn status(self: &Arc<Self>, id: &ActorId) -> Result<ActorStatus, ActorError> {
        let cell = self.cell(id)?;
        Ok(ActorStatus {
            phase: cell.phase(),
            booted_at_ms: cell.awake().map(|awake| awake.booted_at_ms),
            awake_because: cell.awake_because(),
            connections: cell.connections.len(),
        })
    }

    /// See [`super::Registry::get_or_create`].
    pub(crate) async fn get_or_create(
        &self,
        name: &str,
        key: &Key,
        options: CreateOptions,
    ) -> Result<(ActorInfo, bool), Failure> {
        if !self.definitions.contains_key(name) {
            return Err(not_registered(name).into());
        }
        if let Some(info) = self.find(name, key)? {
            return Ok((info, false));
        }
        if self.is_draining() {
            return Err(service_unavailable("The server is shutting down.").into());
        }
        let (known, created) = self.reserve(name, key, options).await?;
        Ok((self.known_info(&known), created))
    }

    /// Reserves an id, or finds who has the key by now.
    async fn reserve(&self, name: &str, key: &Key, options: CreateOptions) -> Result<(Known, bool), Failure> {
        key.check(self.allow_ambiguous_keys)
            .map_err(|error| invalid_params(error.to_string()))?;
        let input = encode_input(&options.input)?;
        let (size, max) = (input.as_ref().map_or(0, Vec::len), self.limits.input_bytes);
        if size > max {
            let text = format!("the input of a creation has at most {max} bytes, this one has {size}");
            return Err(invalid_params(text).into());
        }
        let storage = self.storage()?;
        let max = self.limits.max_actors as u64;
        // With a bound they are counted and made one after the other, so that none slips through.
        let _turn = if max > 0 {
            Some(self.creating.lock().await)
        } else {
            None
        };
        if max > 0 {
            let actors = storage.index().count()?;
            if actors >= max {
                let path = "limits.server.maxVms";
                return Err(limit_exceeded("maxVms", actors + 1, max, "count", "create", path).into());
            }
        }
        let (id, now) = (random::actor_id(), self.clock.now_ms());
        self.reservations
            .count(options.peer, &id, size, self.limits.max_unaccepted_creates, now)?;
        let identity = Identity {
            id: id.clone(),
            name: name.to_owned(),
            key: key.clone(),
            created_at_ms: now,
        };
        let labels = (options.pool, options.crash_policy);
        let (known, created) = index::reserve(storage.index(), &identity, labels, input).await?;
        if !created {
            self.reservations.accepted(&id);
        }
        Ok((known, created))
    }

    /// Destroys an actor and waits until nothing is left.
    pub(crate) async fn destroy(self: &Arc<Self>, id: &ActorId) -> Result<(), Failure> {
        self.begin_destroy(id).await?.await.map_err(Failure::internal)?
    }

    /// Destroys an actor: when this returns, that is certain; the task does the rest, whether or not anybody waits for it.
    pub(crate) async fn begin_destroy(self: &Arc<Self>, id: &ActorId) -> Result<Destruction, Failure> {
        let cell = self.cell(id)?;
        if !self
            .storage()?
            .index()
            .mark_destroyed(id.as_str(), self.clock.now_ms())
            .await?
        {
            return Err(not_found().into());
        }
        self.cells.free_key(&cell.identity);
        self.streams.end_actor(id);
        self.reservations.accepted(id);
        cell.audit("security.vm.destroyed", json!({ "key": cell.identity.key.to_string() }));
        Ok(self.tasks.spawn_on(async move { cell.destroy().await }, &self.runtime))
    }

    pub(crate) fn metrics_snapshot(&self) -> MetricsSnapshot {
        let open = self.cells.all().iter().map(|cell| cell.connections.len()).sum();
        let actors = self
            .storage()
            .and_then(|storage| Ok(storage.index().count()?))
            .unwrap_or(0);
        let mut snapshot = self
            .metrics
            .snapshot(actors, self.awake.count(), self.cells.len(), open);
        snapshot.memory_kept = self.memory.kept();
        snapshot
    }

    /// See [`super::Registry::drain`].
    pub(crate) async fn drain(self: &Arc<Self>, reason: &CloseReason) {
        self.draining.cancel();
        // Once more for what was half admitted when it began.
        for _ in 0..2 {
            let mut drained = tokio::task::JoinSet::new();
            for cell in self.cells.all() {
                let reason = reason.clone();
                drained.spawn_on(async move { cell.drain(reason).await }, &self.runtime);
            }
            while drained.join_next().await.is_some() {}
        }
        self.tasks.close();
        // Whoever still asks storage has had its time by then.
        let _ = crate::clock::timeout(&*self.clock, self.limits.hook_timeout, self.tasks.wait()).await;
        self.close_storage().await;
    }

    /// See [`super::Registry::halt`].
    pub(crate) async fn halt(&self) {
        self.draining.cancel();
        let stores: Vec<_> = self.cells.take().iter().filter_map(Cell::abandon).collect();
        let closed = tokio::task::spawn_blocking(move || stores.iter().for_each(|store| log_failure(store.close())));
        log_failure(closed.await);
        self.close_storage().await;
    }

    async fn close_storage(&self) {
        let storage = self.storage.write().take();
        if let Some(storage) = storage {
            let close = move || {
                log_failure(storage.close());
                last_to_hold(&storage);
            };
            log_failure(tokio::task::spawn_blocking(close).await);
        }
    }

    /// Nobody holds the registry any more: let go of everything.
    pub(crate) fn abandon(&self) {
        self.draining.cancel();
        for cell in self.cells.take() {
            drop(cell.abandon());
        }
        drop(self.storage.write().take());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Ends the tasks that wait without a timer.
        self.draining.cancel();
    }
}

/// Waits for whoever looks something up at this moment: the lock of the data directory goes with the last who holds it, and the
/// next registry may be waiting for that. Blocks.
fn last_to_hold(storage: &Arc<Storage>) {
    const LOOKS: u32 = 2000;
    for _ in 0..LOOKS {
        let holders = storage.data_dir().map_or(1, Arc::strong_count);
        if Arc::strong_count(storage) == 1 && holders == 1 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    tracing::warn!(target: "agentos::actor", "somebody still uses the data directory of a registry that has ended");
}

fn log_failure<E: std::fmt::Display>(result: Result<(), E>) {
    if let Err(error) = result {
        tracing::error!(target: "agentos::actor", %error, "storage did not close in order");
    }
}
