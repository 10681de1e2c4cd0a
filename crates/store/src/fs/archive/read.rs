//! Reading an archive.

use std::io::Read;

use agentos_kernel::Errno;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{FileType, Filesystem, Mode, NAME_MAX, NewNode, SIZE_MAX, SetAttr, XattrMode};

use super::header::Header;
use super::pax;
use super::{PATH_MAX, PAX_MAX, PIECE, RECORD, Summary, at, malformed, padding, stream};
use crate::Result;
use crate::fs::DurableFs;
use crate::fs::node::Times;

/// Longest text of a symbolic link.
const TARGET_MAX: usize = 4095;
/// Most pieces of a file with holes.
const PIECES_MAX: u64 = 1 << 20;

struct Reader<'a> {
    fs: &'a DurableFs,
    root: Ino,
    input: &'a mut dyn Read,
    summary: Summary,
    /// Times of directories, which filling them changes.
    dirs: Vec<(Ino, Times)>,
}

/// What both headers of an entry say.
#[derive(Default)]
struct Entry {
    header: Header,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    times: [Option<Timestamp>; 4],
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    socket: bool,
    rdev: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    size: Option<u64>,
    sparse: Option<u64>,
    sparse_name: Option<Vec<u8>>,
}

pub(super) fn import(fs: &DurableFs, root: Ino, input: &mut dyn Read) -> Result<Summary> {
    let mut reader = Reader {
        fs,
        root,
        input,
        summary: Summary::default(),
        dirs: Vec::new(),
    };
    while let Some(entry) = reader.next()? {
        reader.unpack(&entry)?;
    }
    for (ino, times) in reader.dirs.iter().rev() {
        fs.set_times(*ino, *times).map_err(|error| at(b"", &error))?;
    }
    Ok(reader.summary)
}

