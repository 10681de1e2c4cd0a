//! Everything that belongs to one actor while it is awake, connected, or in use.
//!
//! A registry has a cell only for actors that need one; a sleeping actor without connections is an entry in the index and
//! nothing else. [`CellRef`] is how the rest of the crate holds on to a cell: when the last one is dropped and nothing
//! speaks against it, the cell is forgotten.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agentos_value::ActorError;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Busy;
use super::machine::{Epoch, Machine, Phase};
use super::stop::Cause;
use crate::connection::{CloseReason, Connections};
use crate::error::not_found;
use crate::registry::{AwakeSlot, Identity, Known, Registered, Shared};
use crate::store::{ActorStore, StoreLease, StoreSlot};
use crate::{Actor, ActorContext, ActorInfo, Failure};

/// One actor's cell.
pub(crate) struct Cell {
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) registered: Arc<Registered>,
    pub(crate) connections: Connections,
    pub(crate) store: StoreSlot,
    /// Whether a connection was ever accepted.
    accepted: AtomicBool,
    /// Held while the actor is accepted, or given up as a reservation.
    pub(super) accepting: tokio::sync::Mutex<()>,
    pub(super) slept_at_ms: Mutex<Option<i64>>,
    pub(super) life: Mutex<Life>,
    /// Changes with every change of the phase.
    pub(super) changed: watch::Sender<()>,
    /// Notified when work begins to wait for a wake.
    pub(super) wanted: Notify,
    /// Cancelled when the actor is being destroyed: whatever takes time for its sake ends.
    pub(super) destroying: CancellationToken,
}

pub(super) struct Life {
    pub(super) machine: Machine,
    /// The instance, while it is ready or stopping.
    pub(super) awake: Option<Arc<Awake>>,
    /// The boot that is under way.
    pub(super) starting: Option<Starting>,
    /// An instance that starts and answers already who does not want to wait.
    pub(super) early: Option<Arc<Awake>>,
    /// Calls that wait for the actor to be awake, and the bytes of their arguments.
    pub(super) waiting: usize,
    pub(super) waiting_bytes: usize,
    /// Whether readings in reaction to a shutdown may still run.
    pub(super) grace: bool,
    /// The task of a stop that a destruction overtook has ended.
    pub(super) stop_abandoned: bool,
    /// The task of a boot that a destruction overtook has ended.
    pub(super) boot_abandoned: bool,
    /// The last boot that failed, and why.
    pub(super) failed: Option<(Epoch, ActorError)>,
    /// The last generation that could not store what it had, and why.
    pub(super) unsaved: Option<(Epoch, ActorError)>,
}

/// What belongs to a boot before there is an instance.
pub(super) struct Starting {
    pub(super) epoch: Epoch,
    pub(super) busy: Arc<Busy>,
    pub(super) cut_off: CancellationToken,
}

/// One generation of an actor.
pub(crate) struct Awake {
    pub(crate) instance: Arc<dyn Actor>,
    pub(crate) context: ActorContext,
    pub(crate) busy: Arc<Busy>,
    pub(crate) epoch: Epoch,
    pub(crate) booted_at_ms: i64,
    /// Cancelled when actions that still run are cut off.
    pub(crate) cut_off: CancellationToken,
    /// Its share of the open store, until it has stopped.
    pub(super) lease: Mutex<Option<StoreLease>>,
    /// Its place among the actors that may be awake.
    pub(super) _slot: Option<AwakeSlot>,
}

impl Cell {
    pub(crate) fn new(shared: Arc<Shared>, registered: Arc<Registered>, known: Known) -> Self {
        let Known {
            identity,
            accepted,
            last_use_ms,
        } = known;
        Self {
            shared,
            identity,
            registered,
            connections: Connections::default(),
            store: StoreSlot::default(),
            accepted: AtomicBool::new(accepted),
            accepting: tokio::sync::Mutex::default(),
            slept_at_ms: Mutex::new(last_use_ms),
            life: Mutex::new(Life {
                machine: Machine::asleep(),
                awake: None,
                starting: None,
                early: None,
                waiting: 0,
                waiting_bytes: 0,
                grace: false,
                boot_abandoned: false,
                stop_abandoned: false,
                failed: None,
                unsaved: None,
            }),
            changed: watch::Sender::new(()),
            wanted: Notify::new(),
            destroying: CancellationToken::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.life.lock().machine.phase()
    }

    /// The running instance, if there is one.
    pub(crate) fn awake(&self) -> Option<Arc<Awake>> {
        self.life.lock().awake.clone()
    }

    /// Why the actor is awake, and since when.
    pub(crate) fn awake_because(&self) -> Vec<String> {
        let Some(awake) = self.awake() else { return Vec::new() };
        let mut reasons = awake.busy.reasons();
        reasons.extend(awake.instance_reasons());
        reasons
    }

    /// What is told of the actor; `None` once it is being destroyed.
    pub(crate) fn info(&self) -> Option<ActorInfo> {
        let phase = self.phase();
        if matches!(phase, Phase::Destroying | Phase::Gone) {
            return None;
        }
        Some(ActorInfo {
            id: self.identity.id.clone(),
            name: self.identity.name.clone(),
            key: self.identity.key.clone(),
            created_at_ms: self.identity.created_at_ms,
            started_at_ms: self.awake().map(|awake| awake.booted_at_ms),
            slept_at_ms: *self.slept_at_ms.lock(),
            generation: self.store.generation(),
            accepted: self.accepted.load(Ordering::Acquire),
            phase,
        })
    }

    /// Whether a connection was ever accepted, so that there is storage.
    pub(crate) fn is_accepted(&self) -> bool {
        self.accepted.load(Ordering::Acquire)
    }

    /// Whether the actor is being destroyed, or was.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.phase(), Phase::Destroying | Phase::Gone)
    }

