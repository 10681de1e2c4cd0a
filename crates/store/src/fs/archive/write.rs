//! Writing an archive.

use core::ops::ControlFlow;
use std::collections::HashMap;
use std::io::Write;

use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{Attr, DirEntry, FileType, Filesystem, SeekTarget};

use super::header::Header;
use super::pax::{self, Records};
use super::{PATH_MAX, PIECE, RECORD, Summary, at, padding, stream};
use crate::{Error, Result};

/// Entries of a directory that are fetched at once.
const LISTED: usize = 64;

struct Writer<'a> {
    fs: &'a dyn Filesystem,
    out: &'a mut dyn Write,
    summary: Summary,
    /// Where a file of several names was written.
    written: HashMap<Ino, Vec<u8>>,
}

/// A directory on the way: how long its path is, and what comes next in it.
struct Level {
    ino: Ino,
    length: usize,
    position: u64,
    listed: Vec<(Vec<u8>, Ino)>,
}

pub(super) fn export(fs: &dyn Filesystem, out: &mut dyn Write) -> Result<Summary> {
    let mut writer = Writer {
        fs,
        out,
        summary: Summary::default(),
        written: HashMap::new(),
    };
    writer.tree()?;
    writer.put(&[0; 2 * RECORD])?;
    writer.out.flush().map_err(|error| stream(&error))?;
    Ok(writer.summary)
}

impl Writer<'_> {
    fn tree(&mut self) -> Result<()> {
        let root = self.fs.root();
        let mut path = b".".to_vec();
        self.entry(&path, root)?;
        let mut way = vec![Level::new(root, path.len())];
        while let Some(level) = way.last_mut() {
            path.truncate(level.length);
            let Some((name, ino)) = level.next(self.fs).map_err(|error| at(&path, &error))? else {
                way.pop();
                continue;
            };
            path.push(b'/');
            path.extend_from_slice(&name);
            if path.len() > PATH_MAX {
                return Err(Error::Limit {
                    limit: "path of an archive",
                    observed: path.len() as u64,
                    capacity: PATH_MAX as u64,
                });
            }
            if self.entry(&path, ino)? == FileType::Directory {
                way.push(Level::new(ino, path.len()));
            }
        }
        Ok(())
    }

    /// Writes an inode, or that it is another name of one that was written.
    fn entry(&mut self, path: &[u8], ino: Ino) -> Result<FileType> {
        let attr = self.fs.getattr(ino).map_err(|error| at(path, &error))?;
        self.summary.entries += 1;
        let mut records = Records::default();
        if core::str::from_utf8(path).is_err() {
            records.push(b"hdrcharset", b"BINARY");
        }
        if attr.kind != FileType::Directory && attr.nlink > 1 {
            if let Some(first) = self.written.get(&ino) {
                records.push(b"linkpath", first);
                let header = Header {
                    kind: b'1',
                    link: first.clone(),
                    ..header(&attr)
                };
                return self.header(path, records, header).map(|()| attr.kind);
            }
            self.written.insert(ino, path.to_vec());
        }
        self.inode(path, &attr, records)?;
        Ok(attr.kind)
    }

    fn inode(&mut self, path: &[u8], attr: &Attr, mut records: Records) -> Result<()> {
        let failed = |error| at(path, &error);
        for (key, time) in [
            (b"mtime".as_slice(), attr.mtime),
            (b"atime", attr.atime),
            (b"ctime", attr.ctime),
            (b"LIBARCHIVE.creationtime", attr.btime),
        ] {
            records.time(key, time);
        }
        records.number(b"uid", attr.uid.0.into());
        records.number(b"gid", attr.gid.0.into());
        for name in self.fs.listxattr(attr.ino).map_err(failed)? {
            let value = self.fs.getxattr(attr.ino, &name).map_err(failed)?;
            records.push(&pax::xattr_key(&name), &value);
        }
        let mut header = header(attr);
        match attr.kind {
            FileType::Regular => return self.file(path, attr, records, header),
            FileType::Symlink => {
                header.link = self.fs.readlink(attr.ino).map_err(failed)?;
                records.push(b"linkpath", &header.link);
            }
            FileType::Socket => records.push(b"AGENTOS.socket", b"1"),
            FileType::CharDevice | FileType::BlockDevice => records.number(b"AGENTOS.rdev", attr.rdev),
            FileType::Directory | FileType::Fifo => {}
        }
        self.header(path, records, header)
    }

    /// A regular file with its content; only the data of one with holes.
    fn file(&mut self, path: &[u8], attr: &Attr, mut records: Records, mut header: Header) -> Result<()> {
        let data = self.data(path, attr)?;
        let stored: u64 = data.iter().map(|(start, end)| end - start).sum();
        let mut map = Vec::new();
        if stored < attr.size {
            records.number(b"GNU.sparse.major", 1);
            records.number(b"GNU.sparse.minor", 0);
            records.push(b"GNU.sparse.name", path);
            records.number(b"GNU.sparse.realsize", attr.size);
            map = sparse_map(&data, attr.size);
        }
        header.size = stored + map.len() as u64;
        self.header(path, records, header.clone())?;
        self.put(&map)?;
        let mut buf = vec![0; PIECE];
        for (start, end) in data {
            self.content(path, attr.ino, start, end, &mut buf)?;
        }
        self.summary.bytes += stored;
        self.put(&[0; RECORD][..padding(header.size)])
    }

    /// The ranges of a file that hold data.
    fn data(&self, path: &[u8], attr: &Attr) -> Result<Vec<(u64, u64)>> {
        let (mut data, mut from) = (Vec::new(), 0);
        while let Ok(start) = self.fs.seek(attr.ino, from, SeekTarget::Data) {
            if start >= attr.size {
                break;
            }
            let end = self
                .fs
                .seek(attr.ino, start, SeekTarget::Hole)
                .map_err(|error| at(path, &error))?;
            from = end.min(attr.size);
            data.push((start, from));
        }
        Ok(data)
    }

    /// Copies a range; where the file became shorter meanwhile, zeros.
    fn content(&mut self, path: &[u8], ino: Ino, start: u64, end: u64, buf: &mut [u8]) -> Result<()> {
        let mut offset = start;
        while offset < end {
            let most = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buf.len());
            let piece = buf.get_mut(..most).unwrap_or_default();
            let count = self.fs.read(ino, offset, piece).map_err(|error| at(path, &error))?;
            piece.get_mut(count..).unwrap_or_default().fill(0);
            self.out.write_all(piece).map_err(|error| stream(&error))?;
            offset += most as u64;
        }
        Ok(())
    }

    /// Writes the headers of an entry.
    fn header(&mut self, path: &[u8], mut records: Records, mut header: Header) -> Result<()> {
        let mut name = path.to_vec();
        if header.kind == b'5' {
            name.push(b'/');
        }
        records.push(b"path", &name);
        records.number(b"size", header.size);
        let extended = Header {
            name: b"PaxHeader".to_vec(),
            size: records.bytes().len() as u64,
            kind: b'x',
            mode: 0o644,
            ..Header::default()
        };
        self.put(&extended.encode())?;
        self.put(records.bytes())?;
        self.put(&[0; RECORD][..padding(extended.size)])?;
        header.name = name;
        self.put(&header.encode())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| stream(&error))
    }
}

