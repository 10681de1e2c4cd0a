//! Unix domain sockets: the counterpart of `std::os::unix::net`.

#![stable(feature = "rust1", since = "1.0.0")]

use crate::ffi::OsStr;
use crate::fmt;
use crate::io::{self, IoSlice, IoSliceMut, Read, Write};
use crate::net::Shutdown;
use crate::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use crate::os::wasi::ffi::OsStrExt;
use crate::path::Path;
use crate::sys::net::{AF_UNIX, Address, SOCK_DGRAM, SOCK_STREAM, Socket};
use crate::sys::{FromInner, IntoInner};
use crate::time::Duration;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;
/// Bytes of the family, before the name.
const FAMILY: usize = 2;

/// The address of a unix domain socket.
#[derive(Clone)]
#[stable(feature = "rust1", since = "1.0.0")]
pub struct SocketAddr(Address);

impl SocketAddr {
    /// The address of a path.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a path that is too long or contains a NUL.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn from_pathname<P: AsRef<Path>>(path: P) -> io::Result<SocketAddr> {
        let name = path.as_ref().as_os_str().as_bytes();
        if name.contains(&0) {
            return Err(io::const_error!(io::ErrorKind::InvalidInput, "paths must not contain interior null bytes"));
        }
        named(name).map(SocketAddr)
    }

    /// The address of a name that is no path.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a name that is too long.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn from_abstract_name<N: AsRef<[u8]>>(name: N) -> io::Result<SocketAddr> {
        named(&[&[0], name.as_ref()].concat()).map(SocketAddr)
    }

    fn name(&self) -> &[u8] {
        self.0.as_bytes().get(FAMILY..).unwrap_or_default()
    }

    /// Whether it has no name.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn is_unnamed(&self) -> bool {
        self.name().is_empty()
    }

    /// The path, if it is one.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn as_pathname(&self) -> Option<&Path> {
        match self.name() {
            [] | [0, ..] => None,
            path => Some(Path::new(OsStr::from_bytes(path))),
        }
    }

    /// The abstract name, if it is one.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        match self.name() {
            [0, name @ ..] => Some(name),
            _ => None,
        }
    }
}

#[stable(feature = "rust1", since = "1.0.0")]
impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.as_pathname(), self.as_abstract_name()) {
            (Some(path), _) => write!(f, "{path:?} (pathname)"),
            (_, Some(name)) => write!(f, "\"{}\" (abstract)", name.escape_ascii()),
            _ => f.write_str("(unnamed)"),
        }
    }
}

fn named(name: &[u8]) -> io::Result<Address> {
    Address::unix(name)
        .ok_or(io::const_error!(io::ErrorKind::InvalidInput, "path must be shorter than SUN_LEN"))
}

macro_rules! sockets {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[stable(feature = "rust1", since = "1.0.0")]
        pub struct $name(Socket);

        impl $name {
            /// The socket's own address.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.0.name(false).map(SocketAddr)
            }

            /// A second handle of the same socket.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn try_clone(&self) -> io::Result<Self> {
                self.0.duplicate().map(Self)
            }

            /// Whether calls wait.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.0.set_nonblocking(nonblocking)
            }

            /// The pending error, which it clears.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.0.take_error()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut out = f.debug_struct(stringify!($name));
                out.field("fd", &self.0.as_raw_fd());
                if let Ok(address) = self.local_addr() {
                    out.field("local", &address);
                }
                out.finish()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_raw_fd()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl FromRawFd for $name {
            unsafe fn from_raw_fd(fd: RawFd) -> Self {
                // SAFETY: the caller's promise.
                Self(unsafe { Socket::from_raw_fd(fd) })
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl IntoRawFd for $name {
            fn into_raw_fd(self) -> RawFd {
                self.0.into_raw_fd()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl From<$name> for OwnedFd {
            fn from(socket: $name) -> OwnedFd {
                socket.0.into_inner().into_inner()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl From<OwnedFd> for $name {
            fn from(fd: OwnedFd) -> Self {
                Self(Socket::from_inner(FromInner::from_inner(fd)))
            }
        }
    )*};
}

sockets! {
    /// A unix stream.
    UnixStream
    /// Takes unix streams.
    UnixListener
    /// A unix datagram socket.
    UnixDatagram
}

macro_rules! connected {
    ($($name:ident)*) => {$(
        impl $name {
            /// The peer's address.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.0.name(true).map(SocketAddr)
            }

            /// How long a read waits.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_read_timeout(timeout)
            }

            /// How long a write waits.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_write_timeout(timeout)
            }

            /// How long a read waits.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.0.read_timeout()
            }

            /// How long a write waits.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.0.write_timeout()
            }

            /// Ends one or both directions.
            #[stable(feature = "rust1", since = "1.0.0")]
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.0.shutdown(how)
            }
        }
    )*};
}

connected! { UnixStream UnixDatagram }

impl UnixStream {
    /// Connects to the listener at a path.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        Self::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to the listener of an address.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let socket = Socket::new(AF_UNIX, SOCK_STREAM)?;
        socket.connect(&address.0)?;
        Ok(Self(socket))
    }

    /// Two connected streams.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        Socket::pair(AF_UNIX, SOCK_STREAM).map(|(a, b)| (Self(a), Self(b)))
    }
}

#[stable(feature = "rust1", since = "1.0.0")]
impl Read for &UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_vectored(bufs)
    }
}

#[stable(feature = "rust1", since = "1.0.0")]
impl Read for UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_vectored(bufs)
    }
}

#[stable(feature = "rust1", since = "1.0.0")]
impl Write for &UnixStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[stable(feature = "rust1", since = "1.0.0")]
impl Write for UnixStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl UnixListener {
    /// Listens at a path, where nothing may be yet.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        Self::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Listens on an address.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        let socket = Socket::new(AF_UNIX, SOCK_STREAM)?;
        socket.bind(&address.0)?;
        socket.listen(BACKLOG)?;
        Ok(Self(socket))
    }

    /// Takes a connection.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (socket, peer) = self.0.accept()?;
        Ok((UnixStream(socket), SocketAddr(peer)))
    }

    /// The connections, for ever.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn incoming(&self) -> impl Iterator<Item = io::Result<UnixStream>> + '_ {
        crate::iter::from_fn(|| Some(self.accept().map(|(stream, _)| stream)))
    }
}

impl UnixDatagram {
    /// A socket at a path.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        Self::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// A socket with an address.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        let socket = Self::unbound()?;
        socket.0.bind(&address.0)?;
        Ok(socket)
    }

    /// A socket without an address.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn unbound() -> io::Result<UnixDatagram> {
        Socket::new(AF_UNIX, SOCK_DGRAM).map(Self)
    }

    /// Two connected sockets.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        Socket::pair(AF_UNIX, SOCK_DGRAM).map(|(a, b)| (Self(a), Self(b)))
    }

    /// Sets where [`send`](Self::send) sends to.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.0.connect(&SocketAddr::from_pathname(path)?.0)
    }

    /// Receives one datagram.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    /// Receives one datagram and its sender.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buf, false).map(|(n, from)| (n, SocketAddr(from)))
    }

    /// Sends one datagram to the connected peer.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    /// Sends one datagram to the socket at a path.
    #[stable(feature = "rust1", since = "1.0.0")]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.0.send_to(buf, Some(&SocketAddr::from_pathname(path)?.0))
    }
}