    /// The first accepted connection makes an actor of a reservation. Its storage comes first: what a crash leaves in
    /// between is a reservation that has storage already, and is accepted again.
    pub(crate) async fn accept(self: &Arc<Self>) -> Result<(), Failure> {
        if self.accepted.load(Ordering::Acquire) {
            return Ok(());
        }
        let _turn = self.accepting.lock().await;
        if self.accepted.load(Ordering::Acquire) {
            return Ok(());
        }
        let made = self.make().await;
        // A destruction that has begun by now takes the storage away, in whatever that fails.
        made.map_err(|error| match self.destroying.is_cancelled() {
            true => not_found().into(),
            false => error,
        })
    }

    /// Makes the storage of an actor that was only reserved, and notes that it has one.
    async fn make(self: &Arc<Self>) -> Result<(), Failure> {
        let (id, storage) = (&self.identity.id, self.shared.storage()?);
        if storage.index().get(id.as_str())?.is_none() {
            return Err(not_found().into());
        }
        // Before any file is made of which the rest then does not fit.
        storage.check_headroom()?;
        let lease = self.store.open(self).await?;
        lease
            .store()
            .create(&self.identity, storage.index().input(id.as_str())?)
            .await?;
        storage.index().accept(id.as_str(), self.shared.clock.now_ms()).await?;
        self.accepted.store(true, Ordering::Release);
        self.shared.reservations.accepted(id);
        self.audit("security.vm.created", json!({ "key": self.identity.key.to_string() }));
        Ok(())
    }

    /// Writes an entry of the audit trail about the actor.
    pub(crate) fn audit(&self, event: &'static str, fields: serde_json::Value) {
        crate::audit::audit(&self.shared, &self.identity, &self.registered, event, fields);
    }

    /// Ends in good order with the registry.
    pub(crate) async fn drain(self: &Arc<Self>, reason: CloseReason) {
        if let Some(awake) = self.awake() {
            let budget = self.registered.options.shutdown_budget;
            // What takes longer is cut off by the stop.
            let _ = crate::clock::timeout(&*self.shared.clock, budget, awake.busy.drained()).await;
        }
        // Work that waits for the next wake is told that there is none.
        self.changed.send_replace(());
        // What could not be stored is in the log; there is nobody else to tell.
        let _ = self.sleep(|| Cause::Drain).await;
        self.connections.close_all(&reason, &self.shared).await;
        self.store.close_now(self).await;
    }

    /// Lets go of everything, as if the process had ended; returns the store if it was open.
    pub(crate) fn abandon(self: &Arc<Self>) -> Option<Arc<ActorStore>> {
        self.destroying.cancel();
        let awake = {
            let mut life = self.life.lock();
            // Whatever still waits is told that there is no actor.
            let _ = life.machine.destroy();
            life.machine.destroyed();
            life.awake.take()
        };
        if let Some(awake) = awake {
            awake.context.abort_signal().cancel();
            awake.cut_off.cancel();
        }
        self.changed.send_replace(());
        for conn in self.connections.all() {
            conn.finish(CloseReason::going_away());
        }
        self.store.abandon()
    }

    /// Drops an instance that has ended. One that panics as it is dropped harms nobody else.
    pub(super) fn let_go(&self, awake: Arc<Awake>) {
        let held = self.life.lock().awake.take();
        let lease = awake.lease.lock().take();
        drop(lease);
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop((held, awake))));
        if dropped.is_err() {
            tracing::error!(target: "agentos::actor", actor = %self.identity.id, "an instance panicked as it was dropped");
        }
    }

    /// Tells everyone who waits for a change, and the inspector.
    pub(super) fn announce(&self, phase: Phase) {
        self.changed.send_replace(());
        self.shared.feed.phase(self, phase);
    }

    /// Whether nothing is lost when the cell is forgotten.
    pub(crate) fn is_forgettable(&self) -> bool {
        let life = self.life.lock();
        matches!(life.machine.phase(), Phase::Asleep | Phase::Gone)
            && life.waiting == 0
            && self.connections.is_empty()
            && !self.store.is_open()
    }
}

impl Life {
    /// Whether the last boot failed because of the storage.
    pub(super) fn failed_for_storage(&self) -> bool {
        self.failed
            .as_ref()
            .is_some_and(|(_, error)| crate::is_of_storage(error))
    }
}

impl Awake {
    /// What the instance itself says keeps it awake. One that panics is not kept awake by it.
    pub(crate) fn instance_reasons(&self) -> Vec<String> {
        let reasons = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.instance.awake_because()));
        reasons.unwrap_or_default()
    }
}

/// Holds a cell, and lets go of it properly.
#[derive(Clone)]
pub(crate) struct CellRef(Option<Arc<Cell>>);

impl CellRef {
    pub(crate) const fn new(cell: Arc<Cell>) -> Self {
        Self(Some(cell))
    }
}

impl Deref for CellRef {
    type Target = Arc<Cell>;

    #[expect(clippy::expect_used, reason = "only drop takes the cell")]
    fn deref(&self) -> &Arc<Cell> {
        self.0.as_ref().expect("the cell is there until drop")
    }
}

impl Drop for CellRef {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take() {
            let (shared, id) = (Arc::clone(&cell.shared), cell.identity.id.clone());
            drop(cell);
            shared.cells.release(&id);
        }
    }
}
