//! What an actor keeps, as far as this process has it open.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentos_value::Value;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::Failure;
use crate::lifecycle::Cell;

/// The place in a cell for the actor's open store.
#[derive(Default)]
pub(crate) struct StoreSlot(Mutex<Option<Arc<ActorStore>>>, Mutex<u64>);

/// The open store of one actor.
#[derive(Debug, Default)]
pub(crate) struct ActorStore {
    pub(crate) kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) booted: bool,
    pub(crate) state: Value,
    pub(crate) kv: BTreeMap<Bytes, Bytes>,
}

impl StoreSlot {
    pub(crate) async fn open(&self, _cell: &Cell) -> Result<Arc<ActorStore>, Failure> {
        Ok(Arc::clone(self.0.lock().get_or_insert_default()))
    }

    pub(crate) async fn open_generation(&self, cell: &Cell) -> Result<Arc<ActorStore>, Failure> {
        *self.1.lock() += 1;
        self.open(cell).await
    }

    /// The generation of the last boot.
    pub(crate) fn generation(&self) -> u64 {
        *self.1.lock()
    }

    pub(crate) fn opened(&self) -> Option<Arc<ActorStore>> {
        self.0.lock().clone()
    }

    #[expect(clippy::unused_async, reason = "closing waits for what was submitted")]
    pub(crate) async fn close_generation(&self, _cell: &Cell) {}

    pub(crate) async fn remove(&self, _cell: &Cell) -> Result<(), Failure> {
        *self.0.lock() = None;
        Ok(())
    }
}
