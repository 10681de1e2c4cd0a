//! Opening what this process has open once more, as another open description: with a position and access of its own.
//!
//! The host does that by a path below `/proc`. Walking there from its root each time takes longer than the opening itself, so the
//! directory is found once for this process.

use crate::error::Result;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io;
use rustix::path::DecInt;
use rustix::process::{Pid, getpid};
use std::sync::OnceLock;

/// This process's own directory of descriptors, and the process that it is of: a copy of it (`fork`) has another.
static OWN: OnceLock<Option<(Pid, OwnedFd)>> = OnceLock::new();

/// A new description of the file behind a descriptor, for whoever runs natives; `flags` are those of `open(2)`, to which that it is
/// closed by `execve` is added.
///
/// # Errors
/// Those of `open(2)`.
pub fn open_anew(file: BorrowedFd<'_>, flags: i32) -> std::io::Result<OwnedFd> {
    Ok(open(file, OFlags::from_bits_retain(flags.cast_unsigned()))?)
}

/// A new description of the file behind a descriptor.
pub(super) fn anew(file: BorrowedFd<'_>, access: OFlags) -> Result<OwnedFd> {
    Ok(open(file, access)?)
}

fn open(file: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let (name, flags) = (DecInt::from_fd(file), access | OFlags::CLOEXEC);
    let own = OWN.get_or_init(|| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::openat(CWD, "/proc/self/fd", flags, Mode::empty()).ok()?;
        Some((getpid(), dir))
    });
    if let Some((pid, dir)) = own
        && *pid == getpid()
    {
        return fs::openat(dir.as_fd(), name, flags, Mode::empty());
    }
    let path = format!("/proc/self/fd/{}", name.as_str());
    fs::open(path, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_its_own_position_and_access() {
        let file = fs::memfd_create("file", fs::MemfdFlags::CLOEXEC).unwrap();
        io::write(&file, b"content").unwrap();
        let again = anew(file.as_fd(), OFlags::RDONLY).unwrap();
        let mut buf = [0; 16];
        assert_eq!(io::read(&again, &mut buf).unwrap(), 7, "from the start");
        assert_eq!(io::write(&again, b"x"), Err(io::Errno::BADF));
        assert!(io::fcntl_getfd(&again).unwrap().contains(io::FdFlags::CLOEXEC));
    }
}
