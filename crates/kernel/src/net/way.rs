//! Where packets for an address go.
//!
//! ```text
//!   loopback, and a socket of the VM is there   to that socket, if the policy lets it
//!   127.0.0.53:53                               to the resolver of the VM
//!   anything else                               out, if there is a way out
//! ```
//!
//! This is the only place that decides between the VM and the outside. What goes out is decided upon by the egress.

use super::address::{canonical, is_local};
use super::config::PRIVILEGED_END;
use super::inbox::Inbox;
use super::listener::Listener;
use super::resolver::{ResolverFlow, ResolverStream};
use super::stack::Net;
use super::{Datagrams, Egress, Outgoing, Stream};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::events::{AuditKind, Text};
use crate::id::Pid;
use crate::policy::{self, Denied, NetworkTarget, Protocol};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    /// A connection.
    Stream,
    /// A datagram, from this address.
    Datagram { source: SocketAddr },
}

/// Where it goes.
pub(super) enum Way {
    /// To a socket of the VM that listens.
    Listener(Arc<Listener>),
    /// To a datagram socket of the VM.
    Inbox(Arc<Inbox>),
    /// To the VM's resolver.
    Resolver(Arc<dyn Egress>),
    /// Out of the VM.
    Out(Arc<dyn Egress>),
    /// Nobody is there.
    Nobody,
}

/// The VM's resolver, as `/etc/resolv.conf` names it.
pub(super) const RESOLVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), 53);

/// What sockets that are connected outside show as their own address. It is a made-up one: the host's is none of the guest's
/// business.
const OWN_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0x0a00, 0x020f);

impl Net {
    /// Finds the way to `destination`, which is canonical, for the process `pid`.
    ///
    /// # Errors
    /// `EACCES` if the policy keeps the process from a socket of the VM, `ENETUNREACH` without a way out.
    pub(super) fn way(&self, operation: Operation, destination: SocketAddr, pid: Pid) -> Result<Way> {
        if !is_local(destination.ip()) {
            return self
                .egress
                .clone()
                .map(Way::Out)
                .ok_or_else(|| Errno::ENETUNREACH.into());
        }
        if destination == RESOLVER
            && let Some(egress) = &self.egress
        {
            return Ok(Way::Resolver(Arc::clone(egress)));
        }
        let found = match operation {
            Operation::Stream => self.names.lock().listener(destination).map(Way::Listener),
            Operation::Datagram { source } => self.names.lock().inbox(source, destination).map(Way::Inbox),
        };
        if let Some(found) = found {
            self.permit_inside(operation, destination, pid)?;
            return Ok(found);
        }
        Ok(self.egress.clone().map_or(Way::Nobody, Way::Out))
    }

    /// Whether the policy lets a process reach a socket of the VM.
    fn permit_inside(&self, operation: Operation, destination: SocketAddr, pid: Pid) -> Result<()> {
        let (operation, protocol) = match operation {
            Operation::Stream => (policy::Operation::NetworkHttp, Protocol::Tcp),
            Operation::Datagram { .. } => (policy::Operation::NetworkUdp, Protocol::Udp),
        };
        if self.policy.always_allows(operation) {
            return Ok(());
        }
        let target = NetworkTarget::address(protocol, destination).own_listener(true);
        self.decided(self.policy.check_network(operation, &target), pid)
    }

    /// Whether guests may have this port at all.
    pub(super) fn permit_port(&self, protocol: Protocol, address: SocketAddr) -> Result<()> {
        let port = address.port();
        if port == 0 || port >= PRIVILEGED_END || self.config.may_listen(port) {
            return Ok(());
        }
        Err(self.refuse_port(protocol, address))
    }

    /// Whether a process may have a listener (or a datagram socket) at this address of the VM.
    pub(super) fn permit_listen(&self, protocol: Protocol, address: SocketAddr, pid: Pid) -> Result<()> {
        if !self.config.may_listen(address.port()) {
            return Err(self.refuse_port(protocol, address));
        }
        if self.policy.always_allows(policy::Operation::NetworkListen) {
            return Ok(());
        }
        let target = NetworkTarget::address(protocol, plain(address));
        self.decided(
            self.policy.check_network(policy::Operation::NetworkListen, &target),
            pid,
        )
    }

    fn refuse_port(&self, protocol: Protocol, address: SocketAddr) -> Error {
        let scheme = match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let reason = match address.port() < PRIVILEGED_END && !self.config.allow_privileged {
            true => "ports below 1024 need network.listen.allowPrivileged".to_owned(),
            false => {
                let ports = &self.config.listen_ports;
                format!(
                    "network.listen gives ports {} to {} to guests",
                    ports.start(),
                    ports.end()
                )
            }
        };
        Error::refused(format!("EACCES: permission denied, {scheme}://{address}: {reason}"))
    }

    /// Reports a decision of the policy.
    fn decided(&self, decision: core::result::Result<(), Denied>, pid: Pid) -> Result<()> {
        let Err(denied) = decision else { return Ok(()) };
        self.audit.record(AuditKind::PermissionDenied {
            scope: denied.operation.scope().name(),
            operation: denied.operation.name(),
            resource: Text::new(&denied.resource),
            rule: Text::new(denied.rule.as_bytes()),
            pid: Some(pid),
        });
        Err(denied.into())
    }
}

impl Way {
    /// Begins a connection outside.
    pub(super) fn stream(&self, net: &Arc<Net>, destination: SocketAddr, pid: Pid) -> Result<Arc<dyn Stream>> {
        match self {
            Self::Resolver(egress) => Ok(ResolverStream::new(net, egress, pid)),
            Self::Out(egress) => egress.connect(&Outgoing::new(destination, pid)),
            _ => Err(Errno::ECONNREFUSED.into()),
        }
    }

    /// Opens a flow to a destination outside.
    pub(super) fn datagrams(&self, net: &Arc<Net>, destination: SocketAddr, pid: Pid) -> Result<Arc<dyn Datagrams>> {
        match self {
            Self::Resolver(egress) => Ok(ResolverFlow::new(net, egress, pid)),
            Self::Out(egress) => egress.datagrams(&Outgoing::new(destination, pid)),
            _ => Err(Errno::ECONNREFUSED.into()),
        }
    }
}

/// The canonical destination of what is sent to `address`: an unspecified one means the VM itself.
///
/// # Errors
/// `EACCES` for an address with a zone, which names an interface that the VM does not have.
pub(super) fn destination(address: SocketAddr) -> Result<SocketAddr> {
    let ip = match canonical(address.ip()) {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    match address {
        SocketAddr::V6(zoned) if zoned.scope_id() != 0 && ip != IpAddr::V6(Ipv6Addr::LOCALHOST) => Err(Error::refused(
            format!("EACCES: blocked outbound network access to {zoned}: addresses with a zone are not reachable"),
        )),
        _ => Ok(SocketAddr::new(ip, address.port())),
    }
}

/// An address with an IPv4 one inside IPv6 taken out.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(canonical(address.ip()), address.port())
}

/// The address that packets to a destination come from.
pub(super) fn source_for(destination: IpAddr) -> IpAddr {
    match destination {
        IpAddr::V4(_) if is_local(destination) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) if is_local(destination) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) => OWN_V4.into(),
        IpAddr::V6(_) => OWN_V6.into(),
    }
}
