//! What kind of address an address is, and whether a VM may reach it.
//!
//! [`Classifier::classify`] is a total function from addresses to verdicts. It decides alone, before and after any policy:
//! a blocked address stays blocked whatever a rule says. The most specific matching range decides; an IPv4-mapped address
//! *is* its IPv4 address; other forms that carry an IPv4 address are decoded, so that a verdict can name it, and are blocked
//! whatever they carry.
//!
//! Invariants:
//!
//! * An address of the metadata list has the label `metadata` in every form that an address can carry it in, and nothing
//!   takes an address off that list.
//! * Only 127.0.0.0/8 and ::1 are ever [`Reach::Loopback`]; a loopback address that another form carries is blocked.

use crate::ranges::{self, Embedding, HOST, ISATAP, LOOPBACK, METADATA, Range};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address may be reached, as far as its kind decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// A public address.
    Public,
    /// The loopback network: the VM's own, or an exempted port of the host.
    Loopback,
    /// Never.
    Blocked,
}

/// What the guard says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Verdict {
    /// The address that was judged: an IPv4-mapped one as the IPv4 address that it is.
    pub address: IpAddr,
    /// Whether it may be reached.
    pub reach: Reach,
    /// Name of the deciding range; empty for a public address.
    pub label: &'static str,
    /// The deciding range; none for a public address.
    pub range: Option<Range>,
    /// The IPv4 address inside an IPv6 address that is blocked for carrying one.
    pub embedded: Option<Ipv4Addr>,
}

impl Verdict {
    /// Whether the address is one that no configuration can make reachable.
    pub fn is_blocked(&self) -> bool {
        self.reach == Reach::Blocked
    }

    fn public(address: IpAddr) -> Self {
        Self {
            address,
            reach: Reach::Public,
            label: "",
            range: None,
            embedded: None,
        }
    }

    fn within(address: IpAddr, label: &'static str, range: Range) -> Self {
        Self {
            address,
            reach: if label == LOOPBACK {
                Reach::Loopback
            } else {
                Reach::Blocked
            },
            label,
            range: Some(range),
            embedded: None,
        }
    }

    /// The same range decides of an address that carries the one judged here.
    fn carried(self, outer: Ipv6Addr, inner: Ipv4Addr) -> Self {
        Self {
            address: outer.into(),
            reach: Reach::Blocked,
            embedded: Some(inner),
            ..self
        }
    }
}

/// Judges an address by the tables alone: no addition of an operator, no interface of this host.
pub fn classify(address: IpAddr) -> Verdict {
    Classifier::default().classify(address)
}

/// The tables, what the operator added to them, and the host's own addresses.
#[derive(Debug, Clone, Default)]
pub struct Classifier {
    metadata: Box<[IpAddr]>,
    host: Box<[IpAddr]>,
}

impl Classifier {
    /// A classifier that also knows `metadata` as addresses that are never reachable, and `host` as the host's own.
    pub fn new(metadata: impl IntoIterator<Item = IpAddr>, host: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            metadata: metadata.into_iter().map(|address| address.to_canonical()).collect(),
            host: own(host).collect(),
        }
    }

    /// Judges an address.
    pub fn classify(&self, address: IpAddr) -> Verdict {
        let known = Known {
            metadata: &self.metadata,
            host: &self.host,
        };
        known.classify(address)
    }
}

/// Addresses of this host that are no loopback addresses, in canonical form.
pub(crate) fn own(host: impl IntoIterator<Item = IpAddr>) -> impl Iterator<Item = IpAddr> {
    host.into_iter()
        .map(|address| address.to_canonical())
        .filter(|address| !address.is_loopback())
}

/// Single addresses that are judged by what is known of them here and now. All are canonical.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// What the operator added to the metadata addresses.
    pub(crate) metadata: &'a [IpAddr],
    /// The host's own addresses, as [`own`] gives them.
    pub(crate) host: &'a [IpAddr],
}

