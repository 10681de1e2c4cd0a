//! Socket addresses (`unix(7)`, `ip(7)`, `ipv6(7)`).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

/// Address family of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `AF_UNIX`.
    Unix,
    /// `AF_INET`.
    Inet,
    /// `AF_INET6`.
    Inet6,
}

/// Kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `SOCK_STREAM`.
    Stream,
    /// `SOCK_DGRAM`.
    Datagram,
    /// `SOCK_SEQPACKET`, unix only.
    SeqPacket,
}

/// Name of a unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum UnixAddress {
    /// None: never bound.
    #[default]
    Unnamed,
    /// A file, by the path that was given to `bind`.
    Path(Vec<u8>),
    /// A name that is no file, without its leading NUL.
    Abstract(Vec<u8>),
}

impl UnixAddress {
    /// Longest path or abstract name in bytes; `sun_path` with its terminating or leading NUL is one longer.
    pub const MAX: usize = 107;
}

/// Any socket address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SocketAddress {
    /// Unix.
    Unix(UnixAddress),
    /// IPv4 or IPv6 with port.
    Inet(SocketAddr),
}

impl SocketAddress {
    /// The family.
    pub fn domain(&self) -> Domain {
        match self {
            Self::Unix(_) => Domain::Unix,
            Self::Inet(SocketAddr::V4(_)) => Domain::Inet,
            Self::Inet(SocketAddr::V6(_)) => Domain::Inet6,
        }
    }

    /// The address that an unbound socket of the family has.
    pub fn unspecified(domain: Domain) -> Self {
        match domain {
            Domain::Unix => Self::Unix(UnixAddress::Unnamed),
            Domain::Inet => Self::Inet((Ipv4Addr::UNSPECIFIED, 0).into()),
            Domain::Inet6 => Self::Inet((Ipv6Addr::UNSPECIFIED, 0).into()),
        }
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

/// The plain form of an address: an IPv4 address inside IPv6 (`::ffff:a.b.c.d`) is that IPv4 address.
pub(super) fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Whether an address is one of the VM's own.
pub(super) fn is_local(ip: IpAddr) -> bool {
    canonical(ip).is_loopback()
}

/// An address as a socket of the family shows it: IPv6 sockets see IPv4 peers as `::ffff:a.b.c.d`.
pub(super) fn shown(address: SocketAddr, domain: Domain) -> SocketAddress {
    let ip = match (address.ip(), domain) {
        (IpAddr::V4(ip), Domain::Inet6) => IpAddr::V6(ip.to_ipv6_mapped()),
        (ip, _) => ip,
    };
    SocketAddress::Inet(SocketAddr::new(ip, address.port()))
}

/// The name of another socket, as it is when somebody asks: a unix socket may be bound after it connected or sent.
#[derive(Debug, Clone)]
pub(super) enum Name {
    /// An internet address does not change.
    Inet(SocketAddr),
    /// Set once, if ever.
    Unix(UnixName),
}

/// The name of a unix socket, known to its peers, too.
pub(super) type UnixName = Arc<OnceLock<UnixAddress>>;

impl Name {
    /// The name as a socket of the family shows it.
    pub(super) fn shown(&self, domain: Domain) -> SocketAddress {
        match self {
            Self::Inet(address) => shown(*address, domain),
            Self::Unix(name) => SocketAddress::Unix(name.get().cloned().unwrap_or_default()),
        }
    }
}
