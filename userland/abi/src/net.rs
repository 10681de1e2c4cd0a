//! Sockets. Every call meets the VM's policy; there is no TLS here.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use agentos_abi::net as abi;
pub use agentos_abi::net::{
    AF_INET, AF_INET6, AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SOCK_CLOEXEC, SOCK_DGRAM,
    SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM,
};

/// A socket address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Internet.
    Inet(SocketAddr),
    /// Unix domain: the path, or a NUL and an abstract name; empty when unnamed.
    Unix(Vec<u8>),
}

impl Address {
    /// The ABI's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Inet(SocketAddr::V4(a)) => {
                out.extend((AF_INET as u16).to_le_bytes());
                out.extend(a.port().to_le_bytes());
                out.extend(a.ip().octets());
            }
            Self::Inet(SocketAddr::V6(a)) => {
                out.extend((AF_INET6 as u16).to_le_bytes());
                out.extend(a.port().to_le_bytes());
                out.extend(a.flowinfo().to_le_bytes());
                out.extend(a.ip().octets());
                out.extend(a.scope_id().to_le_bytes());
            }
            Self::Unix(path) => {
                out.extend((AF_UNIX as u16).to_le_bytes());
                out.extend(path);
            }
        }
        out
    }

    /// From the ABI's form; `None` if it is malformed or of an unknown family.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (family, rest) = bytes.split_first_chunk::<2>()?;
        match u32::from(u16::from_le_bytes(*family)) {
            AF_UNIX => Some(Self::Unix(rest.to_vec())),
            AF_INET => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
                Some(Self::Inet(SocketAddrV4::new(ip, u16::from_le_bytes(*port)).into()))
            }
            AF_INET6 => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let (flow, rest) = rest.split_first_chunk::<4>()?;
                let (ip, rest) = rest.split_first_chunk::<16>()?;
                let scope = u32::from_le_bytes(*rest.first_chunk::<4>()?);
                let (port, flow) = (u16::from_le_bytes(*port), u32::from_le_bytes(*flow));
                Some(Self::Inet(
                    SocketAddrV6::new(Ipv6Addr::from(*ip), port, flow, scope).into(),
                ))
            }
            _ => None,
        }
    }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn owned(fd: u32) -> OwnedFd {
    // SAFETY: the kernel just made this descriptor for us and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

/// A new socket; flags go into `kind`.
pub fn socket(domain: u32, kind: u32, protocol: u32) -> io::Result<OwnedFd> {
    let mut fd = 0;
    call!(sock_open(domain, kind, protocol, &mut fd))?;
    Ok(owned(fd))
}

/// Two connected sockets.
pub fn pair(domain: u32, kind: u32) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut a, mut b) = (0, 0);
    call!(sock_pair(domain, kind, &mut a, &mut b))?;
    Ok((owned(a), owned(b)))
}

/// Gives a socket its own address.
pub fn bind(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    let address = address.encode();
    call!(sock_bind(number(fd), address.as_ptr(), address.len() as u32))
}

/// Starts to take connections.
pub fn listen(fd: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    call!(sock_listen(number(fd), backlog))
}

/// Connects.
pub fn connect(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    let address = address.encode();
    call!(sock_connect(number(fd), address.as_ptr(), address.len() as u32))
}

/// Takes a connection: the socket and its peer.
pub fn accept(fd: BorrowedFd<'_>, flags: u32) -> io::Result<(OwnedFd, Option<Address>)> {
    let mut address = [0; abi::ADDR_MAX];
    let (mut out, mut len) = (0, 0);
    call!(sock_accept_from(
        number(fd),
        flags,
        address.as_mut_ptr(),
        address.len() as u32,
        &mut out,
        &mut len
    ))?;
    Ok((owned(out), address.get(..len as usize).and_then(Address::decode)))
}

/// The socket's own address, or its peer's.
pub fn name(fd: BorrowedFd<'_>, peer: bool) -> io::Result<Option<Address>> {
    let mut address = [0; abi::ADDR_MAX];
    let mut len = 0;
    call!(sock_name(
        number(fd),
        u32::from(peer),
        address.as_mut_ptr(),
        address.len() as u32,
        &mut len
    ))?;
    Ok(address.get(..len as usize).and_then(Address::decode))
}

/// What [`recv`] got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Bytes written into the buffer.
    pub len: usize,
    /// Bits of `MSG_*`.
    pub flags: u32,
    /// The sender, when it has an address.
    pub from: Option<Address>,
}

/// Receives into `buf`.
pub fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], flags: u32) -> io::Result<Received> {
    let mut address = [0; abi::ADDR_MAX];
    let (mut n, mut rflags, mut alen) = (0, 0, 0);
    let (buf_len, address_len) = (buf.len() as u32, address.len() as u32);
    let (buf, space) = (buf.as_mut_ptr(), address.as_mut_ptr());
    call!(sock_recv_from(
        number(fd),
        buf,
        buf_len,
        flags,
        space,
        address_len,
        &mut n,
        &mut rflags,
        &mut alen
    ))?;
    let from = address.get(..alen as usize).and_then(Address::decode);
    Ok(Received {
        len: n as usize,
        flags: rflags,
        from,
    })
}

/// Sends to the connected peer, or to `to`; returns how many bytes.
pub fn send(fd: BorrowedFd<'_>, buf: &[u8], flags: u32, to: Option<&Address>) -> io::Result<usize> {
    let to = to.map(Address::encode).unwrap_or_default();
    let mut n = 0;
    let (buf_len, to_len) = (buf.len() as u32, to.len() as u32);
    call!(sock_send_to(
        number(fd),
        buf.as_ptr(),
        buf_len,
        flags,
        to.as_ptr(),
        to_len,
        &mut n
    ))?;
    Ok(n as usize)
}

/// Addresses of a host name; `family` 0 means any.
pub fn resolve(name: &OsStr, family: u32) -> io::Result<Vec<IpAddr>> {
    let name = name.as_encoded_bytes();
    let buf = crate::call::filled(4096, |buf, cap, out| {
        call!(sock_resolve(name.as_ptr(), name.len() as u32, family, 0, buf, cap, out))
    })?;
    let mut found = Vec::new();
    let mut rest = buf.as_slice();
    while let Some((len, tail)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(*len));
        let Some((address, tail)) = tail.split_at_checked(len) else {
            break;
        };
        if let Some(Address::Inet(address)) = Address::decode(address) {
            found.push(address.ip());
        }
        rest = tail;
    }
    Ok(found)
}

/// A socket option.
pub fn option(fd: BorrowedFd<'_>, level: u32, name: u32) -> io::Result<Vec<u8>> {
    crate::call::filled(256, |buf, cap, len| {
        call!(sock_opt_get(number(fd), level, name, buf, cap, len))
    })
}

/// Sets a socket option.
pub fn set_option(fd: BorrowedFd<'_>, level: u32, name: u32, value: &[u8]) -> io::Result<()> {
    call!(sock_opt_set(
        number(fd),
        level,
        name,
        value.as_ptr(),
        value.len() as u32
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_round_trip_and_a_short_one_is_refused() {
        for address in ["127.0.0.1:80", "[fe80::1%3]:443"] {
            let address = Address::Inet(address.parse().unwrap());
            let bytes = address.encode();
            assert_eq!(Address::decode(&bytes), Some(address));
            assert_eq!(Address::decode(&bytes[..bytes.len() - 1]), None);
        }
        let unix = Address::Unix(b"/run/x".to_vec());
        assert_eq!(Address::decode(&unix.encode()), Some(unix));
    }
}
