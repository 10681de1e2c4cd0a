//! What the host says about a file, and descriptors of it.

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Uid};
use crate::vfs::attr::{Attr, FileType, Mode};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, StatxAttributes, StatxFlags};

/// Identity of a file on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) dev: u64,
    pub(super) ino: u64,
}

/// What a descriptor is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rights {
    /// Looking things up, attributes.
    Path,
    /// Reading a file.
    Read,
    /// Writing, but not reading, a file that the host lets nobody read.
    Write,
    /// Both.
    ReadWrite,
}

/// An open descriptor of the host.
#[derive(Debug)]
pub(super) struct Handle {
    fd: OwnedFd,
    rights: Rights,
}

impl Handle {
    pub(super) fn path(fd: OwnedFd) -> Self {
        Self::new(fd, Rights::Path)
    }

    pub(super) fn new(fd: OwnedFd, rights: Rights) -> Self {
        Self { fd, rights }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn reads(&self) -> bool {
        matches!(self.rights, Rights::Read | Rights::ReadWrite)
    }

    pub(super) fn writes(&self) -> bool {
        matches!(self.rights, Rights::Write | Rights::ReadWrite)
    }

    pub(super) fn is_path(&self) -> bool {
        self.rights == Rights::Path
    }
}

/// Attributes of a host file.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostStat {
    pub(super) key: Key,
    /// As the guest sees them, but for the number.
    attr: Attr,
}

impl HostStat {
    /// As the guest sees them; `ino` is the number that the table gave.
    pub(super) fn attr(&self, ino: Ino) -> Attr {
        Attr { ino, ..self.attr }
    }

    pub(super) fn kind(&self) -> FileType {
        self.attr.kind
    }

    pub(super) fn mode(&self) -> u32 {
        self.attr.mode.bits()
    }

    pub(super) fn size(&self) -> u64 {
        self.attr.size
    }
}

/// Attributes of an open file.
pub(super) fn stat_handle(handle: &Handle) -> Result<HostStat> {
    from_statx(&fs::statx(handle.fd(), c"", AtFlags::EMPTY_PATH, wanted())?)
}

/// Attributes of what has this name in a directory. A mount point is refused.
pub(super) fn stat_name(dir: &Handle, name: &[u8]) -> Result<HostStat> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let statx = fs::statx(dir.fd(), name, flags, wanted())?;
    if statx.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(Errno::EACCES.into());
    }
    from_statx(&statx)
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

fn from_statx(stat: &fs::Statx) -> Result<HostStat> {
    let dev = fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let btime = match stat.stx_mask & StatxFlags::BTIME.bits() {
        0 => stat.stx_ctime,
        _ => stat.stx_btime,
    };
    let attr = Attr {
        ino: Ino(stat.stx_ino),
        kind: FileType::from_bits(u32::from(stat.stx_mode)).ok_or(Errno::EIO)?,
        mode: Mode::new(u32::from(stat.stx_mode) & 0o1777),
        nlink: stat.stx_nlink,
        uid: Uid::USER,
        gid: Gid::USER,
        // Device numbers of the host mean nothing here.
        rdev: 0,
        size: stat.stx_size,
        blocks: stat.stx_blocks,
        atime: time(stat.stx_atime),
        mtime: time(stat.stx_mtime),
        ctime: time(stat.stx_ctime),
        btime: time(btime),
    };
    let key = Key { dev, ino: stat.stx_ino };
    Ok(HostStat { key, attr })
}

fn time(time: fs::StatxTimestamp) -> Timestamp {
    let nanos = time.tv_sec.saturating_mul(1_000_000_000);
    Timestamp(nanos.saturating_add(i64::from(time.tv_nsec)))
}

/// Kind of a listed entry, where the host's filesystem tells.
pub(super) fn kind_of_entry(kind: fs::FileType) -> Option<FileType> {
    Some(match kind {
        fs::FileType::RegularFile => FileType::Regular,
        fs::FileType::Directory => FileType::Directory,
        fs::FileType::Symlink => FileType::Symlink,
        fs::FileType::Fifo => FileType::Fifo,
        fs::FileType::Socket => FileType::Socket,
        fs::FileType::CharacterDevice => FileType::CharDevice,
        fs::FileType::BlockDevice => FileType::BlockDevice,
        fs::FileType::Unknown => return None,
    })
}
