//! A filesystem of the host's, whose mistakes end in an error.
//!
//! What a host mounts may be its own code, which may panic. Behind this wall a panic is `EIO` of the one call that met it: the
//! program that made the call goes on, and so does everybody else. Whether the filesystem is still in order afterwards is its
//! own business; it is asked again by the next call.

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Ino, Pid};
use crate::vfs::attr::{Attr, SetAttr, StatFs};
use crate::vfs::filesystem::{Blob, DirEntry, Features, Filesystem, NewNode, RenameFlags, SeekTarget, XattrMode};
use crate::vfs::location::Jump;
use bytes::Bytes;
use core::ops::ControlFlow;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

/// A filesystem from which no panic comes.
pub struct CaughtFs {
    inner: Arc<dyn Filesystem>,
    features: Features,
    root: Ino,
    /// The time when it was mounted, for one that cannot tell the time any more.
    since: Timestamp,
}

impl CaughtFs {
    /// Puts `inner` behind the wall. What never changes is asked now.
    ///
    /// # Errors
    /// `EIO` if already that panics.
    pub fn new(inner: Arc<dyn Filesystem>) -> Result<Arc<Self>> {
        let known = caught(|| Ok((inner.features(), inner.root(), inner.now())));
        let (features, root, since) = known?;
        Ok(Arc::new(Self {
            inner,
            features,
            root,
            since,
        }))
    }
}

fn caught<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Errno::EIO.into()))
}

/// Methods that only pass on.
macro_rules! pass {
    ($(fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $result:ty;)*) => {
        $(fn $name(&self $(, $argument: $kind)*) -> Result<$result> {
            caught(|| self.inner.$name($($argument),*))
        })*
    };
}

impl Filesystem for CaughtFs {
    fn kind(&self) -> &'static str {
        catch_unwind(AssertUnwindSafe(|| self.inner.kind())).unwrap_or("broken")
    }

    fn features(&self) -> Features {
        self.features
    }

    fn root(&self) -> Ino {
        self.root
    }

    fn release(&self, ino: Ino) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.inner.release(ino)));
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        catch_unwind(AssertUnwindSafe(|| self.inner.blob(ino))).unwrap_or(None)
    }

    fn now(&self) -> Timestamp {
        catch_unwind(AssertUnwindSafe(|| self.inner.now())).unwrap_or(self.since)
    }

    pass! {
        fn lookup(&self, dir: Ino, name: &[u8]) -> Attr;
        fn parent(&self, dir: Ino) -> Ino;
        fn getattr(&self, ino: Ino) -> Attr;
        fn setattr(&self, ino: Ino, set: &SetAttr) -> Attr;
        fn readlink(&self, ino: Ino) -> Vec<u8>;
        fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Attr;
        fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Attr;
        fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Attr;
        fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Attr;
        fn create_unnamed(&self, node: &NewNode) -> Attr;
        fn unlink(&self, dir: Ino, name: &[u8]) -> ();
        fn rmdir(&self, dir: Ino, name: &[u8]) -> ();
        fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> ();
        fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> ();
        fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> usize;
        fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> usize;
        fn append(&self, ino: Ino, data: &[u8]) -> (usize, u64);
        fn touch(&self, ino: Ino) -> ();
        fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> u64;
        fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> ();
        fn retain(&self, ino: Ino) -> ();
        fn fsync(&self, ino: Ino, data_only: bool) -> ();
        fn sync(&self) -> ();
        fn statfs(&self) -> StatFs;
        fn getxattr(&self, ino: Ino, name: &[u8]) -> Vec<u8>;
        fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> ();
        fn listxattr(&self, ino: Ino) -> Vec<Vec<u8>>;
        fn removexattr(&self, ino: Ino, name: &[u8]) -> ();
        fn name_of(&self, ino: Ino) -> (Ino, Vec<u8>);
        fn readlink_for(&self, ino: Ino, caller: Pid) -> Vec<u8>;
        fn jump(&self, ino: Ino, caller: Pid) -> Option<Jump>;
        fn generate(&self, ino: Ino, caller: Pid) -> Option<Bytes>;
        fn may_inspect(&self, ino: Ino, caller: Pid) -> ();
    }
}
