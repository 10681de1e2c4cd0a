//! Header blocks.

use super::BLOCK;
use crate::error::{Error, Result};

/// A header block with a right checksum.
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

/// Where fields are: first byte and length.
type Field = (usize, usize);
const NAME: Field = (0, 100);
const MODE: Field = (100, 8);
const UID: Field = (108, 8);
const GID: Field = (116, 8);
const SIZE: Field = (124, 12);
const MTIME: Field = (136, 12);
const CHECKSUM: Field = (148, 8);
const TYPE: usize = 156;
const LINK: Field = (157, 100);
const MAGIC: Field = (257, 6);
const PREFIX: Field = (345, 155);

impl<'a> Header<'a> {
    /// Checks the sum, which old archives compute of signed bytes.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Result<Self> {
        let header = Self(block);
        let wrong = || Error::format("tar archive", "a header has a wrong checksum");
        let given = octal(header.field(CHECKSUM)).ok_or_else(wrong)?;
        let outside = |at: usize| !(CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1).contains(&at);
        let bytes = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if outside(at) { *byte } else { b' ' });
        let unsigned: i64 = bytes.clone().map(i64::from).sum();
        let signed: i64 = bytes.map(|byte| i64::from(byte.cast_signed())).sum();
        match i64::try_from(given) {
            Ok(given) if given == unsigned || given == signed => Ok(header),
            _ => Err(wrong()),
        }
    }

    fn field(&self, (start, length): Field) -> &'a [u8] {
        self.0.get(start..start + length).unwrap_or_default()
    }

    pub(super) fn kind(&self) -> u8 {
        self.0.get(TYPE).copied().unwrap_or(0)
    }

    /// Name, joined with its prefix where the format has one.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(self.field(NAME));
        let prefix = text(self.field(PREFIX));
        if self.field(MAGIC) != b"ustar\0" || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(self.field(LINK)).to_vec()
    }

    pub(super) fn mode(&self) -> Option<u64> {
        number(self.field(MODE))
    }

    pub(super) fn uid(&self) -> Option<u64> {
        number(self.field(UID))
    }

    pub(super) fn gid(&self) -> Option<u64> {
        number(self.field(GID))
    }

    pub(super) fn size(&self) -> Option<u64> {
        number(self.field(SIZE))
    }

    /// Seconds since the epoch. Times before it read as the epoch.
    pub(super) fn mtime(&self) -> u64 {
        number(self.field(MTIME)).unwrap_or(0)
    }
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, or in binary if the first bit is set; none for a negative one, or one that does not fit.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => rest
            .iter()
            .try_fold(0_u64, |number, byte| Some(number.checked_mul(256)? | u64::from(*byte))),
        Some((first, _)) if first & 0x80 != 0 => None,
        _ => octal(field),
    }
}

/// Octal digits between blanks and up to a NUL. Nothing at all is zero.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0_u64, |number, byte| match byte {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}
