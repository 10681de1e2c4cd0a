//! The loader's executable, and where it lies on the host.
//!
//! Guests execute one file of the host and no other. It lies in a directory of its own, which is also the real working
//! directory of every guest, under the name [`NAME`]: a guest's `execve` is made to name it. Its directory belongs to the user of
//! the host process and is shared by all host processes of that user; nothing of any VM is ever in it.

use crate::sys;
use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The executable; empty where Linux guests are not supported.
pub(crate) const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/loader"));
/// Its name. One byte, so that it fits in the place of any path.
pub(crate) const NAME: &CStr = c"x";

/// The loader on the host's disk.
#[derive(Debug)]
pub(crate) struct Loader {
    dir: OwnedFd,
    file: OwnedFd,
}

impl Loader {
    /// Puts it where it can be executed, or finds it there.
    pub(crate) fn install() -> io::Result<Self> {
        let mut failed = io::Error::from_raw_os_error(libc::ENOENT);
        for place in [std::env::temp_dir(), "/dev/shm".into(), "/var/tmp".into()] {
            match Self::install_at(&place) {
                Ok(loader) => return Ok(loader),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn install_at(place: &Path) -> io::Result<Self> {
        // SAFETY: takes nothing.
        let uid = unsafe { libc::geteuid() };
        let mut hasher = DefaultHasher::new();
        hasher.write(BYTES);
        let path = place.join(format!("agentos-linux-{uid}-{:016x}", hasher.finish()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Anybody may have made it: it must be a directory that this user alone can change.
        let dir: OwnedFd = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(&path)?.into();
        let stat = sys::stat_fd(dir.as_fd(), c"")?;
        if stat.st_uid != uid || stat.st_mode & 0o077 != 0 {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        let name = path.join("x");
        if std::fs::read(&name).ok().as_deref() != Some(BYTES) {
            write_anew(&path, &name)?;
        }
        // Executing it once tells whether this place allows that: the loader without a supervisor ends with a known status.
        if try_it(&name)? != Some(UNSUPERVISED) {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        let file = sys::open_at(dir.as_fd(), NAME, libc::O_RDONLY | libc::O_NOFOLLOW)?;
        Ok(Self { dir, file })
    }

    /// The directory.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// A new directory that is empty, has no name any more and is like no other: it stands for an open directory of a VM.
    pub(crate) fn empty_directory(&self) -> io::Result<OwnedFd> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(format!("d{process}-{number}")).map_err(io::Error::other)?;
        // SAFETY: the name is a C string.
        sys::check(unsafe { libc::mkdirat(self.dir.as_raw_fd(), name.as_ptr(), 0o500) }.into())?;
        let opened = sys::open_at(self.dir(), &name, libc::O_RDONLY | libc::O_DIRECTORY);
        // SAFETY: the name is a C string.
        unsafe { libc::unlinkat(self.dir.as_raw_fd(), name.as_ptr(), libc::AT_REMOVEDIR) };
        opened
    }

    /// The file.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Writes the file under another name first: whoever looks finds it whole or not at all.
fn write_anew(dir: &Path, name: &Path) -> io::Result<()> {
    let draft = dir.join(format!("draft-{:016x}", sys::random()?));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o500).open(&draft)?;
        file.write_all(BYTES)?;
        drop(file);
        std::fs::rename(&draft, name)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&draft);
    })
}

/// Executes it without a supervisor, and says with which status it ended.
fn try_it(name: &Path) -> io::Result<Option<i32>> {
    loop {
        match std::process::Command::new(name).env_clear().status() {
            // A child that another thread made while the file was being written has not executed its program yet.
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => std::thread::yield_now(),
            done => return Ok(done?.code()),
        }
    }
}

/// Status of a loader that nobody answers.
const UNSUPERVISED: i32 = 97;
