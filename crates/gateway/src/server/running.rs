//! A server that serves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;

use super::Shared;
use super::phase::Phase;
use crate::error::GatewayError;

/// After a close, what has not ended by itself in this time is left to the runtime.
const PARTING: Duration = Duration::from_secs(3);

/// How long the last request that a draining server takes may need to reach whatever is to answer it.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// A serving gateway. Dropping it closes it without waiting.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// A second hold on the listening socket: during a drain, and until a successor has it, the port refuses nobody.
    listener: Mutex<Option<TcpListener>>,
}

impl Running {
    pub(crate) fn start(shared: Arc<Shared>, listener: TcpListener) -> Result<Self, GatewayError> {
        let wrong = GatewayError::socket("cannot serve the listening socket");
        let prepared = (|| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let second = listener.try_clone()?;
            Ok((address, second, tokio::net::TcpListener::from_std(listener)?))
        })();
        let (address, second, listener) = prepared.map_err(wrong)?;
        shared.tasks.spawn(super::accept::accept(listener, Arc::clone(&shared)));
        Ok(Self {
            shared,
            address,
            listener: Mutex::new(Some(second)),
        })
    }

    /// The address of the listening socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for clients on this machine, without the base path's trailing slash.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        let host = match self.address.ip() {
            IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        };
        let address = SocketAddr::new(host, self.address.port());
        format!("{scheme}://{address}{}", self.shared.service.base_path())
    }

    /// Transport connections at this moment, upgraded ones included.
    pub fn connections(&self) -> usize {
        self.shared.population.total()
    }

    /// Reads the certificate and key again, for new connections. Without TLS there is nothing to do.
    ///
    /// # Errors
    /// The files cannot be used; the server goes on with what it has.
    pub fn reload_tls(&self) -> Result<(), GatewayError> {
        self.shared.tls.as_ref().map_or(Ok(()), super::tls::Tls::reload)
    }

    /// Finishes: accepts nothing new, lets what was begun be completed for at most `budget`, closes WebSockets that have
    /// nothing running with 1012 `ws.going_away`, and closes everything when the budget is used up. Returns whether all work
    /// was completed. The port refuses nobody until then: who comes now waits in the kernel's queue, for a successor if
    /// there is one.
    pub async fn drain(&self, budget: Duration) -> bool {
        self.shared.phase.advance(Phase::Draining);
        self.shared.tasks.close();
        let completed = timeout(budget, self.shared.tasks.wait()).await.is_ok();
        self.close().await;
        completed
    }

    /// Resolves once nobody begins anything any more after a [`drain`](Self::drain) has begun: all connections have ended, or
    /// those that still sent a request have had the time to. What is behind the gateway is best kept going until then, so
    /// that what the gateway still takes is not refused there.
    pub async fn quiet(&self) {
        let grace = super::connection::NEXT_REQUEST + LAST_REQUEST;
        let _ = timeout(grace, self.shared.tasks.wait()).await;
    }

    /// Ends everything now. Safe to call during a drain, which it cuts short.
    pub async fn close(&self) {
        self.shared.phase.advance(Phase::Closing);
        self.shared.tasks.close();
        let _ = timeout(PARTING, self.shared.tasks.wait()).await;
        self.listener.lock().take();
    }

    /// Another hold on the listening socket, to hand to a successor.
    ///
    /// # Errors
    /// The server is closed, or the operating system has no descriptor left.
    pub fn listener(&self) -> Result<TcpListener, GatewayError> {
        let listener = self.listener.lock();
        let listener = listener
            .as_ref()
            .ok_or_else(|| GatewayError::config("listener", "the server is closed"))?;
        listener
            .try_clone()
            .map_err(GatewayError::socket("cannot hold the listening socket"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.phase.advance(Phase::Closing);
    }
}
