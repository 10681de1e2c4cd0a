//! Filesystems that pass every call on: the list of calls, once for all who do that.

/// Expands, inside of an `impl Filesystem`, to every method that answers with a `Result`. Each passes its call on to `self.inner`
/// as a closure that the method `$by` of the filesystem is given: `fn $by<T>(&self, call: impl FnOnce() -> Result<T>) ->
/// Result<T>`. Methods that cannot fail are not among them.
#[doc(hidden)]
#[macro_export]
macro_rules! pass_filesystem_calls {
    ($by:ident) => {
        $crate::pass_filesystem_calls! { @ $by;
            fn lookup(&self, dir: $crate::id::Ino, name: &[u8]) -> $crate::vfs::Attr;
            fn parent(&self, dir: $crate::id::Ino) -> $crate::id::Ino;
            fn getattr(&self, ino: $crate::id::Ino) -> $crate::vfs::Attr;
            fn setattr(&self, ino: $crate::id::Ino, set: &$crate::vfs::SetAttr) -> $crate::vfs::Attr;
            fn readlink(&self, ino: $crate::id::Ino) -> Vec<u8>;
            fn create(&self, dir: $crate::id::Ino, name: &[u8], node: &$crate::vfs::NewNode) -> $crate::vfs::Attr;
            fn mkdir(&self, dir: $crate::id::Ino, name: &[u8], node: &$crate::vfs::NewNode) -> $crate::vfs::Attr;
            fn symlink(
                &self, dir: $crate::id::Ino, name: &[u8], target: &[u8], node: &$crate::vfs::NewNode
            ) -> $crate::vfs::Attr;
            fn link(&self, ino: $crate::id::Ino, dir: $crate::id::Ino, name: &[u8]) -> $crate::vfs::Attr;
            fn create_unnamed(&self, node: &$crate::vfs::NewNode) -> $crate::vfs::Attr;
            fn unlink(&self, dir: $crate::id::Ino, name: &[u8]) -> ();
            fn rmdir(&self, dir: $crate::id::Ino, name: &[u8]) -> ();
            fn rename(
                &self, dir: $crate::id::Ino, name: &[u8], to_dir: $crate::id::Ino, to_name: &[u8],
                flags: $crate::vfs::RenameFlags
            ) -> ();
            fn readdir(
                &self, dir: $crate::id::Ino, position: u64,
                emit: &mut dyn FnMut($crate::vfs::DirEntry<'_>) -> core::ops::ControlFlow<()>
            ) -> ();
            fn read(&self, ino: $crate::id::Ino, offset: u64, buf: &mut [u8]) -> usize;
            fn write(&self, ino: $crate::id::Ino, offset: u64, data: &[u8]) -> usize;
            fn append(&self, ino: $crate::id::Ino, data: &[u8]) -> (usize, u64);
            fn adopt(&self, ino: $crate::id::Ino, content: bytes::Bytes) -> bool;
            fn touch(&self, ino: $crate::id::Ino) -> ();
            fn seek(&self, ino: $crate::id::Ino, offset: u64, target: $crate::vfs::SeekTarget) -> u64;
            fn allocate(&self, ino: $crate::id::Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> ();
            fn retain(&self, ino: $crate::id::Ino) -> ();
            fn fsync(&self, ino: $crate::id::Ino, data_only: bool) -> ();
            fn sync(&self) -> ();
            fn statfs(&self) -> $crate::vfs::StatFs;
            fn getxattr(&self, ino: $crate::id::Ino, name: &[u8]) -> Vec<u8>;
            fn setxattr(&self, ino: $crate::id::Ino, name: &[u8], value: &[u8], mode: $crate::vfs::XattrMode) -> ();
            fn listxattr(&self, ino: $crate::id::Ino) -> Vec<Vec<u8>>;
            fn removexattr(&self, ino: $crate::id::Ino, name: &[u8]) -> ();
            fn name_of(&self, ino: $crate::id::Ino) -> ($crate::id::Ino, Vec<u8>);
            fn readlink_for(&self, ino: $crate::id::Ino, caller: $crate::id::Pid) -> Vec<u8>;
            fn jump(&self, ino: $crate::id::Ino, caller: $crate::id::Pid) -> Option<$crate::vfs::Jump>;
            fn generate(&self, ino: $crate::id::Ino, caller: $crate::id::Pid) -> Option<bytes::Bytes>;
            fn host_file(&self, ino: $crate::id::Ino) -> Option<std::os::fd::OwnedFd>;
            fn native(&self, ino: $crate::id::Ino, write: bool) -> Option<std::os::fd::OwnedFd>;
            fn native_in_use(&self, ino: $crate::id::Ino, write: bool) -> Option<std::os::fd::OwnedFd>;
            fn may_inspect(&self, ino: $crate::id::Ino, caller: $crate::id::Pid) -> ();
        }
    };
    (@ $by:ident; $(fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $result:ty;)*) => {
        $(fn $name(&self $(, $argument: $kind)*) -> $crate::Result<$result> {
            self.$by(|| self.inner.$name($($argument),*))
        })*
    };
}
