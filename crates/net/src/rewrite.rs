//! Connecting to another host than the one that the guest asked for: from the first step of the guard again.

use crate::denial::Access;
use crate::dial::Dial;
use crate::guard::Shared;
use crate::ledger::connect_timeout;
use crate::parse::{Host, parse_host};
use crate::passage::Target;
use agentos_kernel::id::Pid;
use agentos_kernel::{Errno, Error, Result};
use core::net::SocketAddr;
use core::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

impl Dial {
    /// Connects to a host that the operator's hook named in place of the target. Resolver, guard and policy see it like any
    /// destination of the guest's.
    ///
    /// # Errors
    /// `EINVAL` for what is no host, `EACCES` with the text for one that is refused, else the error of lookup or connection.
    pub async fn host(&self, host: &str, port: u16, pid: Pid) -> Result<(Target, TcpStream)> {
        let admitted = self.shared.admit_host(host, port, pid).await?;
        match timeout(self.deadline, self.race(admitted)).await {
            Ok(connected) => connected,
            Err(_) => Err(connect_timeout(self.deadline).into()),
        }
    }

    /// The admitted addresses of a host, without connecting.
    pub(crate) async fn admitted(&self, host: &str, port: u16, pid: Pid) -> Result<Vec<Target>> {
        self.shared.admit_host(host, port, pid).await
    }

    /// Connects to one of the targets: each next one is tried when the one before has failed or has not answered for a moment,
    /// and the first that answers wins.
    async fn race(&self, targets: Vec<Target>) -> Result<(Target, TcpStream)> {
        let mut waiting = targets.into_iter();
        let mut attempts = JoinSet::new();
        let mut failed = Errno::EHOSTUNREACH.into();
        loop {
            if let Some(target) = waiting.next() {
                let dial = self.clone();
                attempts.spawn(async move { dial.target(&target).await.map(|stream| (target, stream)) });
            }
            tokio::select! {
                attempt = attempts.join_next() => match attempt {
                    Some(Ok(Ok(connected))) => return Ok(connected),
                    Some(Ok(Err(error))) => failed = error,
                    Some(Err(_)) => {}
                    None => return Err(failed),
                },
                () = sleep(HEAD_START), if waiting.len() > 0 => {}
            }
        }
    }
}

/// How long an address is alone before the next one is tried, too.
const HEAD_START: Duration = Duration::from_millis(250);

impl Shared {
    /// The admitted addresses of a host, in the order in which to try them.
    async fn admit_host(&self, host: &str, port: u16, pid: Pid) -> Result<Vec<Target>> {
        let (name, addresses) = match parse_host(host.as_bytes()).map_err(|_| Error::from(Errno::EINVAL))? {
            Host::Address(address) => (None, vec![address]),
            Host::Name(name) => {
                self.admit_lookup(&name, pid)?;
                let found = self.look_up(&name, None).await?;
                (Some(name), found)
            }
        };
        let mut refused = Errno::EHOSTUNREACH.into();
        let mut admitted = Vec::new();
        for address in addresses {
            match self.admit(Access::Tcp, SocketAddr::new(address, port), pid) {
                // It is this name that was asked for, whatever else the address is known as.
                Ok(target) => admitted.push(Target {
                    names: name.iter().cloned().collect(),
                    ..target
                }),
                Err(error) => refused = error,
            }
        }
        match admitted.is_empty() {
            true => Err(refused),
            false => Ok(admitted),
        }
    }
}