impl Known<'_> {
    /// Judges an address.
    pub(crate) fn classify(self, address: IpAddr) -> Verdict {
        let address = address.to_canonical();
        if let Some(verdict) = self.listed(address) {
            return verdict;
        }
        match address {
            IpAddr::V4(address) => by_table(address.into(), ranges::IPV4),
            IpAddr::V6(address) => self.classify_v6(address),
        }
    }

    /// Single addresses, which are more specific than every range.
    fn listed(self, address: IpAddr) -> Option<Verdict> {
        let named = |label| Some(Verdict::within(address, label, Range::single(address)));
        if ranges::METADATA_ADDRESSES.contains(&address) || self.metadata.contains(&address) {
            named(METADATA)
        } else if self.host.contains(&address) {
            named(HOST)
        } else {
            None
        }
    }

    fn classify_v6(self, address: Ipv6Addr) -> Verdict {
        if let Some(verdict) = self.isatap(address) {
            return verdict;
        }
        let outer = outer_range(address);
        let Some(inner) = outer.embedded.decode(address) else {
            return if outer.label.is_empty() {
                Verdict::public(address.into())
            } else {
                Verdict::within(address.into(), outer.label, outer.range)
            };
        };
        let judged = self.classify(inner.into());
        if judged.label == METADATA || (outer.embedded == Embedding::LastByRules && judged.reach != Reach::Public) {
            judged.carried(address, inner)
        } else {
            Verdict::within(address.into(), outer.label, outer.range).carried(address, inner)
        }
    }

    /// An interface identifier with an IPv4 address that is itself not reachable.
    fn isatap(self, address: Ipv6Addr) -> Option<Verdict> {
        let bits = address.to_bits();
        if !matches!((bits >> 32) as u32, 0x0000_5efe | 0x0200_5efe) {
            return None;
        }
        let inner = ranges::low_32(bits);
        let judged = self.classify(inner.into());
        if judged.reach == Reach::Public {
            return None;
        }
        let mut verdict = judged.carried(address, inner);
        if verdict.label != METADATA {
            verdict.label = ISATAP;
        }
        Some(verdict)
    }
}

/// Whether the address is 127.0.0.0/8 or ::1, as itself or IPv4-mapped.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The most specific row that holds the address.
fn by_table(address: IpAddr, table: &[ranges::Labelled]) -> Verdict {
    match most_specific(address, table) {
        Some(row) => Verdict::within(address, row.label, row.range),
        None => Verdict::public(address),
    }
}

fn most_specific(address: IpAddr, table: &[ranges::Labelled]) -> Option<&ranges::Labelled> {
    table
        .iter()
        .filter(|row| row.range.contains(address))
        .max_by_key(|row| row.range.prefix)
}

