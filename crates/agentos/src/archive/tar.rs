//! Members of a tar file: one block of 512 bytes each, before it the records of an extended header, after it the data.

use agentos_kernel::clock::Timestamp;

const BLOCK: usize = 512;
const MAGIC: &[u8] = b"ustar\x0000";
/// Numbers above this do not fit the fields for owners.
const ID_MAX: u64 = 0o7_777_777;
/// Sizes above this do not fit theirs.
const SIZE_MAX: u64 = 0o77_777_777_777;
const NS: i64 = 1_000_000_000;

/// Kinds of members.
pub(super) mod kind {
    pub(in crate::archive) const FILE: u8 = b'0';
    pub(in crate::archive) const LINK: u8 = b'1';
    pub(in crate::archive) const SYMLINK: u8 = b'2';
    pub(in crate::archive) const CHAR_DEVICE: u8 = b'3';
    pub(in crate::archive) const DIRECTORY: u8 = b'5';
    pub(in crate::archive) const FIFO: u8 = b'6';
    /// Records for the next member.
    pub(super) const EXTENDED: u8 = b'x';
    /// Records for all members.
    pub(in crate::archive) const GLOBAL: u8 = b'g';
}

/// Names and values of extended headers.
pub(super) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// A member without its data.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) path: Vec<u8>,
    /// Where a link leads.
    pub(super) target: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Timestamp,
    /// Device numbers.
    pub(super) device: (u64, u64),
    /// Everything else.
    pub(super) records: Records,
}

/// Appends members to a buffer.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Appends records that hold for everything.
    pub(super) fn global(&mut self, records: &Records) {
        self.extended(kind::GLOBAL, records);
    }

    /// Appends a member with the pieces that its data consists of.
    pub(super) fn member<'a>(&mut self, head: &Head, size: u64, data: impl IntoIterator<Item = &'a [u8]>) {
        let mut records = vec![(b"mtime".to_vec(), time(head.mtime).into_bytes())];
        let mut record = |name: &str, value: &[u8]| records.push((name.as_bytes().to_vec(), value.to_vec()));
        if head.path.len() > 100 {
            record("path", &head.path);
        }
        if head.target.len() > 100 {
            record("linkpath", &head.target);
        }
        for (name, id) in [("uid", head.uid), ("gid", head.gid)] {
            if u64::from(id) > ID_MAX {
                record(name, id.to_string().as_bytes());
            }
        }
        if size > SIZE_MAX {
            record("size", size.to_string().as_bytes());
        }
        records.extend(head.records.iter().cloned());
        self.extended(kind::EXTENDED, &records);
        self.block(head, size);
        let start = self.0.len();
        for piece in data {
            self.0.extend_from_slice(piece);
        }
        self.pad(start);
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }

    fn extended(&mut self, kind: u8, records: &Records) {
        let mut text = Vec::new();
        for (name, value) in records {
            let rest = name.len() + value.len() + 3;
            // The length counts its own digits.
            let mut length = rest + digits(rest);
            if digits(length) > digits(rest) {
                length = rest + digits(length);
            }
            text.extend_from_slice(length.to_string().as_bytes());
            text.push(b' ');
            text.extend_from_slice(name);
            text.push(b'=');
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        let head = Head {
            kind,
            path: b"PaxHeaders/agentos".to_vec(),
            mode: 0o644,
            ..Head::default()
        };
        self.block(&head, text.len() as u64);
        let start = self.0.len();
        self.0.extend_from_slice(&text);
        self.pad(start);
    }

    fn block(&mut self, head: &Head, size: u64) {
        let mut block = [0_u8; BLOCK];
        put(&mut block, 0, head.path.get(..100).unwrap_or(&head.path));
        octal(&mut block, 100, 8, u64::from(head.mode));
        octal(&mut block, 108, 8, u64::from(head.uid));
        octal(&mut block, 116, 8, u64::from(head.gid));
        octal(&mut block, 124, 12, size);
        octal(
            &mut block,
            136,
            12,
            u64::try_from(head.mtime.0.div_euclid(NS)).unwrap_or(0),
        );
        put(&mut block, 156, &[head.kind]);
        put(&mut block, 157, head.target.get(..100).unwrap_or(&head.target));
        put(&mut block, 257, MAGIC);
        octal(&mut block, 329, 8, head.device.0);
        octal(&mut block, 337, 8, head.device.1);
        let sum = checksum(&block);
        put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
    }

    fn pad(&mut self, start: usize) {
        let length = self.0.len() - start;
        self.0.resize(start + length.next_multiple_of(BLOCK), 0);
    }
}

