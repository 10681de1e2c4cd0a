//! Extended headers: records of the form `<length> <key>=<value>\n`.

use agentos_kernel::clock::Timestamp;

use super::malformed;
use crate::Result;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Records in their order.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        // The length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let digits = |number: usize| number.to_string().len();
        let mut length = rest + digits(rest);
        length = rest + digits(length);
        self.0.extend_from_slice(length.to_string().as_bytes());
        self.0.push(b' ');
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    pub(super) fn number(&mut self, key: &[u8], number: u64) {
        self.push(key, number.to_string().as_bytes());
    }

    pub(super) fn time(&mut self, key: &[u8], time: Timestamp) {
        self.push(key, written(time).as_bytes());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads records.
pub(super) fn parse(mut bytes: &[u8]) -> Result<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let broken = || malformed("an extended header is broken");
        let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let length = decimal(bytes.get(..space).unwrap_or_default()).ok_or_else(broken)?;
        let length = usize::try_from(length).map_err(|_| broken())?;
        let record = bytes.get(space + 1..length).ok_or_else(broken)?;
        let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
        records.push((
            record.get(..equals).unwrap_or_default(),
            record.get(equals + 1..).unwrap_or_default(),
        ));
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(records)
}

/// What others call an extended attribute.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// What we call one whose name a key cannot hold; `=` and `%` are written as in addresses.
const ODD_XATTR: &[u8] = b"AGENTOS.xattr.";

/// The key for an extended attribute.
pub(super) fn xattr_key(name: &[u8]) -> Vec<u8> {
    if !name.contains(&b'=') {
        return [XATTR, name].concat();
    }
    let mut key = ODD_XATTR.to_vec();
    for byte in name {
        match byte {
            b'=' => key.extend_from_slice(b"%3D"),
            b'%' => key.extend_from_slice(b"%25"),
            other => key.push(*other),
        }
    }
    key
}

/// The extended attribute that a key is for.
pub(super) fn xattr_name(key: &[u8]) -> Option<Vec<u8>> {
    if let Some(name) = key.strip_prefix(XATTR) {
        return Some(name.to_vec());
    }
    let mut rest = key.strip_prefix(ODD_XATTR)?;
    let mut name = Vec::new();
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after.get(..2), after.get(2..)) {
            (b'%', Some(b"3D"), Some(after)) => (b'=', after),
            (b'%', Some(b"25"), Some(after)) => (b'%', after),
            _ => (*byte, after),
        };
        name.push(byte);
        rest = after;
    }
    Some(name)
}

/// A number of decimal digits.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Seconds since 1970 with nanoseconds. Before 1970, the sign stands before all of it.
fn written(time: Timestamp) -> String {
    let (sign, nanos) = match time.0 {
        negative @ ..0 => ("-", negative.unsigned_abs()),
        nanos => ("", nanos.unsigned_abs()),
    };
    let second = SECOND.unsigned_abs();
    format!("{sign}{}.{:09}", nanos / second, nanos % second)
}

/// A time; digits beyond nanoseconds are cut off.
pub(super) fn time(text: &[u8]) -> Result<Timestamp> {
    let broken = || malformed("a time is none");
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = decimal(parts.next().unwrap_or_default()).ok_or_else(broken)?;
    let mut fraction = parts.next().unwrap_or_default().to_vec();
    fraction.resize(9, b'0');
    let nanos = decimal(&fraction).ok_or_else(broken)?;
    let whole = seconds
        .checked_mul(SECOND.unsigned_abs())
        .and_then(|whole| whole.checked_add(nanos));
    let whole = whole.and_then(|whole| i64::try_from(whole).ok()).ok_or_else(broken)?;
    Ok(Timestamp(if negative { -whole } else { whole }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        for length in [0, 1, 5, 6, 7, 85, 86, 87, 88, 89, 90, 91, 92, 985, 990, 995, 1000] {
            let (mut records, value) = (Records::default(), vec![b'\n'; length]);
            records.push(b"key", &value);
            records.number(b"n", 7);
            let read = parse(records.bytes()).unwrap();
            assert_eq!(read, [(b"key".as_slice(), value.as_slice()), (b"n", b"7")]);
        }
        for broken in [b"5 a=".as_slice(), b"x a=b\n", b"99 a=b\n", b"5 ab\n", b"6 a=b", b"0 "] {
            assert!(parse(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn attributes_have_any_name() {
        for name in [b"user.a".as_slice(), b"user.a=b%3D%", b"=", b"user.%25"] {
            assert_eq!(xattr_name(&xattr_key(name)).unwrap(), name);
        }
        assert_eq!(xattr_name(b"path"), None);
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_001, i64::MAX, -i64::MAX] {
            assert_eq!(time(written(Timestamp(nanos)).as_bytes()).unwrap(), Timestamp(nanos));
        }
        assert_eq!(time(b"12.5").unwrap(), Timestamp(12_500_000_000));
        assert!(time(b"").is_err() && time(b"1.x").is_err() && time(b"99999999999").is_err());
    }
}
