//! Getting hold of the awake actor.
//!
//! Work that finds the actor ready takes a permit at once. Other work waits within bounds of number, bytes and time: all
//! that waits shares one boot, what waits for a boot that fails gets its error, and what comes after a failure waits for
//! the back-off and tries again.

use std::sync::Arc;
use std::time::Duration;

use agentos_value::ActorError;

use super::cell::{Awake, Cell, CellRef};
use super::machine::{Epoch, Phase, Want};
use crate::Failure;
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

/// A pause after a failed boot that nobody waits out if the storage was the reason.
const LONG: Duration = Duration::from_secs(1);

/// When work may go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// When the actor is ready.
    Ready,
    /// Also between the announcement of a shutdown and its teardown.
    Reading,
    /// As soon as there is an instance that can be asked, while it starts and while it stops, too (`skip-ready-wait` of
    /// clients).
    AtOnce,
}

enum Step {
    Go(Work),
    Wait(Epoch),
    Later(Duration),
    Give(ActorError),
}

impl Cell {
    /// Waits until the actor is awake, or as `entry` says. `bytes` is what the waiting work holds.
    ///
    /// # Errors
    /// `guard/service_unavailable` if it takes too long, if too much waits already or if the registry drains; the error
    /// of the boot; `actor/not_found` if the actor is destroyed.
    pub(crate) async fn work(self: &Arc<Self>, bytes: usize, entry: Entry) -> Result<Work, Unready> {
        if let Some(work) = self.between(entry) {
            return Ok(work);
        }
        if self.shared.is_draining() {
            return Err(refused(draining()));
        }
        let first = match self.step(None, entry) {
            Step::Go(work) => return Ok(work),
            Step::Give(error) => return Err(refused(error)),
            wait => wait,
        };
        let _waiting = Waiting::begin(self, bytes)?;
        let wait = self.wait(first, entry);
        match timeout(&*self.shared.clock, self.shared.limits.wake_timeout, wait).await {
            Ok(result) => result.map_err(refused),
            Err(_) => Err(overloaded("The actor did not become ready in time.")),
        }
    }

    /// Wakes the actor without waiting for it.
    pub(crate) fn wake(self: &Arc<Self>) {
        // At once if it is awake: a task would come when it does, and might wake what somebody has put to sleep since.
        if let Step::Go(work) = self.step(None, Entry::Ready) {
            return drop(work);
        }
        let cell = CellRef::new(Arc::clone(self));
        self.shared.tasks.spawn_on(
            async move {
                // Whoever needs the actor learns the error; here nobody does.
                let _ = cell.work(0, Entry::Ready).await;
            },
            &self.shared.runtime,
        );
    }

    async fn wait(self: &Arc<Self>, first: Step, entry: Entry) -> Result<Work, ActorError> {
        let mut changes = self.changed.subscribe();
        let mut step = first;
        loop {
            let seen = match step {
                Step::Wait(epoch) => Some(epoch),
                _ => None,
            };
            // In this order: what changes after the look is waited for below, and nothing is missed.
            changes.borrow_and_update();
            step = match self.between(entry) {
                Some(work) => Step::Go(work),
                None => self.step(seen, entry),
            };
            match step {
                Step::Go(work) => return Ok(work),
                Step::Give(error) => return Err(error),
                // The sender lives in the cell, which is borrowed here.
                Step::Wait(_) => drop(changes.changed().await),
                Step::Later(pause) => tokio::select! {
                    () = self.shared.clock.sleep(pause) => {}
                    _ = changes.changed() => {}
                },
            }
        }
    }

    /// A permit for an instance that starts and can be asked already, or that stops and can still be asked.
    fn between(self: &Arc<Self>, entry: Entry) -> Option<Work> {
        if entry != Entry::AtOnce {
            return None;
        }
        let life = self.life.lock();
        let awake = match life.machine.phase() {
            Phase::Booting => life.early.as_ref(),
            Phase::Stopping => life.awake.as_ref(),
            _ => None,
        };
        // What is cut off takes nothing new.
        awake
            .filter(|awake| !awake.cut_off.is_cancelled())
            .map(|awake| self.permit(awake))
    }

    /// One look at the machine. `seen` is the boot that the caller has waited for.
    fn step(self: &Arc<Self>, seen: Option<Epoch>, entry: Entry) -> Step {
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
            && entry == Entry::Reading
            && let Some(awake) = &life.awake
        {
            return Step::Go(self.permit(awake));
        }
        if self.shared.is_draining() && life.machine.phase() != Phase::Ready {
            return Step::Give(draining());
        }
        match life.machine.want(now) {
            // What waits for a disk would wait for long; whoever asks is told at once.
            Want::Later(pause) if seen.is_none() && pause >= LONG && life.failed_for_storage() => match &life.failed {
                Some((_, error)) => Step::Give(error.clone()),
                None => Step::Later(pause),
            },
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
    fn begin(cell: &'a Cell, bytes: usize) -> Result<Self, Unready> {
        let limits = &cell.shared.limits;
        let mut life = cell.life.lock();
        if life.waiting >= limits.hibernation_queue_messages
            || life.waiting_bytes.saturating_add(bytes) > limits.hibernation_queue_bytes
        {
            return Err(overloaded("Too much work waits for the actor to wake."));
        }
        life.waiting += 1;
        life.waiting_bytes += bytes;
        drop(life);
        // A stop that lingers for readings ends early when work waits for the next wake.
        cell.wanted.notify_one();
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

/// Why there is no permit.
pub(crate) struct Unready {
    error: ActorError,
    /// Too much waits, or it waited for too long: a connection whose message this happens to is closed.
    pub(crate) overloaded: bool,
}

impl From<Unready> for ActorError {
    fn from(unready: Unready) -> Self {
        unready.error
    }
}

impl From<Unready> for Failure {
    fn from(unready: Unready) -> Self {
        Self::Public(unready.error)
    }
}

fn overloaded(message: &str) -> Unready {
    Unready {
        error: service_unavailable(message),
        overloaded: true,
    }
}

const fn refused(error: ActorError) -> Unready {
    Unready {
        error,
        overloaded: false,
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
