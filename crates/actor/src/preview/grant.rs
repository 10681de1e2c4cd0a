//! Checking a token, and holding it while it is used.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use agentos_value::{ActorError, ActorId};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::token::{self, Hash};
use crate::registry::Shared;
use crate::{BoxFuture, Clock, Failure, PreviewBounds};

/// Grants in use, by the hash of their token.
#[derive(Default)]
pub(crate) struct Streams(Mutex<HashMap<Hash, Weak<Held>>>);

/// What all uses of one token share.
struct Held {
    hash: Hash,
    actor: ActorId,
    ended: CancellationToken,
    shared: Weak<Shared>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut streams = shared.streams.0.lock();
        if streams.get(&self.hash).is_some_and(|held| held.strong_count() == 0) {
            streams.remove(&self.hash);
        }
    }
}

/// The right to reach one port of one actor, from a token that was valid when it was checked.
#[derive(Clone)]
pub struct PreviewGrant {
    held: Arc<Held>,
    port: u16,
    expires_at_ms: i64,
    bounds: PreviewBounds,
    clock: Arc<dyn Clock>,
}

impl PreviewGrant {
    /// The actor.
    pub fn actor_id(&self) -> &ActorId {
        &self.held.actor
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Bounds of the requests for the previews of the actor.
    pub const fn bounds(&self) -> PreviewBounds {
        self.bounds
    }

    /// When the token expires, in milliseconds since 1970.
    pub const fn expires_at_ms(&self) -> i64 {
        self.expires_at_ms
    }

    /// The token's public id, for logs: the first 8 hexadecimal digits of its hash.
    pub fn id(&self) -> String {
        token::id(&self.held.hash)
    }

    /// Whether the token was revoked or the actor destroyed since it was checked.
    pub fn is_revoked(&self) -> bool {
        self.held.ended.is_cancelled()
    }

    /// Resolves when the token is revoked or expires or the actor is destroyed: everything that uses it must end then.
    /// Streams of [`crate::Registry::open_port`] do by themselves.
    pub fn ended(&self) -> BoxFuture<'static, ()> {
        let (ended, clock) = (self.held.ended.clone(), Arc::clone(&self.clock));
        let left = Duration::from_millis(u64::try_from(self.expires_at_ms - clock.now_ms()).unwrap_or(0));
        Box::pin(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = clock.sleep(left) => {}
            }
        })
    }
}

impl fmt::Debug for PreviewGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreviewGrant")
            .field("id", &self.id())
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Streams {
    /// Cuts everything that uses a token.
    pub(super) fn end(&self, hash: &Hash) {
        let held = self.0.lock().get(hash).and_then(Weak::upgrade);
        if let Some(held) = held {
            held.ended.cancel();
        }
    }

    /// Cuts everything that uses a token of an actor.
    pub(crate) fn end_actor(&self, actor: &ActorId) {
        let all: Vec<_> = self.0.lock().values().filter_map(Weak::upgrade).collect();
        all.iter()
            .filter(|held| held.actor == *actor)
            .for_each(|held| held.ended.cancel());
    }

    fn hold(&self, shared: &Arc<Shared>, hash: Hash, actor: &ActorId) -> Arc<Held> {
        let mut streams = self.0.lock();
        if let Some(held) = streams.get(&hash).and_then(Weak::upgrade) {
            return held;
        }
        let (ended, shared) = (CancellationToken::new(), Arc::downgrade(shared));
        let held = Arc::new(Held {
            hash,
            actor: actor.clone(),
            ended,
            shared,
        });
        streams.insert(hash, Arc::downgrade(&held));
        held
    }
}

/// Checks a token: without waking the actor, and at the same cost for unknown, expired and revoked ones.
pub(crate) async fn authorize(
    shared: &Arc<Shared>,
    actor: Option<&ActorId>,
    token: &str,
) -> Result<PreviewGrant, Failure> {
    let hash = token::hash(token);
    let checked = check(shared, actor, token, hash).await;
    if checked
        .as_ref()
        .is_err_and(|failure| matches!(failure, Failure::Public(error) if *error == denied()))
    {
        let token_hash = &*token::id(&hash);
        let actor = actor.map(ToString::to_string).unwrap_or_default();
        tracing::warn!(target: "audit", event = "security.preview.denied", actorId = actor, tokenHash = token_hash);
    }
    checked
}

async fn check(
    shared: &Arc<Shared>,
    actor: Option<&ActorId>,
    token: &str,
    hash: Hash,
) -> Result<PreviewGrant, Failure> {
    let now = shared.clock.now_ms();
    let route = shared.storage()?.index().find_preview(&hash, now)?;
    let Some(found) = route.and_then(|id| ActorId::new(id).ok()) else {
        return Err(denied().into());
    };
    if token.len() != token::LENGTH || actor.is_some_and(|actor| *actor != found) {
        return Err(denied().into());
    }
    // Held before the truth is read: a revocation after that finds it and cuts it.
    let held = shared.streams.hold(shared, hash, &found);
    let Ok(cell) = shared.cell(&found) else {
        return Err(denied().into());
    };
    let lease = cell.store.open(&cell).await?;
    let row = lease.store().previews().find(&hash, now)?;
    let Some(row) = row.filter(|row| token::same(&row.token_hash, &hash)) else {
        return Err(denied().into());
    };
    if held.ended.is_cancelled() {
        return Err(denied().into());
    }
    let clock = Arc::clone(&shared.clock);
    let bounds = cell.registered.definition.preview_bounds(&found);
    Ok(PreviewGrant {
        held,
        port: row.port,
        expires_at_ms: row.expires_at,
        bounds,
        clock,
    })
}

/// One answer for every token that is not valid.
fn denied() -> ActorError {
    ActorError::auth("forbidden", "The preview token is not valid.")
}
