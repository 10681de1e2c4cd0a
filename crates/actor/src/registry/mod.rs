//! All actors of one process: definitions by name, actors by id, and the bounds of the whole.

mod alarm;
mod awake;
mod builder;
mod cells;
mod feed;
mod index;
mod info;
mod memory;
mod metrics;
mod reservations;
mod shared;

use std::net::IpAddr;
use std::sync::Arc;

use agentos_value::{ActorError, ActorId, Key, Value};

pub(crate) use awake::{AwakeSlot, AwakeSlots};
pub use builder::{BuildError, RegistryBuilder};
pub(crate) use feed::Feed;
pub use feed::LifecycleEvent;
pub(crate) use index::{Identity, Known};
pub use info::{ActorFilter, ActorInfo, ActorStatus, DefinitionInfo};
pub use metrics::{Histogram, MetricsSnapshot};
pub(crate) use shared::{Registered, Shared};

use crate::connection::{self, CloseReason};
use crate::error::duplicate_key;
use crate::{ConnectRequest, Connection, PortStream, PreviewGrant, preview};

/// All actors of one process. Cloning is cheap; all clones are the same registry.
///
/// When the last clone is dropped, actors that are awake end as if the process had crashed; [`Registry::drain`] first to
/// put them to sleep.
#[derive(Clone)]
pub struct Registry(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// How an actor is created.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// What the new actor gets at its first boot.
    pub input: Value,
    /// Who asks: reservations that no hook has accepted are limited per address, loopback exempt.
    pub peer: Option<IpAddr>,
    /// The pool that the client named; stored, not used.
    pub pool: String,
    /// The crash policy that the client named; stored, not used.
    pub crash_policy: String,
}

impl Registry {
    /// Starts to build a registry.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Handle(shared)))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// The definitions, by name.
    pub fn definitions(&self) -> Vec<DefinitionInfo> {
        self.shared()
            .definitions
            .values()
            .map(|registered| registered.info())
            .collect()
    }

    /// Whether actors of this name can be made.
    pub fn is_registered(&self, name: &str) -> bool {
        self.shared().definitions.contains_key(name)
    }

    /// The actor with this id.
    ///
    /// # Errors
    /// An index that cannot be read, masked; `guard/service_unavailable` once the registry has drained.
    pub fn find(&self, id: &ActorId) -> Result<Option<ActorInfo>, ActorError> {
        self.shared().info(id).map_err(|failure| failure.publish("find"))
    }

    /// The actor with this name and key.
    ///
    /// # Errors
    /// Those of [`Registry::find`].
    pub fn get(&self, name: &str, key: &Key) -> Result<Option<ActorInfo>, ActorError> {
        self.shared().find(name, key).map_err(|failure| failure.publish("get"))
    }

    /// The actor with this name and key; if there is none, an id is reserved for it. Whether one was reserved is the second
    /// result. Storage is made when the first connection is accepted.
    ///
    /// # Errors
    /// `actor/not_registered`, `actor/invalid_params` for a bad key or input, `agentos/limit_exceeded`,
    /// `guard/too_many_requests`, `guard/service_unavailable` while the registry drains.
    pub async fn get_or_create(
        &self,
        name: &str,
        key: &Key,
        options: CreateOptions,
    ) -> Result<(ActorInfo, bool), ActorError> {
        self.shared()
            .get_or_create(name, key, options)
            .await
            .map_err(|failure| failure.publish("create"))
    }

    /// Reserves an id for a new actor.
    ///
    /// # Errors
    /// `actor/duplicate_key` if there is one with this key, and those of [`Registry::get_or_create`].
    pub async fn create(&self, name: &str, key: &Key, options: CreateOptions) -> Result<ActorInfo, ActorError> {
        match self.get_or_create(name, key, options).await? {
            (info, true) => Ok(info),
            (info, false) => Err(duplicate_key(key, info.id.as_str())),
        }
    }

    /// Actors, oldest first.
    ///
    /// # Errors
    /// Those of [`Registry::find`].
    pub fn list(&self, filter: &ActorFilter) -> Result<Vec<ActorInfo>, ActorError> {
        self.shared().list(filter).map_err(|failure| failure.publish("list"))
    }

