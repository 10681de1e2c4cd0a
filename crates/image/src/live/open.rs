//! Getting at files of the host.

use super::Rules;
use super::nodes::Key;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{Attr, FileType, Mode};
use agentos_kernel::{Errno, Error, Result};
use rustix::fs::{self, AtFlags, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A regular file, for reading; opening never waits and never makes a terminal ours.
pub(super) const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// A directory, to begin from.
pub(super) const DIR: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
/// Bytes of path that are walked at once.
const PIECE: usize = 2048;
/// Bytes of entries that are fetched at once.
const LISTING: usize = 32 * 1024;

/// Opens `path` below `dir` without leaving it, following links, or crossing mounts.
pub(super) fn beneath(dir: impl AsFd, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // The host asks to try again where something was renamed meanwhile and it cannot be sure.
    for _ in 0..16 {
        match fs::openat2(dir.as_fd(), path, flags, fs::Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::XDEV) => return Err(Errno::ENOENT.into()),
            opened => return Ok(opened?),
        }
    }
    Err(Errno::EAGAIN.into())
}

/// Opens a directory along names, in pieces of path that the host accepts.
pub(super) fn walk(from: Arc<OwnedFd>, names: &[Box<[u8]>]) -> Result<Arc<OwnedFd>> {
    let mut at = from;
    let mut path: Vec<u8> = Vec::new();
    let mut names = names.iter().peekable();
    while let Some(name) = names.next() {
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if names.peek().is_none_or(|next| path.len() + next.len() > PIECE) {
            at = Arc::new(beneath(&at, &path, DIR).map_err(stale)?);
            path.clear();
        }
    }
    Ok(at)
}

/// Names in a directory, but for `.` and `..`.
pub(super) fn names(dir: &OwnedFd) -> Result<Vec<Box<[u8]>>> {
    let listing = beneath(dir, b".", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut buf = vec![MaybeUninit::uninit(); LISTING];
    let mut entries = fs::RawDir::new(&listing, &mut buf);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.into());
        }
    }
    Ok(names)
}

/// An absent or different file where one was remembered.
pub(super) fn stale(error: Error) -> Error {
    match error.errno() {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EINVAL => Errno::ESTALE.into(),
        _ => error,
    }
}

/// A file of the host as it is at present.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) kind: FileType,
    attr: Attr,
}

impl Found {
    /// As the guest sees it.
    pub(super) fn attr(&self, ino: Ino) -> Attr {
        Attr { ino, ..self.attr }
    }
}

/// What has this name in a directory. `ENOENT` for what is not shown.
pub(super) fn stat_name(dir: &OwnedFd, name: &[u8], rules: Rules) -> Result<Found> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = fs::statx(dir, name, flags, wanted())?;
    if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(Errno::ENOENT.into());
    }
    found(&stat, rules)
}

/// What an open file is.
pub(super) fn stat_fd(file: BorrowedFd<'_>, rules: Rules) -> Result<Found> {
    found(&fs::statx(file, c"", AtFlags::EMPTY_PATH, wanted())?, rules)
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

fn found(stat: &fs::Statx, rules: Rules) -> Result<Found> {
    let mode = u32::from(stat.stx_mode);
    let kind = FileType::from_bits(mode).ok_or(Errno::ENOENT)?;
    let readable = match kind {
        FileType::Regular => mode & 0o004 != 0,
        FileType::Directory => mode & 0o005 == 0o005,
        FileType::Symlink => true,
        _ => return Err(Errno::ENOENT.into()),
    };
    if rules.public && !readable {
        return Err(Errno::ENOENT.into());
    }
    let btime = match stat.stx_mask & StatxFlags::BTIME.bits() {
        0 => stat.stx_ctime,
        _ => stat.stx_btime,
    };
    let attr = Attr {
        ino: Ino(0),
        kind,
        mode: Mode::new(mode & 0o1777),
        nlink: stat.stx_nlink,
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
        size: stat.stx_size,
        blocks: stat.stx_blocks,
        atime: time(stat.stx_atime),
        mtime: time(stat.stx_mtime),
        ctime: time(stat.stx_ctime),
        btime: time(btime),
    };
    let key = Key {
        dev: fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        ino: stat.stx_ino,
    };
    Ok(Found { key, kind, attr })
}

fn time(time: fs::StatxTimestamp) -> Timestamp {
    let nanos = time.tv_sec.saturating_mul(1_000_000_000);
    Timestamp(nanos.saturating_add(i64::from(time.tv_nsec)))
}
