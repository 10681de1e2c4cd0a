//! Filesystem metadata and open flags.

use crate::record::record;

record! {
    /// Result of `path_stat`. `mode` holds the type bits of `stat(2)`.
    pub struct Stat {
        /// Device of the filesystem.
        pub dev: u64,
        /// Inode.
        pub ino: u64,
        /// Type and permissions.
        pub mode: u32,
        /// Hard links.
        pub nlink: u32,
        /// Owner.
        pub uid: u32,
        /// Group.
        pub gid: u32,
        /// Device number of a device file.
        pub rdev: u64,
        /// Bytes.
        pub size: u64,
        /// Preferred block.
        pub blksize: u32,
        /// Zero.
        pub reserved: u32,
        /// 512-byte blocks allocated.
        pub blocks: u64,
        /// Access, ns since the epoch.
        pub atim: i64,
        /// Modification.
        pub mtim: i64,
        /// Status change.
        pub ctim: i64,
        /// Birth.
        pub btim: i64,
    }
}

record! {
    /// Result of `path_statfs`.
    pub struct Statfs {
        /// Filesystem type magic.
        pub kind: u64,
        /// Block size.
        pub bsize: u64,
        /// Blocks.
        pub blocks: u64,
        /// Free blocks.
        pub bfree: u64,
        /// Blocks free to users.
        pub bavail: u64,
        /// Inodes.
        pub files: u64,
        /// Free inodes.
        pub ffree: u64,
        /// Longest name.
        pub namelen: u64,
        /// Bits of `ST_*` of `statvfs(3)`; 1 is read-only.
        pub flags: u64,
    }
}

/// Path flag: follow a final symbolic link.
pub const AT_SYMLINK_FOLLOW: u32 = 1;
/// Path flag: an empty path means the descriptor itself.
pub const AT_EMPTY_PATH: u32 = 2;
/// Path flag of `path_access`: use the effective ids.
pub const AT_EACCESS: u32 = 4;

/// Open flags of `path_open_mode` and of spawn's open action. The low four are preview 1's `oflags`.
pub const O_CREAT: u32 = 1;
/// Must be a directory.
pub const O_DIRECTORY: u32 = 2;
/// Fail if it exists.
pub const O_EXCL: u32 = 4;
/// Truncate.
pub const O_TRUNC: u32 = 8;
/// Do not follow a final symbolic link.
pub const O_NOFOLLOW: u32 = 0x10;
/// Only a handle on the path.
pub const O_PATH: u32 = 0x20;
/// Close on exec.
pub const O_CLOEXEC: u32 = 0x40;
/// Do not make it the controlling terminal.
pub const O_NOCTTY: u32 = 0x80;
/// Open for reading.
pub const O_READ: u32 = 0x100;
/// Open for writing.
pub const O_WRITE: u32 = 0x200;
/// Append (spawn action only; `path_open_mode` takes `fdflags`).
pub const O_APPEND: u32 = 0x400;

/// `path_access` modes.
pub const R_OK: u32 = 4;
/// Write.
pub const W_OK: u32 = 2;
/// Execute.
pub const X_OK: u32 = 1;
/// Existence.
pub const F_OK: u32 = 0;

/// `path_rename2`: fail if the target exists.
pub const RENAME_NOREPLACE: u32 = 1;
/// `path_rename2`: exchange both.
pub const RENAME_EXCHANGE: u32 = 2;

/// `path_xattr_set`: fail if it exists.
pub const XATTR_CREATE: u32 = 0x100;
/// `path_xattr_set`: fail if it does not.
pub const XATTR_REPLACE: u32 = 0x200;

/// Special nanosecond values of `path_set_times`: leave unchanged.
pub const TIME_OMIT: i64 = i64::MIN;
/// Set to the current time.
pub const TIME_NOW: i64 = i64::MIN + 1;
