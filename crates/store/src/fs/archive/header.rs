//! The fixed header of an entry (`ustar`).

use super::{RECORD, malformed};
use crate::Result;

/// What a header says. Numbers that are in the extended header are there, too, and win.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// Bytes that follow.
    pub(super) size: u64,
    /// Seconds.
    pub(super) mtime: u64,
    pub(super) kind: u8,
    pub(super) link: Vec<u8>,
    /// Major and minor number.
    pub(super) device: (u64, u64),
}

impl Header {
    /// The record. Names are cut to what fits, numbers that do not fit are zero: the extended header has them whole.
    pub(super) fn encode(&self) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        let mut put = |at: usize, len: usize, bytes: &[u8]| {
            let bytes = bytes.get(..len).unwrap_or(bytes);
            if let Some(field) = record.get_mut(at..at + bytes.len()) {
                field.copy_from_slice(bytes);
            }
        };
        let octal = |number: u64, digits: usize| match format!("{number:0digits$o}") {
            text if text.len() == digits => text.into_bytes(),
            _ => vec![b'0'; digits],
        };
        put(0, 100, &self.name);
        put(100, 7, &octal(self.mode.into(), 7));
        put(108, 7, &octal(self.uid, 7));
        put(116, 7, &octal(self.gid, 7));
        put(124, 11, &octal(self.size, 11));
        put(136, 11, &octal(self.mtime, 11));
        put(148, 8, b"        ");
        put(156, 1, &[self.kind]);
        put(157, 100, &self.link);
        put(257, 8, b"ustar\x0000");
        put(329, 7, &octal(self.device.0, 7));
        put(337, 7, &octal(self.device.1, 7));
        let sum: u64 = record.iter().map(|byte| u64::from(*byte)).sum();
        let sum = format!("{sum:06o}\0 ");
        if let Some(field) = record.get_mut(148..156) {
            field.copy_from_slice(sum.as_bytes());
        }
        record
    }

    /// Reads a record; `None` for one of zeros, which ends an archive.
    pub(super) fn decode(record: &[u8; RECORD]) -> Result<Option<Self>> {
        if record.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let field = |at: usize, len: usize| record.get(at..at + len).unwrap_or_default();
        let sum: u64 = record.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = field(148, 8).iter().map(|byte| u64::from(*byte)).sum();
        if number(field(148, 8))? != sum - own + 8 * u64::from(b' ') {
            return Err(malformed("a header has a wrong checksum"));
        }
        let mut name = text(field(0, 100)).to_vec();
        let prefix = text(field(345, 155));
        if field(257, 6) == b"ustar\0" && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        Ok(Some(Self {
            name,
            mode: number(field(100, 8))? as u32 & 0o7777,
            uid: number(field(108, 8))?,
            gid: number(field(116, 8))?,
            size: number(field(124, 12))?,
            mtime: number(field(136, 12))?,
            kind: field(156, 1).first().copied().unwrap_or_default(),
            link: text(field(157, 100)).to_vec(),
            device: (number(field(329, 8))?, number(field(337, 8))?),
        }))
    }
}

/// What stands before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// An octal number, or GNU's form for large ones.
fn number(field: &[u8]) -> Result<u64> {
    if let Some((0x80, rest)) = field.split_first() {
        let fold = |sum: Option<u64>, byte: &u8| sum?.checked_mul(256)?.checked_add(u64::from(*byte));
        return rest
            .iter()
            .fold(Some(0), fold)
            .ok_or_else(|| malformed("a number is too large"));
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'7' => sum
            .checked_mul(8)
            .map(|sum| sum + u64::from(byte - b'0'))
            .ok_or_else(|| malformed("a number is too large")),
        _ => Err(malformed("a number is none")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header {
            name: b"a/b".to_vec(),
            mode: 0o4755,
            uid: 1000,
            gid: 0o7_777_777,
            size: 5,
            mtime: 1_700_000_000,
            kind: b'0',
            link: vec![b'l'; 100],
            device: (8, 1),
        };
        let mut record = header.encode();
        assert_eq!(Header::decode(&record).unwrap(), Some(header));
        record[0] ^= 1;
        assert!(Header::decode(&record).is_err());
        assert_eq!(Header::decode(&[0; RECORD]).unwrap(), None);
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x01\0\0\0\0").unwrap(), 1 << 32);
        assert!(number(b"\x80\x01\0\0\0\0\0\0\0\0\0\0").is_err() && number(b"12x").is_err());
    }
}
