//! What an inode says about itself (`inode(7)`).

use crate::clock::Timestamp;
use crate::id::{DeviceId, Gid, Ino, Uid};

/// Kind of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileType {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// FIFO.
    Fifo,
    /// Unix socket.
    Socket,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
}

impl FileType {
    /// The `S_IFMT` bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Fifo => 0o010_000,
            Self::CharDevice => 0o020_000,
            Self::Directory => 0o040_000,
            Self::BlockDevice => 0o060_000,
            Self::Regular => 0o100_000,
            Self::Symlink => 0o120_000,
            Self::Socket => 0o140_000,
        }
    }

    /// Parses `S_IFMT` bits; zero means a regular file, as `mknod(2)` has it.
    pub const fn from_bits(mode: u32) -> Option<Self> {
        Some(match mode & 0o170_000 {
            0o010_000 => Self::Fifo,
            0o020_000 => Self::CharDevice,
            0o040_000 => Self::Directory,
            0o060_000 => Self::BlockDevice,
            0o100_000 | 0 => Self::Regular,
            0o120_000 => Self::Symlink,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }
}

/// Permission bits: read, write, execute for three classes, set-id and sticky. Never holds type bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mode(u16);

impl Mode {
    /// Set-user-id.
    pub const SETUID: u32 = 0o4000;
    /// Set-group-id.
    pub const SETGID: u32 = 0o2000;
    /// Sticky.
    pub const STICKY: u32 = 0o1000;

    /// Keeps the twelve permission bits of `bits`.
    pub const fn new(bits: u32) -> Self {
        // The mask makes the value fit.
        Self((bits & 0o7777) as u16)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// The bits without those of `umask`.
    #[must_use]
    pub const fn masked(self, umask: Self) -> Self {
        Self(self.0 & !(umask.0 & 0o777))
    }
}

/// Attributes of an inode, as `stat(2)` reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr {
    /// Inode number.
    pub ino: Ino,
    /// Kind.
    pub kind: FileType,
    /// Permissions.
    pub mode: Mode,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Device number of a device inode.
    pub rdev: u64,
    /// Size in bytes.
    pub size: u64,
    /// Allocated 512-byte blocks.
    pub blocks: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Last modification of the content.
    pub mtime: Timestamp,
    /// Last change of content or attributes.
    pub ctime: Timestamp,
    /// Creation.
    pub btime: Timestamp,
}

/// Attributes with the device they belong to: the whole answer of `stat(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Device of the filesystem, unique among the mounts of a VM.
    pub dev: DeviceId,
    /// Attributes.
    pub attr: Attr,
}

/// How to set a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetTime {
    /// Leave it.
    #[default]
    Keep,
    /// Current time.
    Now,
    /// A given time.
    At(Timestamp),
}

/// A change of attributes; absent fields stay. The implementation also sets `ctime` to the current time. Clearing of set-id
/// bits and permission checks happen above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttr {
    /// New permissions.
    pub mode: Option<Mode>,
    /// New owner.
    pub uid: Option<Uid>,
    /// New group.
    pub gid: Option<Gid>,
    /// New size: truncates, or extends with a hole; sets `mtime`.
    pub size: Option<u64>,
    /// Access time.
    pub atime: SetTime,
    /// Modification time.
    pub mtime: SetTime,
}

/// Totals of a filesystem, as `statfs(2)` reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatFs {
    /// Type magic.
    pub magic: u64,
    /// Block size in bytes.
    pub block_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Inodes in all.
    pub inodes: u64,
    /// Free inodes.
    pub inodes_free: u64,
    /// Longest name in bytes.
    pub name_max: u64,
}
