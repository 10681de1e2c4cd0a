//! Which actors exist.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use agentos_value::{ActorId, Key, Value};
use parking_lot::RwLock;

use super::ActorFilter;
use crate::Failure;

/// What never changes about an actor.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: ActorId,
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) created_at_ms: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<ActorId, Entry>,
    by_key: BTreeMap<(String, String), ActorId>,
}

#[derive(Debug)]
struct Entry {
    identity: Arc<Identity>,
    input: Value,
    accepted: bool,
}

impl Index {
    pub(crate) fn get(&self, id: &ActorId) -> Option<Arc<Identity>> {
        self.0.read().by_id.get(id).map(|entry| Arc::clone(&entry.identity))
    }

    pub(crate) fn by_key(&self, name: &str, key: &Key) -> Option<ActorId> {
        self.0.read().by_key.get(&(name.to_owned(), key.serialized())).cloned()
    }

    pub(crate) fn is_accepted(&self, id: &ActorId) -> bool {
        self.0.read().by_id.get(id).is_some_and(|entry| entry.accepted)
    }

    pub(crate) fn input(&self, id: &ActorId) -> Value {
        self.0
            .read()
            .by_id
            .get(id)
            .map(|entry| entry.input.clone())
            .unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().by_id.len()
    }

    pub(crate) fn list(&self, filter: &ActorFilter) -> Vec<ActorId> {
        let entries = self.0.read();
        let mut found: Vec<_> = entries
            .by_id
            .values()
            .map(|entry| &entry.identity)
            .filter(|identity| filter.name.as_ref().is_none_or(|name| *name == identity.name))
            .filter(|identity| filter.key.as_ref().is_none_or(|key| *key == identity.key))
            .collect();
        found.sort_by(|a, b| (a.created_at_ms, &a.id).cmp(&(b.created_at_ms, &b.id)));
        found.iter().map(|identity| identity.id.clone()).collect()
    }

    /// Reserves an id, unless the key is taken: then that actor's id and `false`.
    pub(crate) fn reserve(&self, identity: Identity, input: Value) -> (ActorId, bool) {
        let mut entries = self.0.write();
        let place = (identity.name.clone(), identity.key.serialized());
        if let Some(taken) = entries.by_key.get(&place) {
            return (taken.clone(), false);
        }
        let id = identity.id.clone();
        entries.by_key.insert(place, id.clone());
        entries.by_id.insert(
            id.clone(),
            Entry {
                identity: Arc::new(identity),
                input,
                accepted: false,
            },
        );
        (id, true)
    }

    /// Makes a reservation an actor that lasts; `false` if it was one.
    #[expect(clippy::unused_async, reason = "becomes durable here")]
    pub(crate) async fn accept(&self, id: &ActorId) -> Result<bool, Failure> {
        let mut entries = self.0.write();
        Ok(entries
            .by_id
            .get_mut(id)
            .is_some_and(|entry| !std::mem::replace(&mut entry.accepted, true)))
    }

    /// Marks an actor as destroyed; `false` if there is none. From here on it is not found, and its key is free.
    #[expect(clippy::unused_async, reason = "becomes durable here")]
    pub(crate) async fn mark_destroyed(&self, id: &ActorId) -> Result<bool, Failure> {
        let mut entries = self.0.write();
        let Some(entry) = entries.by_id.remove(id) else {
            return Ok(false);
        };
        entries
            .by_key
            .remove(&(entry.identity.name.clone(), entry.identity.key.serialized()));
        Ok(true)
    }

    /// Forgets a destroyed actor, when nothing is left of it.
    #[expect(clippy::unused_async, reason = "becomes durable here")]
    pub(crate) async fn remove(&self, _id: &ActorId) -> Result<(), Failure> {
        Ok(())
    }
}
