//! Tar archives (`pax(1)`), read and written.
//!
//! The reader takes one pass over bytes that anybody may have made. It holds no more than one header and its extensions,
//! believes no size (content ends where the archive ends), and names the member in every refusal. It knows ustar, the
//! extensions of GNU for long names, and pax records; what it does not know (sparse files, volumes) it refuses rather than
//! reading it for something else.
//!
//! The writer makes the same bytes of the same tree.

mod header;
mod pax;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

/// Size of a block: headers are one, content is padded to whole ones.
const BLOCK: usize = 512;

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Name as written, extensions applied.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits, set-id and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Nanoseconds since the Unix epoch.
    pub(crate) mtime: i64,
    /// Bytes of content that follow.
    pub(crate) size: u64,
    /// Target of a link.
    pub(crate) link: Vec<u8>,
    /// Extended attributes, by name.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Kind of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    CharDevice,
    BlockDevice,
}
