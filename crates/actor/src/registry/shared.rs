//! What all actors of a registry share.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use agentos_value::{ActorError, ActorId, Key};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::index::{Identity, Index};
use super::metrics::Metrics;
use super::reservations::Reservations;
use super::{ActorInfo, ActorStatus, AwakeSlots, CreateOptions, DefinitionInfo, Feed, MetricsSnapshot};
use crate::connection::CloseReason;
use crate::error::{invalid_params, limit_exceeded, not_found, not_registered, service_unavailable};
use crate::lifecycle::{Cause, Cell, CellRef, Phase};
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
            options,
            actions: self.definition.action_names(),
        }
    }
}

/// The task that takes an actor apart.
pub(crate) type Destruction = tokio::task::JoinHandle<Result<(), Failure>>;

/// The inside of a registry.
pub(crate) struct Shared {
    pub(crate) definitions: BTreeMap<String, Arc<Registered>>,
    pub(crate) limits: RegistryLimits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) tasks: TaskTracker,
    pub(crate) index: Index,
    pub(crate) reservations: Reservations,
    pub(crate) awake: AwakeSlots,
    pub(crate) metrics: Metrics,
    pub(crate) feed: Feed,
    cells: Mutex<HashMap<ActorId, Arc<Cell>>>,
    draining: CancellationToken,
    allow_ambiguous_keys: bool,
}

