//! TCP.

use super::abi::{self, Address};
use super::socket::{Socket, inet};
use crate::fmt;
use crate::io::{self, BorrowedCursor, IoSlice, IoSliceMut};
use crate::net::{Shutdown, SocketAddr, ToSocketAddrs};
use crate::os::fd::AsRawFd;
use crate::sys::net::connection::each_addr;
use crate::sys::{AsInner, FromInner, IntoInner};
use crate::time::Duration;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

pub struct TcpStream {
    inner: Socket,
}

impl TcpStream {
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        each_addr(addr, |address| {
            let inner = Socket::for_inet(address, abi::SOCK_STREAM)?;
            inner.connect(&Address::inet(address))?;
            Ok(TcpStream { inner })
        })
    }

    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        let inner = Socket::for_inet(address, abi::SOCK_STREAM)?;
        inner.connect_timeout(&Address::inet(address), timeout)?;
        Ok(TcpStream { inner })
    }

    #[inline]
    pub fn socket(&self) -> &Socket {
        &self.inner
    }

    pub fn into_socket(self) -> Socket {
        self.inner
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

    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.peek(buf)
    }

    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf)
    }

    pub fn read_buf(&self, buf: BorrowedCursor<'_>) -> io::Result<()> {
        self.inner.read_buf(buf)
    }

    pub fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.read_vectored(bufs)
    }

    #[inline]
    pub fn is_read_vectored(&self) -> bool {
        true
    }

    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write(buf)
    }

    pub fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_vectored(bufs)
    }

    #[inline]
    pub fn is_write_vectored(&self) -> bool {
        true
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.inet_name(true)
    }

    pub fn socket_addr(&self) -> io::Result<SocketAddr> {
        self.inner.inet_name(false)
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    pub fn duplicate(&self) -> io::Result<TcpStream> {
        self.inner.duplicate().map(|inner| TcpStream { inner })
    }

    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.inner.set_linger(linger)
    }

    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.inner.linger()
    }

    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_number_option(abi::IPPROTO_TCP, abi::TCP_NODELAY, nodelay.into())
    }

    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.number_option(abi::IPPROTO_TCP, abi::TCP_NODELAY).map(|on| on != 0)
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

impl AsInner<Socket> for TcpStream {
    #[inline]
    fn as_inner(&self) -> &Socket {
        &self.inner
    }
}

impl FromInner<Socket> for TcpStream {
    fn from_inner(inner: Socket) -> TcpStream {
        TcpStream { inner }
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TcpStream");
        if let Ok(address) = self.socket_addr() {
            out.field("addr", &address);
        }
        if let Ok(peer) = self.peer_addr() {
            out.field("peer", &peer);
        }
        out.field("fd", &self.inner.as_raw_fd()).finish()
    }
}

pub struct TcpListener {
    inner: Socket,
}

impl TcpListener {
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        each_addr(addr, |address| {
            let inner = Socket::for_inet(address, abi::SOCK_STREAM)?;
            inner.set_number_option(abi::SOL_SOCKET, abi::SO_REUSEADDR, 1)?;
            inner.bind(&Address::inet(address))?;
            inner.listen(BACKLOG)?;
            Ok(TcpListener { inner })
        })
    }

    #[inline]
    pub fn socket(&self) -> &Socket {
        &self.inner
    }

    pub fn into_socket(self) -> Socket {
        self.inner
    }

    pub fn socket_addr(&self) -> io::Result<SocketAddr> {
        self.inner.inet_name(false)
    }

    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (inner, peer) = self.inner.accept()?;
        Ok((TcpStream { inner }, inet(&peer)?))
    }

    pub fn duplicate(&self) -> io::Result<TcpListener> {
        self.inner.duplicate().map(|inner| TcpListener { inner })
    }

    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_number_option(abi::IPPROTO_IP, abi::IP_TTL, ttl)
    }

    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.number_option(abi::IPPROTO_IP, abi::IP_TTL)
    }

    pub fn set_only_v6(&self, only: bool) -> io::Result<()> {
        self.inner.set_number_option(abi::IPPROTO_IPV6, abi::IPV6_V6ONLY, only.into())
    }

    pub fn only_v6(&self) -> io::Result<bool> {
        self.inner.number_option(abi::IPPROTO_IPV6, abi::IPV6_V6ONLY).map(|on| on != 0)
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking)
    }
}

impl AsInner<Socket> for TcpListener {
    #[inline]
    fn as_inner(&self) -> &Socket {
        &self.inner
    }
}

impl IntoInner<Socket> for TcpListener {
    fn into_inner(self) -> Socket {
        self.inner
    }
}

impl FromInner<Socket> for TcpListener {
    fn from_inner(inner: Socket) -> TcpListener {
        TcpListener { inner }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TcpListener");
        if let Ok(address) = self.socket_addr() {
            out.field("addr", &address);
        }
        out.field("fd", &self.inner.as_raw_fd()).finish()
    }
}
