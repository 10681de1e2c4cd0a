//! The host's side, for the tests beside the code.

use super::{Family, Interest, Target};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A stream socket that never waits.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Starts to connect; [`Socket::connected`] tells the end of it once the socket can be written.
    pub fn connect(target: &Target) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let open = |family| net::socket_with(family, SocketType::STREAM, flags, None);
        let (fd, started) = match target {
            Target::Inet(address) => {
                let family = if address.is_ipv4() {
                    AddressFamily::INET
                } else {
                    AddressFamily::INET6
                };
                let fd = open(family)?;
                let started = net::connect(&fd, address);
                (fd, started)
            }
            Target::Unix(path) => {
                let fd = open(AddressFamily::UNIX)?;
                let started = net::connect(&fd, &net::SocketAddrUnix::new(path)?);
                (fd, started)
            }
        };
        match started {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(Self(fd)),
            Err(error) => Err(error.into()),
        }
    }

    /// The outcome of a connection attempt.
    pub fn connected(&self) -> io::Result<()> {
        sockopt::socket_error(&self.0)??;
        let _ = sockopt::set_tcp_nodelay(&self.0, true);
        Ok(())
    }

    /// Receives what is there.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (len, _) = net::recv(&self.0, buf, RecvFlags::empty())?;
        Ok(len)
    }

    /// Sends what fits.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        Ok(net::send(&self.0, buf, SendFlags::NOSIGNAL)?)
    }

    /// The socket's own address or its peer's, where it is an internet address.
    pub fn address(&self, peer: bool) -> Option<SocketAddr> {
        let address = if peer {
            net::getpeername(&self.0).ok()??
        } else {
            net::getsockname(&self.0).ok()?
        };
        address.try_into().ok()
    }

    /// The descriptor, to wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of `interests` is ready or `timeout` passed.
pub fn poll(interests: &mut [Interest<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let mut fds: Vec<PollFd<'_>> = interests.iter().map(poll_fd).collect();
    let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
    match rustix::event::poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    for (interest, ready) in interests.iter_mut().zip(ready) {
        interest.ready = ready;
    }
    Ok(())
}

fn poll_fd<'a>(interest: &Interest<'a>) -> PollFd<'a> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.read);
    flags.set(PollFlags::OUT, interest.write);
    PollFd::from_borrowed_fd(interest.fd, flags)
}

/// Addresses of a host name. Waits.
pub fn resolve(name: &str, family: Family) -> io::Result<Vec<IpAddr>> {
    let found: Vec<IpAddr> = (name, 0)
        .to_socket_addrs()?
        .map(|address| address.ip())
        .filter(|address| family.admits(*address))
        .collect();
    Ok(found)
}

/// Why the kernel refused this process last, when it says so. A host says nothing.
pub fn last_denial() -> Option<String> {
    None
}

/// Whether a standard descriptor is a terminal.
pub fn is_terminal(stream: &impl io::IsTerminal) -> bool {
    stream.is_terminal()
}

/// Columns of the terminal on standard error.
pub fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
