//! One boot: a place among the awake, the store with a new generation, the definition's own start.

use std::sync::Arc;

use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::cell::{Awake, Cell, CellRef, Starting};
use super::machine::{Epoch, Phase};
use super::{Busy, idle};
use crate::clock::timeout;
use crate::hooks::{catch, notify};
use crate::{Actor, ActorContext, Boot, Event, Failure, ShutdownReason};

impl Cell {
    /// Starts the task that boots the actor.
    pub(super) fn begin_boot(self: &Arc<Self>, epoch: Epoch) {
        self.announce(Phase::Booting);
        let cell = CellRef::new(Arc::clone(self));
        self.shared
            .tasks
            .spawn_on(async move { cell.run_boot(epoch).await }, &self.shared.runtime);
    }

    async fn run_boot(self: &Arc<Self>, epoch: Epoch) {
        let started = std::time::Instant::now();
        let busy = Busy::new(Arc::clone(&self.shared.clock));
        let abort = CancellationToken::new();
        let starting = Starting {
            epoch,
            busy: Arc::clone(&busy),
            cut_off: CancellationToken::new(),
        };
        let cut_off = starting.cut_off.clone();
        self.life.lock().starting = Some(starting);
        let booted = tokio::select! {
            biased;
            () = self.destroying.cancelled() => Err(crate::error::not_found()),
            booted = self.start(epoch, &busy, (&abort, &cut_off)) => booted,
        };
        self.end_of_early(booted.is_err(), &busy, &cut_off).await;
        match booted {
            Ok(awake) => self.finish_boot(awake, started.elapsed()).await,
            Err(error) => self.fail_boot(epoch, busy, abort, error).await,
        }
    }

    /// Everything that can fail.
    async fn start(
        self: &Arc<Self>,
        epoch: Epoch,
        busy: &Arc<Busy>,
        (abort, cut_off): (&CancellationToken, &CancellationToken),
    ) -> Result<Awake, ActorError> {
        let slot = self.shared.awake.enter(&self.shared, self).await?;
        self.accept().await.map_err(boot_failed)?;
        let lease = self.store.open(self).await.map_err(boot_failed)?;
        let store = Arc::clone(lease.store());
        let first = !store.is_booted().map_err(boot_failed)?;
        let boot = Boot {
            first,
            input: store.input().map_err(boot_failed)?,
        };
        let context = ActorContext::new(
            CellRef::new(Arc::clone(self)),
            Arc::clone(&store),
            Arc::clone(busy),
            abort.clone(),
        );
        let options = &self.registered.options;
        let start = {
            let (registered, context) = (Arc::clone(&self.registered), context.clone());
            catch(async move {
                let instance = registered.definition.boot(context.clone(), boot).await?;
                context.settle().await?;
                if first {
                    store.note_booted().await?;
                }
                Ok::<_, Failure>(instance)
            })
        };
        let instance = match timeout(&*self.shared.clock, options.boot_timeout, start).await {
            Ok(Ok(Ok(instance))) => instance,
            Ok(Ok(Err(failure))) => return Err(boot_failed(failure)),
            Ok(Err(panicked)) => return Err(boot_failed(Failure::internal(panicked))),
            Err(_) => {
                let text = format!("the boot took longer than {} ms", options.boot_timeout.as_millis());
                return Err(boot_error(text, None));
            }
        };
        let (busy, cut_off) = (Arc::clone(busy), cut_off.clone());
        let booted_at_ms = self.shared.clock.now_ms();
        let lease = Mutex::new(Some(lease));
        Ok(Awake {
            instance,
            context,
            busy,
            epoch,
            booted_at_ms,
            cut_off,
            lease,
            _slot: Some(slot),
        })
    }

    /// Lets an instance that starts answer those who do not want to wait until it has.
    pub(crate) fn serve_early(&self, context: ActorContext, busy: &Arc<Busy>, instance: Arc<dyn Actor>) {
        let mut life = self.life.lock();
        let own = life
            .starting
            .as_ref()
            .filter(|starting| Arc::ptr_eq(&starting.busy, busy));
        let Some((epoch, cut_off)) = own.map(|starting| (starting.epoch, starting.cut_off.clone())) else {
            return;
        };
        life.early = Some(Arc::new(Awake {
            instance,
            context,
            busy: Arc::clone(busy),
            epoch,
            booted_at_ms: self.shared.clock.now_ms(),
            cut_off,
            lease: Mutex::new(None),
            _slot: None,
        }));
        drop(life);
        self.changed.send_replace(());
    }

