//! UDP.

use super::abi::{self, Address};
use super::socket::{Socket, inet};
use crate::fmt;
use crate::io;
use crate::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use crate::os::fd::AsRawFd;
use crate::sys::net::connection::each_addr;
use crate::sys::{AsInner, FromInner, IntoInner};
use crate::time::Duration;

pub struct UdpSocket {
    inner: Socket,
}

impl UdpSocket {
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        each_addr(addr, |address| {
            let inner = Socket::for_inet(address, abi::SOCK_DGRAM)?;
            inner.bind(&Address::inet(address))?;
            Ok(UdpSocket { inner })
        })
    }

    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        each_addr(addr, |address| self.inner.connect(&Address::inet(address)))
    }

    #[inline]
    pub fn socket(&self) -> &Socket {
        &self.inner
    }

    pub fn into_socket(self) -> Socket {
        self.inner
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.inet_name(true)
    }

    pub fn socket_addr(&self) -> io::Result<SocketAddr> {
        self.inner.inet_name(false)
    }

    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (n, from) = self.inner.recv_from(buf, false)?;
        Ok((n, inet(&from)?))
    }

    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (n, from) = self.inner.recv_from(buf, true)?;
        Ok((n, inet(&from)?))
    }

    pub fn send_to(&self, buf: &[u8], to: &SocketAddr) -> io::Result<usize> {
        self.inner.send_to(buf, Some(&Address::inet(to)))
    }

    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf)
    }

    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.peek(buf)
    }

    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write(buf)
    }

    pub fn duplicate(&self) -> io::Result<UdpSocket> {
        self.inner.duplicate().map(|inner| UdpSocket { inner })
    }

    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_read_timeout(timeout)
    }

    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_write_timeout(timeout)
    }

    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.read_timeout()
    }

    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.write_timeout()
    }

    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.inner.set_number_option(abi::SOL_SOCKET, abi::SO_BROADCAST, on.into())
    }

    pub fn broadcast(&self) -> io::Result<bool> {
        self.inner.number_option(abi::SOL_SOCKET, abi::SO_BROADCAST).map(|on| on != 0)
    }

    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.inner.set_number_option(abi::IPPROTO_IP, abi::IP_MULTICAST_LOOP, on.into())
    }

    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.inner.number_option(abi::IPPROTO_IP, abi::IP_MULTICAST_LOOP).map(|on| on != 0)
    }

    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_number_option(abi::IPPROTO_IP, abi::IP_MULTICAST_TTL, ttl)
    }

    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.inner.number_option(abi::IPPROTO_IP, abi::IP_MULTICAST_TTL)
    }

    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.inner.set_number_option(abi::IPPROTO_IPV6, abi::IPV6_MULTICAST_LOOP, on.into())
    }

    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.inner.number_option(abi::IPPROTO_IPV6, abi::IPV6_MULTICAST_LOOP).map(|on| on != 0)
    }

    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.set_option(abi::IPPROTO_IP, abi::IP_ADD_MEMBERSHIP, &membership_v4(group, interface))
    }

    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.set_option(abi::IPPROTO_IPV6, abi::IPV6_ADD_MEMBERSHIP, &membership_v6(group, interface))
    }

    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.set_option(abi::IPPROTO_IP, abi::IP_DROP_MEMBERSHIP, &membership_v4(group, interface))
    }

    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.set_option(abi::IPPROTO_IPV6, abi::IPV6_DROP_MEMBERSHIP, &membership_v6(group, interface))
    }

    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_number_option(abi::IPPROTO_IP, abi::IP_TTL, ttl)
    }

    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.number_option(abi::IPPROTO_IP, abi::IP_TTL)
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking)
    }
}

/// `struct ip_mreq`.
fn membership_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (group.octets(), interface.octets());
    [a, b, c, d, e, f, g, h]
}

/// `struct ipv6_mreq`.
fn membership_v6(group: &Ipv6Addr, interface: u32) -> [u8; 20] {
    let mut out = [0; 20];
    out[..16].copy_from_slice(&group.octets());
    out[16..].copy_from_slice(&interface.to_le_bytes());
    out
}

impl AsInner<Socket> for UdpSocket {
    #[inline]
    fn as_inner(&self) -> &Socket {
        &self.inner
    }
}

impl IntoInner<Socket> for UdpSocket {
    fn into_inner(self) -> Socket {
        self.inner
    }
}

impl FromInner<Socket> for UdpSocket {
    fn from_inner(inner: Socket) -> UdpSocket {
        UdpSocket { inner }
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("UdpSocket");
        if let Ok(address) = self.socket_addr() {
            out.field("addr", &address);
        }
        out.field("fd", &self.inner.as_raw_fd()).finish()
    }
}
