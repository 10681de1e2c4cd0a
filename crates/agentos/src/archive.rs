//! Snapshots as bytes: the files of a VM in a form that another process, or another day, can start a VM from.
//!
//! An archive is a POSIX tar file (`pax` format) of what differs from the packages: files, directories and links that are new or
//! changed, and what was removed, as character devices 0:0 (the form of overlay filesystems). What the packages hold is not in
//! it, so it is small, and a VM that starts from it has the programs of its own version. `tar tvf` lists one. The first member is
//! a global header with the record `AGENTOS.snapshot` and the version of this form.
//!
//! Where it comes from is not trusted. Reading one never leaves the filesystem that it is read into: members are found name by
//! name from its root, and links are not followed. Everything is paid from the VM's quota as if programs had written it; set-id
//! bits are dropped, devices refused. What is not understood ends the start of the VM with the place in the archive.

mod restore;
mod save;
mod tar;

pub(crate) use restore::restore;
pub(crate) use save::save;

/// The record of the global header that says what an archive is.
const MARK: &[u8] = b"AGENTOS.snapshot";
/// The version of the form.
const VERSION: &[u8] = b"1";
/// Before the name of an extended attribute, in the name of a record.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// Where the pieces of a file with holes belong: offsets and lengths.
const SPARSE_MAP: &[u8] = b"GNU.sparse.map";
/// The size of a file with holes.
const SPARSE_SIZE: &[u8] = b"GNU.sparse.size";
/// How many pieces there are.
const SPARSE_COUNT: &[u8] = b"GNU.sparse.numblocks";
