//! The ranges of addresses that a VM may not reach, as data.
//!
//! Every range has a label, which errors and audit events carry. The tables hold what the Internet's registries say of an
//! address; what only this host knows (its own addresses, the operator's additions) is in
//! [`Classifier`](crate::Classifier).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses: all that share the first `prefix` bits with `network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// First address of the block.
    pub network: IpAddr,
    /// Number of leading bits that count.
    pub prefix: u8,
}

impl Range {
    /// The block that holds one address alone.
    pub fn single(address: IpAddr) -> Self {
        Self {
            network: address,
            prefix: if address.is_ipv4() { 32 } else { 128 },
        }
    }

    /// Whether the address is of this block. Addresses of the other family never are.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits())
                    .checked_shr(32 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits())
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.network, self.prefix)
    }
}

/// A labelled range.
pub(crate) struct Labelled {
    pub(crate) range: Range,
    pub(crate) label: &'static str,
    /// Where an IPv4 address is kept inside an address of the range.
    pub(crate) embedded: Embedding,
}

/// How an IPv6 range carries IPv4 addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embedding {
    /// It does not.
    None,
    /// In the last 32 bits; the range decides.
    Last,
    /// In the last 32 bits; the rules of IPv4 give the label, and the range is blocked in any case.
    LastByRules,
    /// Bits 16 to 47 (6to4).
    After16,
    /// The last 32 bits, inverted (Teredo).
    LastInverted,
}

impl Embedding {
    /// The IPv4 address inside, if the range carries one.
    pub(crate) fn decode(self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let bits = address.to_bits();
        match self {
            Self::None => None,
            Self::Last | Self::LastByRules => Some(low_32(bits)),
            Self::After16 => Some(low_32(bits >> 80)),
            Self::LastInverted => Some(low_32(!bits)),
        }
    }
}

/// The address in the low 32 bits.
pub(crate) fn low_32(bits: u128) -> Ipv4Addr {
    Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8, label: &'static str) -> Labelled {
    Labelled {
        range: Range {
            network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            prefix,
        },
        label,
        embedded: Embedding::None,
    }
}

const fn v6(head: [u16; 4], prefix: u8, label: &'static str) -> Labelled {
    holding(head, [0; 4], prefix, label, Embedding::None)
}

const fn holding(head: [u16; 4], tail: [u16; 4], prefix: u8, label: &'static str, embedded: Embedding) -> Labelled {
    Labelled {
        range: Range {
            network: IpAddr::V6(Ipv6Addr::new(
                head[0], head[1], head[2], head[3], tail[0], tail[1], tail[2], tail[3],
            )),
            prefix,
        },
        label,
        embedded,
    }
}

/// The label of the guest's (and the host's) own loopback.
pub(crate) const LOOPBACK: &str = "loopback";
/// The label of the addresses that clouds serve credentials from.
pub(crate) const METADATA: &str = "metadata";
/// The label of the addresses of this host's interfaces.
pub(crate) const HOST: &str = "host";
/// The label of an IPv6 interface identifier with an IPv4 address in it.
pub(crate) const ISATAP: &str = "isatap";

/// What of IPv4 is blocked.
pub(crate) const IPV4: &[Labelled] = &[
    v4(0, 0, 0, 0, 8, "this-network"),
    v4(10, 0, 0, 0, 8, "private"),
    v4(172, 16, 0, 0, 12, "private"),
    v4(192, 168, 0, 0, 16, "private"),
    v4(100, 64, 0, 0, 10, "shared"),
    v4(127, 0, 0, 0, 8, LOOPBACK),
    v4(169, 254, 0, 0, 16, "link-local"),
    v4(192, 0, 0, 0, 24, "ietf-protocol"),
    v4(192, 0, 2, 0, 24, "documentation"),
    v4(198, 51, 100, 0, 24, "documentation"),
    v4(203, 0, 113, 0, 24, "documentation"),
    v4(192, 88, 99, 0, 24, "6to4-relay"),
    v4(198, 18, 0, 0, 15, "benchmarking"),
    v4(224, 0, 0, 0, 4, "multicast"),
    v4(240, 0, 0, 0, 4, "reserved"),
    v4(255, 255, 255, 255, 32, "reserved"),
];

/// What of IPv6 is blocked. What is outside [`GLOBAL`] is blocked, too, so the first rows only name what they hold.
pub(crate) const IPV6: &[Labelled] = &[
    v6([0; 4], 128, "unspecified"),
    holding([0; 4], [0, 0, 0, 1], 128, LOOPBACK, Embedding::None),
    holding([0; 4], [0; 4], 96, "ipv4-compatible", Embedding::LastByRules),
    holding([0; 4], [0xffff, 0, 0, 0], 96, "ipv4-translated", Embedding::LastByRules),
    holding([0x64, 0xff9b, 0, 0], [0; 4], 96, "nat64", Embedding::Last),
    holding([0x64, 0xff9b, 1, 0], [0; 4], 48, "nat64", Embedding::Last),
    holding([0x2002, 0, 0, 0], [0; 4], 16, "6to4", Embedding::After16),
    holding([0x2001, 0, 0, 0], [0; 4], 32, "teredo", Embedding::LastInverted),
    v6([0xfc00, 0, 0, 0], 7, "unique-local"),
    v6([0xfe80, 0, 0, 0], 10, "link-local"),
    v6([0xfec0, 0, 0, 0], 10, "site-local"),
    v6([0xff00, 0, 0, 0], 8, "multicast"),
    v6([0x100, 0, 0, 0], 64, "discard"),
    v6([0x2001, 0xdb8, 0, 0], 32, "documentation"),
    v6([0x3fff, 0, 0, 0], 20, "documentation"),
    v6([0x2001, 2, 0, 0], 48, "benchmarking"),
    v6([0x2001, 0x10, 0, 0], 28, "orchid"),
    v6([0x2001, 0x20, 0, 0], 28, "orchid"),
    v6([0x5f00, 0, 0, 0], 16, "srv6"),
];

/// The part of IPv6 that the Internet routes.
pub(crate) const GLOBAL: Range = Range {
    network: IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)),
    prefix: 3,
};

/// Everything else of IPv6.
pub(crate) const NON_GLOBAL: (Range, &str) = (
    Range {
        network: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        prefix: 0,
    },
    "non-global",
);

/// Addresses that clouds serve credentials, keys and time from. No configuration makes one of them reachable.
pub(crate) const METADATA_ADDRESSES: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];
