//! A root that cannot be changed.
//!
//! The kernel refuses every change of a filesystem that says that it is read-only; what is left to do is to say so, and to make the
//! mount points before.

use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{Attr, Blob, Features, FileType, Filesystem, Mode, NewNode};
use agentos_kernel::{Errno, Error as KernelError};
use std::sync::Arc;

/// A filesystem that says of itself that nothing can be changed; the kernel refuses what would.
pub(crate) struct Frozen {
    inner: Arc<dyn Filesystem>,
}

impl Frozen {
    /// The same files, without changes.
    pub(crate) fn new(inner: Arc<dyn Filesystem>) -> Arc<Self> {
        Arc::new(Self { inner })
    }

    fn pass<T>(&self, call: impl FnOnce() -> Result<T, KernelError>) -> Result<T, KernelError> {
        call()
    }
}

impl Filesystem for Frozen {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn features(&self) -> Features {
        Features {
            read_only: true,
            ..self.inner.features()
        }
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn release(&self, ino: Ino) {
        self.inner.release(ino);
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        self.inner.blob(ino)
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    agentos_kernel::pass_filesystem_calls!(pass);
}

/// Makes a mount point while that can still be done.
pub(crate) fn mount_point(top: &dyn Filesystem, guest: &str) -> Result<(), KernelError> {
    let node = NewNode {
        kind: FileType::Directory,
        mode: Mode::new(0o755),
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
    };
    let mut dir = top.root();
    for name in guest.split('/').filter(|name| !name.is_empty()) {
        dir = match top.lookup(dir, name.as_bytes()) {
            Ok(Attr {
                ino,
                kind: FileType::Directory,
                ..
            }) => ino,
            // Links, and what is in a mount, are judged when it is mounted.
            Ok(_) => return Ok(()),
            Err(error) if error.errno() == Errno::ENOENT => top.mkdir(dir, name.as_bytes(), &node)?.ino,
            Err(error) => return Err(error),
        };
    }
    Ok(())
}
