//! The network's options on the command line and in the configuration file.
//!
//! ```toml
//! loopbackExemptPorts = [8080]
//! [network.dns]
//! servers = ["10.0.0.2", "10.0.0.3:5353"]
//! override = { "api.example" = ["93.184.216.34"] }
//! [network.listen]
//! minPort = 3000
//! maxPort = 3999
//! allowPrivileged = false
//! ```
//!
//! What the values may be is checked by the library, which names each by its path.

use crate::args::VmArgs;
use crate::config::Config;
use crate::error::Error;
use crate::secrets::Hidden;
use agentos::Network;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Table `network`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigNetwork {
    /// Name resolution.
    #[serde(default)]
    pub dns: ConfigDns,
    /// Where guests may listen.
    #[serde(default)]
    pub listen: ConfigListen,
    /// Addresses that no guest may ever reach, besides the built-in ones.
    #[serde(default)]
    pub metadata_addresses: Vec<String>,
    /// PEM files of certificate authorities that are trusted besides the web's, relative to the file.
    #[serde(default)]
    pub trust_roots: Vec<PathBuf>,
    /// Proxy for connections, with or without credentials.
    pub proxy: Option<Hidden>,
    /// Ends connections on which nothing moves.
    pub idle_timeout_ms: Option<u64>,
    /// Ends connections of this age.
    pub total_timeout_ms: Option<u64>,
}

/// Table `network.dns`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigDns {
    /// Name servers in place of the host's.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Answers in place of asking.
    #[serde(default, rename = "override")]
    pub overrides: BTreeMap<String, Vec<String>>,
}

/// Table `network.listen`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigListen {
    /// Lowest port.
    pub min_port: Option<i64>,
    /// Highest port.
    pub max_port: Option<i64>,
    /// Whether ports below 1024 may be used.
    #[serde(default)]
    pub allow_privileged: bool,
}

/// Options of the VM: those of the file, then those of the command line. Exempt ports add up; name servers replace.
pub(crate) fn apply(builder: agentos::Builder, args: &VmArgs, config: &Config) -> agentos::Builder {
    let given = &config.network;
    let servers = if args.dns_servers.is_empty() {
        &given.dns.servers
    } else {
        &args.dns_servers
    };
    let mut network = Network::new()
        .dns_servers(servers)
        .metadata_addresses(&given.metadata_addresses)
        .allow_privileged(given.listen.allow_privileged);
    for (host, addresses) in &given.dns.overrides {
        network = network.dns_override(host, addresses);
    }
    if let Some(port) = given.listen.min_port {
        network = network.min_listen_port(port);
    }
    if let Some(port) = given.listen.max_port {
        network = network.max_listen_port(port);
    }
    if let Some(timeout) = given.idle_timeout_ms {
        network = network.idle_timeout(Duration::from_millis(timeout));
    }
    if let Some(timeout) = given.total_timeout_ms {
        network = network.total_timeout(Duration::from_millis(timeout));
    }
    let ports = config.loopback_exempt_ports.iter().chain(&args.allow_ports);
    builder.network(network).loopback_exempt_ports(ports.copied())
}

/// Whom to trust, and the way out.
pub(crate) fn outlet(mut builder: agentos::Builder, args: &VmArgs, config: &Config) -> Result<agentos::Builder, Error> {
    for path in config.network.trust_roots.iter().chain(&args.trust_roots) {
        let pem = std::fs::read(path).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
        builder = builder.trust_root(pem);
    }
    if args.proxy.as_ref().is_some_and(|url| url.contains('@')) {
        let reason =
            "--proxy: every user of the host could read the credentials; put the proxy into the configuration file";
        return Err(Error::Usage(reason.to_owned()));
    }
    let configured = config.network.proxy.as_ref().map(Hidden::as_str);
    Ok(match args.proxy.as_deref().or(configured) {
        Some(url) => builder.proxy(url),
        None => builder,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_documented_table_is_accepted() {
        let config = Config::parse(
            "loopbackExemptPorts = [8080]\n[network.dns]\nservers = ['10.0.0.2']\noverride = { 'a.example' = ['1.1.1.1'] }\n\
             [network.listen]\nminPort = 3000\nmaxPort = 3999\nallowPrivileged = false\n[network]\nidleTimeoutMs = 5\n",
        );
        let config = config.unwrap();
        assert_eq!(config.loopback_exempt_ports, [8080]);
        assert_eq!(config.network.dns.overrides["a.example"], ["1.1.1.1"]);
        assert_eq!(config.network.listen.max_port, Some(3999));
    }

    #[test]
    fn unknown_keys_are_named() {
        for (text, named) in [
            ("[network]\nproxies = 1", "proxies"),
            ("[network.dns]\nserver = []", "server"),
            ("loopbackExemptPort = [1]", "loopbackExemptPort"),
            ("loopbackExemptPorts = ['1']", "loopbackExemptPorts"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
