//! Putting an actor to sleep, in the order that the specification gives: new work waits, the shutdown is announced,
//! listeners may read for a moment, the instance ends what runs, what is left is cut off, what there is is stored, the store
//! closes. An actor whose storage fails sleeps like any other, with what is on its disk; whoever put it to sleep is told.

use std::sync::Arc;

use agentos_value::ActorError;

use super::cell::{Awake, Cell, CellRef};
use super::machine::{Epoch, Phase};
use crate::clock::timeout;
use crate::hooks::{catch, notify};
use crate::{Failure, ShutdownReason};

/// Why an actor is stopped.
#[derive(Debug)]
pub(crate) enum Cause {
    /// Nothing kept it awake for its idle time.
    Idle,
    /// Somebody asked, or it makes room for another.
    Asked,
    /// The registry drains.
    Drain,
    /// It cannot go on.
    Crash(Failure),
}

impl Cell {
    /// Puts the actor to sleep and waits until it is. An actor that is not awake stays as it is; one that boots is stopped
    /// when it has. Only the generation that this finds is stopped: what wakes the actor meanwhile keeps it awake.
    ///
    /// # Errors
    /// Why that generation could not store what it had.
    pub(crate) async fn sleep(self: &Arc<Self>, cause: fn() -> Cause) -> Result<(), ActorError> {
        let mut changes = self.changed.subscribe();
        let generation = {
            let life = self.life.lock();
            // Whoever comes after the end of a generation has no part in it.
            if matches!(life.machine.phase(), Phase::Asleep | Phase::Failed) {
                return Ok(());
            }
            life.machine.epoch()
        };
        loop {
            changes.borrow_and_update();
            let (phase, current) = {
                let life = self.life.lock();
                (life.machine.phase(), life.machine.epoch())
            };
            match phase {
                _ if current != generation => return self.saved(generation),
                Phase::Ready => self.stop(cause()),
                Phase::Booting | Phase::Stopping => {
                    // The sender lives in the cell, which is borrowed here.
                    let _ = changes.changed().await;
                }
                Phase::Asleep | Phase::Failed | Phase::Destroying | Phase::Gone => return self.saved(generation),
            }
        }
    }

    /// Whether a generation stored what it had.
    fn saved(&self, generation: Epoch) -> Result<(), ActorError> {
        let life = self.life.lock();
        let unsaved = life.unsaved.as_ref().filter(|(epoch, _)| *epoch == generation);
        unsaved.map_or(Ok(()), |(_, error)| Err(error.clone()))
    }

    /// Begins to stop the actor, if it runs.
    pub(crate) fn stop(self: &Arc<Self>, cause: Cause) {
        let awake = {
            let mut life = self.life.lock();
            let Some(awake) = life.awake.clone() else { return };
            if !life.machine.stop() {
                return;
            }
            awake
        };
        self.begin_stop(awake, cause);
    }

    /// Starts the task of a stop that the machine has agreed to.
    pub(super) fn begin_stop(self: &Arc<Self>, awake: Arc<Awake>, cause: Cause) {
        self.announce(Phase::Stopping);
        let cell = CellRef::new(Arc::clone(self));
        self.shared
            .tasks
            .spawn_on(async move { cell.run_stop(awake, cause).await }, &self.shared.runtime);
    }

    async fn run_stop(self: &Arc<Self>, awake: Arc<Awake>, cause: Cause) {
        let reason = match &cause {
            Cause::Crash(failure) => {
                tracing::error!(target: "agentos::actor", actor = %self.identity.id, error = %failure, "an actor crashed");
                ShutdownReason::Error
            }
            Cause::Idle | Cause::Asked | Cause::Drain => ShutdownReason::Sleep,
        };
        self.announce_shutdown(&awake, reason).await;
        if reason == ShutdownReason::Sleep {
            self.linger().await;
        }
        awake.context.abort_signal().cancel();
        if reason == ShutdownReason::Sleep {
            self.end_instance(&awake).await;
        }
        self.cut_off(&awake).await;
        let overdue = reason == ShutdownReason::Sleep && self.is_overdue(&awake);
        let mut stored = Ok(());
        if !self.destroying.is_cancelled() {
            stored = self.store_all(&awake, reason).await;
            self.note_use();
        }
        let epoch = awake.epoch;
        // The instance is gone before anybody can start the next one.
        self.let_go(awake);
        let slept = {
            let mut life = self.life.lock();
            life.unsaved = stored.err().map(|error| (epoch, error));
            life.machine.stopped();
            life.machine.phase() == Phase::Asleep
        };
        self.shared.metrics.slept();
        if slept {
            self.announce(Phase::Asleep);
            if overdue {
                self.shared.alarm.notify_one();
            }
        } else {
            // Destroyed meanwhile; the destroyer waits for this.
            self.life.lock().stop_abandoned = true;
            self.changed.send_replace(());
        }
    }

