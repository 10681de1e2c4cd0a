//! Connections as files, in a guest by the kernel's calls and on a host by the standard library, and waiting for them.

use std::fs::File;
use std::net::SocketAddr;

#[cfg(target_os = "wasi")]
pub use guest::{Listener, connect, shut_down_writing, wait};
#[cfg(not(target_os = "wasi"))]
pub use host::{Listener, connect, shut_down_writing, wait};

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Udp,
}

/// A connection and who is at its other end.
pub struct Accepted {
    /// The connection.
    pub stream: File,
    /// Its peer.
    pub peer: Option<SocketAddr>,
}

/// Splits `host:port`, `[v6]:port` or `port`.
pub fn split_address(text: &str, host: &str) -> Option<(String, u16)> {
    if let Ok(port) = text.parse() {
        return Some((host.to_owned(), port));
    }
    let (name, port) = text.rsplit_once(':')?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    Some((
        if name.is_empty() {
            host.to_owned()
        } else {
            name.to_owned()
        },
        port.parse().ok()?,
    ))
}

#[cfg(target_os = "wasi")]
mod guest {
    use super::{Accepted, Kind};
    use agentos_guest::fd::{self, POLLERR, POLLHUP, POLLIN, Source};
    use agentos_guest::net::{self, Address};
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::net::{IpAddr, SocketAddr};
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    use std::time::Duration;

    fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
        match host.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => net::resolve(OsStr::new(host), 0),
        }
    }

    fn socket(address: IpAddr, kind: Kind) -> io::Result<OwnedFd> {
        let domain = if address.is_ipv4() { net::AF_INET } else { net::AF_INET6 };
        let kind = if kind == Kind::Tcp {
            net::SOCK_STREAM
        } else {
            net::SOCK_DGRAM
        };
        net::socket(domain, kind | net::SOCK_CLOEXEC, 0)
    }

    /// Connects to the first address of `host` that takes the connection.
    pub fn connect(host: &str, port: u16, kind: Kind, _timeout: Option<Duration>) -> io::Result<File> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in resolve(host)? {
            let socket = socket(address, kind)?;
            match net::connect(socket.as_fd(), &Address::Inet(SocketAddr::new(address, port))) {
                Ok(()) => return Ok(File::from(socket)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Says that nothing more will be written.
    pub fn shut_down_writing(stream: &File) {
        // Preview 1's own call; std reaches it through a stream type.
        let Ok(copy) = stream.as_fd().try_clone_to_owned() else {
            return;
        };
        let _ = std::net::TcpStream::from(copy).shutdown(std::net::Shutdown::Write);
    }

    /// Waits until one of `files` can be read; which ones, none when `timeout` passed.
    pub fn wait(files: &[&File], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
        let sources: Vec<Source> = files
            .iter()
            .map(|file| Source::Fd(file.as_raw_fd() as u32, POLLIN))
            .collect();
        let ready = fd::poll(&sources, timeout)?;
        Ok(ready
            .into_iter()
            .map(|bits| bits & (POLLIN | POLLHUP | POLLERR) != 0)
            .collect())
    }

    /// Takes connections.
    pub struct Listener {
        socket: File,
    }

    impl Listener {
        /// Listens on an address.
        pub fn bind(host: &str, port: u16) -> io::Result<Self> {
            let address = resolve(host)?.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
            let socket = socket(address, Kind::Tcp)?;
            net::bind(socket.as_fd(), &Address::Inet(SocketAddr::new(address, port)))?;
            net::listen(socket.as_fd(), 128)?;
            Ok(Self {
                socket: File::from(socket),
            })
        }

        /// The port it listens on.
        pub fn port(&self) -> Option<u16> {
            match net::name(self.socket.as_fd(), false).ok()?? {
                Address::Inet(address) => Some(address.port()),
                Address::Unix(_) => None,
            }
        }

        /// The socket, to wait for.
        pub fn file(&self) -> Option<&File> {
            Some(&self.socket)
        }

        /// The next connection.
        pub fn accept(&self) -> io::Result<Accepted> {
            let (socket, peer) = net::accept(self.socket.as_fd(), net::SOCK_CLOEXEC)?;
            let peer = match peer {
                Some(Address::Inet(address)) => Some(address),
                _ => None,
            };
            Ok(Accepted {
                stream: File::from(socket),
                peer,
            })
        }
    }
}

#[cfg(not(target_os = "wasi"))]
mod host {
    use super::{Accepted, Kind};
    use std::fs::File;
    use std::io;
    use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    /// Connects to the first address of `host` that takes the connection.
    pub fn connect(host: &str, port: u16, kind: Kind, timeout: Option<Duration>) -> io::Result<File> {
        if kind == Kind::Udp {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect((host, port))?;
            return Ok(File::from(OwnedFd::from(socket)));
        }
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            let stream = match timeout {
                Some(timeout) => TcpStream::connect_timeout(&address, timeout),
                None => TcpStream::connect(address),
            };
            match stream {
                Ok(stream) => return Ok(File::from(OwnedFd::from(stream))),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Says that nothing more will be written.
    pub fn shut_down_writing(stream: &File) {
        if let Ok(copy) = stream.as_fd().try_clone_to_owned() {
            let _ = TcpStream::from(copy).shutdown(Shutdown::Write);
        }
    }

    /// On a host everything counts as ready, and reading waits.
    pub fn wait(files: &[&File], _timeout: Option<Duration>) -> io::Result<Vec<bool>> {
        Ok(vec![true; files.len()])
    }

    /// Takes connections.
    pub struct Listener {
        socket: TcpListener,
    }

    impl Listener {
        /// Listens on an address.
        pub fn bind(host: &str, port: u16) -> io::Result<Self> {
            Ok(Self {
                socket: TcpListener::bind((host, port))?,
            })
        }

        /// The port it listens on.
        pub fn port(&self) -> Option<u16> {
            self.socket.local_addr().ok().map(|address| address.port())
        }

        /// Nothing to wait for together with connections.
        pub fn file(&self) -> Option<&File> {
            None
        }

        /// The next connection.
        pub fn accept(&self) -> io::Result<Accepted> {
            let (stream, peer) = self.socket.accept()?;
            Ok(Accepted {
                stream: File::from(OwnedFd::from(stream)),
                peer: Some(peer),
            })
        }
    }
}
