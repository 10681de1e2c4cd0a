//! Sockets. An address is bytes: family `u16`, then per family:
//!
//! * [`AF_UNIX`]: the path, to the end of the address (a leading NUL makes it abstract);
//! * [`AF_INET`]: port `u16` (plain little-endian integer), 4 address bytes;
//! * [`AF_INET6`]: port `u16`, flow `u32`, 16 address bytes, scope `u32`.

/// Unix domain.
pub const AF_UNIX: u32 = 1;
/// IPv4.
pub const AF_INET: u32 = 2;
/// IPv6.
pub const AF_INET6: u32 = 10;
/// Stream.
pub const SOCK_STREAM: u32 = 1;
/// Datagram.
pub const SOCK_DGRAM: u32 = 2;
/// Sequenced packets (unix only).
pub const SOCK_SEQPACKET: u32 = 5;
/// `sock_open`, `sock_pair`, `sock_accept_from` flag: non-blocking.
pub const SOCK_NONBLOCK: u32 = 0x800;
/// Close on exec.
pub const SOCK_CLOEXEC: u32 = 0x80000;

/// Longest encoded address.
pub const ADDR_MAX: usize = 2 + 108;

/// One buffer of [`sock_recv_msg`](crate::imports::sock_recv_msg) and `sock_send_msg`: where it is and how long.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoVec {
    /// Address.
    pub buf: u32,
    /// Bytes.
    pub len: u32,
}

/// Most buffers of one message.
pub const IOV_MAX: u32 = 1024;

/// Receive flag: leave the data.
pub const MSG_PEEK: u32 = 2;
/// Wait for the full amount.
pub const MSG_WAITALL: u32 = 0x100;
/// Do not wait.
pub const MSG_DONTWAIT: u32 = 0x40;
/// Result flag: the datagram was cut.
pub const MSG_TRUNC: u32 = 0x20;
/// Do not raise SIGPIPE.
pub const MSG_NOSIGNAL: u32 = 0x4000;
/// More will follow; accepted without effect.
pub const MSG_MORE: u32 = 0x8000;
/// Do not route; accepted without effect.
pub const MSG_DONTROUTE: u32 = 0x4;