    /// Stores what there is and closes the store. Every step is taken whatever became of those before; the first error counts.
    async fn store_all(self: &Arc<Self>, awake: &Awake, reason: ShutdownReason) -> Result<(), ActorError> {
        let saved = match reason {
            ShutdownReason::Sleep => self.save(awake).await,
            // One that crashed is not asked; what it gave to its store gets to disk below.
            _ => Ok(()),
        };
        let settled = awake.context.settle().await;
        drop(awake.lease.lock().take());
        let closed = self.store.close_generation(self).await;
        let stored = saved.and(settled).and(closed);
        stored.map_err(|failure| {
            tracing::error!(target: "agentos::actor", actor = %self.identity.id, error = %failure, "not everything was stored");
            failure.publish("sleep")
        })
    }

    /// Lets the instance make durable what it keeps.
    async fn save(&self, awake: &Awake) -> Result<(), Failure> {
        let deadline = self.registered.options.shutdown_budget + self.shared.limits.hook_timeout;
        let save = catch(async { awake.instance.save(awake.context.clone()).await });
        tokio::select! {
            saved = timeout(&*self.shared.clock, deadline, save) => match saved {
                Ok(saved) => saved.map_err(Failure::internal)?,
                Err(_) => Err(Failure::internal("storing took too long")),
            },
            () = self.destroying.cancelled() => Ok(()),
        }
    }

    /// Whether something was due and is not done. While an actor is awake nobody but itself looks after its due times, so
    /// one that stops in between has to be woken again at once. One that crashed is not: what is due may be what it crashes
    /// of, and the regular look at the index, a minute later at most, is soon enough for that.
    fn is_overdue(&self, awake: &Awake) -> bool {
        let (_, store) = awake.context.parts();
        let now = self.shared.clock.now_ms();
        match store.due().next() {
            Ok(due) => due.is_some_and(|at| at <= now),
            // A store that cannot be read has a due time in the index, which is looked at regularly.
            Err(_) => false,
        }
    }

    /// Notes when the actor fell asleep.
    fn note_use(&self) {
        let now = self.shared.clock.now_ms();
        *self.slept_at_ms.lock() = Some(now);
        if let Ok(storage) = self.shared.storage() {
            storage.index().touch(self.identity.id.as_str(), now);
        }
    }

    /// Lets the instance tell its subscribers, while everything still works.
    pub(super) async fn announce_shutdown(&self, awake: &Awake, reason: ShutdownReason) {
        let hook = async { awake.instance.on_shutdown(awake.context.clone(), reason).await };
        notify(&*self.shared.clock, "onShutdown", self.shared.limits.hook_timeout, hook).await;
    }

    /// Gives listeners of the announcement time to read, unless nobody listens or something waits for the next wake.
    async fn linger(&self) {
        let options = &self.registered.options;
        if options.shutdown_event.is_empty()
            || options.shutdown_grace.is_zero()
            || !self.connections.any_subscribed(options.shutdown_event)
        {
            return;
        }
        self.life.lock().grace = true;
        // Readings that wait since before look again.
        self.changed.send_replace(());
        let waited_for = async {
            while self.life.lock().waiting == 0 {
                self.wanted.notified().await;
            }
        };
        tokio::select! {
            () = self.shared.clock.sleep(options.shutdown_grace) => {}
            () = waited_for => {}
            () = self.destroying.cancelled() => {}
        }
        self.life.lock().grace = false;
    }

    /// Lets the instance end what runs in it.
    async fn end_instance(&self, awake: &Awake) {
        // The instance keeps to the budget itself; one that does not is left behind a little later.
        let deadline = self.registered.options.shutdown_budget + self.shared.limits.hook_timeout;
        let hook = async { awake.instance.on_sleep(awake.context.clone()).await };
        tokio::select! {
            () = notify(&*self.shared.clock, "onSleep", deadline, hook) => {}
            () = self.destroying.cancelled() => {}
        }
    }

    /// Cuts off the actions that still run, and waits until they have let go.
    pub(super) async fn cut_off(&self, awake: &Awake) {
        awake.cut_off.cancel();
        let patience = self.shared.limits.hook_timeout;
        if timeout(&*self.shared.clock, patience, awake.busy.drained())
            .await
            .is_err()
        {
            tracing::error!(target: "agentos::actor", actor = %self.identity.id, "work of a stopped actor goes on");
        }
    }
}