impl Reader<'_> {
    /// The next entry, with the headers that extend it. Its content follows.
    fn next(&mut self) -> Result<Option<Entry>> {
        let mut entry = Entry::default();
        loop {
            let mut record = [0; RECORD];
            self.input.read_exact(&mut record).map_err(|error| stream(&error))?;
            let Some(header) = Header::decode(&record)? else {
                return Ok(None);
            };
            match header.kind {
                b'x' => {
                    let bytes = self.extension(header.size)?;
                    entry.extend(&bytes)?;
                }
                b'L' => entry.path = Some(c_text(self.extension(header.size)?)),
                b'K' => entry.link = Some(c_text(self.extension(header.size)?)),
                b'g' => drop(self.extension(header.size)?),
                _ => {
                    entry.header = header;
                    return Ok(Some(entry));
                }
            }
        }
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > PAX_MAX {
            return Err(malformed("an extended header is too long"));
        }
        let mut bytes = vec![0; size as usize + padding(size)];
        self.input.read_exact(&mut bytes).map_err(|error| stream(&error))?;
        bytes.truncate(size as usize);
        Ok(bytes)
    }

    fn unpack(&mut self, entry: &Entry) -> Result<()> {
        let path = entry.path();
        let names = components(path)?;
        let kind = entry.kind()?;
        self.summary.entries += 1;
        let Some((name, dirs)) = names.split_last() else {
            return match kind {
                Some(FileType::Directory) => self.attributes(path, self.root, entry, FileType::Directory),
                _ => Err(malformed("only a directory may be the root")),
            };
        };
        let dir = self.directory(path, dirs)?;
        let failed = |error| at(path, &error);
        let Some(kind) = kind else {
            return self.link(path, dir, name, entry);
        };
        let node = entry.node(kind)?;
        let ino = match kind {
            FileType::Directory => self.subdirectory(dir, name, &node).map_err(failed)?,
            FileType::Symlink => {
                let target = entry.target();
                if target.len() > TARGET_MAX {
                    return Err(malformed("the text of a link is too long"));
                }
                self.fs.symlink(dir, name, target, &node).map_err(failed)?.ino
            }
            _ => self.fs.create(dir, name, &node).map_err(failed)?.ino,
        };
        if kind == FileType::Regular {
            self.content(path, ino, entry)?;
        } else if entry.size() > 0 {
            return Err(malformed("content of something that is no file"));
        }
        self.attributes(path, ino, entry, kind)
    }

    /// The directory that a path leads to, made where it is missing; never through a link.
    fn directory(&self, path: &[u8], names: &[&[u8]]) -> Result<Ino> {
        let mut dir = self.root;
        for name in names {
            let missing = NewNode {
                kind: FileType::Directory,
                mode: Mode::new(0o755),
                uid: Uid::ROOT,
                gid: Gid::ROOT,
                rdev: 0,
            };
            dir = self
                .subdirectory(dir, name, &missing)
                .map_err(|error| at(path, &error))?;
        }
        Ok(dir)
    }

    fn subdirectory(&self, dir: Ino, name: &[u8], node: &NewNode) -> agentos_kernel::Result<Ino> {
        match self.fs.mkdir(dir, name, node) {
            Err(error) if error == Errno::EEXIST => {
                let found = self.fs.lookup(dir, name)?;
                match found.kind {
                    FileType::Directory => Ok(found.ino),
                    _ => Err(Errno::ENOTDIR.into()),
                }
            }
            made => made.map(|attr| attr.ino),
        }
    }

    /// One more name of a file that was unpacked before.
    fn link(&self, path: &[u8], dir: Ino, name: &[u8], entry: &Entry) -> Result<()> {
        let failed = |error| at(path, &error);
        let mut found = self.root;
        for name in components(entry.target())? {
            found = self.fs.lookup(found, name).map_err(failed)?.ino;
        }
        let before = self.fs.getattr(found).map_err(failed)?;
        self.fs.link(found, dir, name).map_err(failed)?;
        let times = [before.atime, before.mtime, before.ctime, before.btime].map(Some);
        self.fs.set_times(found, times).map_err(failed)
    }

    fn content(&mut self, path: &[u8], ino: Ino, entry: &Entry) -> Result<()> {
        let size = entry.size();
        let mut left = size;
        let (pieces, real) = match entry.sparse {
            None => (vec![(0, size)], size),
            Some(real) => (self.sparse_map(&mut left)?, real),
        };
        if real > SIZE_MAX {
            return Err(malformed("a file is too large"));
        }
        let mut end = 0;
        for (start, length) in pieces {
            let after = start.checked_add(length).filter(|after| start >= end && *after <= real);
            end = after.ok_or_else(|| malformed("the pieces of a file do not fit it"))?;
            left = left
                .checked_sub(length)
                .ok_or_else(|| malformed("the pieces of a file do not fit it"))?;
            self.piece(path, ino, start, length)?;
        }
        if left > 0 {
            return Err(malformed("a file has more content than pieces"));
        }
        let size_only = SetAttr {
            size: Some(real),
            ..SetAttr::default()
        };
        self.fs.setattr(ino, &size_only).map_err(|error| at(path, &error))?;
        self.skip(padding(size))
    }

    /// Copies so much content to an offset.
    fn piece(&mut self, path: &[u8], ino: Ino, start: u64, length: u64) -> Result<()> {
        let mut buf = vec![0; PIECE];
        let mut done = 0;
        while done < length {
            let most = usize::try_from(length - done).unwrap_or(usize::MAX).min(PIECE);
            let piece = buf.get_mut(..most).unwrap_or_default();
            self.input.read_exact(piece).map_err(|error| stream(&error))?;
            let written = self
                .fs
                .write(ino, start + done, piece)
                .map_err(|error| at(path, &error))?;
            if written < most {
                return Err(at(path, &Errno::ENOSPC.into()));
            }
            done += most as u64;
        }
        self.summary.bytes += length;
        Ok(())
    }

    /// The map before the content of a file with holes: a count, then offsets and lengths.
    fn sparse_map(&mut self, left: &mut u64) -> Result<Vec<(u64, u64)>> {
        let mut lines = Lines {
            record: [0; RECORD],
            used: RECORD,
        };
        let count = lines.number(self.input, left)?;
        if count > PIECES_MAX {
            return Err(malformed("a file has too many pieces"));
        }
        (0..count)
            .map(|_| Ok((lines.number(self.input, left)?, lines.number(self.input, left)?)))
            .collect()
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        let mut rest = [0; RECORD];
        let rest = rest.get_mut(..length).unwrap_or_default();
        self.input.read_exact(rest).map_err(|error| stream(&error))
    }

    /// Sets what only the end can set.
    fn attributes(&mut self, path: &[u8], ino: Ino, entry: &Entry, kind: FileType) -> Result<()> {
        let failed = |error| at(path, &error);
        for (name, value) in &entry.xattrs {
            self.fs.setxattr(ino, name, value, XattrMode::Any).map_err(failed)?;
        }
        let node = entry.node(kind)?;
        if kind == FileType::Directory {
            let set = SetAttr {
                mode: Some(node.mode),
                uid: Some(node.uid),
                gid: Some(node.gid),
                ..SetAttr::default()
            };
            self.fs.setattr(ino, &set).map_err(failed)?;
        }
        let mut times = entry.times;
        let seconds = i64::try_from(entry.header.mtime)
            .ok()
            .and_then(|s| s.checked_mul(1_000_000_000));
        times[1] = times[1].or(seconds.map(Timestamp));
        if kind == FileType::Directory {
            self.dirs.push((ino, times));
        }
        self.fs.set_times(ino, times).map_err(failed)
    }
}

