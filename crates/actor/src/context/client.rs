//! Calls from one actor to another.

use std::sync::{Arc, Weak};

use agentos_value::{ActorError, ActorId, Key, Value};

use super::Db;
use crate::connection;
use crate::error::{action_not_found, limit_exceeded, not_found, service_unavailable};
use crate::registry::Shared;
use crate::{ActionCall, ActorInfo, Conn, ConnectRequest, Transport};

/// Calls actors of the same registry, with the full schedule of their hooks unless it says otherwise. It does not keep the
/// registry.
///
/// Calls count how many actors stand in a chain, so that a circle ends with an error instead of going on for ever.
#[derive(Clone)]
pub struct Client {
    shared: Weak<Shared>,
    depth: u32,
    skip_ready_wait: bool,
}

impl Client {
    pub(crate) fn new(shared: &Arc<Shared>, depth: u32) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            depth,
            skip_ready_wait: false,
        }
    }

    /// The same client, whose calls are delivered while an actor starts or stops; see [`ConnectRequest::skip_ready_wait`].
    #[must_use]
    pub const fn skip_ready_wait(mut self) -> Self {
        self.skip_ready_wait = true;
        self
    }

    /// The id of the actor with this name and key; one is reserved if there is none.
    ///
    /// # Errors
    /// Those of [`crate::Registry::get_or_create`].
    pub async fn get_or_create(&self, name: &str, key: &Key, input: Value) -> Result<ActorId, ActorError> {
        let options = crate::CreateOptions {
            input,
            ..crate::CreateOptions::default()
        };
        let made = self.registry()?.get_or_create(name, key, options).await;
        made.map(|(info, _)| info.id)
            .map_err(|failure| failure.publish("create"))
    }

    /// The id of the actor with this name and key.
    ///
    /// # Errors
    /// `actor/not_found`.
    pub fn get(&self, name: &str, key: &Key) -> Result<ActorId, ActorError> {
        let found = self
            .registry()?
            .find(name, key)
            .map_err(|failure| failure.publish("get"))?;
        found.map(|info| info.id).ok_or_else(not_found)
    }

    /// Runs an action of an actor on a connection of its own, with `params` for its hooks.
    ///
    /// # Errors
    /// What the actor or its hooks fail with; `agentos/limit_exceeded` at the end of a long chain.
    pub async fn call(
        &self,
        id: &ActorId,
        params: Value,
        action: impl Into<String> + Send,
        args: Vec<Value>,
    ) -> Result<Value, ActorError> {
        let shared = self.registry()?;
        let (depth, max) = (u64::from(self.depth), shared.limits.max_call_depth);
        if self.depth > max {
            let path = "limits.server.maxCallDepth";
            return Err(limit_exceeded(
                "maxCallDepth",
                depth,
                u64::from(max),
                "count",
                "call",
                path,
            ));
        }
        let mut request = ConnectRequest::new(Transport::Internal)
            .params(params)
            .skip_ready_wait(self.skip_ready_wait);
        request.depth = self.depth;
        connection::open(&shared, id, request).await?.call(action, args).await
    }

    /// Runs an action of an actor for the program that runs the registry: without a connection, so that no hook is asked and
    /// no event is delivered before the result. An actor that was only reserved is made by it.
    ///
    /// # Errors
    /// What the actor fails with; `actor/not_found`, `actor/action_not_found`, `guard/service_unavailable`.
    pub async fn act(
        &self,
        id: &ActorId,
        action: impl Into<String> + Send,
        args: Vec<Value>,
    ) -> Result<Value, ActorError> {
        let (shared, name) = (self.registry()?, action.into());
        let cell = shared.cell(id)?;
        let kind = cell.registered.definition.action_kind(&name);
        let kind = kind.ok_or_else(|| action_not_found(&name))?;
        cell.accept().await.map_err(|failure| failure.publish("create"))?;
        let conn = None;
        cell.act(kind, ActionCall { name, args, conn }, self.depth).await
    }

    /// An open connection of an actor, by the connection's id.
    pub fn conn(&self, id: &ActorId, conn: &str) -> Option<Conn> {
        self.registry().ok()?.cell(id).ok()?.connections.get(conn)
    }

    /// The user's database of an actor, if actors of its kind have one. A hook names the connection that it is called for.
    ///
    /// # Errors
    /// `guard/service_unavailable` once the registry is gone.
    pub fn db(&self, id: &ActorId, conn: Option<&str>) -> Result<Db, ActorError> {
        let conn = conn.and_then(|conn| self.conn(id, conn));
        Ok(Db::of_hook(self.registry()?, id.clone(), self.depth, conn))
    }

    /// What is known of the actor with this id.
    ///
    /// # Errors
    /// `actor/not_found`; an index that cannot be read, masked.
    pub fn info(&self, id: &ActorId) -> Result<ActorInfo, ActorError> {
        let found = self.registry()?.info(id).map_err(|failure| failure.publish("find"))?;
        found.ok_or_else(not_found)
    }

    fn registry(&self) -> Result<Arc<Shared>, ActorError> {
        self.shared
            .upgrade()
            .ok_or_else(|| service_unavailable("The server is shutting down."))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}
