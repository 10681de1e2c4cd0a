//! A server that serves, and how it ends.

use agentos_actor::Registry;
use std::net::SocketAddr;
use std::time::Duration;

/// A serving registry. Dropping it closes the network at once; VMs then end as in a crash.
pub struct Running {
    gateway: agentos_gateway::Running,
    actors: Registry,
    inspector_token: String,
}

impl Running {
    pub(crate) fn new(gateway: agentos_gateway::Running, actors: Registry, inspector_token: String) -> Self {
        Self {
            gateway,
            actors,
            inspector_token,
        }
    }

    /// What opens the inspector: the gateway's token, or one that was made for this start. A secret.
    pub fn inspector_token(&self) -> &str {
        &self.inspector_token
    }

    /// The URL for clients on this machine.
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// The address of the listening socket.
    pub fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// The actors behind it.
    pub fn actors(&self) -> &Registry {
        &self.actors
    }

    /// The gateway in front of it.
    pub fn gateway(&self) -> &agentos_gateway::Running {
        &self.gateway
    }

    /// Ends in good order: no new connection is accepted, kept-alive ones get one more answer, work in flight gets each VM's
    /// shutdown budget and `patience` in all, every VM is put to sleep, connections are told to come back. Returns whether
    /// everything was completed.
    pub async fn drain(&self, patience: Duration) -> bool {
        // Polled in this order, so that the gateway has begun to drain before anybody waits for the end of that.
        let actors = async {
            self.gateway.quiet().await;
            self.actors.drain().await;
        };
        let (completed, ()) = tokio::join!(self.gateway.drain(patience), actors);
        completed
    }

    /// Ends at once: connections are closed, and what VMs have written is stored.
    pub async fn close(&self) {
        self.gateway.close().await;
        self.actors.drain().await;
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
