//! Which actors exist, as the runtime asks for it: ids and keys as types, entries as identities.

use std::sync::Arc;

use agentos_store::{ActorEntry, HostIndex, NewActor};
use agentos_value::{ActorId, Key};

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

/// What the index knows of one actor.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) identity: Arc<Identity>,
    pub(crate) accepted: bool,
    pub(crate) last_use_ms: Option<i64>,
}

impl Known {
    fn new(entry: ActorEntry) -> Result<Self, Failure> {
        let identity = Identity {
            id: ActorId::new(entry.actor_id).map_err(Failure::internal)?,
            name: entry.name,
            key: Key::parse(&entry.key),
            created_at_ms: entry.created_at,
        };
        Ok(Self {
            identity: Arc::new(identity),
            accepted: entry.accepted_at.is_some(),
            last_use_ms: entry.last_use,
        })
    }
}

/// The actor with this id.
pub(crate) fn get(index: &HostIndex, id: &ActorId) -> Result<Option<Known>, Failure> {
    index.get(id.as_str())?.map(Known::new).transpose()
}

/// The actor with this name and key.
pub(crate) fn find(index: &HostIndex, name: &str, key: &str) -> Result<Option<Known>, Failure> {
    index.find(name, key)?.map(Known::new).transpose()
}

/// Reserves an id, unless the key is taken: then that actor and `false`.
pub(crate) async fn reserve(
    index: &HostIndex,
    identity: &Identity,
    labels: (String, String),
    input: Option<Vec<u8>>,
) -> Result<(Known, bool), Failure> {
    let (pool, crash_policy) = labels;
    let new = NewActor {
        actor_id: identity.id.to_string(),
        name: identity.name.clone(),
        key: identity.key.serialized(),
        created_at: identity.created_at_ms,
        pool,
        crash_policy,
        input,
    };
    let created = index.get_or_create(new).await?;
    Ok((Known::new(created.entry)?, created.created))
}

/// The actors that a filter admits, oldest first.
pub(crate) fn list(index: &HostIndex, filter: &ActorFilter) -> Result<Vec<Known>, Failure> {
    let found = match (&filter.name, &filter.key) {
        (Some(name), Some(key)) => index.find(name, &key.serialized())?.into_iter().collect(),
        (name, _) => index.list(name.as_deref(), "", usize::MAX)?,
    };
    let mut known = found.into_iter().map(Known::new).collect::<Result<Vec<_>, _>>()?;
    known.retain(|known| filter.key.as_ref().is_none_or(|key| *key == known.identity.key));
    known.sort_by(|a, b| {
        let order = |known: &Known| (known.identity.created_at_ms, known.identity.id.clone());
        order(a).cmp(&order(b))
    });
    known.truncate(filter.limit.unwrap_or(usize::MAX));
    Ok(known)
}
