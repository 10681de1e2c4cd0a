//! Writing an archive.

use super::{BLOCK, Kind, Member, pax};
use crate::error::{Error, Result};
use std::io::{Read, Write};

/// An archive that is being written: ustar with pax records where something does not fit. The same members make the same
/// bytes.
pub(crate) struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output }
    }

    /// Adds a member with its content, of which there must be as much as the member says.
    pub(crate) fn add(&mut self, member: &Member, content: &mut dyn Read) -> Result<()> {
        let records = records(member);
        if !records.is_empty() {
            let extension = Member {
                path: b"PaxHeaders/member".to_vec(),
                mode: 0o644,
                uid: 0,
                gid: 0,
                mtime: 0,
                size: records.len() as u64,
                link: Vec::new(),
                xattrs: Vec::new(),
                kind: Kind::File,
            };
            self.output.write_all(&header(&extension, b'x'))?;
            self.output.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        let kind = match member.kind {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharDevice => b'3',
            Kind::BlockDevice => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        };
        self.output.write_all(&header(member, kind))?;
        let written = std::io::copy(&mut content.take(member.size), &mut self.output)?;
        if written != member.size {
            return Err(Error::member(&member.path, "has less content than it should have"));
        }
        self.pad(member.size)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Result<W> {
        self.output.write_all(&[0; 2 * BLOCK])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn pad(&mut self, size: u64) -> Result<()> {
        let rest = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if rest > 0 {
            self.output.write_all(&[0; BLOCK][rest..])?;
        }
        Ok(())
    }
}

/// Largest number of the 12 bytes of a size or time, and of the 8 bytes of an owner.
const LONG_MAX: u64 = 0o77_777_777_777;
const SHORT_MAX: u64 = 0o7_777_777;

fn seconds(member: &Member) -> u64 {
    u64::try_from(member.mtime / 1_000_000_000).unwrap_or(0).min(LONG_MAX)
}

/// What the header has no room for.
fn records(member: &Member) -> Vec<u8> {
    let mut text = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| text.extend(pax::record(key, value));
    if split(&member.path).is_none() {
        add(b"path", &member.path);
    }
    if member.link.len() > 100 {
        add(b"linkpath", &member.link);
    }
    let numbers = [
        (&b"size"[..], member.size, LONG_MAX),
        (b"uid", u64::from(member.uid), SHORT_MAX),
        (b"gid", u64::from(member.gid), SHORT_MAX),
    ];
    for (key, number, most) in numbers {
        if number > most {
            add(key, number.to_string().as_bytes());
        }
    }
    let nanos = member.mtime % 1_000_000_000;
    if nanos > 0 {
        let time = format!("{}.{nanos:09}", member.mtime / 1_000_000_000);
        add(b"mtime", time.trim_end_matches('0').as_bytes());
    }
    for (name, value) in &member.xattrs {
        add(&[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
    text
}

/// Prefix and name, if the path fits into a header.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    let slash = |at: &usize| path.get(*at) == Some(&b'/');
    let at = (path.len().saturating_sub(101)..path.len().min(156)).find(slash)?;
    let (prefix, name) = (path.get(..at)?, path.get(at + 1..)?);
    (!prefix.is_empty() && !name.is_empty()).then_some((prefix, name))
}

fn header(member: &Member, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8], most: usize| {
        let bytes = bytes.get(..most).unwrap_or(bytes);
        for (slot, byte) in block.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    };
    // What does not fit is in a record, and what is here does not matter.
    let (prefix, name) = split(&member.path).unwrap_or((b"", &member.path));
    put(0, name, 100);
    put(100, format!("{:07o}", member.mode & 0o7777).as_bytes(), 7);
    put(
        108,
        format!("{:07o}", u64::from(member.uid).min(SHORT_MAX)).as_bytes(),
        7,
    );
    put(
        116,
        format!("{:07o}", u64::from(member.gid).min(SHORT_MAX)).as_bytes(),
        7,
    );
    put(124, format!("{:011o}", member.size.min(LONG_MAX)).as_bytes(), 11);
    put(136, format!("{:011o}", seconds(member)).as_bytes(), 11);
    put(148, b"        ", 8);
    put(156, &[kind], 1);
    put(157, &member.link, 100);
    put(257, b"ustar\x0000", 8);
    put(345, prefix, 155);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (slot, byte) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0").bytes()) {
        *slot = byte;
    }
    block
}
