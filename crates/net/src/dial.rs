//! Connecting on the network runtime: to a checked address, or where the operator says.

use crate::counters::Counters;
use crate::dialer::{Dialer, Purpose};
use crate::errors;
use crate::passage::Target;
use agentos_kernel::{Errno, Error, Result};
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Makes the host's side of an intercepted connection.
#[derive(Clone)]
pub struct Dial {
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) deadline: Duration,
    pub(crate) counters: Arc<Counters>,
}

impl Dial {
    /// Connects to the target itself.
    ///
    /// # Errors
    /// The error number of the connection: `ECONNREFUSED`, `ETIMEDOUT`, ...
    pub async fn target(&self, target: &Target) -> Result<TcpStream> {
        self.connect(target.address, Purpose::Guest).await
    }

    /// Connects to an address that the operator chose, by configuration or hook. No guard looks at it.
    ///
    /// # Errors
    /// As [`target`](Self::target).
    pub async fn operator(&self, address: SocketAddr) -> Result<TcpStream> {
        self.connect(address, Purpose::Operator).await
    }

    async fn connect(&self, address: SocketAddr, purpose: Purpose) -> Result<TcpStream> {
        let connecting = async {
            let stream = TcpStream::from_std(self.dialer.stream(address, purpose)?)?;
            stream.writable().await?;
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            Ok(stream)
        };
        let stream = match tokio::time::timeout(self.deadline, connecting).await {
            Ok(connected) => connected.map_err(|error| errors::error(&error))?,
            Err(_) => return Err(Errno::ETIMEDOUT.into()),
        };
        check_peer(&stream, address)?;
        Ok(stream)
    }
}

/// Whether the socket leads where it should: to the chosen address, and not to this host by one of its own addresses.
fn check_peer(stream: &TcpStream, chosen: SocketAddr) -> Result<()> {
    let peer = stream.peer_addr().map_err(|error| errors::error(&error))?;
    if peer == chosen { Ok(()) } else { Err(Error::from(Errno::ECONNABORTED)) }
}
