//! Inodes that are held: by a working directory, an open file, a mount point.

use crate::error::Result;
use crate::id::{DeviceId, Ino};
use crate::vfs::attr::{Attr, FileType, Stat};
use crate::vfs::filesystem::Filesystem;
use crate::vfs::namespace::Mount;
use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering;
use std::sync::Arc;

/// An inode of a mounted filesystem. It stays alive, and its mount busy, while a clone of the location exists. Cloning
/// costs one atomic addition.
#[derive(Clone)]
pub struct Location(Arc<Held>);

struct Held {
    mount: Arc<Mount>,
    ino: Ino,
    kind: FileType,
    /// The real path at which it was found, where the policy has rules about files.
    found_at: Option<Box<[u8]>>,
}

/// Where a magic link leads that is not followed as text (`/proc/<pid>/fd/<n>`).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Jump {
    /// To an inode.
    Location(Location),
    /// To an object without one: a pipe, a socket, a terminal.
    Object(Object),
}

/// An object that a magic link leads to; opening it is up to whoever made it.
#[derive(Clone)]
pub struct Object {
    /// What `stat(2)` reports.
    pub stat: Stat,
    /// The object, for its maker.
    pub handle: Arc<dyn Any + Send + Sync>,
}

impl Location {
    /// Holds `ino`, which must have a name or be retained. `ESTALE` if it is gone.
    pub(crate) fn new(mount: &Arc<Mount>, ino: Ino, kind: FileType) -> Result<Self> {
        mount.fs.retain(ino)?;
        Ok(Self::adopt(mount, ino, kind))
    }

    /// Takes over a retain that the caller has made.
    pub(crate) fn adopt(mount: &Arc<Mount>, ino: Ino, kind: FileType) -> Self {
        mount.pins.fetch_add(1, Ordering::AcqRel);
        Self(Arc::new(Held {
            mount: Arc::clone(mount),
            ino,
            kind,
            found_at: None,
        }))
    }

    /// Remembers the real path at which it was found. Only of use before the location is shared.
    pub(super) fn found_at(mut self, path: Option<&[u8]>) -> Self {
        if let Some(path) = path
            && let Some(held) = Arc::get_mut(&mut self.0)
        {
            held.found_at = Some(path.into());
        }
        self
    }

    /// The real path at which it was found, if that was of interest then. It may have been renamed since.
    pub(super) fn known_path(&self) -> Option<&[u8]> {
        self.0.found_at.as_deref()
    }

    /// The inode number.
    pub fn ino(&self) -> Ino {
        self.0.ino
    }

    /// The kind of inode, which never changes.
    pub fn kind(&self) -> FileType {
        self.0.kind
    }

    /// The device that `stat(2)` reports.
    pub fn dev(&self) -> DeviceId {
        self.0.mount.dev
    }

    /// The mount.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.0.mount
    }

    /// The filesystem.
    pub fn filesystem(&self) -> &Arc<dyn Filesystem> {
        &self.0.mount.fs
    }

    /// Attributes as they are now.
    pub fn attr(&self) -> Result<Attr> {
        self.0.mount.fs.getattr(self.0.ino)
    }

    /// What `fstat(2)` reports.
    pub fn stat(&self) -> Result<Stat> {
        Ok(Stat {
            dev: self.dev(),
            attr: self.attr()?,
        })
    }

    /// Whether both are the same inode reached through the same mount.
    pub fn same(&self, other: &Self) -> bool {
        self.0.ino == other.0.ino && Arc::ptr_eq(&self.0.mount, &other.0.mount)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.mount.fs.release(self.ino);
        self.mount.pins.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({}:{} {:?})", self.dev(), self.ino(), self.kind())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("stat", &self.stat)
            .finish_non_exhaustive()
    }
}
