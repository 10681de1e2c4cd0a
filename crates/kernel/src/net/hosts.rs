//! Host names that need no server: addresses, the VM itself, and what `/etc/hosts` says.

use crate::errno::Errno;
use crate::error::Result;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest host name.
const NAME_MAX: usize = 253;
/// Longest part of one.
const LABEL_MAX: usize = 63;

/// Checks a host name; what comes back has no dot at its end.
///
/// # Errors
/// `EINVAL` for what cannot be a name: one that is empty, too long, or has an empty label, control characters, spaces or percent
/// signs.
pub(crate) fn check(name: &[u8]) -> Result<&[u8]> {
    let plain = name.strip_suffix(b".").unwrap_or(name);
    let odd = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'%' | b' ');
    let label = |label: &[u8]| (1..=LABEL_MAX).contains(&label.len());
    let fine = plain.len() <= NAME_MAX && !plain.iter().any(odd) && plain.split(|byte| *byte == b'.').all(label);
    match fine {
        true => Ok(plain),
        false => Err(Errno::EINVAL.into()),
    }
}

/// The address that a name spells: IPv6, or IPv4 in any form that `inet_aton(3)` takes (`127.1`, `0x7f000001`, `017700000001`).
pub(crate) fn literal(name: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(name).ok()?;
    text.parse().ok().or_else(|| inet_aton(text).map(IpAddr::V4))
}

fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let mut parts: Vec<u32> = Vec::new();
    for part in text.split('.') {
        if parts.len() == 4 {
            return None;
        }
        parts.push(number(part)?);
    }
    // The last number fills all bytes that the ones before it left.
    let last = parts.pop()?;
    let left = 8 * (4 - u32::try_from(parts.len()).ok()?);
    if left < 32 && last >= 1 << left {
        return None;
    }
    let mut value = last;
    for (at, part) in parts.iter().enumerate() {
        if *part > 255 {
            return None;
        }
        value |= part << (24 - 8 * at);
    }
    Some(Ipv4Addr::from(value))
}

fn number(part: &str) -> Option<u32> {
    let (digits, radix) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if part.len() > 1 && part.starts_with('0') => (part, 8),
        None => (part, 10),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// Whether a name means the VM's loopback wherever it is asked: `localhost` and everything below it.
pub(crate) fn is_localhost(name: &[u8]) -> bool {
    let last = name.rsplit(|byte| *byte == b'.').next();
    last.is_some_and(|last| last.eq_ignore_ascii_case(b"localhost"))
}

/// Both addresses of the VM's loopback.
pub(crate) fn loopback() -> Vec<IpAddr> {
    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

/// The addresses of a name in a file of the form of `/etc/hosts`, in its order.
pub(crate) fn in_file(content: &[u8], name: &[u8]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in content.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let address = words.next().and_then(|word| core::str::from_utf8(word).ok());
        let Some(address) = address.and_then(|word| word.parse::<IpAddr>().ok()) else {
            continue;
        };
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_c_library_reads_them() {
        let loopback = Some(IpAddr::from([127, 0, 0, 1]));
        for spelling in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7F.1",
            "017700000001",
            "0177.0.0.01",
        ] {
            assert_eq!(literal(spelling.as_bytes()), loopback, "{spelling}");
        }
        assert_eq!(literal(b"1.2.3"), Some([1, 2, 0, 3].into()));
        assert_eq!(literal(b"::ffff:1.2.3.4"), Some("::ffff:1.2.3.4".parse().unwrap()));
        for none in [
            "",
            "1.2.3.4.5",
            "256.1",
            "1.2.3.256",
            "4294967296",
            "0x",
            "08",
            "1..2",
            "+1",
            "a.b",
            "1.16777216",
        ] {
            assert_eq!(literal(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        assert_eq!(check(b"example.com.").unwrap(), b"example.com");
        assert_eq!(check("b\u{fc}cher.example".as_bytes()).unwrap().len(), 15);
        let long = [b'a'; 64];
        for name in [
            &b""[..],
            b".",
            b"a..b",
            b".a",
            b"a..",
            b"a b",
            b"a\n",
            b"fe80::1%eth0",
            &long,
        ] {
            assert_eq!(check(name).unwrap_err(), Errno::EINVAL);
        }
    }

    #[test]
    fn the_hosts_file_is_read_line_by_line() {
        let file = b"# names\n10.1.1.1 db  Db.Internal # main\n\n::2\tdb\nnonsense db\n10.1.1.1 db again\n10.9.9.9";
        assert_eq!(
            in_file(file, b"DB"),
            ["10.1.1.1".parse::<IpAddr>().unwrap(), "::2".parse().unwrap()]
        );
        assert_eq!(in_file(file, b"db.internal").len(), 1);
        assert!(in_file(file, b"main").is_empty());
    }

    #[test]
    fn localhost_has_everything_below_it() {
        assert!(is_localhost(b"localhost") && is_localhost(b"a.b.LocalHost"));
        assert!(!is_localhost(b"localhost.example") && !is_localhost(b"notlocalhost"));
    }
}
