//! Modes, owners and special files: the counterpart of `std::os::unix::fs`.

#![stable(feature = "rust1", since = "1.0.0")]

use crate::ffi::{CStr, CString};
use crate::fs::{self, DirBuilder, DirEntry, FileType, Metadata, OpenOptions, Permissions};
use crate::io;
use crate::os::fd::{AsFd, AsRawFd};
use crate::os::wasi::ffi::OsStrExt;
use crate::path::Path;
use crate::sys::{AsInner, AsInnerMut, FromInner, cvt};

/// Linux's file type bits, which the kernel reports.
const S_IFMT: u32 = 0o170000;
const S_IFIFO: u32 = 0o010000;
const S_IFSOCK: u32 = 0o140000;
const S_IFBLK: u32 = 0o060000;
const S_IFCHR: u32 = 0o020000;

// This libc's headers have no chown family; the supplement defines it.
unsafe extern "C" {
    #[link_name = "chown"]
    fn libc_chown(path: *const libc::c_char, uid: u32, gid: u32) -> libc::c_int;
    #[link_name = "lchown"]
    fn libc_lchown(path: *const libc::c_char, uid: u32, gid: u32) -> libc::c_int;
    #[link_name = "fchown"]
    fn libc_fchown(fd: libc::c_int, uid: u32, gid: u32) -> libc::c_int;
    #[link_name = "mkfifo"]
    fn libc_mkfifo(path: *const libc::c_char, mode: u32) -> libc::c_int;
}

/// Birth time in ns since the epoch, which the libc supplement puts into the first reserved word.
pub(crate) fn birth_time(stat: &libc::stat) -> i64 {
    // The private field cannot be named: it is the last 24 bytes of the struct.
    const AT: usize = size_of::<libc::stat>() - 24;
    // SAFETY: in bounds by the line above, aligned since the struct and the offset are multiples of eight.
    unsafe { *(stat as *const libc::stat).byte_add(AT).cast::<i64>() }
}

macro_rules! stat_fields {
    ($($(#[$doc:meta])* $name:ident -> $t:ty = $stat:ident $get:expr;)*) => {
        /// Fields of `stat(2)`.
        #[stable(feature = "rust1", since = "1.0.0")]
        pub trait MetadataExt {
            $($(#[$doc])* #[stable(feature = "rust1", since = "1.0.0")] fn $name(&self) -> $t;)*
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl MetadataExt for Metadata {
            $(fn $name(&self) -> $t { let $stat = self.as_inner().as_inner(); $get })*
        }
    };
}

stat_fields! {
    /// Device that holds the file.
    dev -> u64 = s s.st_dev as u64;
    /// Inode number.
    ino -> u64 = s s.st_ino;
    /// Type and permission bits, with Linux's values.
    mode -> u32 = s s.st_mode as u32;
    /// Hard links.
    nlink -> u64 = s s.st_nlink as u64;
    /// Owner.
    uid -> u32 = s s.st_uid as u32;
    /// Group.
    gid -> u32 = s s.st_gid as u32;
    /// Device number of a device file.
    rdev -> u64 = s s.st_rdev as u64;
    /// Size in bytes.
    size -> u64 = s s.st_size as u64;
    /// Access time in s.
    atime -> i64 = s s.st_atim.tv_sec;
    /// Its nanoseconds.
    atime_nsec -> i64 = s s.st_atim.tv_nsec as i64;
    /// Modification time in s.
    mtime -> i64 = s s.st_mtim.tv_sec;
    /// Its nanoseconds.
    mtime_nsec -> i64 = s s.st_mtim.tv_nsec as i64;
    /// Status change time in s.
    ctime -> i64 = s s.st_ctim.tv_sec;
    /// Its nanoseconds.
    ctime_nsec -> i64 = s s.st_ctim.tv_nsec as i64;
    /// Preferred block size.
    blksize -> u64 = s s.st_blksize as u64;
    /// Allocated blocks of 512 bytes.
    blocks -> u64 = s s.st_blocks as u64;
}

/// Permission bits.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait PermissionsExt {
    /// The mode.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn mode(&self) -> u32;
    /// Sets the mode, here only.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn set_mode(&mut self, mode: u32);
    /// Permissions of a mode.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn from_mode(mode: u32) -> Self;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl PermissionsExt for Permissions {
    fn mode(&self) -> u32 {
        self.as_inner().mode()
    }

    fn set_mode(&mut self, mode: u32) {
        *self = Self::from_mode(mode);
    }

    fn from_mode(mode: u32) -> Permissions {
        Permissions::from_inner(FromInner::from_inner(mode))
    }
}

/// The mode that a created file gets, before the umask.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait OpenOptionsExt {
    /// Sets it.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn mode(&mut self, mode: u32) -> &mut Self;
    /// Adds flags of `open(2)`, in this libc's numbers.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn custom_flags(&mut self, flags: i32) -> &mut Self;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.as_inner_mut().mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.as_inner_mut().custom_flags(flags);
        self
    }
}

/// The mode that a created directory gets, before the umask.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait DirBuilderExt {
    /// Sets it.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn mode(&mut self, mode: u32) -> &mut Self;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.as_inner_mut().set_mode(mode);
        self
    }
}

