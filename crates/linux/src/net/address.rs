//! Socket addresses as the host lays them out (`sockaddr_un`, `sockaddr_in`, `sockaddr_in6`).

use crate::calls::Fail;
use agentos_kernel::net::{SocketAddress, UnixAddress};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Longest address that a call takes (`sockaddr_storage`); then `EINVAL`.
pub(crate) const ADDRESS_MAX: usize = 128;
const FAMILY: usize = 2;
const V4: usize = 16;
/// Without the zone, as Linux still takes it.
const V6_SHORT: usize = 24;

/// Family of an address.
fn family(bytes: &[u8]) -> Result<i32, Fail> {
    let family = bytes.first_chunk::<FAMILY>().ok_or(Fail(libc::EINVAL))?;
    Ok(u16::from_ne_bytes(*family).into())
}

/// Whether it is an address of no family, by which a peer is forgotten.
pub(crate) fn is_no_family(bytes: &[u8]) -> bool {
    family(bytes) == Ok(libc::AF_UNSPEC)
}

/// Reads an address.
pub(crate) fn decode(bytes: &[u8]) -> Result<SocketAddress, Fail> {
    let invalid = Fail(libc::EINVAL);
    match family(bytes)? {
        libc::AF_UNIX => Ok(SocketAddress::Unix(unix(bytes.get(FAMILY..).unwrap_or_default())?)),
        libc::AF_INET => {
            let bytes = bytes.first_chunk::<V4>().ok_or(invalid)?;
            let [_, _, p0, p1, a, b, c, d, ..] = *bytes;
            let address = SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p0, p1])));
            Ok(SocketAddress::Inet(address))
        }
        libc::AF_INET6 => {
            let short = bytes.first_chunk::<V6_SHORT>().ok_or(invalid)?;
            let [_, _, p0, p1, f0, f1, f2, f3, ip @ ..] = *short;
            let ip: [u8; 16] = ip;
            let zone = bytes
                .get(V6_SHORT..V6_SHORT + 4)
                .and_then(|zone| zone.first_chunk::<4>());
            Ok(SocketAddress::Inet(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(ip),
                u16::from_be_bytes([p0, p1]),
                u32::from_ne_bytes([f0, f1, f2, f3]),
                zone.map_or(0, |zone| u32::from_ne_bytes(*zone)),
            ))))
        }
        _ => Err(Fail(libc::EAFNOSUPPORT)),
    }
}

fn unix(name: &[u8]) -> Result<UnixAddress, Fail> {
    match name {
        [] => Ok(UnixAddress::Unnamed),
        [0, name @ ..] => Ok(UnixAddress::Abstract(name.to_vec())),
        _ => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            let path = name.get(..end).unwrap_or_default();
            match path.len() <= UnixAddress::MAX + 1 {
                true => Ok(UnixAddress::Path(path.to_vec())),
                false => Err(Fail(libc::EINVAL)),
            }
        }
    }
}

/// Lays an address out.
pub(crate) fn encode(address: &SocketAddress) -> Vec<u8> {
    let family = |family: i32| (family as u16).to_ne_bytes();
    match address {
        SocketAddress::Unix(UnixAddress::Unnamed) => family(libc::AF_UNIX).to_vec(),
        SocketAddress::Unix(UnixAddress::Path(path)) => [&family(libc::AF_UNIX)[..], path, &[0]].concat(),
        SocketAddress::Unix(UnixAddress::Abstract(name)) => [&family(libc::AF_UNIX)[..], &[0], name].concat(),
        SocketAddress::Inet(SocketAddr::V4(address)) => [
            &family(libc::AF_INET)[..],
            &address.port().to_be_bytes(),
            &address.ip().octets(),
            &[0; 8],
        ]
        .concat(),
        SocketAddress::Inet(SocketAddr::V6(address)) => [
            &family(libc::AF_INET6)[..],
            &address.port().to_be_bytes(),
            &address.flowinfo().to_ne_bytes(),
            &address.ip().octets(),
            &address.scope_id().to_ne_bytes(),
        ]
        .concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_both_ways() {
        let inet = |text: &str| SocketAddress::Inet(text.parse().unwrap_or_else(|_| unreachable!("{text}")));
        let unix = |name| SocketAddress::Unix(name);
        for address in [
            inet("127.0.0.1:80"),
            inet("[::1]:65535"),
            inet("[fe80::1%3]:1"),
            unix(UnixAddress::Unnamed),
            unix(UnixAddress::Path(b"/tmp/s".to_vec())),
            unix(UnixAddress::Abstract(b"a\0b".to_vec())),
        ] {
            assert_eq!(decode(&encode(&address)), Ok(address));
        }
    }

    #[test]
    fn what_is_too_short_or_strange_is_refused() {
        assert_eq!(decode(&[2]), Err(Fail(libc::EINVAL)));
        assert_eq!(decode(&[2, 0, 0, 80, 127, 0, 0, 1]), Err(Fail(libc::EINVAL)));
        assert_eq!(decode(&[10, 0, 0, 80, 0, 0, 0, 0, 0]), Err(Fail(libc::EINVAL)));
        assert_eq!(decode(&[16, 0, 0, 0]), Err(Fail(libc::EAFNOSUPPORT)));
        assert_eq!(decode(&[&[1, 0], &[b'a'; 109][..]].concat()), Err(Fail(libc::EINVAL)));
    }
}
