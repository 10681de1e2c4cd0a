//! When an actor's store is open.
//!
//! Users hold a [`StoreLease`]: one for the awake generation, one for each action that is answered from storage. The first
//! opens the store; after the last it stays open for a moment, because storage is often asked twice, and is then closed.
//! The end of a generation closes it at once, after those who only read storage had a moment to finish.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::ActorStore;
use crate::Failure;
use crate::clock::timeout;
use crate::error::not_found;
use crate::lifecycle::{Cell, CellRef};

/// How long a store that nobody uses stays open.
const LINGER: Duration = Duration::from_secs(2);

/// The place in a cell for the actor's open store.
#[derive(Default)]
pub(crate) struct StoreSlot {
    /// Held while the store is opened or closed.
    store: tokio::sync::Mutex<Option<Arc<ActorStore>>>,
    use_: Mutex<Use>,
    /// Notified when a lease ends.
    returned: Notify,
}

#[derive(Debug, Default)]
struct Use {
    leases: usize,
    /// Counts leases, so that a closer sees whether somebody came and went.
    turns: u64,
    open: bool,
    /// The files are gone, and nobody shall make them again.
    removed: bool,
    /// Whether a task waits to close the store.
    lingering: bool,
    generation: u64,
}

/// The right to use an open store.
pub(crate) struct StoreLease {
    store: Arc<ActorStore>,
    cell: CellRef,
}

impl StoreSlot {
    /// Opens the store, or joins those who use it.
    pub(crate) async fn open(&self, cell: &Arc<Cell>) -> Result<StoreLease, Failure> {
        if let Some(store) = &*self.store.lock().await {
            return Ok(self.lease(cell, Arc::clone(store)));
        }
        // In a task, which ends although its caller goes away: the lock is held as long as a thread makes files, and who
        // removes them waits for it.
        let own = Arc::clone(cell);
        let opened = tokio::spawn(async move { own.store.open_files(&own).await });
        opened.await.map_err(Failure::internal)?
    }

    async fn open_files(&self, cell: &Arc<Cell>) -> Result<StoreLease, Failure> {
        let mut slot = self.store.lock().await;
        let store = match &*slot {
            Some(store) => Arc::clone(store),
            None if self.use_.lock().removed => return Err(not_found().into()),
            None => {
                let (storage, id) = (cell.shared.storage()?, cell.identity.id.clone());
                let alarm = Arc::clone(&cell.shared.alarm);
                let open =
                    move || ActorStore::new(storage.open_actor(id.as_str())?, storage.index(), alarm, id.as_str());
                let store = Arc::new(blocking(open).await??);
                *slot = Some(Arc::clone(&store));
                store
            }
        };
        Ok(self.lease(cell, store))
    }

    /// To be called while the lock of the store is held.
    fn lease(&self, cell: &Arc<Cell>, store: Arc<ActorStore>) -> StoreLease {
        let mut use_ = self.use_.lock();
        use_.leases += 1;
        use_.turns += 1;
        use_.open = true;
        use_.generation = store.generation();
        drop(use_);
        StoreLease {
            store,
            cell: CellRef::new(Arc::clone(cell)),
        }
    }

    /// The generation of the last opening by this process; 0 if there was none.
    pub(crate) fn generation(&self) -> u64 {
        self.use_.lock().generation
    }

    pub(crate) fn is_open(&self) -> bool {
        self.use_.lock().open
    }

    /// The open store, if it is not being opened or closed just now.
    pub(crate) fn opened(&self) -> Option<Arc<ActorStore>> {
        self.store.try_lock().ok()?.clone()
    }

