//! The guest's side: the kernel's sockets by their own calls.

use super::{Family, Interest, Target};
use agentos_guest::fd::{POLLIN, POLLOUT, Source};
use agentos_guest::net::{self, AF_INET, AF_INET6, AF_UNIX, Address, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK};
use agentos_guest::raw::errno;
use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A stream socket that never waits.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Starts to connect; [`Socket::connected`] tells the end of it once the socket can be written.
    pub fn connect(target: &Target) -> io::Result<Self> {
        let (domain, address) = match target {
            Target::Inet(address @ SocketAddr::V4(_)) => (AF_INET, Address::Inet(*address)),
            Target::Inet(address @ SocketAddr::V6(_)) => (AF_INET6, Address::Inet(*address)),
            Target::Unix(path) => (AF_UNIX, Address::Unix(path.as_os_str().as_encoded_bytes().to_vec())),
        };
        let fd = net::socket(domain, net::SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
        match net::connect(fd.as_fd(), &address) {
            Err(error) if !in_progress(&error) => Err(error),
            _ => Ok(Self(fd)),
        }
    }

    /// The outcome of a connection attempt.
    pub fn connected(&self) -> io::Result<()> {
        let value = net::option(self.0.as_fd(), SOL_SOCKET, SO_ERROR)?;
        let code = value.first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        if code == 0 {
            let one = 1_u32.to_le_bytes();
            let _ = net::set_option(self.0.as_fd(), IPPROTO_TCP, TCP_NODELAY, &one);
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(code))
    }

    /// Receives what is there.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        net::recv(self.0.as_fd(), buf, 0).map(|received| received.len)
    }

    /// Sends what fits.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        net::send(self.0.as_fd(), buf, MSG_NOSIGNAL, None)
    }

    /// The socket's own address or its peer's, where it is an internet address.
    pub fn address(&self, peer: bool) -> Option<SocketAddr> {
        match net::name(self.0.as_fd(), peer) {
            Ok(Some(Address::Inet(address))) => Some(address),
            _ => None,
        }
    }

    /// The descriptor, to wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || agentos_guest::errno(error) == Some(errno::EINPROGRESS)
}

/// Waits until one of `interests` is ready or `timeout` passed.
pub fn poll(interests: &mut [Interest<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let sources: Vec<Source> = interests
        .iter()
        .map(|i| {
            let events = if i.read { POLLIN } else { 0 } | if i.write { POLLOUT } else { 0 };
            Source::Fd(i.fd.as_raw_fd() as u32, events)
        })
        .collect();
    let ready = agentos_guest::fd::poll(&sources, timeout)?;
    for (interest, bits) in interests.iter_mut().zip(ready) {
        interest.ready = bits != 0;
    }
    Ok(())
}

/// Addresses of a host name. Waits.
pub fn resolve(name: &str, family: Family) -> io::Result<Vec<IpAddr>> {
    let family = match family {
        Family::Any => 0,
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    net::resolve(OsStr::new(name), family)
}

/// Why the kernel refused this process last, when it says so.
pub fn last_denial() -> Option<String> {
    agentos_guest::process::last_denial()
        .ok()
        .filter(|text| !text.is_empty())
}

/// Whether a standard descriptor is a terminal.
pub fn is_terminal(stream: &impl io::IsTerminal) -> bool {
    stream.is_terminal()
}

/// Columns of the terminal on standard error.
pub fn terminal_width() -> Option<usize> {
    let size = agentos_guest::tty::size(io::stderr().as_fd()).ok()?;
    Some(usize::from(size.cols)).filter(|columns| *columns > 0)
}

/// Numbers of socket options, which are Linux's.
const SOL_SOCKET: u32 = 1;
const SO_ERROR: u32 = 4;
const IPPROTO_TCP: u32 = 6;
const TCP_NODELAY: u32 = 1;
