//! The one place that opens a socket of the host.
//!
//! A [`Dialer`] is given addresses, never names, and opens exactly what it is asked for; every decision was made before. Tests
//! put one in that records what it is asked for.

use core::net::SocketAddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto};
use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

/// On whose behalf a socket is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// A guest's connection or datagrams, to an address that guard and policy admit.
    Guest,
    /// A question to one of the configured name servers.
    Resolver,
    /// A connection that the operator's configuration or hook asks for: a proxy, another destination.
    Operator,
}

/// Opens sockets of the host.
pub trait Dialer: Send + Sync + 'static {
    /// Begins a connection. The socket comes back at once, does not block, and may still be connecting.
    ///
    /// # Errors
    /// What `socket` and `connect` say, except that the connection is under way.
    fn stream(&self, to: SocketAddr, purpose: Purpose) -> io::Result<TcpStream>;

    /// A socket that does not block and that exchanges datagrams with this one address.
    ///
    /// # Errors
    /// What `socket` and `connect` say.
    fn datagrams(&self, to: SocketAddr, purpose: Purpose) -> io::Result<UdpSocket>;
}

/// Opens sockets of the host's operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostDialer;

impl Dialer for HostDialer {
    fn stream(&self, to: SocketAddr, _: Purpose) -> io::Result<TcpStream> {
        Ok(open(to, SocketType::STREAM)?.into())
    }

    fn datagrams(&self, to: SocketAddr, _: Purpose) -> io::Result<UdpSocket> {
        Ok(open(to, SocketType::DGRAM)?.into())
    }
}

fn open(to: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let protocol = if kind == SocketType::STREAM {
        ipproto::TCP
    } else {
        ipproto::UDP
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, kind, flags, Some(protocol))?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}
