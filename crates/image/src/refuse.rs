//! What a filesystem says to everything that would change it.

/// Expands, inside of an `impl Filesystem`, to every method that changes something: all are `EROFS`.
macro_rules! refuse_changes {
    () => {
        fn setattr(&self, _: Ino, _: &SetAttr) -> Result<Attr> {
            read_only()
        }

        fn create(&self, _: Ino, _: &[u8], _: &NewNode) -> Result<Attr> {
            read_only()
        }

        fn mkdir(&self, _: Ino, _: &[u8], _: &NewNode) -> Result<Attr> {
            read_only()
        }

        fn symlink(&self, _: Ino, _: &[u8], _: &[u8], _: &NewNode) -> Result<Attr> {
            read_only()
        }

        fn link(&self, _: Ino, _: Ino, _: &[u8]) -> Result<Attr> {
            read_only()
        }

        fn unlink(&self, _: Ino, _: &[u8]) -> Result<()> {
            read_only()
        }

        fn rmdir(&self, _: Ino, _: &[u8]) -> Result<()> {
            read_only()
        }

        fn rename(&self, _: Ino, _: &[u8], _: Ino, _: &[u8], _: RenameFlags) -> Result<()> {
            read_only()
        }

        fn write(&self, _: Ino, _: u64, _: &[u8]) -> Result<usize> {
            read_only()
        }

        fn append(&self, _: Ino, _: &[u8]) -> Result<(usize, u64)> {
            read_only()
        }

        fn setxattr(&self, _: Ino, _: &[u8], _: &[u8], _: XattrMode) -> Result<()> {
            read_only()
        }

        fn removexattr(&self, _: Ino, _: &[u8]) -> Result<()> {
            read_only()
        }
    };
}

pub(crate) use refuse_changes;

/// The answer to every change.
pub(crate) fn read_only<T>() -> agentos_kernel::Result<T> {
    Err(agentos_kernel::Errno::EROFS.into())
}