impl Level {
    fn new(ino: Ino, length: usize) -> Self {
        Self {
            ino,
            length,
            position: 0,
            listed: Vec::new(),
        }
    }

    /// The next entry of the directory.
    fn next(&mut self, fs: &dyn Filesystem) -> agentos_kernel::Result<Option<(Vec<u8>, Ino)>> {
        if self.listed.is_empty() {
            let (position, listed) = (&mut self.position, &mut self.listed);
            fs.readdir(self.ino, *position, &mut |entry: DirEntry<'_>| {
                listed.push((entry.name.to_vec(), entry.ino));
                *position = entry.next;
                match listed.len() < LISTED {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            })?;
            self.listed.reverse();
        }
        Ok(self.listed.pop())
    }
}

fn header(attr: &Attr) -> Header {
    let kind = match attr.kind {
        FileType::Regular => b'0',
        FileType::Symlink => b'2',
        FileType::CharDevice => b'3',
        FileType::BlockDevice => b'4',
        FileType::Directory => b'5',
        FileType::Fifo | FileType::Socket => b'6',
    };
    Header {
        mode: attr.mode.bits(),
        uid: attr.uid.0.into(),
        gid: attr.gid.0.into(),
        mtime: u64::try_from(attr.mtime.0.div_euclid(1_000_000_000)).unwrap_or(0),
        kind,
        ..Header::default()
    }
}

/// Where the data of a file with holes belongs, as text that fills records.
fn sparse_map(data: &[(u64, u64)], size: u64) -> Vec<u8> {
    let last = data.last().is_none_or(|(_, end)| *end < size).then_some((size, size));
    let mut map = format!("{}\n", data.len() + usize::from(last.is_some()));
    for (start, end) in data.iter().chain(last.iter()) {
        map.push_str(&format!("{start}\n{}\n", end - start));
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(RECORD), 0);
    map
}
