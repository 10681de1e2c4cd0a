//! Pax records: what does not fit into a header.

use crate::error::{Error, Result};

/// What records say about a member, or, where they are global, about all that follow.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    /// Nanoseconds.
    pub(super) mtime: Option<i64>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// A sparse file, in one of GNU's three ways.
    pub(super) sparse: bool,
}

/// Prefix of extended attributes, as most programs write them.
const XATTR: &[u8] = b"SCHILY.xattr.";

impl Records {
    /// Reads the records `length key=value\n` of a block of text, over what is known.
    pub(super) fn add(&mut self, mut text: &[u8]) -> Result<()> {
        let wrong = || Error::format("tar archive", "a pax record is malformed");
        while !text.is_empty() {
            let space = text.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let digits = text.get(..space).unwrap_or_default();
            let length = decimal(digits).and_then(|length| usize::try_from(length).ok());
            let length = length.filter(|length| *length > space + 1).ok_or_else(wrong)?;
            let record = text.get(space + 1..length).ok_or_else(wrong)?;
            text = text.get(length..).unwrap_or_default();
            let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = (record.get(..equals), record.get(equals + 1..));
            self.set(key.unwrap_or_default(), value.unwrap_or_default())?;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let number = || {
            let wrong = || {
                let reason = format!("the pax record {} is no number", String::from_utf8_lossy(key));
                Error::format("tar archive", reason)
            };
            decimal(value).map(Some).ok_or_else(wrong)
        };
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => self.mtime = time(value),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.retain(|(known, _)| known != name);
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Seconds with a fraction, as nanoseconds; none for what is before the epoch, or no time.
fn time(text: &[u8]) -> Option<i64> {
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let mut nanos = 0;
    let fraction = parts.next().unwrap_or_default().iter().chain([&b'0'; 9]);
    for byte in fraction.take(9) {
        nanos = nanos * 10 + i64::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// One record, its own length included.
pub(super) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}
