//! What the operator says about the sockets of a VM.

use super::names::EPHEMERAL;
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
pub(super) const PRIVILEGED_END: u16 = 1024;

impl NetworkConfig {
    /// Whether a guest may have a listener at `port`; 0 stands for any port.
    pub fn may_listen(&self, port: u16) -> bool {
        port == 0 || (self.listen_ports.contains(&port) && (port >= PRIVILEGED_END || self.allow_privileged))
    }

    /// The ports from which one is chosen for a socket that asks for any.
    pub(super) fn any_ports(&self) -> RangeInclusive<u16> {
        let least = if self.allow_privileged { 1 } else { PRIVILEGED_END };
        let (first, last) = (self.listen_ports.start().max(&least), self.listen_ports.end());
        let usual = *first.max(EPHEMERAL.start())..=*last.min(EPHEMERAL.end());
        match usual.is_empty() {
            true => *first..=*last,
            false => usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_port_is_one_that_guests_may_have() {
        let ports = |listen_ports, allow_privileged| {
            let config = NetworkConfig {
                listen_ports,
                allow_privileged,
            };
            config.any_ports()
        };
        assert_eq!(ports(1..=u16::MAX, false), EPHEMERAL);
        assert_eq!(ports(3000..=3999, false), 3000..=3999);
        assert_eq!(ports(40_000..=u16::MAX, false), 40_000..=60_999);
        assert_eq!(ports(80..=2000, false), 1024..=2000);
        assert_eq!(ports(80..=2000, true), 80..=2000);
        assert!(ports(80..=90, false).is_empty());
    }
}
