//! Writing zip archives: local headers, data, central directory, for files and for pipes.

use chrono::{DateTime, Datelike, Timelike};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Files up to this size are compressed in memory, and stored when that is smaller.
const MEMORY_LIMIT: u64 = 4 << 20;
/// Sizes and offsets fit into 32 bits.
const SIZE_LIMIT: u64 = u32::MAX as u64 - 1;

/// What a member is.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub name: Vec<u8>,
    /// Mode as of `stat`, type included.
    pub mode: u32,
    /// Seconds since the epoch.
    pub mtime: i64,
    pub method: u16,
    pub crc: u32,
    pub compressed: u64,
    pub size: u64,
    pub text: bool,
    pub(super) flags: u16,
    pub(super) offset: u64,
}

impl Entry {
    /// How much smaller it became, in percent.
    pub fn saved(&self) -> u64 {
        let doubled = self.size.saturating_sub(self.compressed) * 200;
        doubled.checked_div(self.size).unwrap_or(0).div_ceil(2)
    }
}

/// Where an archive is written to.
pub enum Target<W: Write + Seek, P: Write> {
    File(W),
    Pipe(P),
}

/// Writes an archive.
pub struct Writer<W: Write + Seek, P: Write> {
    target: Target<W, P>,
    at: u64,
    entries: Vec<Entry>,
}

impl<W: Write + Seek, P: Write> Writer<W, P> {
    /// An archive that begins at the target's beginning.
    pub fn new(target: Target<W, P>) -> Self {
        Self {
            target,
            at: 0,
            entries: Vec::new(),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        match &mut self.target {
            Target::File(file) => file.write_all(bytes),
            Target::Pipe(pipe) => pipe.write_all(bytes),
        }
    }

    /// Adds a member; `level` 0 stores it. Returns it with its sizes.
    ///
    /// # Errors
    ///
    /// What reading or writing says.
    pub fn add(&mut self, mut entry: Entry, source: &mut dyn Read, level: u32) -> io::Result<Entry> {
        let mut head = Vec::new();
        Read::take(&mut *source, MEMORY_LIMIT + 1).read_to_end(&mut head)?;
        entry.text = !head.is_empty() && !head.iter().take(4096).any(|&b| b < 9 || (14..32).contains(&b));
        if head.len() as u64 <= MEMORY_LIMIT {
            return self.add_small(entry, &head, level);
        }
        entry.method = if level == 0 { 0 } else { 8 };
        let piped = matches!(self.target, Target::Pipe(_));
        entry.flags |= if piped { 8 } else { 0 };
        entry.offset = self.at;
        let header_at = self.at;
        let header = local_header(&entry);
        self.put(&header)?;
        let start = self.at;
        let mut source = head.as_slice().chain(source);
        let mut crc = flate2::Crc::new();
        self.stream(&mut source, &mut crc, level)?;
        entry.compressed = self.at - start;
        entry.crc = crc.sum();
        entry.size = u64::from(crc.amount());
        if entry.compressed > SIZE_LIMIT || self.at > SIZE_LIMIT {
            return Err(io::Error::other("archive exceeds the limit of 4 GiB"));
        }
        if piped {
            let mut descriptor = b"PK\x07\x08".to_vec();
            for value in [entry.crc, entry.compressed as u32, entry.size as u32] {
                descriptor.extend_from_slice(&value.to_le_bytes());
            }
            self.put(&descriptor)?;
        } else if let Target::File(file) = &mut self.target {
            file.seek(SeekFrom::Start(header_at))?;
            file.write_all(&local_header(&entry))?;
            file.seek(SeekFrom::Start(self.at))?;
        }
        self.entries.push(entry.clone());
        Ok(entry)
    }

    fn stream(&mut self, source: &mut dyn Read, crc: &mut flate2::Crc, level: u32) -> io::Result<()> {
        let mut buffer = vec![0; crate::io::BLOCK];
        let mut encoder = (level > 0).then(|| DeflateEncoder::new(Vec::new(), Compression::new(level)));
        let mut total = 0u64;
        loop {
            let count = source.read(&mut buffer)?;
            total += count as u64;
            if total > SIZE_LIMIT {
                return Err(io::Error::other("file exceeds the limit of 4 GiB"));
            }
            crc.update(&buffer[..count]);
            match &mut encoder {
                None => self.put(&buffer[..count])?,
                Some(encoder) => {
                    encoder.write_all(&buffer[..count])?;
                    let ready = std::mem::take(encoder.get_mut());
                    self.put(&ready)?;
                }
            }
            if count == 0 {
                break;
            }
        }
        match encoder {
            Some(encoder) => {
                let rest = encoder.finish()?;
                self.put(&rest)
            }
            None => Ok(()),
        }
    }

    fn add_small(&mut self, mut entry: Entry, data: &[u8], level: u32) -> io::Result<Entry> {
        let mut packed = None;
        if level > 0 && !data.is_empty() {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(data)?;
            packed = Some(encoder.finish()?).filter(|packed| packed.len() < data.len());
        }
        let mut crc = flate2::Crc::new();
        crc.update(data);
        entry.crc = crc.sum();
        entry.size = data.len() as u64;
        entry.method = if packed.is_some() { 8 } else { 0 };
        let body = packed.as_deref().unwrap_or(data);
        entry.compressed = body.len() as u64;
        self.add_raw(entry, &mut &body[..])
    }

    /// Adds a member whose sizes and sum are known and whose data is as the method says.
    ///
    /// # Errors
    ///
    /// What reading or writing says.
    pub fn add_raw(&mut self, mut entry: Entry, data: &mut dyn Read) -> io::Result<Entry> {
        if self.at + entry.compressed > SIZE_LIMIT {
            return Err(io::Error::other("archive exceeds the limit of 4 GiB"));
        }
        entry.flags &= !8;
        entry.offset = self.at;
        let header = local_header(&entry);
        self.put(&header)?;
        let mut left = entry.compressed;
        let mut buffer = vec![0; crate::io::BLOCK];
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = data.read(&mut buffer[..wanted])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.put(&buffer[..count])?;
            left -= count as u64;
        }
        self.entries.push(entry.clone());
        Ok(entry)
    }