    /// Closes the store at the end of a generation, which has given back its lease.
    ///
    /// # Errors
    /// What waited could not be committed. The store is closed all the same.
    pub(crate) async fn close_generation(&self, cell: &Cell) -> Result<(), Failure> {
        let mut slot = self.store.lock().await;
        let Some(store) = slot.clone() else { return Ok(()) };
        let returned = async {
            loop {
                let returned = self.returned.notified();
                let mut returned = std::pin::pin!(returned);
                returned.as_mut().enable();
                if self.use_.lock().leases == 0 {
                    return;
                }
                returned.await;
            }
        };
        let patience = cell.shared.limits.hook_timeout;
        if timeout(&*cell.shared.clock, patience, returned).await.is_err() {
            tracing::warn!(target: "agentos::actor", actor = %cell.identity.id, "closing a store that is in use");
        }
        *slot = None;
        let closed = close(cell, store).await;
        self.use_.lock().open = false;
        closed
    }

    /// Closes the store and removes the files.
    pub(crate) async fn remove(&self, cell: &Cell) -> Result<(), Failure> {
        let mut slot = self.store.lock().await;
        if let Some(store) = slot.take() {
            // What does not get into files that are removed is no loss.
            let _ = close(cell, store).await;
        }
        {
            let mut use_ = self.use_.lock();
            (use_.open, use_.removed) = (false, true);
        }
        let (storage, id) = (cell.shared.storage()?, cell.identity.id.clone());
        Ok(blocking(move || storage.remove_actor(id.as_str())).await??)
    }

    /// Waits until nobody has used the store for a moment, and closes it; ends when somebody uses it.
    async fn linger(&self, cell: &Cell) {
        loop {
            let turns = self.use_.lock().turns;
            tokio::select! {
                () = cell.shared.clock.sleep(LINGER) => {}
                () = cell.shared.draining() => {}
            }
            let unused = {
                let mut use_ = self.use_.lock();
                let unused = use_.turns == turns && use_.leases == 0;
                use_.lingering = use_.leases == 0 && !unused;
                if use_.leases > 0 || !use_.open {
                    use_.lingering = false;
                    return;
                }
                unused
            };
            if unused {
                // Never closed itself.
                let _turn = cell.shared.closing.acquire().await;
                return self.close_unused(cell, turns).await;
            }
        }
    }

    /// Closes the store if nobody has used it since `turns`.
    async fn close_unused(&self, cell: &Cell, turns: u64) {
        let mut slot = self.store.lock().await;
        {
            let use_ = self.use_.lock();
            if use_.leases > 0 || use_.turns != turns {
                return;
            }
        }
        if let Some(store) = slot.take() {
            // Everybody who used it waited for what it wrote.
            let _ = close(cell, store).await;
        }
        self.use_.lock().open = false;
    }

    /// Gives up the store, whoever uses it.
    pub(crate) fn abandon(&self) -> Option<Arc<ActorStore>> {
        self.use_.lock().open = false;
        // A store that is being opened just now is closed with its last lease.
        self.store.try_lock().ok()?.take()
    }

    /// Closes the store if nobody uses it, without waiting for the moment that it stays open.
    pub(crate) async fn close_now(&self, cell: &Cell) {
        let turns = self.use_.lock().turns;
        self.close_unused(cell, turns).await;
    }
}

async fn close(cell: &Cell, store: Arc<ActorStore>) -> Result<(), Failure> {
    let id = &cell.identity.id;
    let closed = blocking(move || store.close()).await;
    let closed = closed.and_then(|closed| Ok(closed?));
    cell.shared.memory.closed();
    if let Err(error) = &closed {
        tracing::error!(target: "agentos::actor", actor = %id, %error, "a store did not close in order");
    }
    closed
}

/// Runs what blocks on the disk where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::internal)
}

impl StoreLease {
    pub(crate) const fn store(&self) -> &Arc<ActorStore> {
        &self.store
    }
}

impl Drop for StoreLease {
    fn drop(&mut self) {
        let slot = &self.cell.store;
        {
            let mut use_ = slot.use_.lock();
            use_.leases -= 1;
            slot.returned.notify_waiters();
            if use_.leases > 0 || !use_.open || std::mem::replace(&mut use_.lingering, true) {
                return;
            }
        }
        let cell = self.cell.clone();
        let shared = Arc::clone(&cell.shared);
        shared.runtime.spawn(async move { cell.store.linger(&cell).await });
    }
}
