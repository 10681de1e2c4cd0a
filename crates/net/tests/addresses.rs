//! The classifier against the registries of special-purpose addresses, and against a second classifier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/naive.rs"]
mod naive;

use agentos_net::{Reach, classify};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const REGISTRY: &str = include_str!("data/iana-special-purpose.txt");

fn label(address: IpAddr) -> String {
    let verdict = classify(address);
    assert_eq!(verdict.label.is_empty(), verdict.reach == Reach::Public, "{address}");
    assert_eq!(verdict.range.is_none(), verdict.reach == Reach::Public, "{address}");
    match verdict.reach {
        Reach::Public => "public".to_owned(),
        _ => verdict.label.to_owned(),
    }
}

/// First and last address of a range, and those before and after it.
fn edges(range: &str) -> [Option<IpAddr>; 4] {
    let (network, prefix) = range.split_once('/').unwrap();
    let prefix: u32 = prefix.parse().unwrap();
    match network.parse().unwrap() {
        IpAddr::V4(network) => {
            let first = network.to_bits();
            let last = first | u32::MAX.checked_shr(prefix).unwrap_or(0);
            let address = |bits: u32| IpAddr::from(Ipv4Addr::from_bits(bits));
            [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)].map(|bits| bits.map(address))
        }
        IpAddr::V6(network) => {
            let first = network.to_bits();
            let last = first | u128::MAX.checked_shr(prefix).unwrap_or(0);
            let address = |bits: u128| IpAddr::from(Ipv6Addr::from_bits(bits));
            [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)].map(|bits| bits.map(address))
        }
    }
}

#[test]
fn every_range_of_the_registries_has_its_label_up_to_its_edges() {
    let mut wrong = Vec::new();
    let mut ranges = 0;
    for line in REGISTRY.lines() {
        let line = line.split('#').next().unwrap().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [range, wanted @ ..] = &*words else { continue };
        assert_eq!(wanted.len(), 4, "{line}");
        ranges += 1;
        for (address, wanted) in edges(range).into_iter().zip(wanted) {
            let said = address.map_or("-".to_owned(), label);
            if said != *wanted {
                wrong.push(format!("{range}: {address:?} is {said}, not {wanted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ranges > 50, "{ranges}");
}

fn compare(address: IpAddr) {
    let (wanted, inner) = naive::label(address);
    assert_eq!(label(address), wanted, "{address}");
    assert_eq!(classify(address).embedded, inner, "{address}");
    let local = address.to_canonical().is_loopback();
    assert_eq!(classify(address).reach == Reach::Loopback, local, "{address}");
}

/// Addresses near what matters: any, edges of ranges with some bits changed, and interesting IPv4 addresses in every carrier.
fn interesting() -> impl Strategy<Value = IpAddr> {
    let edges: Vec<IpAddr> = REGISTRY
        .lines()
        .filter_map(|line| line.split_whitespace().next().filter(|word| word.contains('/')))
        .flat_map(|range| edges(range).into_iter().flatten())
        .collect();
    let v4: Vec<u32> = edges
        .iter()
        .filter_map(|address| match address {
            IpAddr::V4(address) => Some(address.to_bits()),
            IpAddr::V6(_) => None,
        })
        .chain(
            ["169.254.169.254", "100.100.100.200", "8.8.8.8", "192.0.0.192"]
                .map(|text| text.parse::<Ipv4Addr>().unwrap().to_bits()),
        )
        .collect();
    let carriers = [
        0_u128,
        0xffff << 32,
        0xffff << 48,
        0x64_ff9b << 96,
        0x64_ff9b_0001 << 80,
        0x2600 << 112 | 0x5efe << 32,
        0xfe80 << 112 | 0x0200_5efe << 32,
        0x2001_0db8 << 96 | 0x5efe << 32,
    ];
    let carried = (
        prop::sample::select(v4.clone()),
        prop::sample::select(carriers.to_vec()),
    )
        .prop_map(|(inner, outer)| IpAddr::from(Ipv6Addr::from_bits(outer | u128::from(inner))));
    let other = (prop::sample::select(v4), any::<bool>(), any::<u64>()).prop_map(|(inner, teredo, rest)| {
        let bits = match teredo {
            true => 0x2001 << 112 | u128::from(rest) << 32 | u128::from(!inner),
            false => 0x2002 << 112 | u128::from(inner) << 80 | u128::from(rest),
        };
        IpAddr::from(Ipv6Addr::from_bits(bits))
    });
    let near = (prop::sample::select(edges), any::<u8>()).prop_map(|(address, bit)| match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ 1 << (bit % 32)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() ^ 1 << (bit % 128)).into(),
    });
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        carried,
        other,
        near,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(20_000)))]

    #[test]
    fn two_classifiers_agree(address in interesting()) {
        compare(address);
    }
}
