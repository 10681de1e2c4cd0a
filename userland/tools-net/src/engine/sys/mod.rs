//! The few system calls under the engine, once for a guest and once for the host on which the tools are tested: sockets
//! that never wait, one call that does, names, and what is known of the terminal.

#[cfg(target_os = "wasi")]
mod guest;
#[cfg(not(target_os = "wasi"))]
mod host;

#[cfg(target_os = "wasi")]
pub use guest::{Socket, is_terminal, last_denial, poll, resolve, terminal_width};
#[cfg(not(target_os = "wasi"))]
pub use host::{Socket, is_terminal, last_denial, poll, resolve, terminal_width};

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

/// Where a socket goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An internet address.
    Inet(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Which addresses of a name are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// All.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Whether an address is wanted.
    pub fn admits(self, address: std::net::IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// What to wait for on a descriptor, and what came.
#[derive(Debug, Clone, Copy)]
pub struct Interest<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// Wait until it can be read.
    pub read: bool,
    /// Wait until it can be written.
    pub write: bool,
    /// Something came; an error and an end count.
    pub ready: bool,
}

impl<'a> Interest<'a> {
    /// Waits for what is wanted.
    pub fn new(fd: BorrowedFd<'a>, read: bool, write: bool) -> Self {
        Self {
            fd,
            read,
            write,
            ready: false,
        }
    }
}
