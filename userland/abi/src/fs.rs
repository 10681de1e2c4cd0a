//! What `std::fs` has no name for: metadata without a guest-side translation, modes by path, devices, attributes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use agentos_abi::fs as abi;
pub use agentos_abi::fs::{F_OK, R_OK, Stat, Statfs, TIME_NOW, TIME_OMIT, W_OK, X_OK};

use crate::call::{bytes, filled, os_string};

/// Longest extended attribute value and list of names, as on Linux.
const XATTR_MAX: usize = 64 * 1024;

/// Type bits of [`Stat::mode`].
pub const S_IFMT: u32 = 0o170_000;
/// Socket.
pub const S_IFSOCK: u32 = 0o140_000;
/// Symbolic link.
pub const S_IFLNK: u32 = 0o120_000;
/// Regular file.
pub const S_IFREG: u32 = 0o100_000;
/// Block device.
pub const S_IFBLK: u32 = 0o060_000;
/// Directory.
pub const S_IFDIR: u32 = 0o040_000;
/// Character device.
pub const S_IFCHR: u32 = 0o020_000;
/// Named pipe.
pub const S_IFIFO: u32 = 0o010_000;

/// What an operation is on.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A path, through a final symbolic link.
    Follow(&'a Path),
    /// A path; a final symbolic link is meant itself.
    NoFollow(&'a Path),
    /// A path relative to a directory, through a final symbolic link.
    FollowAt(BorrowedFd<'a>, &'a Path),
    /// A path relative to a directory; a final symbolic link is meant itself.
    NoFollowAt(BorrowedFd<'a>, &'a Path),
    /// An open file.
    Fd(BorrowedFd<'a>),
}

impl<'a> Target<'a> {
    /// A path, with or without following a final link.
    pub fn path(path: &'a Path, follow: bool) -> Self {
        if follow {
            Self::Follow(path)
        } else {
            Self::NoFollow(path)
        }
    }

    /// Directory, flags and path of the ABI.
    fn parts(&self) -> (i32, u32, &'a [u8]) {
        match *self {
            Self::Follow(path) => (agentos_abi::AT_FDCWD, abi::AT_SYMLINK_FOLLOW, bytes(path)),
            Self::NoFollow(path) => (agentos_abi::AT_FDCWD, 0, bytes(path)),
            Self::FollowAt(dir, path) => (dir.as_raw_fd(), abi::AT_SYMLINK_FOLLOW, bytes(path)),
            Self::NoFollowAt(dir, path) => (dir.as_raw_fd(), 0, bytes(path)),
            Self::Fd(fd) => (fd.as_raw_fd(), abi::AT_EMPTY_PATH, &[]),
        }
    }
}

/// Metadata.
pub fn stat(target: Target<'_>) -> io::Result<Stat> {
    let (dir, flags, path) = target.parts();
    let mut out = Stat::default();
    call!(path_stat(dir, flags, path.as_ptr(), path.len() as u32, &mut out))?;
    Ok(out)
}

/// Metadata of the filesystem that holds the target.
pub fn statfs(target: Target<'_>) -> io::Result<Statfs> {
    let (dir, flags, path) = target.parts();
    let mut out = Statfs::default();
    call!(path_statfs(dir, flags, path.as_ptr(), path.len() as u32, &mut out))?;
    Ok(out)
}

/// Sets permission bits.
pub fn chmod(target: Target<'_>, mode: u32) -> io::Result<()> {
    let (dir, flags, path) = target.parts();
    call!(path_chmod(dir, flags, path.as_ptr(), path.len() as u32, mode))
}

/// Sets owner and group; `None` leaves one as it is.
pub fn chown(target: Target<'_>, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (dir, flags, path) = target.parts();
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    call!(path_chown(dir, flags, path.as_ptr(), path.len() as u32, uid, gid))
}

/// Whether the caller (by its real ids, or its effective ones) may do what bits of [`R_OK`] and its kin say.
pub fn access(target: Target<'_>, amode: u32, effective: bool) -> io::Result<()> {
    let (dir, flags, path) = target.parts();
    let flags = flags | if effective { abi::AT_EACCESS } else { 0 };
    call!(path_access(dir, flags, path.as_ptr(), path.len() as u32, amode))
}

/// Sets access and modification time in ns, [`TIME_NOW`] or [`TIME_OMIT`].
pub fn set_times(target: Target<'_>, atim: i64, mtim: i64) -> io::Result<()> {
    let (dir, flags, path) = target.parts();
    call!(path_set_times(dir, flags, path.as_ptr(), path.len() as u32, atim, mtim))
}

/// Makes a special file: type and permission bits in `mode`, the device number in `rdev`.
pub fn mknod(path: &Path, mode: u32, rdev: u64) -> io::Result<()> {
    let path = bytes(path);
    call!(path_mknod(
        agentos_abi::AT_FDCWD,
        path.as_ptr(),
        path.len() as u32,
        mode,
        rdev
    ))
}

/// Makes a directory with these permission bits, less the umask.
pub fn mkdir(path: &Path, mode: u32) -> io::Result<()> {
    let path = bytes(path);
    call!(path_mkdir(
        agentos_abi::AT_FDCWD,
        path.as_ptr(),
        path.len() as u32,
        mode
    ))
}

/// Opens; `oflags` are bits of `O_*` of [`crate::raw::fs`], `status` bits of `STATUS_*` of [`crate::raw::fd`].
pub fn open(path: &Path, oflags: u32, status: u32, mode: u32) -> io::Result<OwnedFd> {
    let path = bytes(path);
    let mut fd = 0;
    call!(path_open_mode(
        agentos_abi::AT_FDCWD,
        path.as_ptr(),
        path.len() as u32,
        oflags,
        status,
        mode,
        &mut fd
    ))?;
    // SAFETY: the kernel just made this descriptor for us and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Renames; `flags` are bits of `RENAME_*` of [`crate::raw::fs`].
pub fn rename(from: &Path, to: &Path, flags: u32) -> io::Result<()> {
    let (cwd, from, to) = (agentos_abi::AT_FDCWD, bytes(from), bytes(to));
    call!(path_rename2(
        cwd,
        from.as_ptr(),
        from.len() as u32,
        cwd,
        to.as_ptr(),
        to.len() as u32,
        flags
    ))
}

/// The canonical absolute path, without symbolic links.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = bytes(path);
    let found = filled(agentos_abi::PATH_MAX as usize, |buf, cap, len| {
        let flags = abi::AT_SYMLINK_FOLLOW;
        call!(path_resolve(
            agentos_abi::AT_FDCWD,
            flags,
            path.as_ptr(),
            path.len() as u32,
            buf,
            cap,
            len
        ))
    })?;
    Ok(PathBuf::from(os_string(found)))
}

/// Value of an extended attribute.
pub fn xattr(target: Target<'_>, name: &OsStr) -> io::Result<Vec<u8>> {
    let (dir, flags, path) = target.parts();
    let name = name.as_encoded_bytes();
    filled(XATTR_MAX, |buf, cap, out| {
        let (path_len, name_len) = (path.len() as u32, name.len() as u32);
        call!(path_xattr_get(
            dir,
            flags,
            path.as_ptr(),
            path_len,
            name.as_ptr(),
            name_len,
            buf,
            cap,
            out
        ))
    })
}

/// Sets an extended attribute; `how` is 0 or one of `XATTR_*` of [`crate::raw::fs`].
pub fn set_xattr(target: Target<'_>, name: &OsStr, value: &[u8], how: u32) -> io::Result<()> {
    let (dir, flags, path) = target.parts();
    let name = name.as_encoded_bytes();
    let (path_len, name_len, value_len) = (path.len() as u32, name.len() as u32, value.len() as u32);
    let flags = flags | how;
    call!(path_xattr_set(
        dir,
        flags,
        path.as_ptr(),
        path_len,
        name.as_ptr(),
        name_len,
        value.as_ptr(),
        value_len
    ))
}

/// Names of the extended attributes.
pub fn xattrs(target: Target<'_>) -> io::Result<Vec<OsString>> {
    let (dir, flags, path) = target.parts();
    let list = filled(XATTR_MAX, |buf, cap, out| {
        call!(path_xattr_list(
            dir,
            flags,
            path.as_ptr(),
            path.len() as u32,
            buf,
            cap,
            out
        ))
    })?;
    Ok(list
        .split(|b| *b == 0)
        .filter(|n| !n.is_empty())
        .map(|n| os_string(n.to_vec()))
        .collect())
}

/// Removes an extended attribute.
pub fn remove_xattr(target: Target<'_>, name: &OsStr) -> io::Result<()> {
    let (dir, flags, path) = target.parts();
    let name = name.as_encoded_bytes();
    call!(path_xattr_remove(
        dir,
        flags,
        path.as_ptr(),
        path.len() as u32,
        name.as_ptr(),
        name.len() as u32
    ))
}

/// Writes everything that is cached to where it lasts.
pub fn sync() -> io::Result<()> {
    call!(fs_sync())
}