/// Reads members one after the other.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// What is wrong with a member.
type Wrong = &'static str;

impl<'a> Reader<'a> {
    pub(super) fn new(archive: &'a [u8]) -> Self {
        Self { rest: archive }
    }

    /// The next member and its data; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Head, &'a [u8])>, Wrong> {
        let mut records = Records::new();
        loop {
            let block = self.take(BLOCK)?;
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let (mut head, size) = parse(block)?;
            match head.kind {
                kind::EXTENDED => records = read_records(self.data(size)?)?,
                kind::GLOBAL => {
                    head.records = read_records(self.data(size)?)?;
                    return Ok(Some((head, &[])));
                }
                _ => {
                    let size = apply(&mut head, records, size)?;
                    let data = self.data(size)?;
                    return Ok(Some((head, data)));
                }
            }
        }
    }

    fn data(&mut self, size: u64) -> Result<&'a [u8], Wrong> {
        let size = usize::try_from(size).map_err(|_| ENDS)?;
        let data = self.take(size)?;
        self.take(size.next_multiple_of(BLOCK) - size)?;
        Ok(data)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(ENDS)?;
        self.rest = rest;
        Ok(taken)
    }
}

const ENDS: Wrong = "the archive ends too early";

fn parse(block: &[u8]) -> Result<(Head, u64), Wrong> {
    let field = |at: usize, length: usize| block.get(at..at + length).unwrap_or_default();
    let number = |at, length| parse_octal(field(at, length));
    if number(148, 8)? != u64::from(checksum(block)) {
        return Err("a header's checksum is wrong");
    }
    if field(257, 5) != b"ustar" {
        return Err("a header is not of the form ustar");
    }
    let id = |number: u64| u32::try_from(number).map_err(|_| "an owner's number is too large");
    let seconds = i64::try_from(number(136, 12)?).unwrap_or(i64::MAX);
    let head = Head {
        kind: field(156, 1).first().copied().unwrap_or_default(),
        path: text(field(0, 100)),
        target: text(field(157, 100)),
        mode: u32::try_from(number(100, 8)?).unwrap_or(u32::MAX),
        uid: id(number(108, 8)?)?,
        gid: id(number(116, 8)?)?,
        mtime: Timestamp(seconds.saturating_mul(NS)),
        device: (number(329, 8)?, number(337, 8)?),
        records: Records::new(),
    };
    Ok((head, number(124, 12)?))
}

/// Takes what the records say into the head; the rest stay there. Gives the size of the data.
fn apply(head: &mut Head, records: Records, size: u64) -> Result<u64, Wrong> {
    let mut size = size;
    for (name, value) in records {
        let number = || {
            let text = std::str::from_utf8(&value).map_err(|_| NUMBER)?;
            text.parse::<u64>().map_err(|_| NUMBER)
        };
        let id = || u32::try_from(number()?).map_err(|_| NUMBER);
        match name.as_slice() {
            b"path" => head.path = value,
            b"linkpath" => head.target = value,
            b"mtime" => head.mtime = parse_time(&value).ok_or("a time is none")?,
            b"uid" => head.uid = id()?,
            b"gid" => head.gid = id()?,
            b"size" => size = number()?,
            _ => head.records.push((name, value)),
        }
    }
    Ok(size)
}

const NUMBER: Wrong = "a number is none";