/// The row of an IPv6 address; an empty label is a public one.
fn outer_range(address: Ipv6Addr) -> ranges::Labelled {
    let plain = |range, label| ranges::Labelled {
        range,
        label,
        embedded: Embedding::None,
    };
    match most_specific(address.into(), ranges::IPV6) {
        Some(row) => ranges::Labelled { ..*row },
        None if ranges::GLOBAL.contains(address.into()) => plain(ranges::GLOBAL, ""),
        None => plain(ranges::NON_GLOBAL.0, ranges::NON_GLOBAL.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Verdict {
        classify(text.parse().unwrap())
    }

    fn said(text: &str) -> String {
        let verdict = verdict(text);
        let inner = verdict.embedded.map(|inner| format!(" ({inner})")).unwrap_or_default();
        let range = verdict.range.map(|range| format!(" {range}")).unwrap_or_default();
        format!("{:?} {}{range}{inner}", verdict.reach, verdict.label)
    }

    #[test]
    fn the_most_specific_range_decides() {
        assert_eq!(said("8.8.8.8"), "Public ");
        assert_eq!(said("10.1.2.3"), "Blocked private 10.0.0.0/8");
        assert_eq!(said("169.254.1.1"), "Blocked link-local 169.254.0.0/16");
        assert_eq!(said("169.254.169.254"), "Blocked metadata 169.254.169.254/32");
        assert_eq!(said("168.63.129.16"), "Blocked metadata 168.63.129.16/32");
        assert_eq!(said("255.255.255.255"), "Blocked reserved 255.255.255.255/32");
        assert_eq!(said("127.9.9.9"), "Loopback loopback 127.0.0.0/8");
        assert_eq!(said("::1"), "Loopback loopback ::1/128");
        assert_eq!(said("2606:4700::1111"), "Public ");
        assert_eq!(said("4000::1"), "Blocked non-global ::/0");
    }

    #[test]
    fn an_embedded_address_is_named() {
        assert_eq!(said("::ffff:10.0.0.1"), "Blocked private 10.0.0.0/8");
        assert_eq!(said("::ffff:8.8.8.8"), "Public ");
        assert_eq!(said("::ffff:127.0.0.1"), "Loopback loopback 127.0.0.0/8");
        assert_eq!(said("::10.0.0.1"), "Blocked private 10.0.0.0/8 (10.0.0.1)");
        assert_eq!(said("::8.8.8.8"), "Blocked ipv4-compatible ::/96 (8.8.8.8)");
        assert_eq!(said("::127.0.0.1"), "Blocked loopback 127.0.0.0/8 (127.0.0.1)");
        assert_eq!(
            said("::ffff:0:8.8.8.8"),
            "Blocked ipv4-translated ::ffff:0:0:0/96 (8.8.8.8)"
        );
        assert_eq!(said("64:ff9b::8.8.8.8"), "Blocked nat64 64:ff9b::/96 (8.8.8.8)");
        assert_eq!(said("64:ff9b:1::10.0.0.1"), "Blocked nat64 64:ff9b:1::/48 (10.0.0.1)");
        assert_eq!(said("2002:a00:1::"), "Blocked 6to4 2002::/16 (10.0.0.1)");
        assert_eq!(said("2001:0:1::f5ff:fffe"), "Blocked teredo 2001::/32 (10.0.0.1)");
        assert_eq!(said("2600::5efe:10.0.0.1"), "Blocked isatap 10.0.0.0/8 (10.0.0.1)");
        assert_eq!(
            said("2600::200:5efe:127.0.0.1"),
            "Blocked isatap 127.0.0.0/8 (127.0.0.1)"
        );
        assert_eq!(said("2600::5efe:8.8.8.8"), "Public ");
    }

    #[test]
    fn metadata_is_metadata_in_every_form() {
        for text in [
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "2001:0:1::5601:5601",
            "2600::5efe:169.254.169.254",
            "fe80::200:5efe:169.254.169.254",
            "fd00:ec2::254",
        ] {
            assert_eq!(verdict(text).label, METADATA, "{text}");
            assert!(verdict(text).is_blocked(), "{text}");
        }
    }

    #[test]
    fn an_operator_adds_and_never_removes() {
        let own: IpAddr = "93.184.216.34".parse().unwrap();
        let host: IpAddr = "93.184.216.35".parse().unwrap();
        let classifier = Classifier::new([own], [host, "127.0.0.1".parse().unwrap()]);
        assert_eq!(classifier.classify(own).label, METADATA);
        assert_eq!(
            classifier.classify("::ffff:93.184.216.34".parse().unwrap()).label,
            METADATA
        );
        assert_eq!(
            classifier.classify("64:ff9b::93.184.216.34".parse().unwrap()).label,
            METADATA
        );
        assert_eq!(classifier.classify(host).label, HOST);
        assert_eq!(
            classifier.classify("2600::5efe:93.184.216.35".parse().unwrap()).label,
            ISATAP
        );
        assert_eq!(classifier.classify("127.0.0.1".parse().unwrap()).reach, Reach::Loopback);
        assert!(classifier.classify("169.254.169.254".parse().unwrap()).is_blocked());
    }
}
