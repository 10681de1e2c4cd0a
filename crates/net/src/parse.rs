//! Hosts as guests write them.
//!
//! One destination has many spellings, and a filter that knows fewer of them than the resolver does has a hole. Here every
//! spelling becomes an address or a normalised name, or is refused; nothing later looks at the text again.
//!
//! * IPv4 is anything that `inet_aton(3)` reads: one to four parts, each decimal, octal (`0...`) or hexadecimal (`0x...`), the
//!   last filling what is left. A host whose last label is a number is an address or nothing, never a name.
//! * IPv6 may stand in brackets; an address with a zone (`%`) is refused.
//! * A name is lower case, ASCII by the rules of internationalised names, without its final dot, and has no empty label. It is
//!   one that DNS can carry: labels of at most 63 bytes, 253 in all.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use idna::AsciiDenyList;
use std::borrow::Cow;

/// A host as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address, in whatever spelling. IPv4-mapped addresses are IPv4.
    Address(IpAddr),
    /// A normalised name.
    Name(Box<str>),
}

/// Why something is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHost {
    /// Nothing, or a lone dot.
    #[error("a host must not be empty")]
    Empty,
    /// Two dots in a row, or one at the beginning.
    #[error("a host must not have an empty label")]
    EmptyLabel,
    /// Longer than a name can be.
    #[error("a host is at most 253 bytes long, and each of its labels at most 63")]
    TooLong,
    /// Bytes that are no text.
    #[error("a host must be UTF-8")]
    NotText,
    /// A character that no host has: control characters, spaces, `%`, `/`, `@`, ...
    #[error("a host must not contain {0:?}")]
    Character(char),
    /// A name that has no ASCII form.
    #[error("not a valid internationalised name")]
    NotInternational,
    /// Ends in a number and is no IPv4 address in any spelling.
    #[error("not an IPv4 address")]
    NotIpv4,
    /// Has brackets or colons and is no IPv6 address.
    #[error("not an IPv6 address")]
    NotIpv6,
}

/// Bytes that a host may have before it is normalised, at most; enough for the longest name in any script.
const MOST: usize = 1024;
const MOST_NAME: usize = 253;
const MOST_LABEL: usize = 63;

/// Reads a host.
///
/// # Errors
/// What is wrong with it; a guest sees `EINVAL`.
pub fn parse_host(text: &[u8]) -> Result<Host, InvalidHost> {
    if text.len() > MOST {
        return Err(InvalidHost::TooLong);
    }
    let text = core::str::from_utf8(text).map_err(|_| InvalidHost::NotText)?;
    if text.is_empty() {
        return Err(InvalidHost::Empty);
    }
    if let Some(wrong) = text
        .chars()
        .find(|&character| character.is_control() || character == '%')
    {
        return Err(InvalidHost::Character(wrong));
    }
    if text.contains([':', '[', ']']) {
        return bracketed(text).map(|address| Host::Address(address.to_canonical()));
    }
    let name = normalise(text)?;
    match literal(&name)? {
        Some(address) => Ok(Host::Address(address.into())),
        None => Ok(Host::Name(name.into())),
    }
}

fn bracketed(text: &str) -> Result<IpAddr, InvalidHost> {
    let inner = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(InvalidHost::NotIpv6)?,
        None => text,
    };
    let address: Ipv6Addr = inner.parse().map_err(|_| InvalidHost::NotIpv6)?;
    Ok(IpAddr::V6(address))
}

/// The name in its one form.
fn normalise(text: &str) -> Result<String, InvalidHost> {
    let ascii = match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY)
            .map_err(|_| InvalidHost::NotInternational)?,
    };
    let mut name = ascii.to_ascii_lowercase();
    if name.ends_with('.') {
        name.pop();
    }
    if name.is_empty() {
        return Err(InvalidHost::Empty);
    }
    if name.split('.').any(str::is_empty) {
        return Err(InvalidHost::EmptyLabel);
    }
    if let Some(wrong) = name.chars().find(|&character| !is_of_a_name(character)) {
        return Err(InvalidHost::Character(wrong));
    }
    Ok(name)
}

/// What may stand in a name: what is printed, except for what delimits hosts in a URL.
fn is_of_a_name(character: char) -> bool {
    character.is_ascii_graphic() && !r##"#%/:<>@[\]^|{}"`"##.contains(character)
}

/// The IPv4 address that a name spells, if its last label is a number; a name otherwise.
fn literal(name: &str) -> Result<Option<Ipv4Addr>, InvalidHost> {
    let last = name.rsplit('.').next().unwrap_or(name);
    if !is_numeric(last) {
        let long = name.len() > MOST_NAME || name.split('.').any(|label| label.len() > MOST_LABEL);
        return if long { Err(InvalidHost::TooLong) } else { Ok(None) };
    }
    let mut bits = 0_u32;
    let parts: Vec<&str> = name.split('.').collect();
    let (last, leading) = parts.split_last().ok_or(InvalidHost::Empty)?;
    if leading.len() > 3 {
        return Err(InvalidHost::NotIpv4);
    }
    for part in leading {
        let byte = part_value(part)
            .filter(|&value| value <= 0xff)
            .ok_or(InvalidHost::NotIpv4)?;
        bits = (bits << 8) | byte;
    }
    let left = 32 - 8 * leading.len() as u32;
    let rest = part_value(last).ok_or(InvalidHost::NotIpv4)?;
    if left < 32 && rest >> left != 0 {
        return Err(InvalidHost::NotIpv4);
    }
    let high = bits.checked_shl(left).unwrap_or(0);
    Ok(Some(Ipv4Addr::from_bits(high | rest)))
}

