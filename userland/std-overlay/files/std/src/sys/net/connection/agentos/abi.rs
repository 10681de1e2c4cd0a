//! The part of the kernel's import module that sockets need. The text that rules is the ABI crate of agentOS.

use crate::io;
use crate::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

pub const AF_UNIX: u32 = 1;
pub const AF_INET: u32 = 2;
pub const AF_INET6: u32 = 10;

pub const SOCK_STREAM: u32 = 1;
pub const SOCK_DGRAM: u32 = 2;
pub const SOCK_NONBLOCK: u32 = 0x800;
pub const SOCK_CLOEXEC: u32 = 0x80000;

pub const MSG_PEEK: u32 = 2;
pub const MSG_NOSIGNAL: u32 = 0x4000;

pub const SOL_SOCKET: u32 = 1;
pub const SO_REUSEADDR: u32 = 2;
pub const SO_ERROR: u32 = 4;
pub const SO_BROADCAST: u32 = 6;
pub const SO_LINGER: u32 = 13;
pub const SO_RCVTIMEO: u32 = 20;
pub const SO_SNDTIMEO: u32 = 21;

pub const IPPROTO_IP: u32 = 0;
pub const IP_TTL: u32 = 2;
pub const IP_MULTICAST_TTL: u32 = 33;
pub const IP_MULTICAST_LOOP: u32 = 34;
pub const IP_ADD_MEMBERSHIP: u32 = 35;
pub const IP_DROP_MEMBERSHIP: u32 = 36;

pub const IPPROTO_TCP: u32 = 6;
pub const TCP_NODELAY: u32 = 1;

pub const IPPROTO_IPV6: u32 = 41;
pub const IPV6_MULTICAST_LOOP: u32 = 19;
pub const IPV6_ADD_MEMBERSHIP: u32 = 20;
pub const IPV6_DROP_MEMBERSHIP: u32 = 21;
pub const IPV6_V6ONLY: u32 = 26;

pub const POLL_FD: u32 = 0;
pub const POLLOUT: u32 = 4;

/// Longest encoded address: a family and a unix path.
pub const ADDRESS_MAX: usize = 2 + 108;

#[repr(C)]
pub struct PollEntry {
    pub kind: u32,
    pub id: i32,
    pub events: u32,
    pub revents: u32,
}

#[link(wasm_import_module = "agentos_v1")]
unsafe extern "C" {
    pub fn sock_open(domain: u32, kind: u32, protocol: u32, fd: *mut u32) -> u32;
    pub fn sock_pair(domain: u32, kind: u32, a: *mut u32, b: *mut u32) -> u32;
    pub fn sock_bind(fd: u32, addr: *const u8, len: u32) -> u32;
    pub fn sock_listen(fd: u32, backlog: u32) -> u32;
    pub fn sock_connect(fd: u32, addr: *const u8, len: u32) -> u32;
    pub fn sock_accept_from(fd: u32, flags: u32, addr: *mut u8, cap: u32, out: *mut u32, len: *mut u32) -> u32;
    pub fn sock_name(fd: u32, peer: u32, addr: *mut u8, cap: u32, len: *mut u32) -> u32;
    pub fn sock_recv_from(
        fd: u32,
        buf: *mut u8,
        cap: u32,
        flags: u32,
        addr: *mut u8,
        acap: u32,
        n: *mut u32,
        rflags: *mut u32,
        alen: *mut u32,
    ) -> u32;
    pub fn sock_send_to(
        fd: u32,
        buf: *const u8,
        len: u32,
        flags: u32,
        addr: *const u8,
        alen: u32,
        n: *mut u32,
    ) -> u32;
    pub fn sock_resolve(name: *const u8, len: u32, family: u32, flags: u32, buf: *mut u8, cap: u32, n: *mut u32)
    -> u32;
    pub fn sock_opt_get(fd: u32, level: u32, name: u32, buf: *mut u8, cap: u32, len: *mut u32) -> u32;
    pub fn sock_opt_set(fd: u32, level: u32, name: u32, buf: *const u8, len: u32) -> u32;
    pub fn fd_poll(entries: *mut PollEntry, n: u32, timeout_ns: i64, sigmask: *const u64, ready: *mut u32) -> u32;
}

/// Turns an error number into a result.
pub fn check(errno: u32) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno as i32)) }
}

/// A socket address in the ABI's form.
#[derive(Clone, Copy)]
pub struct Address {
    bytes: [u8; ADDRESS_MAX],
    len: usize,
}

impl Address {
    /// Room for an address that the kernel writes.
    pub const EMPTY: Self = Self { bytes: [0; ADDRESS_MAX], len: 0 };

    pub fn inet(address: &SocketAddr) -> Self {
        let mut out = Self::EMPTY;
        match address {
            SocketAddr::V4(a) => {
                out.push(&(AF_INET as u16).to_le_bytes());
                out.push(&a.port().to_le_bytes());
                out.push(&a.ip().octets());
            }
            SocketAddr::V6(a) => {
                out.push(&(AF_INET6 as u16).to_le_bytes());
                out.push(&a.port().to_le_bytes());
                out.push(&a.flowinfo().to_le_bytes());
                out.push(&a.ip().octets());
                out.push(&a.scope_id().to_le_bytes());
            }
        }
        out
    }

    /// A unix name: a path, or a NUL and an abstract name. `None` when it is too long.
    pub fn unix(name: &[u8]) -> Option<Self> {
        if name.len() > ADDRESS_MAX - 2 {
            return None;
        }
        let mut out = Self::EMPTY;
        out.push(&(AF_UNIX as u16).to_le_bytes());
        out.push(name);
        Some(out)
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    /// Takes the length that the kernel reported, which may exceed what it wrote.
    pub fn set_len(&mut self, len: u32) {
        self.len = (len as usize).min(ADDRESS_MAX);
    }

    /// The internet address, if it is one.
    pub fn to_inet(&self) -> Option<SocketAddr> {
        decode(self.as_bytes())
    }
}

/// Reads an internet address in the ABI's form.
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_le_bytes(*port);
    match u32::from(u16::from_le_bytes(*family)) {
        AF_INET => {
            let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            Some(SocketAddrV4::new(ip, port).into())
        }
        AF_INET6 => {
            let (flow, rest) = rest.split_first_chunk::<4>()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_le_bytes(*rest.first_chunk::<4>()?);
            Some(SocketAddrV6::new(Ipv6Addr::from(*ip), port, u32::from_le_bytes(*flow), scope).into())
        }
        _ => None,
    }
}
