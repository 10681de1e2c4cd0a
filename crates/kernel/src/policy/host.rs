//! Hosts in one spelling.
//!
//! A guest can write one destination in many ways: `EXAMPLE.com.`, `0x7f.1`, `[0:0::1]`, `bücher.example`. Rules and requests
//! are brought into the same form before they meet, by the same code: lower case, IDNA to ASCII, one trailing dot removed,
//! IPv4 in any spelling of `inet_aton(3)` to dotted decimal, IPv6 to its canonical form in brackets and without zone. An
//! IPv4 address inside IPv6 (`::ffff:1.2.3.4`) is that IPv4 address.
//!
//! What is no host has no form, and callers refuse it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use idna::AsciiDenyList;
use std::borrow::Cow;

/// A host name or address in its normalised form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    text: Box<str>,
    address: Option<IpAddr>,
}

/// Text that is no host, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidHost(pub(super) &'static str);

impl Host {
    /// Reads a name, or an address in any spelling. IPv6 may be in brackets.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']').ok_or(InvalidHost("has an unclosed bracket"))?;
            return parse_v6(inside).map(Self::from);
        }
        if text.contains(':') {
            return parse_v6(text).map(Self::from);
        }
        let name = normalise_name(text)?;
        match parse_v4(&name)? {
            Some(address) => Ok(Self::from(IpAddr::V4(address))),
            None => Ok(Self {
                text: name.into_owned().into(),
                address: None,
            }),
        }
    }

    /// The normalised text; IPv6 in brackets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether this is the VM itself: a loopback address, `localhost`, or a name below it.
    pub fn is_loopback(&self) -> bool {
        match self.address {
            Some(address) => address.is_loopback(),
            None => &*self.text == "localhost" || self.text.ends_with(".localhost"),
        }
    }

    pub(super) fn is_unspecified(&self) -> bool {
        self.address.is_some_and(|address| address.is_unspecified())
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let text = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Self {
            text: text.into(),
            address: Some(address),
        }
    }
}

/// A name in lower case, as ASCII and without its trailing dot; wildcards stay. Not empty, no empty label.
pub(super) fn normalise_name(text: &str) -> Result<Cow<'_, str>, InvalidHost> {
    let mut name = if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY);
        Cow::Owned(
            ascii
                .map_err(|_| InvalidHost("is not a valid international name"))?
                .into_owned(),
        )
    };
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_mut().make_ascii_lowercase();
    }
    if name.ends_with('.') {
        name.to_mut().pop();
    }
    if name.is_empty() {
        return Err(InvalidHost("must not be empty"));
    }
    if name.len() > NAME_MAX {
        return Err(InvalidHost("is longer than 253 characters"));
    }
    if name.split('.').any(str::is_empty) {
        return Err(InvalidHost("has an empty label"));
    }
    match name.bytes().find(|&byte| !is_host_byte(byte)) {
        None => Ok(name),
        Some(b'%') => Err(InvalidHost("must not contain percent signs")),
        Some(_) => Err(InvalidHost("contains a character that no host has")),
    }
}

/// The address that a normalised name spells, if its last label is a number; then it must be one.
pub(super) fn parse_v4(name: &str) -> Result<Option<Ipv4Addr>, InvalidHost> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last
        .strip_prefix("0x")
        .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !hexadecimal && !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let wrong = InvalidHost("is not a valid IPv4 address");
    let parts: Vec<u64> = name.split('.').map(number).collect::<Option<_>>().ok_or(wrong)?;
    let (&low, high) = parts.split_last().ok_or(wrong)?;
    if high.len() > 3 || high.iter().any(|&part| part > 255) || low >= 1 << (8 * (4 - high.len())) {
        return Err(wrong);
    }
    let value = high
        .iter()
        .zip([24, 16, 8])
        .fold(low, |value, (part, shift)| value | part << shift);
    u32::try_from(value).map(|value| Some(value.into())).map_err(|_| wrong)
}

/// One part of `inet_aton(3)`: decimal, octal after `0`, hexadecimal after `0x`.
fn number(part: &str) -> Option<u64> {
    let (digits, radix) = match part.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(hex) => (hex, 16),
        None if part.len() > 1 && part.starts_with('0') => (&part[1..], 8),
        None => (part, 10),
    };
    // `from_str_radix` would accept a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Leading zeros may be many; the value may not be large.
    let significant = digits.trim_start_matches('0');
    match (plain, significant.len()) {
        (false, _) => None,
        (true, 0) => (!digits.is_empty()).then_some(0),
        (true, _) => u64::from_str_radix(significant, radix).ok(),
    }
}

fn parse_v6(text: &str) -> Result<IpAddr, InvalidHost> {
    let address = text.split_once('%').map_or(text, |(address, _zone)| address);
    let address: Ipv6Addr = address
        .parse()
        .map_err(|_| InvalidHost("is not a valid IPv6 address"))?;
    Ok(IpAddr::V6(address))
}

/// ASCII that can stand in a host or, as a wildcard, in a pattern. Underscores and more occur in real names; what a URL
/// could not hold, or takes for a delimiter, does not.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"#%/:<>@[\\]^|{}\"`".contains(&byte)
}

const NAME_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        Host::parse(text).map_or_else(|reason| format!("error: {reason}"), |host| host.as_str().to_owned())
    }

    #[test]
    fn one_host_has_one_form() {
        for (text, expected) in [
            ("Example.COM.", "example.com"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("127.1", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0X7F.0.0.0x1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("１２７。0.0.1", "127.0.0.1"),
            ("0x", "0.0.0.0"),
            ("0", "0.0.0.0"),
            ("1.2.3", "1.2.0.3"),
            ("[0:0:0:0:0:0:0:1]", "[::1]"),
            ("::1", "[::1]"),
            ("[FE80::1%eth0]", "[fe80::1]"),
            ("[::ffff:10.0.0.1]", "10.0.0.1"),
            ("_dmarc.example.com", "_dmarc.example.com"),
            ("3com.com", "3com.com"),
        ] {
            assert_eq!(normal(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_has_no_form() {
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a@b",
            "a%41",
            "a\0",
            "a\n",
            "[::1",
            "[x]",
            "1:2",
            "256.1.1.1",
            "1.2.3.4.5",
            "08.1",
            "0x1g.0x1",
            "a.0x1",
            "4294967296",
            "99999999999999999999999",
            "a\u{ad}..b",
        ] {
            assert!(normal(text).starts_with("error"), "{text:?} -> {}", normal(text));
        }
        assert!(normal(&"a".repeat(254)).starts_with("error"));
        assert!(normal(&"0".repeat(200)).starts_with("0.0.0.0"));
    }
}
