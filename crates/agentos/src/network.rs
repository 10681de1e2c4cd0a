//! Options of a VM's network, and their way into kernel and guard.

use crate::error::{Error, Result};
use agentos_kernel::limits::Limits;
use agentos_kernel::net::NetworkConfig;
use agentos_kernel::policy::Policy;
use agentos_net::{DnsConfig, GuardConfig, Host, parse_host};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

/// How a VM reaches the network, and where its guests may listen. Every option has a default: the host's name servers, any
/// unprivileged port, no deadline but that of connecting.
#[derive(Debug, Clone, Default)]
pub struct Network {
    servers: Vec<String>,
    overrides: Vec<(String, Vec<String>)>,
    metadata: Vec<String>,
    listen: (Option<i64>, Option<i64>, bool),
    idle_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
}

impl Network {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Name servers, each an address or `address:port` (`network.dns.servers`); in place of those of the host. At most 3.
    #[must_use]
    pub fn dns_servers<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        self.servers = servers.into_iter().map(Into::into).collect();
        self
    }

    /// Answers lookups of `host` with these addresses (`network.dns.override`). The guard judges them like any others.
    #[must_use]
    pub fn dns_override<S: Into<String>>(
        mut self,
        host: impl Into<String>,
        addresses: impl IntoIterator<Item = S>,
    ) -> Self {
        let addresses = addresses.into_iter().map(Into::into).collect();
        self.overrides.push((host.into(), addresses));
        self
    }

    /// Addresses that no guest may ever reach, besides the built-in ones (`network.metadataAddresses`).
    #[must_use]
    pub fn metadata_addresses<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.metadata = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Lowest port at which guests may listen (`network.listen.minPort`).
    #[must_use]
    pub fn min_listen_port(mut self, port: impl Into<i64>) -> Self {
        self.listen.0 = Some(port.into());
        self
    }

    /// Highest port at which guests may listen (`network.listen.maxPort`).
    #[must_use]
    pub fn max_listen_port(mut self, port: impl Into<i64>) -> Self {
        self.listen.1 = Some(port.into());
        self
    }

    /// Whether guests may listen below port 1024 (`network.listen.allowPrivileged`).
    #[must_use]
    pub fn allow_privileged(mut self, allow: bool) -> Self {
        self.listen.2 = allow;
        self
    }

    /// Ends a connection on which nothing moved for this long, with `ETIMEDOUT` (`network.idleTimeoutMs`).
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Ends a connection of this age, with `ETIMEDOUT` (`network.totalTimeoutMs`).
    #[must_use]
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }
}

/// Options that were checked, shared by everything that is made from them.
#[derive(Debug, Default)]
pub(crate) struct NetworkPlan {
    pub(crate) kernel: NetworkConfig,
    dns: Arc<DnsConfig>,
    metadata: Arc<[IpAddr]>,
    exempt: Arc<[u16]>,
    idle_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
}

/// Exempt ports at most (api.md section 2.2).
const MOST_EXEMPT: usize = 256;
const MOST_SERVERS: usize = 3;
const MOST_OVERRIDES: usize = 1024;
const MOST_ADDRESSES: usize = 64;
const DNS_PORT: u16 = 53;

impl NetworkPlan {
    /// Checks options of the user; every problem is named.
    pub(crate) fn new(network: &Network, exempt: &[i64]) -> Result<Self> {
        let mut problems = Problems::default();
        let plan = Self {
            kernel: listen(network.listen, &mut problems),
            dns: Arc::new(DnsConfig::new(
                servers(&network.servers, &mut problems),
                overrides(&network.overrides, &mut problems),
            )),
            metadata: addresses("network.metadataAddresses", &network.metadata, &mut problems).into(),
            exempt: exempt_ports(exempt, &mut problems),
            idle_timeout: timeout("network.idleTimeoutMs", network.idle_timeout, &mut problems),
            total_timeout: timeout("network.totalTimeoutMs", network.total_timeout, &mut problems),
        };
        problems.none().map(|()| plan)
    }

    /// Ports of the host's loopback that guests may reach, if the policy allows it.
    pub(crate) fn exempt_ports(&self) -> Arc<[u16]> {
        Arc::clone(&self.exempt)
    }

