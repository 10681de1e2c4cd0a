//! Trees of files as data: what an archive says, before and after layers are laid over each other.
//!
//! A [`Draft`] grows member by member, in memory, where no name can lead out of it. Frozen, a [`Tree`] is looked up by many
//! VMs at once, without locks. Content is not here: a file knows in which layer it is, and its number there.

mod codec;
mod draft;
mod frozen;
mod path;
#[cfg(test)]
mod tests;

pub(crate) use codec::{decode, encode};
pub(crate) use draft::Draft;
pub(crate) use frozen::{Entry, Frozen, Inode, Tree};
pub(crate) use path::parts;

/// Number of a node in its draft. The root is 0.
pub(crate) type Index = u32;

/// A file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) attrs: Attrs,
    pub(crate) body: Body,
}

/// What is known of a node besides what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attrs {
    /// Permissions, set-id bits and the sticky bit.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Nanoseconds since the epoch.
    pub(crate) mtime: i64,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Directory(Directory),
    File {
        size: u64,
        content: Content,
    },
    Symlink(Box<[u8]>),
    /// Hides a name of the layers below.
    Whiteout,
    /// A further name of a file that a layer below has at this path.
    Borrowed(Box<[u8]>),
}

/// Entries of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Directory {
    pub(crate) entries: std::collections::BTreeMap<Box<[u8]>, Index>,
    /// Nothing said that it exists but a member in it.
    pub(crate) implied: bool,
    /// Hides what layers below have in it.
    pub(crate) opaque: bool,
}

/// Where the content of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    /// Layer of the image, counted from below.
    pub(crate) layer: u32,
    /// Number of the file in its layer.
    pub(crate) number: u32,
}
