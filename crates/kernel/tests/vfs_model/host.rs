//! The same operations on a real directory.

use crate::op::{How, Move, Op, Outcome, Range, SLOTS, Stat, Value};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{self, AtFlags, FallocateFlags, FileType, Gid, Mode, OFlags, SeekFrom, Uid, XattrFlags};
use rustix::io::{Errno, Result};

pub(crate) struct Host {
    pub(crate) base: OwnedFd,
    /// The other place where paths may start: what corresponds to the root.
    top: OwnedFd,
    slots: [Option<(OwnedFd, bool)>; SLOTS],
}

impl Host {
    pub(crate) fn new(base: OwnedFd, top: OwnedFd) -> Self {
        Self {
            base,
            top,
            slots: Default::default(),
        }
    }

    pub(crate) fn close_all(&mut self) {
        self.slots = Default::default();
    }

    /// Lets paths start at the root, and back.
    pub(crate) fn flip(&mut self) {
        std::mem::swap(&mut self.base, &mut self.top);
    }

    pub(crate) fn set_xattr(&self, path: &[u8], name: &[u8], value: &[u8]) {
        fs::setxattr(self.whole(path), name, value, XattrFlags::empty()).unwrap();
    }

    /// A path for calls that take no directory descriptor.
    fn whole(&self, path: &[u8]) -> Vec<u8> {
        match path {
            b"" => Vec::new(),
            path => [format!("/proc/self/fd/{}/", self.base.as_raw_fd()).as_bytes(), path].concat(),
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Outcome {
        self.run(op).map_err(Errno::raw_os_error)
    }

    fn run(&mut self, op: &Op) -> Result<Value> {
        match op {
            Op::Open(slot, path, how, mode) => self.open(*slot, path, *how, *mode),
            Op::Close(slot) => {
                self.slots[*slot] = None;
                Ok(Value::Done)
            }
            Op::Read(slot, ..)
            | Op::Write(slot, ..)
            | Op::Append(slot, ..)
            | Op::Resize(slot, ..)
            | Op::Allocate(slot, ..)
            | Op::SeekData(slot, ..)
            | Op::SeekHole(slot, ..)
            | Op::StatOpen(slot)
            | Op::NameOpen(slot, _) => self.on_open(*slot, op),
            _ => self.on_path(op),
        }
    }

    fn open(&mut self, slot: usize, path: &[u8], how: How, mode: u32) -> Result<Value> {
        self.slots[slot] = None;
        let (flags, writable) = match how {
            How::Read => (OFlags::RDONLY, false),
            How::ReadWrite => (OFlags::RDWR, true),
            How::Create => (OFlags::RDWR | OFlags::CREATE, true),
            How::CreateNew => (OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, true),
            How::Truncate => (OFlags::RDWR | OFlags::TRUNC, true),
            How::CreateTruncate => (OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC, true),
            How::Directory => (OFlags::RDONLY | OFlags::DIRECTORY, false),
            How::NoFollow => (OFlags::RDONLY | OFlags::NOFOLLOW, false),
            How::Unnamed => (OFlags::RDWR | OFlags::TMPFILE, true),
        };
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = fs::openat(&self.base, path, flags, Mode::from_raw_mode(mode))?;
        let kind = FileType::from_raw_mode(fs::fstat(&fd)?.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            self.slots[slot] = Some((fd, writable));
        }
        Ok(Value::Done)
    }

    fn on_open(&mut self, slot: usize, op: &Op) -> Result<Value> {
        let Some((fd, writable)) = &self.slots[slot] else {
            return Ok(Value::Done);
        };
        let changes = matches!(op, Op::Write(..) | Op::Append(..) | Op::Resize(..) | Op::Allocate(..));
        if changes && !writable {
            return Ok(Value::Done);
        }
        match op {
            Op::Read(_, offset, len) => {
                let mut buf = vec![0x55; *len];
                let count = rustix::io::pread(fd, &mut buf, *offset)?;
                buf.truncate(count);
                Ok(Value::Bytes(buf))
            }
            Op::Write(_, offset, len, byte) => {
                Ok(Value::Count(rustix::io::pwrite(fd, &vec![*byte; *len], *offset)? as u64))
            }
            Op::Append(_, len, byte) => {
                let size = fs::fstat(fd)?.st_size as u64;
                // As with O_APPEND, where the largest size shortens a write.
                let room = i64::MAX as u64 - size;
                if room == 0 && *len > 0 {
                    return Err(Errno::FBIG);
                }
                let len = (*len as u64).min(room) as usize;
                Ok(Value::Count(rustix::io::pwrite(fd, &vec![*byte; len], size)? as u64))
            }
            Op::Resize(_, size) => fs::ftruncate(fd, *size).map(|()| Value::Done),
            Op::Allocate(_, range, offset, len) => {
                let flags = match range {
                    Range::Reserve => FallocateFlags::empty(),
                    Range::ReserveKeepingSize => FallocateFlags::KEEP_SIZE,
                    Range::Punch => FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE,
                };
                fs::fallocate(fd, flags, *offset, *len).map(|()| Value::Done)
            }
            Op::SeekData(..) | Op::SeekHole(..) if is_dir(fd)? => Ok(Value::Done),
            Op::SeekData(_, offset) => fs::seek(fd, SeekFrom::Data(*offset)).map(Value::Count),
            Op::SeekHole(_, offset) => fs::seek(fd, SeekFrom::Hole(*offset)).map(Value::Count),
            Op::StatOpen(_) => Ok(Value::Stat(stat(&fs::fstat(fd)?))),
            Op::NameOpen(_, path) => fs::linkat(fd, "", &self.base, path, AtFlags::EMPTY_PATH).map(|()| Value::Done),
            _ => unreachable!(),
        }
    }

    fn on_path(&mut self, op: &Op) -> Result<Value> {
        let base = &self.base;
        let follow_flag = |follow: bool| {
            if follow {
                AtFlags::empty()
            } else {
                AtFlags::SYMLINK_NOFOLLOW
            }
        };
        match op {
            Op::Truncate(path, size) => {
                // There is no truncateat; the flags are such that opening changes and demands nothing else.
                let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let kind = FileType::from_raw_mode(fs::statat(base, path, AtFlags::empty())?.st_mode);
                match kind {
                    FileType::RegularFile => {}
                    FileType::Directory => return Err(Errno::ISDIR),
                    _ => return Err(Errno::INVAL),
                }
                fs::ftruncate(fs::openat(base, path, flags, Mode::empty())?, *size)?;
            }
            Op::Mkdir(path, mode) => fs::mkdirat(base, path, Mode::from_raw_mode(*mode))?,
            Op::Fifo(path, mode) => fs::mknodat(base, path, FileType::Fifo, Mode::from_raw_mode(*mode), 0)?,
            Op::Rmdir(path) => fs::unlinkat(base, path, AtFlags::REMOVEDIR)?,
            Op::Unlink(path) => fs::unlinkat(base, path, AtFlags::empty())?,
            Op::Rename(from, to, how) => {
                let flags = match how {
                    Move::Replace => fs::RenameFlags::empty(),
                    Move::NoReplace => fs::RenameFlags::NOREPLACE,
                    Move::Exchange => fs::RenameFlags::EXCHANGE,
                };
                fs::renameat_with(base, from, base, to, flags)?;
            }
            Op::Link(from, to, follow) => {
                let flags = if *follow {
                    AtFlags::SYMLINK_FOLLOW
                } else {
                    AtFlags::empty()
                };
                fs::linkat(base, from, base, to, flags)?;
            }
            Op::Symlink(target, path) => fs::symlinkat(target, base, path)?,
            Op::Readlink(path) => {
                return fs::readlinkat(base, path, Vec::new()).map(|text| Value::Bytes(text.into_bytes()));
            }
            Op::Chmod(path, mode) => fs::chmodat(base, path, Mode::from_raw_mode(*mode), AtFlags::empty())?,
            Op::Chown(path, uid, gid, follow) => {
                let (uid, gid) = (Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)));
                fs::chownat(base, path, uid, gid, follow_flag(*follow))?;
            }
            Op::Stat(path, follow) => return Ok(Value::Stat(stat(&fs::statat(base, path, follow_flag(*follow))?))),
            Op::List(path) => return list(base, path),
            _ => return self.on_xattr(op),
        }
        Ok(Value::Done)
    }

