//! What a program is recognised by before its content was read.

use super::failure::Failure;
use agentos_kernel::Errno;
use agentos_kernel::vfs::{Blob, FileType, Filesystem, InodeHandle, Location};
use std::sync::{Arc, Weak};

/// Identity of a program's content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Immutable bytes, by their identity.
    Blob(u64),
    /// A file in a certain state. The filesystem is held weakly, so that its address is not used again.
    File {
        filesystem: Identity,
        ino: u64,
        changed: i64,
        modified: i64,
        size: u64,
        fresh: bool,
    },
}

/// A filesystem, compared by its address.
#[derive(Debug, Clone)]
pub(super) struct Identity(Weak<dyn Filesystem>);

/// Where the bytes of a program come from.
pub(super) enum Content {
    Blob(Arc<Blob>),
    File { location: Location, limit: u64 },
}

/// A file that was changed less than this many ns ago may be changed again without its change time showing it, where times
/// come from a host whose clock ticks coarsely. What is learnt about such a file is used for one exec only.
const RACY: i64 = 2_000_000_000;

impl Key {
    /// The key of a file that is not backed by a blob.
    pub(super) fn of_file(file: &InodeHandle, limit: u64) -> Result<Self, Failure> {
        if file.kind() != FileType::Regular {
            return Err(Failure::Os(Errno::EACCES));
        }
        let attr = file.getattr().map_err(|error| Failure::Os(error.errno()))?;
        if attr.size > limit {
            return Err(Failure::too_large(attr.size, limit));
        }
        let filesystem = file.location().mount().filesystem();
        let age = filesystem.now().0.saturating_sub(attr.ctime.0);
        Ok(Self::File {
            filesystem: Identity(Arc::downgrade(filesystem)),
            ino: attr.ino.0,
            changed: attr.ctime.0,
            modified: attr.mtime.0,
            size: attr.size,
            fresh: filesystem.features().volatile && age < RACY,
        })
    }

    /// Whether what is learnt under this key holds for later requests too.
    pub(super) fn lasts(&self) -> bool {
        matches!(self, Self::Blob(_) | Self::File { fresh: false, .. })
    }

    /// Bytes of a file that a guest brought; none for a bundled one.
    pub(super) fn guest_bytes(&self) -> Option<u64> {
        match self {
            Self::Blob(_) => None,
            Self::File { size, .. } => Some(*size),
        }
    }

    /// Whether both are files of one filesystem.
    pub(super) fn same_filesystem(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { filesystem, .. }, Self::File { filesystem: other, .. }) => filesystem == other,
            _ => false,
        }
    }
}

impl Content {
    /// The content of the file as it is when it will be read.
    pub(super) fn of_file(file: &InodeHandle, limit: u64) -> Self {
        Self::File {
            location: file.location().clone(),
            limit,
        }
    }

    /// Whether it is part of the product rather than of a guest.
    pub(super) fn is_bundled(&self) -> bool {
        matches!(self, Self::Blob(_))
    }
}

impl Identity {
    fn address(&self) -> usize {
        self.0.as_ptr().cast::<()>().addr()
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Identity {}

impl std::hash::Hash for Identity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}