/// Numbers, one a line, that fill records.
struct Lines {
    record: [u8; RECORD],
    used: usize,
}

impl Lines {
    fn number(&mut self, input: &mut dyn Read, left: &mut u64) -> Result<u64> {
        let mut digits = Vec::new();
        loop {
            if self.used == RECORD {
                *left = left
                    .checked_sub(RECORD as u64)
                    .ok_or_else(|| malformed("the map of a file is cut off"))?;
                input.read_exact(&mut self.record).map_err(|error| stream(&error))?;
                self.used = 0;
            }
            let byte = self.record.get(self.used).copied().unwrap_or_default();
            self.used += 1;
            match byte {
                b'\n' => break,
                digit if digits.len() < 20 => digits.push(digit),
                _ => break,
            }
        }
        pax::decimal(&digits).ok_or_else(|| malformed("the map of a file is broken"))
    }
}

impl Entry {
    /// Takes what an extended header says.
    fn extend(&mut self, bytes: &[u8]) -> Result<()> {
        for (key, value) in pax::parse(bytes)? {
            let number = || pax::decimal(value).ok_or_else(|| malformed("a number is none"));
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"atime" => self.times[0] = Some(pax::time(value)?),
                b"mtime" => self.times[1] = Some(pax::time(value)?),
                b"ctime" => self.times[2] = Some(pax::time(value)?),
                b"LIBARCHIVE.creationtime" => self.times[3] = Some(pax::time(value)?),
                b"uid" => self.uid = Some(number()?),
                b"gid" => self.gid = Some(number()?),
                b"size" => self.size = Some(number()?),
                b"GNU.sparse.realsize" => self.sparse = Some(number()?),
                b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
                b"GNU.sparse.major" if value != b"1" => return Err(malformed("holes of another version")),
                b"AGENTOS.socket" => self.socket = true,
                b"AGENTOS.rdev" => self.rdev = Some(number()?),
                _ => {
                    if let Some(name) = pax::xattr_name(key) {
                        self.xattrs.push((name, value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }

    fn path(&self) -> &[u8] {
        let given = self.sparse_name.as_ref().or(self.path.as_ref());
        given.unwrap_or(&self.header.name)
    }

    fn target(&self) -> &[u8] {
        self.link.as_ref().unwrap_or(&self.header.link)
    }

    fn size(&self) -> u64 {
        self.size.unwrap_or(self.header.size)
    }

    /// What it is; `None` for another name of a file.
    fn kind(&self) -> Result<Option<FileType>> {
        Ok(Some(match self.header.kind {
            b'1' => return Ok(None),
            b'0' | 0 | b'7' => FileType::Regular,
            b'2' => FileType::Symlink,
            b'3' => FileType::CharDevice,
            b'4' => FileType::BlockDevice,
            b'5' => FileType::Directory,
            b'6' if self.socket => FileType::Socket,
            b'6' => FileType::Fifo,
            other => return Err(malformed(format!("entries of kind {other} are not known"))),
        }))
    }

    fn node(&self, kind: FileType) -> Result<NewNode> {
        let id = |number: u64| u32::try_from(number).map_err(|_| malformed("an owner is too large"));
        let (major, minor) = self.header.device;
        let device = matches!(kind, FileType::CharDevice | FileType::BlockDevice);
        Ok(NewNode {
            kind,
            mode: Mode::new(self.header.mode),
            uid: Uid(id(self.uid.unwrap_or(self.header.uid))?),
            gid: Gid(id(self.gid.unwrap_or(self.header.gid))?),
            // As `makedev(3)` has it.
            rdev: match self.rdev {
                _ if !device => 0,
                Some(rdev) => rdev,
                None => (major & 0xfff) << 8 | minor & 0xff | (minor & !0xff) << 12,
            },
        })
    }
}

/// The names of a path; none may lead up.
fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    if path.len() > PATH_MAX {
        return Err(malformed("a path is too long"));
    }
    let names = path.split(|byte| *byte == b'/');
    names
        .filter(|name| !name.is_empty() && *name != b".")
        .map(|name| match name {
            b".." => Err(malformed("a path leads up")),
            _ if name.len() > NAME_MAX || name.contains(&0) => Err(malformed("a name is none")),
            _ => Ok(name),
        })
        .collect()
}

/// What stands before the NUL that ends it.
fn c_text(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}
