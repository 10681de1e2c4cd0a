//! Socket options and call flags, typed; the executor maps numbers to them.

use super::Advice;
use crate::errno::Errno;
use crate::id::{Gid, Pid, Uid};

bitflags::bitflags! {
    /// Flags of `send` and `recv`, with Linux's numbers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct MessageFlags: u32 {
        /// Leave the data in the queue.
        const PEEK = 0x2;
        /// Report the datagram's real length; on return: it was cut.
        const TRUNC = 0x20;
        /// Do not wait. The caller passes no waker; the socket itself ignores the flag.
        const DONTWAIT = 0x40;
        /// Wait until the buffer is full.
        const WAITALL = 0x100;
        /// No `SIGPIPE`. The caller raises that signal; the socket itself ignores the flag.
        const NOSIGNAL = 0x4000;
    }
}

/// What a socket may have under way unless `SO_SNDBUF` or `SO_RCVBUF` say otherwise, in bytes.
pub(super) const BUFFER_DEFAULT: u32 = 212_992;

/// Which half to shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Receiving.
    Read,
    /// Sending.
    Write,
    /// Both.
    Both,
}

/// The process at the other end of a unix stream, as it was at `connect`, `listen` or `socketpair`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerCredentials {
    /// Process.
    pub pid: Pid,
    /// Effective user.
    pub uid: Uid,
    /// Effective group.
    pub gid: Gid,
}

/// Names of options that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptionName {
    /// `SO_TYPE`.
    Type,
    /// `SO_DOMAIN`.
    Domain,
    /// `SO_PROTOCOL`.
    Protocol,
    /// `SO_ERROR`: reading clears it.
    Error,
    /// `SO_ACCEPTCONN`.
    AcceptConnections,
    /// `SO_REUSEADDR`.
    ReuseAddress,
    /// `SO_REUSEPORT`.
    ReusePort,
    /// `SO_KEEPALIVE`.
    KeepAlive,
    /// `SO_BROADCAST`.
    Broadcast,
    /// `SO_SNDBUF`.
    SendBuffer,
    /// `SO_RCVBUF`.
    ReceiveBuffer,
    /// `SO_LINGER`.
    Linger,
    /// `SO_RCVTIMEO`.
    ReceiveTimeout,
    /// `SO_SNDTIMEO`.
    SendTimeout,
    /// `TCP_NODELAY`.
    NoDelay,
    /// `IPV6_V6ONLY`.
    V6Only,
    /// `IP_TTL` and `IPV6_UNICAST_HOPS`, stored and otherwise without effect.
    TimeToLive,
    /// `SO_PEERCRED`.
    PeerCredentials,
    /// One that is only kept.
    Advice(Advice),
    /// `IP_ADD_MEMBERSHIP` and its like: there is no multicast, so setting it is refused.
    Membership,
    /// `SO_BINDTODEVICE`, `IP_OPTIONS`, `TCP_FASTOPEN`: what would step around the VM's network. Setting it is `EPERM`.
    Forbidden,
}

/// An option with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionValue {
    /// A switch: `SO_ACCEPTCONN`, `SO_REUSEADDR`, `SO_REUSEPORT`, `SO_KEEPALIVE`, `SO_BROADCAST`, `TCP_NODELAY`, `IPV6_V6ONLY`.
    Switch(bool),
    /// A size in bytes: `SO_SNDBUF`, `SO_RCVBUF`. Setting one stores its double, as in Linux.
    Size(u32),
    /// `IP_TTL` (255 at most), and every [`Advice`].
    Number(u32),
    /// `SO_LINGER`: seconds, if on.
    Linger(Option<u32>),
    /// Nanoseconds, if limited: `SO_RCVTIMEO`, `SO_SNDTIMEO`.
    Timeout(Option<u64>),
    /// `SO_TYPE`.
    Kind(super::Kind),
    /// `SO_DOMAIN`.
    Domain(super::Domain),
    /// `SO_PROTOCOL`: 6 for TCP, 17 for UDP, 0 for unix.
    Protocol(u32),
    /// `SO_ERROR`.
    Error(Option<Errno>),
    /// `SO_PEERCRED`.
    Peer(PeerCredentials),
}
