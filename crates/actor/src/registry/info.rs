//! What a registry tells about definitions and actors.

use agentos_value::{ActorId, Key};

use crate::lifecycle::Phase;
use crate::{ActorOptions, HookSet};

/// A kind of actor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DefinitionInfo {
    /// The name that it is registered under.
    pub name: String,
    /// Its hooks.
    pub hooks: HookSet,
    /// Whether its hooks decide who may connect.
    pub authenticates: bool,
    /// Its options.
    pub options: ActorOptions,
    /// Its actions, as far as it lists them.
    pub actions: Vec<String>,
}

/// An actor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorInfo {
    /// Its id.
    pub id: ActorId,
    /// The name of its definition.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// When its id was reserved, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When its present boot ended, if it is awake.
    pub started_at_ms: Option<i64>,
    /// When it last fell asleep.
    pub slept_at_ms: Option<i64>,
    /// The generation of its store, as far as this process has opened it; 0 if not.
    pub generation: u64,
    /// Whether a connection was ever accepted; until then no storage exists.
    pub accepted: bool,
    /// Where it stands.
    pub phase: Phase,
}

/// Which actors to list.
#[derive(Clone, Debug, Default)]
pub struct ActorFilter {
    /// Those of one definition.
    pub name: Option<String>,
    /// The one with this key, of each definition that `name` admits.
    pub key: Option<Key>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Where an actor stands, in detail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActorStatus {
    /// Its phase.
    pub phase: Phase,
    /// When its present boot ended, if it is awake.
    pub booted_at_ms: Option<i64>,
    /// What keeps it awake: `request`, the reasons of guards, those of the instance.
    pub awake_because: Vec<String>,
    /// Its open connections.
    pub connections: usize,
}
