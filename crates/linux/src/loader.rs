//! The loader's executable on the host, and the guardian.
//!
//! Guests execute one file of the host and no other. It lies in a directory of its own, which is also the real working
//! directory of every guest, under the name [`NAME`]: a guest's `execve` is made to name it. Every host process makes a file of its
//! own, so that what executes it is a guest of that process and nothing else.
//!
//! The guardian is a process that executes the same file and waits for the end of the host process, whatever that is: then it
//! kills all that execute the file, and removes the file. Guests cannot have children by then: the host fails a call that nobody
//! is left to answer.

use crate::sys;
use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
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
    /// What the guardian listens to: it falls silent when this process ends, in whatever way.
    lifeline: Option<PipeWriter>,
    guardian: Child,
}

impl Loader {
    /// Puts it into a new directory, in the first place where that works.
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
        let path = place.join(format!("agentos-linux-{}-{:016x}", std::process::id(), sys::random()?));
        DirBuilder::new().mode(0o700).create(&path)?;
        Self::fill(&path).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&path);
        })
    }

    fn fill(path: &Path) -> io::Result<Self> {
        let name = path.join("x");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o500)
            .open(&name)?;
        file.write_all(BYTES)?;
        drop(file);
        // Executing it once tells whether this place allows that: the loader without a supervisor ends with a known status.
        if execute(Command::new(&name).env_clear())?.wait()?.code() != Some(UNSUPERVISED) {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        let dir: OwnedFd = File::open(path)?.into();
        let file = sys::open_at(dir.as_fd(), NAME, libc::O_RDONLY | libc::O_NOFOLLOW)?;
        let (heard, lifeline) = io::pipe()?;
        let mut guardian = Command::new(&name);
        guardian.arg(path).env_clear().current_dir(path);
        guardian.stdin(heard).stdout(Stdio::null()).stderr(Stdio::null());
        let guardian = execute(&mut guardian)?;
        Ok(Self {
            dir,
            file,
            lifeline: Some(lifeline),
            guardian,
        })
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

/// Executes a file that was just written.
fn execute(command: &mut Command) -> io::Result<Child> {
    loop {
        match command.spawn() {
            // A child that another thread made while the file was being written has not executed its program yet.
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => std::thread::yield_now(),
            done => return done,
        }
    }
}

/// Status of a loader that nobody answers.
const UNSUPERVISED: i32 = 97;

impl Drop for Loader {
    fn drop(&mut self) {
        // The guardian then does what it does when this process ends.
        drop(self.lifeline.take());
        let _ = self.guardian.wait();
    }
}
