//! Giving the memory of closed stores back to the host.
//!
//! An open store has caches, and a boot allocates and frees a lot. Once the actor sleeps all of that is free, but the system's
//! allocator keeps most of it: pieces of it lie between what others use. So some time after stores were closed, and never
//! more often than that, the pages that are free are given back; a sleeping actor then costs what its row in the index does.
//!
//! The pause is measured by the host's clock, not by that of the registry: it concerns the process, and no actor can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::Shared;

/// From a store being closed to the memory being given back; more stores may be closed in between.
const PAUSE: Duration = Duration::from_secs(10);

/// What was closed, and how much of it has been given back.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    closed: AtomicU64,
    given_back: AtomicU64,
    wanted: Notify,
}

impl Memory {
    /// A store was closed.
    pub(crate) fn closed(&self) {
        self.closed.fetch_add(1, Ordering::AcqRel);
        self.wanted.notify_one();
    }

    /// Stores that were closed and whose memory has not been given back yet.
    pub(crate) fn kept(&self) -> u64 {
        let given_back = self.given_back.load(Ordering::Acquire);
        self.closed.load(Ordering::Acquire).saturating_sub(given_back)
    }

    async fn give_back_regularly(&self) {
        loop {
            self.wanted.notified().await;
            tokio::time::sleep(PAUSE).await;
            self.give_back().await;
        }
    }

    async fn give_back(&self) {
        let closed = self.closed.load(Ordering::Acquire);
        // It walks through all that is free, which may take some milliseconds.
        if let Err(error) = tokio::task::spawn_blocking(agentos_heap::give_back).await {
            tracing::debug!(target: "agentos::actor", %error, "memory was not given back");
        }
        self.given_back.store(closed, Ordering::Release);
    }
}

/// Starts the task; it ends with the registry.
pub(super) fn start(shared: &Arc<Shared>) {
    let (memory, draining) = (Arc::clone(&shared.memory), shared.drain_token());
    shared.runtime.spawn(async move {
        let _ = draining.run_until_cancelled(memory.give_back_regularly()).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_closed_is_given_back_once() {
        let memory = Memory::default();
        memory.closed();
        memory.closed();
        assert_eq!(memory.kept(), 2);
        memory.give_back().await;
        assert_eq!(memory.kept(), 0);
        memory.closed();
        assert_eq!(memory.kept(), 1);
    }
}