    /// From here on there is no early instance: it is the real one, or it has failed and what it does is cut off.
    async fn end_of_early(&self, failed: bool, busy: &Arc<Busy>, cut_off: &CancellationToken) {
        let early = {
            let mut life = self.life.lock();
            life.starting = None;
            life.early.take()
        };
        if failed && early.is_some() {
            cut_off.cancel();
            let patience = self.shared.limits.hook_timeout;
            if timeout(&*self.shared.clock, patience, busy.drained()).await.is_err() {
                tracing::error!(target: "agentos::actor", actor = %self.identity.id, "work of an actor that did not boot goes on");
            }
        }
    }

    async fn finish_boot(self: &Arc<Self>, awake: Awake, took: std::time::Duration) {
        let awake = Arc::new(awake);
        awake.busy.touch();
        let accepted = {
            let mut life = self.life.lock();
            let accepted = life.machine.booted(awake.epoch);
            if accepted {
                life.awake = Some(Arc::clone(&awake));
                life.failed = None;
            }
            accepted
        };
        if accepted {
            self.shared.metrics.booted(took);
            self.announce(Phase::Ready);
            idle::watch(self, &awake);
            crate::schedule::watch(self, &awake);
        } else {
            // Destroyed while it started; the destroyer waits for this task to let go.
            self.discard(&awake).await;
            drop(awake);
            self.leave_boot();
        }
    }

    async fn fail_boot(self: &Arc<Self>, epoch: Epoch, busy: Arc<Busy>, abort: CancellationToken, error: ActorError) {
        abort.cancel();
        self.shared.metrics.boot_failed();
        self.tell_boot_failed(busy, abort, &error).await;
        // The boot's own error is the one to tell.
        let _ = self.store.close_generation(self).await;
        let now = self.shared.clock.now_ms();
        let failed = {
            let mut life = self.life.lock();
            let back_off = life.machine.boot_failed(epoch, now);
            if back_off.is_some() {
                life.failed = Some((epoch, error.clone()));
            }
            back_off.is_some()
        };
        if failed {
            tracing::warn!(target: "agentos::actor", actor = %self.identity.id, %error, "an actor did not boot");
            self.announce(Phase::Failed);
        } else {
            self.leave_boot();
        }
    }

    /// Lets the definition tell subscribers, or does it itself where even the store did not open.
    async fn tell_boot_failed(self: &Arc<Self>, busy: Arc<Busy>, abort: CancellationToken, error: &ActorError) {
        let definition = &self.registered.definition;
        if let Some(store) = self.store.opened() {
            let context = ActorContext::new(CellRef::new(Arc::clone(self)), store, busy, abort);
            let hook = async { definition.on_boot_failed(context, error).await };
            notify(
                &*self.shared.clock,
                "onBootFailed",
                self.shared.limits.hook_timeout,
                hook,
            )
            .await;
        } else if !self.registered.options.shutdown_event.is_empty() {
            let payload = Value::object([("reason", ShutdownReason::Error.as_str())]);
            let event = Event::new(self.registered.options.shutdown_event, vec![payload]);
            self.connections.broadcast(&Arc::new(event));
        }
    }

    /// The boot is over, though nobody wanted it any more.
    fn leave_boot(&self) {
        self.life.lock().boot_abandoned = true;
        self.changed.send_replace(());
    }
}

/// A boot's failure as the waiting work sees it: documented errors of the product and of users as they are, in the
/// metadata of `vm_boot_failed`; anything else masked.
fn boot_failed(failure: Failure) -> ActorError {
    let cause = failure.publish("boot");
    let as_it_is = ["limit_exceeded", "storage_corrupt", "ENOSPC", "EIO"];
    if cause.group == "agentos" && as_it_is.contains(&cause.code.as_ref()) {
        return cause;
    }
    boot_error(format!("the boot failed: {}", cause.message), Some(cause))
}

fn boot_error(message: String, cause: Option<ActorError>) -> ActorError {
    let error = ActorError::agentos("vm_boot_failed", message);
    match cause {
        Some(cause) => {
            let members = [
                ("group", Value::from(cause.group.as_ref())),
                ("code", Value::from(cause.code.as_ref())),
                ("message", Value::from(cause.message)),
                ("metadata", cause.metadata.unwrap_or_default()),
            ];
            error.with_metadata(Value::object([("cause", Value::object(members))]))
        }
        None => error,
    }
}
