//! What the guard refuses, and how the refusal reads.

use crate::addresses::{Reach, Verdict};
use crate::direct::Ends;
use crate::ledger::Ledger;
use crate::ranges::{HOST, Range};
use agentos_kernel::{Errno, Result};
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// How a guest wanted to get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// A stream connection.
    Tcp,
    /// Datagrams.
    Udp,
    /// A lookup.
    Dns,
}

impl Access {
    /// The scheme that stands for it: `tcp`, `udp`, `dns`.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Dns => "dns",
        }
    }
}

/// An address that the guard refuses, whatever the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// How.
    pub access: Access,
    /// The host as it was asked for: a normalised name, or the address.
    pub host: Box<str>,
    /// The port; 0 for a lookup.
    pub port: u16,
    /// The address and its range.
    pub verdict: Verdict,
}

impl Denial {
    /// A refused destination.
    pub(crate) fn destination(access: Access, destination: SocketAddr, verdict: Verdict) -> Self {
        Self {
            access,
            host: destination.ip().to_string().into(),
            port: destination.port(),
            verdict,
        }
    }

    /// A name with refused addresses only.
    pub(crate) fn lookup(name: &str, verdict: Verdict) -> Self {
        Self {
            access: Access::Dns,
            host: name.into(),
            port: 0,
            verdict,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.access.scheme();
        write!(formatter, "EACCES: blocked outbound network access to {scheme}://")?;
        match self.host.contains(':') {
            true => write!(formatter, "[{}]", self.host)?,
            false => write!(formatter, "{}", self.host)?,
        }
        if self.access != Access::Dns {
            write!(formatter, ":{}", self.port)?;
        }
        let Verdict { address, label, .. } = self.verdict;
        let range = self.verdict.range.unwrap_or_else(|| Range::single(address));
        if self.verdict.reach == Reach::Loopback {
            let port = self.port;
            return write!(
                formatter,
                ": {address} is loopback ({range}) and port {port} is not owned by this VM and is not listed in \
                 loopbackExemptPorts"
            );
        }
        write!(formatter, ": {address} is within restricted {label} range {range}")?;
        match self.verdict.embedded {
            Some(inner) => write!(formatter, " (embedded {inner})"),
            None => Ok(()),
        }
    }
}

/// Whether a connected socket leads where it should: to the chosen address, not to this host by one of its own addresses, and
/// not to itself.
pub(crate) fn check_ends(access: Access, ends: &Ends, chosen: SocketAddr, ledger: &Ledger) -> Result<()> {
    let (peer, local) = (ends.peer.ip().to_canonical(), ends.local.ip().to_canonical());
    if (peer, ends.peer.port()) != (chosen.ip().to_canonical(), chosen.port()) {
        return Err(Errno::ECONNABORTED.into());
    }
    if peer == local && !peer.is_loopback() {
        return Err(ledger.refused(&Denial::destination(access, chosen, own_address(peer))));
    }
    // A socket that got the destination's port for its own connects to itself where nobody listens.
    if peer == local && ends.peer.port() == ends.local.port() {
        return Err(Errno::ECONNREFUSED.into());
    }
    Ok(())
}

fn own_address(address: IpAddr) -> Verdict {
    Verdict {
        address,
        reach: Reach::Blocked,
        label: HOST,
        range: Some(Range::single(address)),
        embedded: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify;

    fn text(access: Access, host: &str, address: &str) -> String {
        let denial = Denial {
            access,
            host: host.into(),
            port: 80,
            verdict: classify(address.parse().unwrap()),
        };
        denial.to_string()
    }

    #[test]
    fn the_texts_are_those_of_the_specification() {
        assert_eq!(
            text(Access::Tcp, "10.0.0.1", "10.0.0.1"),
            "EACCES: blocked outbound network access to tcp://10.0.0.1:80: 10.0.0.1 is within restricted private range 10.0.0.0/8"
        );
        assert_eq!(
            text(Access::Udp, "64:ff9b::a00:1", "64:ff9b::10.0.0.1"),
            "EACCES: blocked outbound network access to udp://[64:ff9b::a00:1]:80: 64:ff9b::a00:1 is within restricted nat64 range \
             64:ff9b::/96 (embedded 10.0.0.1)"
        );
        assert_eq!(
            text(Access::Dns, "evil.example", "169.254.169.254"),
            "EACCES: blocked outbound network access to dns://evil.example: 169.254.169.254 is within restricted metadata range \
             169.254.169.254/32"
        );
        assert_eq!(
            text(Access::Tcp, "127.0.0.1", "127.0.0.1"),
            "EACCES: blocked outbound network access to tcp://127.0.0.1:80: 127.0.0.1 is loopback (127.0.0.0/8) and port 80 is not \
             owned by this VM and is not listed in loopbackExemptPorts"
        );
    }
}
