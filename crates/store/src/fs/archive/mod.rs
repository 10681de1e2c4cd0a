//! Files as a tar archive, and back.
//!
//! The format is POSIX.1-2001 (`pax`): every entry has an extended header with its full path, times with nanoseconds and
//! extended attributes (`SCHILY.xattr.*`), so that no field is too short; holes are stored as GNU tar does (version 1.0). GNU
//! tar and bsdtar read it. What tar does not know travels in records of our own: sockets (as FIFOs with `AGENTOS.socket`) and
//! device numbers of any size (`AGENTOS.rdev`). Inode numbers and reserved room are not kept; a copy of the database keeps
//! those too.
//!
//! An archive is read as what it may be: the work of somebody else. A name never leads out of the directory it is unpacked
//! in, through no link; numbers, lengths and headers are checked and bounded; what it holds is charged to the quota like any
//! write.

mod header;
mod pax;
mod read;
mod write;

use std::io::{Read, Write};

use agentos_kernel::Errno;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::Filesystem;

use super::DurableFs;
use crate::{Error, Result};

/// What an archive held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Names: files, directories, links and all else.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// Longest path in an archive, and longest extended header besides.
const PATH_MAX: usize = 1 << 20;
/// Most bytes of one extended header: a path, a target, and all attributes of an inode.
const PAX_MAX: u64 = 4 << 20;
/// Bytes of a record of tar.
const RECORD: usize = 512;
/// Bytes that are copied at once.
const PIECE: usize = 64 << 10;

/// Writes everything below the root of a filesystem, the root's own attributes included. Other users of the filesystem may go
/// on; each file is then as it was at some moment. Blocks.
///
/// # Errors
/// Those of the filesystem and of `out`; [`Error::Limit`] for a path of more than 1 MiB.
pub fn export(fs: &dyn Filesystem, out: &mut dyn Write) -> Result<Summary> {
    write::export(fs, out)
}

/// Unpacks an archive into a directory, in which none of its names may exist yet, directories excepted. Nothing is durable
/// before [`DurableFs::durable`] says so. Blocks.
///
/// # Errors
/// [`Error::Invalid`] for what is no archive or names that lead elsewhere, [`Error::Exists`], [`Error::NoSpace`] beyond the
/// quota; those of `input`. What was unpacked before the error stays.
pub fn import(fs: &DurableFs, dir: Ino, input: &mut dyn Read) -> Result<Summary> {
    read::import(fs, dir, input)
}

/// An error of the filesystem at a path.
fn at(path: &[u8], error: &agentos_kernel::Error) -> Error {
    let path = String::from_utf8_lossy(path);
    let text = || format!("{path}: {error}").into();
    match error.errno() {
        Errno::ENOSPC | Errno::EFBIG => Error::NoSpace(text()),
        Errno::EEXIST => Error::Exists {
            what: "file",
            id: path.into(),
        },
        Errno::EIO => Error::Io(text()),
        _ => Error::invalid("archive", format!("{path}: {error}")),
    }
}

/// An error of the other side of the archive.
fn stream(error: &std::io::Error) -> Error {
    Error::Io(format!("archive: {error}").into())
}

/// What is no archive that we read.
fn malformed(detail: impl Into<Box<str>>) -> Error {
    Error::invalid("archive", detail)
}

/// Bytes that fill up a record after `len`.
fn padding(len: u64) -> usize {
    // Less than RECORD.
    (len.next_multiple_of(RECORD as u64) - len) as usize
}