    fn on_xattr(&self, op: &Op) -> Result<Value> {
        match op {
            Op::SetXattr(path, name, value, create, replace) => {
                let flags = match (create, replace) {
                    (true, _) => XattrFlags::CREATE,
                    (_, true) => XattrFlags::REPLACE,
                    _ => XattrFlags::empty(),
                };
                fs::setxattr(self.whole(path), name, value, flags).map(|()| Value::Done)
            }
            Op::GetXattr(path, name) => {
                let mut value = vec![0; 65_536];
                let len = fs::getxattr(self.whole(path), name, value.as_mut_slice())?;
                value.truncate(len);
                Ok(Value::Bytes(value))
            }
            Op::RemoveXattr(path, name) => fs::removexattr(self.whole(path), name).map(|()| Value::Done),
            Op::ListXattr(path) => {
                let mut list = vec![0; 65_536];
                let len = fs::listxattr(self.whole(path), list.as_mut_slice())?;
                let names = list[..len]
                    .split(|byte| *byte == 0)
                    .filter(|name| name.starts_with(b"user."));
                let mut names: Vec<_> = names.map(|name| (name.to_vec(), None)).collect();
                names.sort();
                Ok(Value::Names(names))
            }
            _ => unreachable!(),
        }
    }
}

fn is_dir(fd: &OwnedFd) -> Result<bool> {
    Ok(FileType::from_raw_mode(fs::fstat(fd)?.st_mode) == FileType::Directory)
}

fn list(base: impl AsFd, path: &[u8]) -> Result<Value> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = fs::openat(base, path, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in fs::Dir::new(fd)? {
        let entry = entry?;
        names.push((
            entry.file_name().to_bytes().to_vec(),
            Some(entry.file_type().as_raw_mode()),
        ));
    }
    names.sort();
    Ok(Value::Names(names))
}

fn stat(stat: &fs::Stat) -> Stat {
    Stat {
        mode: stat.st_mode,
        nlink: stat.st_nlink,
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
        uid: stat.st_uid,
        gid: stat.st_gid,
    }
}
