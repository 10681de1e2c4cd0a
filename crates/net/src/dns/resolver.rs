//! Asking name servers.

use super::servers;
use super::sockets::Sockets;
use crate::config::GuardConfig;
use crate::ledger::dns_timeout;
use agentos_kernel::{Errno, Error, Result};
use core::net::SocketAddr;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Answers that are remembered; each is at most as large as a DNS message can be.
const CACHED: u64 = 64;
/// Lookups that wait for their turn at most.
const MOST_WAITING: usize = 1024;
/// Questions to a server before the next one is asked, within the deadline of a lookup.
const ATTEMPTS: u32 = 2;

/// The servers of one VM.
pub(crate) struct Resolver {
    inner: hickory_resolver::Resolver<Sockets>,
    permits: Semaphore,
    waiting: Semaphore,
    deadline: core::time::Duration,
}

/// What the servers said.
pub(crate) enum Answer {
    /// Records.
    Found(Box<Lookup>),
    /// The name does not exist (`NXDOMAIN`), or has nothing of this type.
    Nothing(Box<NoRecords>),
}

impl Answer {
    /// Whether the servers say that the name does not exist.
    pub(crate) fn is_unknown_name(&self) -> bool {
        matches!(self, Self::Nothing(nothing) if nothing.response_code == ResponseCode::NXDomain)
    }
}

impl Resolver {
    /// A resolver that asks the configured servers, or the host's.
    ///
    /// # Errors
    /// `EAGAIN` if there is no server to ask.
    pub(crate) fn new(config: &GuardConfig) -> Result<Self> {
        let servers = match &*config.dns.servers {
            [] => servers::of_host(),
            configured => configured,
        };
        if servers.is_empty() {
            return Err(Errno::EAGAIN.into());
        }
        let servers = servers.iter().take(servers::MOST).map(server).collect();
        let sockets = Sockets::new(Arc::clone(&config.dialer));
        let config_parts = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = hickory_resolver::Resolver::builder_with_config(config_parts, sockets);
        set_options(builder.options_mut(), config);
        Ok(Self {
            inner: builder.build().map_err(|_| Error::from(Errno::EAGAIN))?,
            permits: Semaphore::new(config.limits.max_concurrent_lookups.max(1)),
            waiting: Semaphore::new(MOST_WAITING),
            deadline: config.limits.dns_timeout,
        })
    }

    /// Waits until there are fewer lookups under way than there may be. The turn ends when what comes back is dropped.
    ///
    /// # Errors
    /// `EAGAIN` if so many wait already that this one is not likely to come to its turn.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        let again = || Error::from(Errno::EAGAIN);
        let _waiting = self.waiting.try_acquire().map_err(|_| again())?;
        self.permits.acquire().await.map_err(|_| again())
    }

    /// Asks for records of a name, which is absolute.
    ///
    /// # Errors
    /// `EAGAIN` if no server answered in time, which is the limit, or one failed.
    pub(crate) async fn ask(&self, name: Name, kind: RecordType) -> Result<Answer> {
        let asked = timeout(self.deadline, self.inner.lookup(name, kind)).await;
        // The time of each question is a part of the deadline: when the last of them is over, so is the lookup.
        match asked.unwrap_or(Err(NetError::Timeout)) {
            Ok(found) => Ok(Answer::Found(Box::new(found))),
            Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) if is_definite(&nothing) => {
                Ok(Answer::Nothing(Box::new(nothing)))
            }
            Err(NetError::Timeout) => Err(dns_timeout(self.deadline).into()),
            Err(_) => Err(Errno::EAGAIN.into()),
        }
    }
}

fn is_definite(nothing: &NoRecords) -> bool {
    matches!(nothing.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port);
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn set_options(options: &mut ResolverOpts, config: &GuardConfig) {
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = CACHED;
    options.attempts = ATTEMPTS as usize;
    options.timeout = config.limits.dns_timeout / (ATTEMPTS + 1);
    options.preserve_intermediates = true;
    // The host chooses a random port for each question's socket.
    options.os_port_selection = true;
    options.try_tcp_on_error = true;
}