    /// What the guard of a VM is made from.
    pub(crate) fn guard(&self, policy: Arc<Policy>, limits: &Limits) -> GuardConfig {
        let mut config = GuardConfig::new(policy);
        config.loopback_exempt_ports = Arc::clone(&self.exempt);
        config.dns = Arc::clone(&self.dns);
        config.extra_metadata = Arc::clone(&self.metadata);
        let bounds = &mut config.limits;
        bounds.connect_timeout = Duration::from_millis(limits.connect_timeout_ms);
        bounds.dns_timeout = Duration::from_millis(limits.dns_timeout_ms);
        bounds.max_concurrent_lookups = count(limits.max_concurrent_lookups);
        bounds.max_cached_names = count(limits.max_cached_names);
        bounds.idle_timeout = self.idle_timeout;
        bounds.total_timeout = self.total_timeout;
        config
    }
}

fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, path: &str, reason: impl core::fmt::Display) {
        self.0.push(format!("{path}: {reason}"));
    }

    fn none(self) -> Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Error::InvalidConfig(self.0.join("\n"))),
        }
    }
}

fn exempt_ports(ports: &[i64], problems: &mut Problems) -> Arc<[u16]> {
    let path = "loopbackExemptPorts";
    if ports.len() > MOST_EXEMPT {
        problems.add(path, format_args!("at most {MOST_EXEMPT} ports, got {}", ports.len()));
    }
    let valid = |(at, &port): (usize, &i64)| port_of(&format!("{path}[{at}]"), port, problems);
    ports.iter().enumerate().filter_map(valid).collect()
}

fn port_of(path: &str, port: i64, problems: &mut Problems) -> Option<u16> {
    match u16::try_from(port) {
        Ok(port) if port != 0 => Some(port),
        _ => {
            problems.add(path, format_args!("must be a port between 1 and 65535, got {port}"));
            None
        }
    }
}

fn listen((min, max, allow_privileged): (Option<i64>, Option<i64>, bool), problems: &mut Problems) -> NetworkConfig {
    let mut config = NetworkConfig::default();
    config.allow_privileged = allow_privileged;
    let min = min.map_or(Some(1), |port| port_of("network.listen.minPort", port, problems));
    let max = max.map_or(Some(u16::MAX), |port| port_of("network.listen.maxPort", port, problems));
    if let (Some(min), Some(max)) = (min, max) {
        if min > max {
            problems.add(
                "network.listen.minPort",
                format_args!("{min} must not exceed maxPort ({max})"),
            );
        }
        config.listen_ports = min..=max;
    }
    config
}

fn servers(texts: &[String], problems: &mut Problems) -> Vec<SocketAddr> {
    let path = "network.dns.servers";
    if texts.len() > MOST_SERVERS {
        problems.add(
            path,
            format_args!("at most {MOST_SERVERS} servers, got {}", texts.len()),
        );
    }
    let mut servers = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match server(text) {
            Some(server) => servers.push(server),
            None => problems.add(
                &format!("{path}[{at}]"),
                format_args!("must be an IP address, or one with a port (10.0.0.2:53, [fd00::1]:53), got {text:?}"),
            ),
        }
    }
    servers
}

fn server(text: &str) -> Option<SocketAddr> {
    let plain = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    let server = plain.or_else(|_| text.parse::<SocketAddr>()).ok()?;
    let usable = server.port() != 0 && !server.ip().is_unspecified() && !server.ip().is_multicast();
    usable.then_some(server)
}

fn overrides(given: &[(String, Vec<String>)], problems: &mut Problems) -> Vec<(Box<str>, Vec<IpAddr>)> {
    let path = "network.dns.override";
    if given.len() > MOST_OVERRIDES {
        problems.add(
            path,
            format_args!("at most {MOST_OVERRIDES} hosts, got {}", given.len()),
        );
    }
    let mut overrides: Vec<(Box<str>, Vec<IpAddr>)> = Vec::new();
    for (host, texts) in given {
        let path = format!("{path}[{host:?}]");
        if texts.is_empty() {
            problems.add(&path, "must have at least one address");
        }
        let addresses = addresses(&path, texts, problems);
        match parse_host(host.as_bytes()) {
            Ok(Host::Name(name)) if overrides.iter().any(|(known, _)| *known == name) => {
                problems.add(&path, "another entry is for the same host");
            }
            Ok(Host::Name(name)) => overrides.push((name, addresses)),
            Ok(Host::Address(_)) => problems.add(&path, "must be a name, not an address"),
            Err(error) => problems.add(&path, error),
        }
    }
    overrides
}

