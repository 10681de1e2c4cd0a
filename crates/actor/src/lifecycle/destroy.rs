//! The end of an actor: marked durably first, then taken apart. A crash in between is completed at the next start.

use std::sync::Arc;

use super::cell::{Awake, Cell};
use super::machine::Phase;
use crate::connection::CloseReason;
use crate::hooks::notify;
use crate::{Failure, ShutdownReason};

impl Cell {
    /// Takes the actor apart, whatever it is doing; the index has its mark by now. Returns at once if that has begun before.
    ///
    /// # Errors
    /// Storage that cannot be removed; the mark stays, and the next start tries again.
    pub(crate) async fn destroy(self: &Arc<Self>) -> Result<(), Failure> {
        let (from, awake) = {
            let mut life = self.life.lock();
            let Some(from) = life.machine.destroy() else {
                return Ok(());
            };
            (from, life.awake.clone())
        };
        self.announce(Phase::Destroying);
        match (from, &awake) {
            (Phase::Ready, Some(awake)) => {
                self.announce_shutdown(awake, ShutdownReason::Destroy).await;
                self.destroying.cancel();
            }
            (Phase::Booting | Phase::Stopping, _) => {
                self.destroying.cancel();
                self.task_ended(from).await;
            }
            _ => self.destroying.cancel(),
        }
        if let Some(awake) = awake {
            self.discard(&awake).await;
            // The instance is gone before the files are.
            self.let_go(awake);
        }
        self.connections
            .close_all(&CloseReason::destroyed(), &self.shared)
            .await;
        self.store.remove(self).await?;
        self.shared.storage()?.index().remove(self.identity.id.as_str()).await?;
        self.life.lock().machine.destroyed();
        self.shared.metrics.destroyed();
        self.announce(Phase::Gone);
        Ok(())
    }

    /// Gives up an actor that nobody was ever accepted for, with the storage that a failed acceptance may have left. One that
    /// somebody is about to use stays.
    ///
    /// The mark is made while nobody can be accepted, and whoever comes later finds the entry gone; from there on it is a
    /// destruction like any other, which the next start completes if this process ends in between.
    ///
    /// # Errors
    /// Those of [`destroy`](Self::destroy).
    pub(crate) async fn give_up(self: &Arc<Self>) -> Result<(), Failure> {
        let marked = {
            let Ok(_turn) = self.accepting.try_lock() else {
                return Ok(());
            };
            if self.is_accepted() || !self.connections.is_empty() {
                return Ok(());
            }
            let index = self.shared.storage()?;
            index
                .index()
                .give_up(self.identity.id.as_str(), self.shared.clock.now_ms())
                .await?
        };
        if !marked {
            return Ok(());
        }
        self.shared.cells.free_key(&self.identity);
        self.shared.reservations.accepted(&self.identity.id);
        self.destroy().await
    }

    /// Ends an instance without grace.
    pub(super) async fn discard(&self, awake: &Awake) {
        awake.context.abort_signal().cancel();
        let hook = async { awake.instance.on_destroy(awake.context.clone()).await };
        notify(&*self.shared.clock, "onDestroy", self.shared.limits.hook_timeout, hook).await;
        self.cut_off(awake).await;
    }

    /// Waits until the boot or stop that this destruction overtook has let go of the instance.
    async fn task_ended(&self, from: Phase) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            {
                let life = self.life.lock();
                if (from == Phase::Booting && life.boot_abandoned) || (from == Phase::Stopping && life.stop_abandoned) {
                    return;
                }
            }
            let _ = changes.changed().await;
        }
    }
}
