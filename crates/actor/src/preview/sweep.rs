//! Forgetting what has expired: preview tokens, and reservations that nobody ever used.

use std::sync::Arc;
use std::time::Duration;

use agentos_value::ActorId;

use crate::Failure;
use crate::lifecycle::Phase;
use crate::registry::Shared;

/// Between sweeps of actors that are awake.
const AWAKE: Duration = Duration::from_secs(60);
/// Sweeps of the awake between sweeps of all.
const ALL: u32 = 60;
/// Age of a reservation that is given up.
const RESERVATION_MS: i64 = 24 * 60 * 60 * 1000;
/// Sleeping actors that one sweep opens; the tables of others are swept when they wake or get a new token.
const MOST: usize = 1000;

/// Starts the task; it ends with the registry.
pub(crate) fn sweep_regularly(shared: &Arc<Shared>) {
    let (runtime, clock) = (shared.runtime.clone(), Arc::clone(&shared.clock));
    let shared = Arc::downgrade(shared);
    runtime.spawn(async move {
        for turn in 1_u32.. {
            clock.sleep(AWAKE).await;
            let Some(shared) = shared.upgrade().filter(|shared| !shared.is_draining()) else {
                return;
            };
            let mut swept = sweep_awake(&shared).await;
            if turn % ALL == 0 {
                swept = swept.and(sweep_all(&shared).await);
            }
            if let Err(error) = swept {
                tracing::error!(target: "agentos::actor", %error, "a sweep of what has expired failed");
            }
        }
    });
}

async fn sweep_awake(shared: &Arc<Shared>) -> Result<(), Failure> {
    let now = shared.clock.now_ms();
    for cell in shared.cells.all() {
        if cell.phase() == Phase::Ready
            && let Some(store) = cell.store.opened()
        {
            store.previews().sweep(now).await?;
        }
    }
    Ok(())
}

async fn sweep_all(shared: &Arc<Shared>) -> Result<(), Failure> {
    let (now, storage) = (shared.clock.now_ms(), shared.storage()?);
    let index = storage.index();
    index.sweep_reservations(now.saturating_sub(RESERVATION_MS)).await?;
    for id in index.expired_previews(now, MOST)? {
        let Some(cell) = ActorId::new(id).ok().and_then(|id| shared.cell(&id).ok()) else {
            continue;
        };
        let lease = cell.store.open(&cell).await?;
        lease.store().previews().sweep(now).await?;
    }
    index.sweep_previews(now).await?;
    Ok(())
}
