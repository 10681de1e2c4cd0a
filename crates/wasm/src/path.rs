//! Where a path of a guest starts.

use crate::memory::Memory;
use agentos_abi::{AT_FDCWD, ROOT_PREOPEN_FD};
use agentos_kernel::Result;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{AtFlags, Dir};
use smallvec::SmallVec;

/// A directory and a path, as the kernel takes them.
///
/// The root preopen is a number and no descriptor: what is relative to it becomes absolute here.
pub(crate) struct Place<'a> {
    pub(crate) dir: Dir,
    path: Bytes<'a>,
}

enum Bytes<'a> {
    Guest(&'a [u8]),
    Rooted(SmallVec<[u8; 128]>),
}

impl<'a> Place<'a> {
    /// Reads a path that is relative to `dirfd`. `flags` matter for an empty path only.
    pub(crate) fn read(memory: &'a Memory<'_>, dirfd: i32, start: u32, len: u32, flags: AtFlags) -> Result<Self> {
        Ok(Self::new(dirfd, memory.path(start, len)?, flags))
    }

    pub(crate) fn new(dirfd: i32, path: &'a [u8], flags: AtFlags) -> Self {
        let dir = match dirfd {
            AT_FDCWD => Dir::Cwd,
            fd => Dir::Fd(Fd(fd.cast_unsigned())),
        };
        let at_root = dir == Dir::Fd(Fd(ROOT_PREOPEN_FD));
        let empty = path.is_empty() && !flags.contains(AtFlags::EMPTY_PATH);
        if at_root && !path.starts_with(b"/") && !empty {
            return Self::from_root(path);
        }
        Self {
            // An absolute path starts at the root wherever it is given to.
            dir: if at_root { Dir::Cwd } else { dir },
            path: Bytes::Guest(path),
        }
    }

    /// A relative path that starts at the root directory.
    pub(crate) fn from_root(path: &[u8]) -> Self {
        let mut rooted = SmallVec::from_slice(b"/");
        rooted.extend_from_slice(path);
        Self {
            dir: Dir::Cwd,
            path: Bytes::Rooted(rooted),
        }
    }

    pub(crate) fn path(&self) -> &[u8] {
        match &self.path {
            Bytes::Guest(path) => path,
            Bytes::Rooted(path) => path,
        }
    }

    /// Both, for calls that take two.
    pub(crate) fn pair(&self) -> (Dir, &[u8]) {
        (self.dir, self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dirfd: i32, path: &[u8], flags: AtFlags) -> (Dir, Vec<u8>) {
        let place = Place::new(dirfd, path, flags);
        (place.dir, place.path().to_vec())
    }

    #[test]
    fn the_root_preopen_makes_paths_absolute() {
        let root = ROOT_PREOPEN_FD.cast_signed();
        let none = AtFlags::empty();
        assert_eq!(place(root, b"etc/passwd", none), (Dir::Cwd, b"/etc/passwd".to_vec()));
        assert_eq!(place(root, b"/etc", none), (Dir::Cwd, b"/etc".to_vec()));
        assert_eq!(place(root, b"", none), (Dir::Cwd, b"".to_vec()));
        assert_eq!(place(root, b"", AtFlags::EMPTY_PATH), (Dir::Cwd, b"/".to_vec()));
        assert_eq!(place(AT_FDCWD, b"a", none), (Dir::Cwd, b"a".to_vec()));
        assert_eq!(place(7, b"", AtFlags::EMPTY_PATH), (Dir::Fd(Fd(7)), b"".to_vec()));
        assert_eq!(place(-1, b"a", none), (Dir::Fd(Fd(u32::MAX)), b"a".to_vec()));
    }
}
