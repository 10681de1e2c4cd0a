//! Connecting on the network runtime: to a checked address, or where the operator says.

use crate::denial::{Access, check_ends};
use crate::dialer::{Dialer, Purpose};
use crate::direct::ends;
use crate::errors;
use crate::guard::Shared;
use crate::ledger::{Ledger, connect_timeout};
use crate::passage::Target;
use agentos_kernel::{Error, Result};
use core::net::SocketAddr;
use core::time::Duration;
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Makes the host's side of an intercepted connection.
#[derive(Clone)]
pub struct Dial {
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) deadline: Duration,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) shared: Arc<Shared>,
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
            Err(_) => return Err(connect_timeout(self.deadline).into()),
        };
        // An address of the operator's choice may well be this host's own.
        if purpose == Purpose::Guest {
            let ends = ends(stream.as_fd()).map_err(Error::from)?;
            check_ends(Access::Tcp, &ends, address, &self.ledger)?;
        }
        Ok(stream)
    }
}