/// Special file types.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait FileTypeExt {
    /// A block device.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn is_block_device(&self) -> bool;
    /// A character device.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn is_char_device(&self) -> bool;
    /// A named or anonymous pipe.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn is_fifo(&self) -> bool;
    /// A socket.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn is_socket(&self) -> bool;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl FileTypeExt for FileType {
    fn is_block_device(&self) -> bool {
        self.as_inner().is((S_IFBLK & S_IFMT) as libc::mode_t)
    }

    fn is_char_device(&self) -> bool {
        self.as_inner().is((S_IFCHR & S_IFMT) as libc::mode_t)
    }

    fn is_fifo(&self) -> bool {
        self.as_inner().is((S_IFIFO & S_IFMT) as libc::mode_t)
    }

    fn is_socket(&self) -> bool {
        self.as_inner().is((S_IFSOCK & S_IFMT) as libc::mode_t)
    }
}

/// Inode numbers of directory entries.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait DirEntryExt {
    /// The inode number.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn ino(&self) -> u64;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.as_inner().ino()
    }
}

/// Makes a symbolic link.
#[stable(feature = "rust1", since = "1.0.0")]
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    crate::sys::fs::symlink(original.as_ref(), link.as_ref())
}

/// Changes owner and group of a file; `None` leaves one as it is.
#[stable(feature = "rust1", since = "1.0.0")]
pub fn chown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    with_c_path(dir.as_ref(), |path| {
        // SAFETY: the path is NUL-terminated.
        cvt(unsafe { libc_chown(path.as_ptr(), uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX)) }).map(drop)
    })
}

/// As [`chown`], on a symbolic link itself.
#[stable(feature = "rust1", since = "1.0.0")]
pub fn lchown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    with_c_path(dir.as_ref(), |path| {
        // SAFETY: the path is NUL-terminated.
        cvt(unsafe { libc_lchown(path.as_ptr(), uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX)) }).map(drop)
    })
}

/// As [`chown`], on an open file.
#[stable(feature = "rust1", since = "1.0.0")]
pub fn fchown<F: AsFd>(fd: F, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no memory is passed.
    cvt(unsafe { libc_fchown(fd, uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX)) }).map(drop)
}

/// Makes a named pipe.
#[stable(feature = "rust1", since = "1.0.0")]
pub fn mkfifo<P: AsRef<Path>>(path: P, permissions: fs::Permissions) -> io::Result<()> {
    with_c_path(path.as_ref(), |path| {
        // SAFETY: the path is NUL-terminated.
        cvt(unsafe { libc_mkfifo(path.as_ptr(), permissions.mode()) }).map(drop)
    })
}

fn with_c_path<T>(path: &Path, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
    call(&CString::new(path.as_os_str().as_bytes())?)
}