    /// Destroys an actor with all its data, and waits until nothing is left of it.
    ///
    /// # Errors
    /// `actor/not_found`; storage errors, masked. Once the mark is durable the actor is gone for clients in any case.
    pub async fn destroy(&self, id: &ActorId) -> Result<(), ActorError> {
        self.shared()
            .destroy(id)
            .await
            .map_err(|failure| failure.publish("destroy"))
    }

    /// Opens a connection: runs the schedule of hooks, and creates the actor's storage if it was only reserved.
    ///
    /// # Errors
    /// `actor/not_found`; whatever a hook refused with; `guard/service_unavailable` with too many connections or while
    /// the registry drains.
    pub async fn connect(&self, id: &ActorId, request: ConnectRequest) -> Result<Connection, ActorError> {
        connection::open(self.shared(), id, request).await
    }

    /// Runs one action on a connection of its own.
    ///
    /// # Errors
    /// Those of [`Registry::connect`] and of the action.
    pub async fn call(
        &self,
        id: &ActorId,
        request: ConnectRequest,
        action: impl Into<String> + Send,
        args: Vec<Value>,
    ) -> Result<Value, ActorError> {
        self.connect(id, request).await?.call(action, args).await
    }

    /// Calls actors without keeping the registry, for hooks and other code that the registry itself holds.
    pub fn client(&self) -> crate::Client {
        crate::Client::new(self.shared(), 0)
    }

    /// Checks a preview token; with `actor`, only one of that actor is valid. The actor is not woken, and unknown, expired
    /// and revoked tokens give the same error.
    ///
    /// # Errors
    /// `auth/forbidden`; storage that failed.
    pub async fn preview_authorize(&self, actor: Option<&ActorId>, token: &str) -> Result<PreviewGrant, ActorError> {
        preview::authorize(self.shared(), actor, token)
            .await
            .map_err(|failure| failure.publish("preview"))
    }

    /// Wakes the actor of a grant and opens a stream to its port.
    ///
    /// # Errors
    /// `agentos/no_listener`; errors of the boot; `guard/service_unavailable`.
    pub async fn open_port(&self, grant: &PreviewGrant) -> Result<PortStream, ActorError> {
        preview::open_port(self.shared(), grant)
            .await
            .map_err(|failure| failure.publish("preview"))
    }

    /// Puts an actor to sleep now and waits until it is. An actor that is not awake stays as it is.
    ///
    /// # Errors
    /// `actor/not_found`; `agentos/ENOSPC`, `agentos/EIO` and other failures of the storage: the actor sleeps, and what it had
    /// not stored is lost.
    pub async fn sleep(&self, id: &ActorId) -> Result<(), ActorError> {
        self.shared().cell(id)?.sleep(|| crate::lifecycle::Cause::Asked).await
    }

    /// Wakes an actor without waiting for it.
    ///
    /// # Errors
    /// `actor/not_found`.
    pub fn wake(&self, id: &ActorId) -> Result<(), ActorError> {
        self.shared().cell(id)?.wake();
        Ok(())
    }

    /// Where an actor stands.
    ///
    /// # Errors
    /// `actor/not_found`.
    pub fn status(&self, id: &ActorId) -> Result<ActorStatus, ActorError> {
        self.shared().status(id)
    }

    /// Events of the lives of all actors from now on.
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<LifecycleEvent> {
        self.shared().feed.subscribe()
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.shared().metrics_snapshot()
    }

    /// Ends in good order: no new actors, connections or work; work in flight gets each actor's shutdown budget; every
    /// actor is put to sleep; connections are closed with `ws.going_away`.
    pub async fn drain(&self) {
        self.shared().drain(&CloseReason::going_away()).await;
    }

    /// Ends at once: nothing is announced or waited for, but what was written is flushed. For a second signal.
    pub async fn halt(&self) {
        self.shared().halt().await;
    }

    /// Whether [`Registry::drain`] has begun.
    pub fn is_draining(&self) -> bool {
        self.shared().is_draining()
    }

    /// The clock that the registry runs on.
    pub fn clock(&self) -> Arc<dyn crate::Clock> {
        Arc::clone(&self.shared().clock)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.shared().definitions.keys().collect();
        f.debug_struct("Registry")
            .field("definitions", &names)
            .finish_non_exhaustive()
    }
}
