//! Socket addresses as bytes: see `crates/abi/src/net.rs`.

use agentos_abi::Record;
use agentos_abi::net::{ADDR_MAX, AF_INET, AF_INET6, AF_UNIX};
use agentos_kernel::Errno;
use agentos_kernel::net::{Domain, SocketAddress, UnixAddress};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Bytes of the family.
const FAMILY: usize = 2;
const INET: usize = FAMILY + 2 + 4;
const INET6: usize = FAMILY + 2 + 4 + 16 + 4;

/// The family with this number.
pub(super) fn domain(number: u32) -> Result<Domain, Errno> {
    match number {
        AF_UNIX => Ok(Domain::Unix),
        AF_INET => Ok(Domain::Inet),
        AF_INET6 => Ok(Domain::Inet6),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// The number of a family.
pub(super) fn domain_number(domain: Domain) -> u32 {
    match domain {
        Domain::Unix => AF_UNIX,
        Domain::Inet => AF_INET,
        Domain::Inet6 => AF_INET6,
    }
}

/// Reads an address.
///
/// # Errors
/// `EINVAL` for a wrong length, `EAFNOSUPPORT`.
pub(super) fn decode(bytes: &[u8]) -> Result<SocketAddress, Errno> {
    if !(FAMILY..=ADDR_MAX).contains(&bytes.len()) {
        return Err(Errno::EINVAL);
    }
    let at = |at: usize| bytes.get(at..).unwrap_or_default();
    let port = u16::decode(at(FAMILY));
    match domain(u32::from(u16::decode(bytes)))? {
        Domain::Unix => unix(at(FAMILY)),
        Domain::Inet if bytes.len() >= INET => {
            let ip = Ipv4Addr::from(<[u8; 4]>::decode(at(4)));
            Ok(SocketAddress::Inet(SocketAddrV4::new(ip, port).into()))
        }
        Domain::Inet6 if bytes.len() >= INET6 => {
            let ip = Ipv6Addr::from(<[u8; 16]>::decode(at(8)));
            let (flow, scope) = (u32::decode(at(4)), u32::decode(at(24)));
            Ok(SocketAddress::Inet(SocketAddrV6::new(ip, port, flow, scope).into()))
        }
        Domain::Inet | Domain::Inet6 => Err(Errno::EINVAL),
    }
}

fn unix(name: &[u8]) -> Result<SocketAddress, Errno> {
    let name = match name {
        [] => UnixAddress::Unnamed,
        [0, name @ ..] => UnixAddress::Abstract(name.to_vec()),
        path => UnixAddress::Path(path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
    };
    let len = match &name {
        UnixAddress::Unnamed => 0,
        UnixAddress::Path(name) | UnixAddress::Abstract(name) => name.len(),
    };
    if len > UnixAddress::MAX {
        Err(Errno::EINVAL)
    } else {
        Ok(SocketAddress::Unix(name))
    }
}

/// Writes an address.
pub(super) fn encode(address: &SocketAddress) -> Vec<u8> {
    // A family number is far below 2^16.
    let mut bytes = (domain_number(address.domain()) as u16).to_le_bytes().to_vec();
    match address {
        SocketAddress::Unix(UnixAddress::Unnamed) => {}
        SocketAddress::Unix(UnixAddress::Path(path)) => bytes.extend_from_slice(path),
        SocketAddress::Unix(UnixAddress::Abstract(name)) => {
            bytes.push(0);
            bytes.extend_from_slice(name);
        }
        SocketAddress::Inet(SocketAddr::V4(address)) => {
            bytes.extend_from_slice(&address.port().to_le_bytes());
            bytes.extend_from_slice(&address.ip().octets());
        }
        SocketAddress::Inet(SocketAddr::V6(address)) => {
            bytes.extend_from_slice(&address.port().to_le_bytes());
            bytes.extend_from_slice(&address.flowinfo().to_le_bytes());
            bytes.extend_from_slice(&address.ip().octets());
            bytes.extend_from_slice(&address.scope_id().to_le_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_trip() {
        let unix = |name| SocketAddress::Unix(name);
        let all = [
            unix(UnixAddress::Unnamed),
            unix(UnixAddress::Path(b"/tmp/socket".to_vec())),
            unix(UnixAddress::Abstract(b"a\0b".to_vec())),
            SocketAddress::Inet("127.0.0.1:80".parse().unwrap()),
            SocketAddress::Inet(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 443, 7, 9).into()),
        ];
        for address in all {
            assert_eq!(decode(&encode(&address)), Ok(address));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(decode(&[]), Err(Errno::EINVAL));
        assert_eq!(decode(&[2]), Err(Errno::EINVAL));
        assert_eq!(decode(&[2, 0, 80, 0, 1, 2, 3]), Err(Errno::EINVAL));
        assert_eq!(decode(&[99, 0, 0, 0, 0, 0, 0, 0]), Err(Errno::EAFNOSUPPORT));
        assert_eq!(decode(&[1; 200]), Err(Errno::EINVAL));
    }
}
