//! A second classifier, as simple as it gets and written without looking at the first: intervals of first and last address,
//! and embedded addresses taken out of the printed groups.
#![allow(unreachable_pub, reason = "a part of several tests")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First and last address, label. Later rows win.
const V4: &[(&str, &str, &str)] = &[
    ("0.0.0.0", "0.255.255.255", "this-network"),
    ("10.0.0.0", "10.255.255.255", "private"),
    ("100.64.0.0", "100.127.255.255", "shared"),
    ("127.0.0.0", "127.255.255.255", "loopback"),
    ("169.254.0.0", "169.254.255.255", "link-local"),
    ("172.16.0.0", "172.31.255.255", "private"),
    ("192.0.0.0", "192.0.0.255", "ietf-protocol"),
    ("192.0.2.0", "192.0.2.255", "documentation"),
    ("192.88.99.0", "192.88.99.255", "6to4-relay"),
    ("192.168.0.0", "192.168.255.255", "private"),
    ("198.18.0.0", "198.19.255.255", "benchmarking"),
    ("198.51.100.0", "198.51.100.255", "documentation"),
    ("203.0.113.0", "203.0.113.255", "documentation"),
    ("224.0.0.0", "239.255.255.255", "multicast"),
    ("240.0.0.0", "255.255.255.255", "reserved"),
    ("169.254.169.254", "169.254.169.254", "metadata"),
    ("169.254.170.2", "169.254.170.2", "metadata"),
    ("169.254.170.23", "169.254.170.23", "metadata"),
    ("169.254.169.253", "169.254.169.253", "metadata"),
    ("100.100.100.200", "100.100.100.200", "metadata"),
    ("192.0.0.192", "192.0.0.192", "metadata"),
    ("168.63.129.16", "168.63.129.16", "metadata"),
];

/// As [`V4`]; "v4" and the like say where the address inside is.
const V6: &[(&str, &str, &str)] = &[
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "non-global"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "non-global"),
    ("::", "::ffff:ffff", "+ipv4-compatible"),
    ("::", "::", "unspecified"),
    ("::1", "::1", "loopback"),
    ("::ffff:0:0:0", "::ffff:0:ffff:ffff", "+ipv4-translated"),
    ("64:ff9b::", "64:ff9b::ffff:ffff", ">nat64"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", ">nat64"),
    ("100::", "100::ffff:ffff:ffff:ffff", "discard"),
    ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "~teredo"),
    ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarking"),
    ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "orchid"),
    ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "orchid"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "<6to4"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "srv6"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique-local"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
    ("fd00:ec2::254", "fd00:ec2::254", "metadata"),
    ("fd00:ec2::253", "fd00:ec2::253", "metadata"),
    ("fd00:ec2::23", "fd00:ec2::23", "metadata"),
    ("fd20:ce::254", "fd20:ce::254", "metadata"),
];

/// The label of an address, "public" if it has none, and the address inside of it if that is why.
pub fn label(address: IpAddr) -> (String, Option<Ipv4Addr>) {
    match address {
        IpAddr::V4(address) => (find(V4, &address).unwrap_or("public").to_owned(), None),
        IpAddr::V6(address) => label_v6(address),
    }
}

fn label_v6(address: Ipv6Addr) -> (String, Option<Ipv4Addr>) {
    let groups = address.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) * 65536 + u32::from(low));
    let last = pair(groups[6], groups[7]);
    let inner = |address: Ipv4Addr| find(V4, &address).unwrap_or("public");
    if groups[..6] == [0, 0, 0, 0, 0, 0xffff] {
        return (inner(last).to_owned(), None);
    }
    if (groups[4] == 0 || groups[4] == 0x200) && groups[5] == 0x5efe && inner(last) != "public" {
        let label = if inner(last) == "metadata" {
            "metadata"
        } else {
            "isatap"
        };
        return (label.to_owned(), Some(last));
    }
    let Some(found) = find(V6, &address) else {
        return ("public".to_owned(), None);
    };
    let (carried, name) = match found.split_at(1) {
        ("+", name) => (last, name),
        (">", name) => (last, name),
        ("~", name) => (pair(!groups[6], !groups[7]), name),
        ("<", name) => (pair(groups[1], groups[2]), name),
        _ => return (found.to_owned(), None),
    };
    let judged = inner(carried);
    let by_rules = found.starts_with('+') && judged != "public";
    let label = if judged == "metadata" || by_rules { judged } else { name };
    (label.to_owned(), Some(carried))
}

fn find<T>(table: &[(&str, &str, &'static str)], address: &T) -> Option<&'static str>
where
    T: std::str::FromStr + PartialOrd,
{
    let parse = |text: &str| text.parse::<T>().ok();
    let mut found = None;
    for (first, last, label) in table {
        if parse(first).is_some_and(|first| first <= *address) && parse(last).is_some_and(|last| *address <= last) {
            found = Some(*label);
        }
    }
    found
}