    /// Writes the central directory.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn finish(mut self, comment: &[u8]) -> io::Result<()> {
        let start = self.at;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            let record = central_record(entry);
            self.put(&record)?;
        }
        let size = self.at - start;
        let count = u16::try_from(entries.len()).map_err(|_| io::Error::other("more than 65535 members"))?;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend_from_slice(&count.to_le_bytes());
        end.extend_from_slice(&count.to_le_bytes());
        end.extend_from_slice(&(size as u32).to_le_bytes());
        end.extend_from_slice(&(start as u32).to_le_bytes());
        end.extend_from_slice(&u16::try_from(comment.len()).unwrap_or(0).to_le_bytes());
        end.extend_from_slice(comment);
        self.put(&end)?;
        match &mut self.target {
            Target::File(file) => file.flush(),
            Target::Pipe(pipe) => pipe.flush(),
        }
    }
}

/// Date and time as MS-DOS has them.
fn dos_time(seconds: i64) -> (u16, u16) {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let year = time.year().clamp(1980, 2107) - 1980;
    let date = (year as u16) << 9 | (time.month() as u16) << 5 | time.day() as u16;
    let clock = (time.hour() as u16) << 11 | (time.minute() as u16) << 5 | (time.second() / 2) as u16;
    (clock, date)
}

/// The fields that local and central headers share.
fn common(entry: &Entry, extra: usize) -> Vec<u8> {
    let (clock, date) = dos_time(entry.mtime);
    let utf8 = if entry.name.is_ascii() || std::str::from_utf8(&entry.name).is_err() {
        0
    } else {
        0x800
    };
    let later = entry.flags & 8 != 0 && entry.crc == 0;
    let number = |value: u64| if later { 0 } else { value as u32 };
    let mut out = Vec::new();
    for value in [
        if entry.method == 0 { 10 } else { 20 },
        entry.flags | utf8,
        entry.method,
        clock,
        date,
    ] {
        out.extend_from_slice(&u16::to_le_bytes(value));
    }
    for value in [entry.crc, number(entry.compressed), number(entry.size)] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
    out.extend_from_slice(&(extra as u16).to_le_bytes());
    out
}

/// The extended time stamp.
fn time_field(entry: &Entry) -> Vec<u8> {
    let mut out = b"UT\x05\0\x01".to_vec();
    out.extend_from_slice(&(entry.mtime.clamp(0, i64::from(u32::MAX)) as u32).to_le_bytes());
    out
}

fn local_header(entry: &Entry) -> Vec<u8> {
    let extra = time_field(entry);
    let mut out = b"PK\x03\x04".to_vec();
    out.extend_from_slice(&common(entry, extra.len()));
    out.extend_from_slice(&entry.name);
    out.extend_from_slice(&extra);
    out
}

fn central_record(entry: &Entry) -> Vec<u8> {
    let extra = time_field(entry);
    let mut out = b"PK\x01\x02".to_vec();
    // Made by version 3.0 on Unix.
    out.extend_from_slice(&[30, 3]);
    out.extend_from_slice(&common(entry, extra.len()));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u16::from(entry.text).to_le_bytes());
    let directory = if entry.mode & 0o170_000 == 0o040_000 { 0x10 } else { 0 };
    out.extend_from_slice(&(entry.mode << 16 | directory).to_le_bytes());
    out.extend_from_slice(&(entry.offset as u32).to_le_bytes());
    out.extend_from_slice(&entry.name);
    out.extend_from_slice(&extra);
    out
}
