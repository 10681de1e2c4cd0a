//! What a guest wants to reach, as the policy sees it.

use core::net::{IpAddr, SocketAddr};

/// Transport of a connection or a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Streams: `tcp://`.
    Tcp,
    /// Datagrams: `udp://`.
    Udp,
}

/// One destination, with everything that is known about it: the candidate set of a decision.
///
/// A rule matches when one of its patterns matches any candidate: the address, the name in the request, and the names under
/// which the VM's resolver gave out that address. Loopback addresses also go by `localhost`, and a wildcard listener by
/// both loopback addresses; the policy adds these itself.
#[derive(Debug, Clone, Copy)]
pub struct NetworkTarget<'a> {
    pub(super) protocol: Protocol,
    pub(super) name: Option<&'a str>,
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) known_as: &'a [Box<str>],
    pub(super) own_listener: bool,
}

impl<'a> NetworkTarget<'a> {
    /// A connection, a datagram, or (with [`Operation::NetworkListen`](super::Operation::NetworkListen)) a listener.
    pub fn address(protocol: Protocol, address: SocketAddr) -> Self {
        Self {
            protocol,
            name: None,
            address: Some(address.ip()),
            port: Some(address.port()),
            known_as: &[],
            own_listener: false,
        }
    }

    /// A name that is looked up.
    pub fn lookup(name: &'a str) -> Self {
        Self {
            protocol: Protocol::Tcp,
            name: Some(name),
            address: None,
            port: None,
            known_as: &[],
            own_listener: false,
        }
    }

    /// Adds the name in the request, if there was one.
    #[must_use]
    pub fn named(mut self, name: Option<&'a str>) -> Self {
        self.name = name;
        self
    }

    /// Adds the names under which the VM's resolver gave out this address, the latest first.
    #[must_use]
    pub fn known_as(mut self, names: &'a [Box<str>]) -> Self {
        self.known_as = names;
        self
    }

    /// Says that this VM has a listener for exactly this protocol, address and port. Only then does the implied rule of a
    /// network rule set allow a connection; for exempt ports of the host's loopback (`loopbackExemptPorts`) leave it out, so
    /// that nothing but an explicit mode or rule allows them.
    #[must_use]
    pub fn own_listener(mut self, own: bool) -> Self {
        self.own_listener = own;
        self
    }
}
