//! Numbers and layouts of preview 1.

use crate::memory::Memory;
use agentos_abi::Record;
use agentos_kernel::Errno;
use agentos_kernel::fd::{AccessMode, OpenFile};
use agentos_kernel::net::{Kind, OptionName, OptionValue, Socket};
use agentos_kernel::vfs::{FileType, Stat};

pub(super) const UNKNOWN: u8 = 0;
pub(super) const BLOCK_DEVICE: u8 = 1;
pub(super) const CHARACTER_DEVICE: u8 = 2;
pub(super) const DIRECTORY: u8 = 3;
pub(super) const REGULAR_FILE: u8 = 4;
pub(super) const SOCKET_DGRAM: u8 = 5;
pub(super) const SOCKET_STREAM: u8 = 6;
pub(super) const SYMBOLIC_LINK: u8 = 7;

/// Rights, by their bit.
pub(super) mod rights {
    pub(in crate::preview1) const FD_DATASYNC: u64 = 1;
    pub(in crate::preview1) const FD_READ: u64 = 1 << 1;
    pub(in crate::preview1) const FD_SEEK: u64 = 1 << 2;
    pub(in crate::preview1) const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub(in crate::preview1) const FD_SYNC: u64 = 1 << 4;
    pub(in crate::preview1) const FD_TELL: u64 = 1 << 5;
    pub(in crate::preview1) const FD_WRITE: u64 = 1 << 6;
    pub(in crate::preview1) const FD_ADVISE: u64 = 1 << 7;
    pub(in crate::preview1) const FD_ALLOCATE: u64 = 1 << 8;
    /// From `PATH_CREATE_DIRECTORY` (9) to `PATH_OPEN` (13).
    pub(in crate::preview1) const PATH_9_TO_13: u64 = 0x1f << 9;
    pub(in crate::preview1) const FD_READDIR: u64 = 1 << 14;
    /// From `PATH_READLINK` (15) to `PATH_FILESTAT_SET_TIMES` (20).
    pub(in crate::preview1) const PATH_15_TO_20: u64 = 0x3f << 15;
    pub(in crate::preview1) const FD_FILESTAT_GET: u64 = 1 << 21;
    pub(in crate::preview1) const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub(in crate::preview1) const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    /// `PATH_SYMLINK`, `PATH_REMOVE_DIRECTORY`, `PATH_UNLINK_FILE`.
    pub(in crate::preview1) const PATH_24_TO_26: u64 = 0x7 << 24;
    pub(in crate::preview1) const POLL_FD_READWRITE: u64 = 1 << 27;
    pub(in crate::preview1) const SOCK_SHUTDOWN: u64 = 1 << 28;
    pub(in crate::preview1) const SOCK_ACCEPT: u64 = 1 << 29;
    /// Every right.
    pub(in crate::preview1) const ALL: u64 = (1 << 30) - 1;
    /// Rights on a directory.
    pub(in crate::preview1) const ON_DIRECTORY: u64 = FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_ADVISE
        | PATH_9_TO_13
        | FD_READDIR
        | PATH_15_TO_20
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_TIMES
        | PATH_24_TO_26
        | POLL_FD_READWRITE;
    /// Rights on anything else, besides reading, writing, seeking.
    pub(in crate::preview1) const ON_ANYTHING: u64 =
        FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | FD_FILESTAT_SET_TIMES | POLL_FD_READWRITE;
}

/// The preview-1 type of an inode.
pub(super) fn file_type(kind: FileType) -> u8 {
    match kind {
        FileType::Regular => REGULAR_FILE,
        FileType::Directory => DIRECTORY,
        FileType::Symlink => SYMBOLIC_LINK,
        FileType::CharDevice => CHARACTER_DEVICE,
        FileType::BlockDevice => BLOCK_DEVICE,
        FileType::Socket => SOCKET_STREAM,
        // Were a pipe called a stream socket, libc would use its socket functions on it.
        FileType::Fifo => UNKNOWN,
    }
}

/// The type of an open file.
pub(super) fn type_of(file: &OpenFile) -> agentos_kernel::Result<u8> {
    if let Some(socket) = file.object_as::<Socket>() {
        let datagram = matches!(socket.option(OptionName::Type), Ok(OptionValue::Kind(Kind::Datagram)));
        return Ok(if datagram { SOCKET_DGRAM } else { SOCKET_STREAM });
    }
    Ok(file_type(file.stat()?.attr.kind))
}

/// Rights on an open file. Terminals can neither seek nor tell, which is what libc's `isatty` looks for; devices that accept
/// offsets can.
pub(super) fn rights_of(file: &OpenFile, kind: u8) -> u64 {
    if kind == DIRECTORY {
        return rights::ON_DIRECTORY;
    }
    let mut all = rights::ON_ANYTHING;
    let seeks = match file.object() {
        Some(object) => object.ignores_offsets(),
        None => true,
    };
    if seeks {
        all |= rights::FD_SEEK | rights::FD_TELL;
    }
    if file.access().contains(AccessMode::READ) {
        all |= rights::FD_READ;
    }
    if file.access().contains(AccessMode::WRITE) {
        all |= rights::FD_WRITE;
    }
    match kind {
        REGULAR_FILE => {
            all |= rights::FD_SYNC | rights::FD_DATASYNC | rights::FD_ADVISE;
            if file.access().contains(AccessMode::WRITE) {
                all |= rights::FD_ALLOCATE | rights::FD_FILESTAT_SET_SIZE;
            }
        }
        SOCKET_DGRAM | SOCKET_STREAM => all |= rights::SOCK_SHUTDOWN | rights::SOCK_ACCEPT,
        _ => {}
    }
    all
}

/// Writes a `filestat`.
pub(super) fn put_filestat(memory: &mut Memory<'_>, at: u32, stat: &Stat, kind: u8) -> Result<(), Errno> {
    let attr = &stat.attr;
    let time = |ns: i64| u64::try_from(ns).unwrap_or(0);
    let fields: [u64; 8] = [
        stat.dev.0,
        attr.ino.0,
        u64::from(kind),
        u64::from(attr.nlink),
        attr.size,
        time(attr.atime.0),
        time(attr.mtime.0),
        time(attr.ctime.0),
    ];
    let out = memory.bytes_mut(at, (fields.len() * u64::SIZE) as u32)?;
    for (slot, field) in out.chunks_exact_mut(u64::SIZE).zip(fields) {
        field.encode(slot);
    }
    Ok(())
}