impl Shared {
    pub(crate) fn new(
        definitions: BTreeMap<String, Arc<Registered>>,
        limits: RegistryLimits,
        clock: Arc<dyn Clock>,
        runtime: tokio::runtime::Handle,
        allow_ambiguous_keys: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            definitions,
            limits,
            clock,
            runtime,
            tasks: TaskTracker::new(),
            index: Index::default(),
            reservations: Reservations::default(),
            awake: AwakeSlots::default(),
            metrics: Metrics::default(),
            feed: Feed::default(),
            cells: Mutex::default(),
            draining: CancellationToken::new(),
            allow_ambiguous_keys,
        })
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// The cell of an actor that exists.
    pub(crate) fn cell(self: &Arc<Self>, id: &ActorId) -> Result<CellRef, ActorError> {
        let mut cells = self.cells.lock();
        if let Some(cell) = cells.get(id) {
            let cell = Arc::clone(cell);
            drop(cells);
            // A cell outlives its entry in the index while its actor is taken apart.
            return if self.index.get(id).is_some() {
                Ok(CellRef::new(cell))
            } else {
                Err(not_found())
            };
        }
        let identity = self.index.get(id).ok_or_else(not_found)?;
        let registered = self
            .definitions
            .get(&identity.name)
            .ok_or_else(|| not_registered(&identity.name))?;
        let cell = Arc::new(Cell::new(Arc::clone(self), identity, Arc::clone(registered)));
        cells.insert(id.clone(), Arc::clone(&cell));
        drop(cells);
        Ok(CellRef::new(cell))
    }

    /// All cells.
    pub(crate) fn cells(&self) -> Vec<CellRef> {
        let cells: Vec<_> = self.cells.lock().values().cloned().collect();
        cells.into_iter().map(CellRef::new).collect()
    }

    /// Forgets a cell that nobody holds and that holds nothing.
    pub(crate) fn release(&self, id: &ActorId) {
        let mut cells = self.cells.lock();
        let forget = cells
            .get(id)
            .is_some_and(|cell| Arc::strong_count(cell) == 1 && cell.is_forgettable());
        let cell = forget.then(|| cells.remove(id));
        drop(cells);
        drop(cell);
    }

    pub(crate) fn info(&self, id: &ActorId) -> Option<ActorInfo> {
        let identity = self.index.get(id)?;
        let cell = self.cells.lock().get(id).cloned();
        if let Some(cell) = cell.map(CellRef::new) {
            return Some(cell.info());
        }
        Some(ActorInfo {
            id: identity.id.clone(),
            name: identity.name.clone(),
            key: identity.key.clone(),
            created_at_ms: identity.created_at_ms,
            started_at_ms: None,
            slept_at_ms: None,
            generation: 0,
            accepted: self.index.is_accepted(id),
            phase: Phase::Asleep,
        })
    }

    pub(crate) fn status(&self, id: &ActorId) -> Result<ActorStatus, ActorError> {
        self.index.get(id).ok_or_else(not_found)?;
        let Some(cell) = self.cells.lock().get(id).cloned() else {
            return Ok(ActorStatus {
                phase: Phase::Asleep,
                booted_at_ms: None,
                awake_because: Vec::new(),
                connections: 0,
            });
        };
        let cell = CellRef::new(cell);
        Ok(ActorStatus {
            phase: cell.phase(),
            booted_at_ms: cell.awake().map(|awake| awake.booted_at_ms),
            awake_because: cell.awake_because(),
            connections: cell.connections.len(),
        })
    }

    /// See [`super::Registry::get_or_create`].
    pub(crate) fn get_or_create(
        self: &Arc<Self>,
        name: &str,
        key: &Key,
        options: CreateOptions,
    ) -> Result<(ActorInfo, bool), ActorError> {
        if !self.definitions.contains_key(name) {
            return Err(not_registered(name));
        }
        if let Some(info) = self.index.by_key(name, key).and_then(|id| self.info(&id)) {
            return Ok((info, false));
        }
        if self.is_draining() {
            return Err(service_unavailable("The server is shutting down."));
        }
        let (id, created) = self.reserve(name, key, options)?;
        self.info(&id).map(|info| (info, created)).ok_or_else(not_found)
    }

    /// Reserves an id, or finds who has the key by now.
    fn reserve(&self, name: &str, key: &Key, options: CreateOptions) -> Result<(ActorId, bool), ActorError> {
        key.check(self.allow_ambiguous_keys)
            .map_err(|error| invalid_params(error.to_string()))?;
        let size = options.input.size();
        if size > self.limits.input_bytes {
            let max = self.limits.input_bytes;
            return Err(invalid_params(format!(
                "the input of a creation has at most {max} bytes, this one {size}"
            )));
        }
        let (actors, max) = (self.index.len() as u64, self.limits.max_actors as u64);
        if max > 0 && actors >= max {
            return Err(limit_exceeded(
                "maxVms",
                actors + 1,
                max,
                "count",
                "create",
                "limits.server.maxVms",
            ));
        }
        let (id, now) = (random::actor_id(), self.clock.now_ms());
        self.reservations
            .count(options.peer, &id, self.limits.max_unaccepted_creates, now)?;
        let identity = Identity {
            id: id.clone(),
            name: name.to_owned(),
            key: key.clone(),
            created_at_ms: now,
        };
        let (found, created) = self.index.reserve(identity, options.input);
        if !created {
            self.reservations.accepted(&id);
        }
        Ok((found, created))
    }

    /// Destroys an actor and waits until nothing is left.
    pub(crate) async fn destroy(self: &Arc<Self>, id: &ActorId) -> Result<(), Failure> {
        self.begin_destroy(id).await?.await.map_err(Failure::internal)?
    }

    /// Destroys an actor: when this returns, that is certain; the task does the rest, whether or not anybody waits for it.
    pub(crate) async fn begin_destroy(self: &Arc<Self>, id: &ActorId) -> Result<Destruction, Failure> {
        let cell = self.cell(id)?;
        if !self.index.mark_destroyed(id).await? {
            return Err(not_found().into());
        }
        self.reservations.accepted(id);
        let key = &cell.identity.key;
        tracing::info!(target: "audit", event = "security.vm.destroyed", actorId = %id, %key);
        Ok(self.tasks.spawn_on(async move { cell.destroy().await }, &self.runtime))
    }

    pub(crate) fn metrics_snapshot(&self) -> MetricsSnapshot {
        let open = self.cells().iter().map(|cell| cell.connections.len()).sum();
        self.metrics.snapshot(self.index.len(), self.awake.count(), open)
    }

    /// See [`super::Registry::drain`].
    pub(crate) async fn drain(self: &Arc<Self>, reason: &CloseReason) {
        self.draining.cancel();
        let mut drained = tokio::task::JoinSet::new();
        for cell in self.cells() {
            let reason = reason.clone();
            let task = async move {
                if let Some(awake) = cell.awake() {
                    let budget = cell.registered.options.shutdown_budget;
                    // What takes longer is cut off by the stop.
                    let _ = crate::clock::timeout(&*cell.shared.clock, budget, awake.busy.drained()).await;
                }
                cell.sleep(|| Cause::Drain).await;
                cell.connections.close_all(&reason, &cell.shared).await;
            };
            drained.spawn_on(task, &self.runtime);
        }
        while drained.join_next().await.is_some() {}
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Nobody holds the registry any more: let go of everything.
    pub(crate) fn abandon(&self) {
        self.draining.cancel();
        let cells = std::mem::take(&mut *self.cells.lock());
        for cell in cells.into_values() {
            cell.abandon();
        }
    }
}
