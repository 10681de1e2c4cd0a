//! The virtual filesystem: inodes below, paths above.
//!
//! A [`Filesystem`] knows inodes, names in directories and bytes. It knows nothing of paths, mounts, symbolic links,
//! permissions or descriptors: those live once, in this module, above all implementations.
//!
//! ```text
//!   Vfs (ops/)        one function per system call: permissions, umask, read-only mounts, error order
//!     walk            path -> inode: components, symbolic links, `..`, mounts, search permission
//!     rules, real     what the permission policy says to a call, by the real path of what it is about
//!     namespace       the mount table
//!   Location          an inode of a mount, kept alive
//!   InodeHandle       an open file or directory: bytes, listings, attributes
//! ```
//!
//! Invariants:
//!
//! * A filesystem is called only with single, checked names and after all permission checks.
//! * A [`Location`] retains its inode; dropping the last clone releases it.
//! * A walk allocates nothing per component and holds no lock between components; a directory that vanishes meanwhile is
//!   `ENOENT`.

pub mod access;
mod anew;
pub mod attr;
pub mod capped;
mod caught;
pub mod context;
pub mod filesystem;
pub mod handle;
pub mod host;
mod ino_map;
pub mod location;
pub mod locks;
pub mod memory;
mod mounted;
pub mod namespace;
pub mod news;
mod ops;
pub mod overlay;
mod pass;
mod real;
mod rules;
mod settle;
mod unnamed;
mod walk;
mod walks;

pub use access::Access;
pub use anew::open_anew;
pub use attr::{Attr, FileType, Mode, SetAttr, SetTime, Stat, StatFs};
pub use capped::CappedFs;
pub use caught::CaughtFs;
pub use context::FsContext;
pub use filesystem::{
    Blob, DirEntry, Features, Filesystem, Holders, NativeUse, NewNode, RenameFlags, SeekTarget, XattrMode,
};
pub use handle::{InodeHandle, OpenOptions, Opened};
pub use host::{HostDirError, HostDirFs};
pub use location::{Jump, Location, Object};
pub use locks::LockTable;
pub use memory::{FsQuota, MemoryFs};
pub use namespace::{Mount, MountInfo, MountOptions, Vfs};
pub use overlay::OverlayFs;
pub(crate) use rules::Rules;
pub use settle::{Settle, Settling};
pub use walks::Watch;

/// Longest name of one component, in bytes.
pub const NAME_MAX: usize = 255;
/// Longest path, in bytes, without the terminating NUL of C.
pub const PATH_MAX: usize = 4095;
/// Most symbolic links that one walk follows.
pub const LINKS_MAX: u32 = 40;
/// Most hard links to one inode.
pub const HARD_LINKS_MAX: u32 = 65_000;
/// Largest file and largest offset, in bytes.
pub const SIZE_MAX: u64 = i64::MAX as u64;
/// Most mounts of one VM.
pub const MOUNTS_MAX: usize = 256;
