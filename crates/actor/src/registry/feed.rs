//! The feed of actors' lives, for inspectors.

use agentos_value::{ActorId, Key};
use tokio::sync::broadcast;

use crate::lifecycle::{Cell, Phase};

/// Events that a slow listener may be behind; it then loses the oldest and is told so.
const CAPACITY: usize = 1024;

/// One change of one actor's phase.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LifecycleEvent {
    /// The actor.
    pub id: ActorId,
    /// The name of its definition.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// Where it stands now.
    pub phase: Phase,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Sends [`LifecycleEvent`]s.
#[derive(Debug)]
pub(crate) struct Feed(broadcast::Sender<LifecycleEvent>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl Feed {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<LifecycleEvent> {
        self.0.subscribe()
    }

    pub(crate) fn phase(&self, cell: &Cell, phase: Phase) {
        tracing::debug!(target: "agentos::actor", actor = %cell.identity.id, phase = phase.as_str(), "phase");
        if self.0.receiver_count() == 0 {
            return;
        }
        let identity = &cell.identity;
        let (id, name, key) = (identity.id.clone(), identity.name.clone(), identity.key.clone());
        // Nobody listens any more: nothing is lost.
        let _ = self.0.send(LifecycleEvent {
            id,
            name,
            key,
            phase,
            at_ms: cell.shared.clock.now_ms(),
        });
    }
}
