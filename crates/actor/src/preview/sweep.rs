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
/// Reservations that are given up at the same time, so that they share commits.
const AT_ONCE: usize = 64;
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
    give_up_reservations(shared, now.saturating_sub(RESERVATION_MS)).await?;
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

/// Gives up reservations that nobody was accepted for since `before`, with the storage that a failed acceptance left. One
/// that cannot be given up now is left to the next sweep, or to the next start where it is marked already.
async fn give_up_reservations(shared: &Arc<Shared>, before: i64) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let stale = shared.storage()?.index().stale_reservations(before, &after, AT_ONCE)?;
        let Some(last) = stale.last() else { return Ok(()) };
        after.clone_from(last);
        let mut given_up = tokio::task::JoinSet::new();
        for id in stale.into_iter().filter_map(|id| ActorId::new(id).ok()) {
            let shared = Arc::clone(shared);
            given_up.spawn(async move { give_up(&shared, &id).await.map_err(|failure| (id, failure)) });
        }
        while let Some(done) = given_up.join_next().await {
            match done.map_err(Failure::internal)? {
                Ok(()) => {}
                Err((id, error)) => {
                    tracing::error!(target: "agentos::actor", actor = %id, %error, "a reservation could not be given up");
                }
            }
        }
        if shared.is_draining() {
            return Ok(());
        }
    }
}

async fn give_up(shared: &Arc<Shared>, id: &ActorId) -> Result<(), Failure> {
    match shared.cell(id) {
        Ok(cell) => cell.give_up().await,
        // Gone by now.
        Err(error) if error.is("actor", "not_found") => Ok(()),
        // Of a definition that this program does not have: nobody can use it meanwhile.
        Err(_) => {
            let storage = shared.storage()?;
            if storage.index().give_up(id.as_str(), shared.clock.now_ms()).await? {
                let (files, name) = (Arc::clone(&storage), id.clone());
                let removed = tokio::task::spawn_blocking(move || files.remove_actor(name.as_str())).await;
                removed.map_err(Failure::internal)??;
                storage.index().remove(id.as_str()).await?;
            }
            Ok(())
        }
    }
}
