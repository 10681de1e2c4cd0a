//! Getting hold of the awake actor.
//!
//! Work that finds the actor ready takes a permit at once. Other work waits within bounds of number, bytes and time: all
//! that waits shares one boot, what waits for a boot that fails gets its error, and what comes after a failure waits for
//! the back-off and tries again.

use std::sync::Arc;

use agentos_value::ActorError;

use super::cell::{Awake, Cell, CellRef};
use super::machine::{Epoch, Phase, Want};
use crate::clock::timeout;
use crate::error::{limit_exceeded, not_found, service_unavailable};

/// A permit to use the awake actor; it keeps the actor awake until it is dropped.
pub(crate) struct Work {
    pub(crate) awake: Arc<Awake>,
    _cell: CellRef,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.awake.busy.end();
    }
}

enum Step {
    Go(Work),
    Wait(Epoch),
    Later(std::time::Duration),
    Give(ActorError),
}

impl Cell {
    /// Waits until the actor is awake. `bytes` is what the waiting work holds; `during_stop` admits it to an actor that
    /// has announced its shutdown.
    ///
    /// # Errors
    /// `guard/service_unavailable` if it takes too long, if too much waits already or if the registry drains; the error
    /// of the boot; `actor/not_found` if the actor is destroyed.
    pub(crate) async fn work(self: &Arc<Self>, bytes: usize, during_stop: bool) -> Result<Work, ActorError> {
        if self.shared.is_draining() {
            return Err(draining());
        }
        let step = self.step(None, during_stop);
        if let Step::Go(work) = step {
            return Ok(work);
        }
        let _waiting = Waiting::begin(self, bytes)?;
        let wait = self.wait(step, during_stop);
        match timeout(&*self.shared.clock, self.shared.limits.wake_timeout, wait).await {
            Ok(result) => result,
            Err(_) => Err(service_unavailable("The actor did not become ready in time.")),
        }
    }

    /// Wakes the actor without waiting for it.
    pub(crate) fn wake(self: &Arc<Self>) {
        let cell = CellRef::new(Arc::clone(self));
        self.shared.tasks.spawn_on(
            async move {
                // Whoever needs the actor learns the error; here nobody does.
                let _ = cell.work(0, false).await;
            },
            &self.shared.runtime,
        );
    }

    async fn wait(self: &Arc<Self>, mut step: Step, during_stop: bool) -> Result<Work, ActorError> {
        let mut changes = self.changed.subscribe();
        let mut seen = None;
        loop {
            match step {
                Step::Go(work) => return Ok(work),
                Step::Give(error) => return Err(error),
                Step::Wait(epoch) => {
                    seen = Some(epoch);
                    // The sender lives in the cell, which is borrowed here.
                    let _ = changes.changed().await;
                }
                Step::Later(pause) => tokio::select! {
                    () = self.shared.clock.sleep(pause) => {}
                    _ = changes.changed() => {}
                },
            }
            changes.borrow_and_update();
            step = self.step(seen, during_stop);
        }
    }

    /// One look at the machine. `seen` is the boot that the caller has waited for.
    fn step(self: &Arc<Self>, seen: Option<Epoch>, during_stop: bool) -> Step {
        let now = self.shared.clock.now_ms();
        let mut life = self.life.lock();
        if life.machine.phase() == Phase::Failed
            && let (Some(seen), Some((failed, error))) = (seen, &life.failed)
            && *failed == seen
        {
            return Step::Give(error.clone());
        }
        if life.machine.phase() == Phase::Stopping
            && life.grace
            && during_stop
            && let Some(awake) = &life.awake
        {
            return Step::Go(self.permit(awake));
        }
        if self.shared.is_draining() && life.machine.phase() != Phase::Ready {
            return Step::Give(draining());
        }
        match life.machine.want(now) {
            Want::Ready => match &life.awake {
                Some(awake) => Step::Go(self.permit(awake)),
                None => Step::Wait(life.machine.epoch()),
            },
            Want::Wait(epoch) => Step::Wait(epoch),
            Want::Later(pause) => Step::Later(pause),
            Want::Gone => Step::Give(not_found()),
            Want::Boot(epoch) => {
                drop(life);
                self.begin_boot(epoch);
                Step::Wait(epoch)
            }
        }
    }

    fn permit(self: &Arc<Self>, awake: &Arc<Awake>) -> Work {
        awake.busy.begin();
        Work {
            awake: Arc::clone(awake),
            _cell: CellRef::new(Arc::clone(self)),
        }
    }
}

/// One call in the queue of those that wait for the actor to wake.
struct Waiting<'a> {
    cell: &'a Cell,
    bytes: usize,
}

impl<'a> Waiting<'a> {
    fn begin(cell: &'a Cell, bytes: usize) -> Result<Self, ActorError> {
        let limits = &cell.shared.limits;
        let mut life = cell.life.lock();
        if life.waiting >= limits.hibernation_queue_messages
            || life.waiting_bytes.saturating_add(bytes) > limits.hibernation_queue_bytes
        {
            return Err(service_unavailable("Too much work waits for the actor to wake."));
        }
        life.waiting += 1;
        life.waiting_bytes += bytes;
        drop(life);
        // A stop that lingers for readings ends early when work waits for the next wake.
        cell.changed.send_replace(());
        Ok(Self { cell, bytes })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut life = self.cell.life.lock();
        life.waiting -= 1;
        life.waiting_bytes -= self.bytes;
    }
}

fn draining() -> ActorError {
    service_unavailable("The server is shutting down.")
}

/// The error of an actor that cannot wake because too many are awake.
pub(crate) fn too_many_awake(max: usize) -> ActorError {
    let max = max as u64;
    limit_exceeded(
        "maxAwakeVms",
        max + 1,
        max,
        "count",
        "boot",
        "limits.server.maxAwakeVms",
    )
}