fn addresses(path: &str, texts: &[String], problems: &mut Problems) -> Vec<IpAddr> {
    if texts.len() > MOST_ADDRESSES {
        problems.add(
            path,
            format_args!("at most {MOST_ADDRESSES} addresses, got {}", texts.len()),
        );
    }
    let mut addresses = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => problems.add(
                &format!("{path}[{at}]"),
                format_args!("must be an IP address, got {text:?}"),
            ),
        }
    }
    addresses
}

fn timeout(path: &str, timeout: Option<Duration>, problems: &mut Problems) -> Option<Duration> {
    if timeout.is_some_and(|timeout| timeout < Duration::from_millis(1)) {
        problems.add(path, "must be at least 1 ms");
    }
    timeout
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(network: &Network, exempt: &[i64]) -> String {
        NetworkPlan::new(network, exempt).unwrap_err().to_string()
    }

    #[test]
    fn wrong_options_are_named_with_their_path_and_value() {
        let network = Network::new;
        for (said, wanted) in [
            (
                refused(&network(), &[8080, 0]),
                "loopbackExemptPorts[1]: must be a port between 1 and 65535, got 0",
            ),
            (
                refused(&network(), &[-1]),
                "loopbackExemptPorts[0]: must be a port between 1 and 65535, got -1",
            ),
            (
                refused(&network(), &[65536]),
                "loopbackExemptPorts[0]: must be a port between 1 and 65535, got 65536",
            ),
            (
                refused(&network(), &[80; 257]),
                "loopbackExemptPorts: at most 256 ports, got 257",
            ),
            (
                refused(&network().dns_servers(["dns.example"]), &[]),
                "network.dns.servers[0]: must be an IP address",
            ),
            (
                refused(&network().dns_servers(["1.1.1.1:0"]), &[]),
                "network.dns.servers[0]",
            ),
            (
                refused(&network().dns_servers(["1.1.1.1"; 4]), &[]),
                "network.dns.servers: at most 3 servers, got 4",
            ),
            (
                refused(&network().dns_override("a..b", ["1.1.1.1"]), &[]),
                "network.dns.override[\"a..b\"]: a host must not",
            ),
            (
                refused(&network().dns_override("a", ["b"]), &[]),
                "network.dns.override[\"a\"][0]: must be an IP address",
            ),
            (
                refused(&network().dns_override("a", Vec::<String>::new()), &[]),
                "at least one address",
            ),
            (
                refused(&network().dns_override("1.1", ["1.1.1.1"]), &[]),
                "must be a name, not an address",
            ),
            (
                refused(&network().metadata_addresses(["x"]), &[]),
                "network.metadataAddresses[0]: must be an IP address",
            ),
            (
                refused(&network().min_listen_port(9_i64).max_listen_port(8_i64), &[]),
                "network.listen.minPort: 9 must not exceed maxPort (8)",
            ),
            (
                refused(&network().min_listen_port(0_i64).max_listen_port(70000_i64), &[]),
                "network.listen.maxPort: must be a port",
            ),
            (
                refused(&network().idle_timeout(Duration::ZERO), &[]),
                "network.idleTimeoutMs: must be at least 1 ms",
            ),
        ] {
            assert!(said.contains(wanted), "{said} / {wanted}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let said = refused(
            &Network::new()
                .dns_servers(["x"])
                .min_listen_port(0_i64)
                .max_listen_port(5_i64),
            &[0],
        );
        assert_eq!(said.lines().count(), 3, "{said}");
    }

    #[test]
    fn right_options_are_taken() {
        let network = Network::new()
            .dns_servers(["10.0.0.2", "[fd00::1]:5353"])
            .dns_override("Bücher.Example.", ["93.184.216.34"])
            .min_listen_port(3000_i64)
            .max_listen_port(3999_i64);
        let plan = NetworkPlan::new(&network, &[8080]).unwrap();
        assert_eq!(plan.dns.servers[0].to_string(), "10.0.0.2:53");
        assert_eq!(plan.dns.servers[1].to_string(), "[fd00::1]:5353");
        assert!(plan.dns.overrides.contains_key("xn--bcher-kva.example"));
        assert!(plan.kernel.may_listen(3000) && !plan.kernel.may_listen(4000));
    }
}
