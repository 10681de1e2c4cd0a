//! Connections of all kinds behind one type, waiting for them, and the words for what went wrong.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

#[cfg(unix)]
pub use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
#[cfg(target_os = "wasi")]
pub use std::os::wasi::posix::net::{UnixDatagram, UnixListener, UnixStream};

/// Which internet addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    Any,
    V4,
    V6,
}

impl Family {
    /// Whether an address is wanted.
    pub fn takes(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Udp(UdpSocket),
    Unix(UnixStream),
    UnixDatagram(UnixDatagram),
}

impl Stream {
    /// Says that nothing more will be written. Datagrams have no end.
    pub fn shut_down_writing(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Udp(_) | Self::UnixDatagram(_) => Ok(()),
        };
    }

    /// Whether each write is a message of its own and nothing tells the end.
    pub fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp(_) | Self::UnixDatagram(_))
    }

    /// A second handle.
    #[cfg(not(target_os = "wasi"))]
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Udp(socket) => Self::Udp(socket.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::UnixDatagram(socket) => Self::UnixDatagram(socket.try_clone()?),
        })
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Udp(socket) => socket.recv(buf),
            Self::Unix(stream) => stream.read(buf),
            Self::UnixDatagram(socket) => socket.recv(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buf),
            Self::Udp(socket) => socket.send(buf),
            Self::Unix(stream) => stream.write(buf),
            Self::UnixDatagram(socket) => socket.send(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::UnixDatagram(socket) => socket.as_fd(),
        }
    }
}

/// Splits `host:port`, `[v6]:port` or `port`.
pub fn split_address(text: &str, host: &str) -> Option<(String, u16)> {
    if let Ok(port) = text.parse() {
        return Some((host.to_owned(), port));
    }
    let (name, port) = text.rsplit_once(':')?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = if name.is_empty() { host } else { name };
    Some((name.to_owned(), port.parse().ok()?))
}

/// Addresses of a host, of one family; with `numeric` only a number is a host.
pub fn resolve(host: &str, family: Family, numeric: bool) -> io::Result<Vec<IpAddr>> {
    let unknown = || io::Error::other("Name or service not known");
    let found: Vec<IpAddr> = match host.parse() {
        Ok(address) => vec![address],
        Err(_) if numeric => return Err(unknown()),
        Err(_) => (host, 0).to_socket_addrs()?.map(|address| address.ip()).collect(),
    };
    let found: Vec<IpAddr> = found.into_iter().filter(|address| family.takes(*address)).collect();
    match found.is_empty() {
        true => Err(unknown()),
        false => Ok(found),
    }
}

/// Waits until one of `sources` can be read; which ones, none when `timeout` passed.
#[cfg(target_os = "wasi")]
pub fn wait(sources: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    use agentos_guest::fd::{self, POLLERR, POLLHUP, POLLIN, Source};
    use std::os::fd::AsRawFd;
    let sources: Vec<Source> = sources
        .iter()
        .map(|fd| Source::Fd(fd.as_raw_fd() as u32, POLLIN))
        .collect();
    let ready = fd::poll(&sources, timeout)?;
    let bits = POLLIN | POLLHUP | POLLERR;
    Ok(ready.into_iter().map(|ready| ready & bits != 0).collect())
}

/// On a host everything counts as ready, and reading waits.
#[cfg(not(target_os = "wasi"))]
pub fn wait(sources: &[BorrowedFd<'_>], _timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    Ok(vec![true; sources.len()])
}

/// An unspecified address of the family of `other`, with a port.
pub fn unspecified(other: IpAddr, port: u16) -> SocketAddr {
    match other {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, port).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, port).into(),
    }
}