/// Whether a label makes its host an address: all digits, or `0x` and hexadecimal digits.
fn is_numeric(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => label.bytes().all(|digit| digit.is_ascii_digit()),
    }
}

/// The number that a part spells, if it is one of at most 32 bits. `0x` alone is 0, as old resolvers have it.
fn part_value(part: &str) -> Option<u32> {
    let (digits, radix) = match part.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if part.starts_with('0') => (part, 8),
        None if part.is_empty() => return None,
        None => (part, 10),
    };
    digits.chars().try_fold(0_u32, |value, digit| {
        let digit = digit.to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        match parse_host(text.as_bytes()) {
            Ok(Host::Address(address)) => format!("address {address}"),
            Ok(Host::Name(name)) => format!("name {name}"),
            Err(error) => format!("error {error}"),
        }
    }

    #[test]
    fn every_spelling_of_an_ipv4_address_is_the_address() {
        for text in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F000001",
            "017700000001",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f.1",
            "0177.1",
            "127.0x1",
            "00000000177.0.0.1",
            "0x000000007f.0.0.0x1",
            "１２７.０.０.１",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "::ffff:127.0.0.1",
            "[::ffff:127.0.0.1]",
            "::FFFF:7f00:1",
            "0:0:0:0:0:ffff:127.0.0.1",
        ] {
            assert_eq!(read(text), "address 127.0.0.1", "{text}");
        }
        assert_eq!(read("0"), "address 0.0.0.0");
        assert_eq!(read("0x"), "address 0.0.0.0");
        assert_eq!(read("4294967295"), "address 255.255.255.255");
        assert_eq!(read("1.2.65535"), "address 1.2.255.255");
        assert_eq!(read("[::1]"), "address ::1");
        assert_eq!(read("0000:0000::0001"), "address ::1");
    }

    #[test]
    fn a_name_has_one_form() {
        assert_eq!(read("Example.COM."), "name example.com");
        assert_eq!(read("bücher.example"), "name xn--bcher-kva.example");
        assert_eq!(read("BÜCHER。example"), "name xn--bcher-kva.example");
        assert_eq!(read("_sip._tcp.example.com"), "name _sip._tcp.example.com");
        assert_eq!(read("1.2.3.4.example"), "name 1.2.3.4.example");
        assert_eq!(read("0x7f.example"), "name 0x7f.example");
        assert_eq!(read("LOCALHOST."), "name localhost");
        assert_eq!(read("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ"), "name localhost");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a\0b",
            "a\nb",
            "a\u{7f}b",
            "a%41",
            "fe80::1%eth0",
            "[fe80::1%25eth0]",
            "[::1",
            "::1]",
            "[127.0.0.1]",
            "[[::1]]",
            "a:b",
            "a/b",
            "a@b",
            "a#b",
            "a\\b",
            "256.1.1.1",
            "1.1.1.256",
            "1.2.3.4.5",
            "4294967296",
            "0x100000000",
            "040000000000",
            "08.1.1.1",
            "1.0x",
            "1..1",
            "a.1",
            "1.2.3.08",
            "-1.1.1.1",
            "1e3.1",
            "\u{ad}",
        ] {
            let said = read(text);
            // `0x` is 0.
            assert!(
                said.starts_with("error") || (text == "1.0x" && said == "address 1.0.0.0"),
                "{text:?}: {said}"
            );
        }
        assert!(parse_host(b"a\xff").is_err());
        assert!(read(&"a".repeat(64)).starts_with("error"));
        assert!(read(&"a.".repeat(128)).starts_with("error"));
        assert!(parse_host(&[b'a'; 5000]).is_err());
    }

    proptest! {
        #[test]
        fn reading_a_form_again_changes_nothing(text in "\\PC{0,40}") {
            if let Ok(Host::Name(name)) = parse_host(text.as_bytes()) {
                prop_assert_eq!(parse_host(name.as_bytes()), Ok(Host::Name(name.clone())));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse_host(&bytes);
        }

        #[test]
        fn spelled_addresses_come_back(bits in any::<u32>(), style in 0..6_u8) {
            let [a, b, c, d] = bits.to_be_bytes();
            let text = match style {
                0 => format!("{bits}"),
                1 => format!("0x{bits:x}"),
                2 => format!("0{bits:o}"),
                3 => format!("{a}.{}", bits & 0xff_ffff),
                4 => format!("0{a:o}.0x{b:X}.{}", bits & 0xffff),
                _ => format!("{a}.0{b:o}.0x{c:x}.{d}."),
            };
            prop_assert_eq!(parse_host(text.as_bytes()), Ok(Host::Address(Ipv4Addr::from_bits(bits).into())));
        }
    }
}
