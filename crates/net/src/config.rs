//! What the operator says about a VM's way out.

use crate::dialer::{Dialer, HostDialer};
use crate::passage::Interceptor;
use agentos_kernel::policy::Policy;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

/// Configuration of a [`Guard`](crate::Guard).
#[non_exhaustive]
#[derive(Clone)]
pub struct GuardConfig {
    /// The VM's policy.
    pub policy: Arc<Policy>,
    /// Ports of the host's 127.0.0.1 and ::1 that guests may reach, if the policy allows it by a mode or rule
    /// (`loopbackExemptPorts`).
    pub loopback_exempt_ports: Arc<[u16]>,
    /// Name resolution (`network.dns`).
    pub dns: Arc<DnsConfig>,
    /// Bounds (`limits.network`).
    pub limits: NetworkLimits,
    /// Addresses that no guest may ever reach, besides the built-in ones.
    pub extra_metadata: Arc<[IpAddr]>,
    /// What opens sockets.
    pub dialer: Arc<dyn Dialer>,
    /// What stands between guests and their peers, if anything does.
    pub interceptor: Option<Arc<dyn Interceptor>>,
}

impl GuardConfig {
    /// The defaults: public addresses only, as far as the policy allows them.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            loopback_exempt_ports: Arc::default(),
            dns: Arc::default(),
            limits: NetworkLimits::default(),
            extra_metadata: Arc::default(),
            dialer: Arc::new(HostDialer),
            interceptor: None,
        }
    }
}

/// How names are resolved.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// Name servers; if empty those of the host's `/etc/resolv.conf`, read at the first lookup of the process. They are the
    /// operator's choice, so they may be at any address.
    pub servers: Vec<SocketAddr>,
    /// Answers for names, in place of asking; keys in lower case without a final dot. The guard judges these addresses like any
    /// others.
    pub overrides: HashMap<Box<str>, Vec<IpAddr>>,
}

impl DnsConfig {
    /// Servers and overrides.
    pub fn new(servers: Vec<SocketAddr>, overrides: impl IntoIterator<Item = (Box<str>, Vec<IpAddr>)>) -> Self {
        Self {
            servers,
            overrides: overrides.into_iter().collect(),
        }
    }
}

/// Bounds of a VM's traffic.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Time for a connection to be made (`limits.network.connectTimeoutMs`).
    pub connect_timeout: Duration,
    /// Time for a lookup (`limits.network.dnsTimeoutMs`).
    pub dns_timeout: Duration,
    /// Lookups at a time; others wait (`limits.network.maxConcurrentLookups`).
    pub max_concurrent_lookups: usize,
    /// Names that are remembered for the addresses they led to (`limits.network.maxCachedNames`).
    pub max_cached_names: usize,
    /// A connection on which nothing moved for this long ends with `ETIMEDOUT`; none: never.
    pub idle_timeout: Option<Duration>,
    /// A connection of this age ends with `ETIMEDOUT`; none: never.
    pub total_timeout: Option<Duration>,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            dns_timeout: Duration::from_secs(5),
            max_concurrent_lookups: 64,
            max_cached_names: 4096,
            idle_timeout: None,
            total_timeout: None,
        }
    }
}
