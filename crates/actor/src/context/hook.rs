//! The context of hooks, which run whether or not the actor is awake or has storage.

use std::sync::Arc;

use agentos_value::{ActorId, Key};

use super::{Client, Db};
use crate::lifecycle::Cell;
use crate::registry::{Identity, Shared};
use crate::{Conn, ConnectRequest, RequestInfo};

/// What a hook knows: which actor, which connection, which request.
#[derive(Clone)]
pub struct HookContext {
    identity: Arc<Identity>,
    shared: Arc<Shared>,
    conn: Option<Conn>,
    request: Option<Arc<RequestInfo>>,
    depth: u32,
}

impl HookContext {
    /// For hooks that run before there is a connection.
    pub(crate) fn early(cell: &Cell, request: &ConnectRequest) -> Self {
        Self {
            identity: Arc::clone(&cell.identity),
            shared: Arc::clone(&cell.shared),
            conn: None,
            request: request.request.clone(),
            depth: request.depth,
        }
    }

    pub(crate) fn of_conn(conn: &Conn) -> Self {
        let cell = conn.cell();
        Self {
            identity: Arc::clone(&cell.identity),
            shared: Arc::clone(&cell.shared),
            conn: Some(conn.clone()),
            request: conn.request().cloned(),
            depth: conn.depth(),
        }
    }

    /// For hooks on behalf of the server itself.
    pub(crate) fn of_actor(cell: &Cell) -> Self {
        Self {
            identity: Arc::clone(&cell.identity),
            shared: Arc::clone(&cell.shared),
            conn: None,
            request: None,
            depth: 0,
        }
    }

    /// The actor's id.
    pub fn actor_id(&self) -> &ActorId {
        &self.identity.id
    }

    /// The name of its definition.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.identity.key
    }

    /// The connection; absent before it is visible.
    pub const fn conn(&self) -> Option<&Conn> {
        self.conn.as_ref()
    }

    /// The request that opens the connection; absent for calls within the process.
    pub const fn request(&self) -> Option<&Arc<RequestInfo>> {
        self.request.as_ref()
    }

    /// The user's database of the actor, if actors of this kind have one.
    pub fn db(&self) -> Db {
        let (shared, id) = (Arc::clone(&self.shared), self.identity.id.clone());
        Db::of_hook(shared, id, self.depth, self.conn.clone())
    }

    /// Calls actors, this one included.
    pub fn client(&self) -> Client {
        Client::new(&self.shared, self.depth + 1)
    }
}

impl std::fmt::Debug for HookContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookContext")
            .field("id", self.actor_id())
            .field("conn", &self.conn)
            .finish_non_exhaustive()
    }
}
