//! What the operator says about the sockets of a VM.

use core::ops::RangeInclusive;

/// Configuration of a VM's sockets (`network` of the options).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkConfig {
    /// Ports at which guests may listen (`network.listen.minPort`, `maxPort`).
    pub listen_ports: RangeInclusive<u16>,
    /// Whether guests may listen below port 1024 (`network.listen.allowPrivileged`).
    pub allow_privileged: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            listen_ports: 1..=u16::MAX,
            allow_privileged: false,
        }
    }
}

/// Ports below this one are privileged.
const PRIVILEGED_END: u16 = 1024;

impl NetworkConfig {
    /// Whether a guest may have a listener at `port`; 0 stands for any port.
    pub fn may_listen(&self, port: u16) -> bool {
        port == 0 || (self.listen_ports.contains(&port) && (port >= PRIVILEGED_END || self.allow_privileged))
    }
}