fn read_records(text: &[u8]) -> Result<Records, Wrong> {
    const BROKEN: Wrong = "an extended header is broken";
    let mut rest = text;
    let mut records = Records::new();
    while !rest.is_empty() {
        let space = rest.iter().take(20).position(|byte| *byte == b' ').ok_or(BROKEN)?;
        let length = rest.get(..space).and_then(|digits| std::str::from_utf8(digits).ok());
        let length: usize = length.and_then(|digits| digits.parse().ok()).ok_or(BROKEN)?;
        let record = rest.get(space + 1..length).ok_or(BROKEN)?;
        let record = record.strip_suffix(b"\n").ok_or(BROKEN)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or(BROKEN)?;
        let (name, value) = record.split_at(equals);
        records.push((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()));
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(records)
}

fn checksum(block: &[u8]) -> u32 {
    let byte = |(at, byte): (usize, &u8)| match at {
        148..156 => u32::from(b' '),
        _ => u32::from(*byte),
    };
    block.iter().enumerate().map(byte).sum()
}

/// What is before the first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn parse_octal(field: &[u8]) -> Result<u64, Wrong> {
    let digits = field.iter().filter(|byte| !matches!(byte, b' ' | 0));
    digits.into_iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => Ok(number << 3 | u64::from(digit - b'0')), // at most 12 digits
        _ => Err(NUMBER),
    })
}

fn octal(block: &mut [u8; BLOCK], at: usize, length: usize, number: u64) {
    let digits = length - 1;
    // What does not fit is in a record.
    let fits = number >> (3 * digits) == 0;
    let number = if fits { number } else { 0 };
    put(block, at, format!("{number:0digits$o}").as_bytes());
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (slot, byte) in block.iter_mut().skip(at).zip(bytes) {
        *slot = *byte;
    }
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Seconds with nanoseconds.
fn time(at: Timestamp) -> String {
    let (seconds, rest) = (at.0.div_euclid(NS), at.0.rem_euclid(NS));
    match seconds < 0 && rest > 0 {
        // -1.5 is 1.5 s before the epoch, whereas the parts are -2 and 0.5.
        true => format!("-{}.{:09}", -(seconds + 1), NS - rest),
        false => format!("{seconds}.{rest:09}"),
    }
}

fn parse_time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (text, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -1),
        None => (text, 1),
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let (seconds, fraction) = (seconds.parse::<u64>().ok()?, digits.parse::<u32>().ok()?);
    let time = i64::try_from(seconds)
        .ok()?
        .checked_mul(NS)?
        .checked_add(i64::from(fraction))?;
    Some(Timestamp(sign * time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_back_as_they_went() {
        let long = vec![b'x'; 300];
        let heads = [
            Head {
                kind: kind::FILE,
                path: b"a".to_vec(),
                mode: 0o644,
                mtime: Timestamp(1_700_000_000_123_456_789),
                ..Head::default()
            },
            Head {
                kind: kind::SYMLINK,
                path: long.clone(),
                target: long,
                uid: u32::MAX,
                gid: 1000,
                mtime: Timestamp(-1_500_000_000),
                records: vec![(b"SCHILY.xattr.user.a".to_vec(), b"=\n\0".to_vec())],
                ..Head::default()
            },
            Head {
                kind: kind::CHAR_DEVICE,
                path: vec![0xff; 99],
                ..Head::default()
            },
        ];
        for value in 80..120 {
            // Around the length where the record's own length gets a digit more.
            let records = vec![(b"n".to_vec(), vec![b'v'; value])];
            let mut writer = Writer::default();
            writer.global(&records);
            for head in &heads {
                writer.member(head, 5, [&b"he"[..], b"llo"]);
            }
            let archive = writer.finish();
            let mut reader = Reader::new(&archive);
            assert_eq!(reader.next().unwrap().unwrap().0.records, records);
            for head in &heads {
                assert_eq!(reader.next().unwrap().unwrap(), (head.clone(), &b"hello"[..]));
            }
            assert!(reader.next().unwrap().is_none());
        }
    }

    #[test]
    fn no_bytes_are_a_panic() {
        let mut writer = Writer::default();
        let head = Head {
            kind: kind::FILE,
            path: b"a".to_vec(),
            records: vec![(b"a".to_vec(), b"b".to_vec())],
            ..Head::default()
        };
        writer.member(&head, 600, [&[1; 600][..]]);
        let archive = writer.finish();
        for at in 0..archive.len() {
            let mut reader = Reader::new(&archive[..at]);
            while let Ok(Some(_)) = reader.next() {}
            for byte in [0, b'9', 0xff] {
                let mut changed = archive.clone();
                changed[at] = byte;
                let mut reader = Reader::new(&changed);
                while let Ok(Some(_)) = reader.next() {}
            }
        }
    }
}
