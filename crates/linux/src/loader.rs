//! The loader's executable on the host, and the guardian.
//!
//! Guests execute one file of the host and no other. It lies in a directory of its own, which is also the real working
//! directory of every guest, under the name [`NAME`]: a guest's `execve` is made to name it. Every host process makes a file of its
//! own, so that what executes it is a guest of that process and nothing else.
//!
//! An open directory of a VM is an empty directory of the host. Those are made in memory ([`MEMORY`]), where that costs microseconds
//! and not a transaction of a disk: beside the loader if it lies there, and else in a directory of their own.
//!
//! Where VMs have control groups of the host (`walls/mod.rs`), the one that they are in is the loader's.
//!
//! The guardian is a process that executes the same file and waits for the end of the host process, whatever that is: then it
//! kills all that execute the file or are in the group, and removes both. Guests cannot have children by then: the host fails a call that nobody
//! is left to answer. It watches the host process itself, and a pipe that falls silent when this loader is given up; a child that
//! the host process has forked may hold the pipe, but is not the host process.
//!
//! A guardian that ends before the host process leaves guests that nobody would end. Every VM's thread therefore watches it, kills its
//! guests and ends; the next program gets a new loader with a new guardian (`vm/unguarded.rs`).

mod place;

use crate::sys;
use crate::walls::{Cgroup, Walls};
use place::Place;
use std::ffi::{CStr, CString};
use std::fs::OpenOptions;
use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The executable.
pub(crate) const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/loader"));
/// Its name. One byte, so that it fits in the place of any path.
pub(crate) const NAME: &CStr = c"x";

/// The loader on the host's disk.
#[derive(Debug)]
pub(crate) struct Loader {
    dir: OwnedFd,
    file: OwnedFd,
    path: PathBuf,
    /// Where directories are made, if not beside the file.
    scratch: Option<Place>,
    /// The group that those of VMs are in; none where none are wanted, or why there is none.
    walls: io::Result<Option<Walls>>,
    /// What the guardian listens to: it falls silent when this is given up.
    lifeline: Option<PipeWriter>,
    guardian: Child,
    guardian_fd: OwnedFd,
}

/// Where the host keeps files in memory. Often nothing can be executed there.
const MEMORY: &str = "/dev/shm";

impl Loader {
    /// Puts it into a new directory, in the first place where that works.
    pub(crate) fn install(cgroup: &Cgroup) -> io::Result<Self> {
        let mut failed = io::Error::from_raw_os_error(libc::ENOENT);
        for place in [std::env::temp_dir(), "/dev/shm".into(), "/var/tmp".into()] {
            match Self::install_at(&place, cgroup) {
                Ok(loader) => return Ok(loader),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn install_at(place: &Path, cgroup: &Cgroup) -> io::Result<Self> {
        let own = Place::new(place)?;
        // A host without such a place has them beside the file.
        let memory = Path::new(MEMORY);
        let scratch = (place != memory).then(|| Place::new(memory).ok()).flatten();
        let paths: Vec<_> = [Some(&own), scratch.as_ref()]
            .into_iter()
            .flatten()
            .map(|place| place.path.clone())
            .collect();
        Self::fill(own, scratch, cgroup).inspect_err(|_| {
            for path in paths {
                let _ = std::fs::remove_dir_all(&path);
            }
        })
    }

    fn fill(Place { dir, path }: Place, scratch: Option<Place>, cgroup: &Cgroup) -> io::Result<Self> {
        let name = path.join("x");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o500)
            .open(&name)?;
        file.write_all(BYTES)?;
        drop(file);
        // Executing it once tells whether this place allows that: the loader without a supervisor ends with a known status.
        let ended = execute(Command::new(&name).env_clear())?.wait();
        let ended = ended.map_err(|error| match error.raw_os_error() {
            Some(libc::ECHILD) => io::Error::other("this process ignores SIGCHLD, so nothing tells how programs end"),
            _ => error,
        })?;
        if ended.code() != Some(UNSUPERVISED) {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        let file = sys::open_at(dir.as_fd(), NAME, libc::O_RDONLY | libc::O_NOFOLLOW)?;
        let (heard, lifeline) = io::pipe()?;
        // Before the guardian, which is in the same group as this process.
        let walls = Walls::new(cgroup);
        let mut guardian = Command::new(&name);
        guardian.arg(&path).args(scratch.as_ref().map(|scratch| &scratch.path));
        guardian.args(walls.iter().flatten().map(Walls::path));
        guardian.env_clear().current_dir(&path);
        // It finds the end of this process at the place of its output.
        let host = sys::pid_fd(std::process::id())?;
        guardian.stdin(heard).stdout(host).stderr(Stdio::null());
        let guardian = execute(&mut guardian)?;
        Ok(Self {
            dir,
            file,
            path,
            scratch,
            walls,
            lifeline: Some(lifeline),
            guardian_fd: sys::pid_fd(guardian.id())?,
            guardian,
        })
    }

    /// Where it lies.
    pub(crate) fn place(&self) -> &Path {
        &self.path
    }

    /// The group that those of VMs are made in, where there are such.
    pub(crate) fn walls(&self) -> Option<&Walls> {
        self.walls.as_ref().ok()?.as_ref().filter(|walls| walls.is_useful())
    }

    /// What became of the group that was wanted: what it divides, or why there is none; nothing where none was wanted.
    pub(crate) fn walls_found(&self) -> io::Result<Option<String>> {
        match &self.walls {
            Ok(walls) => walls.as_ref().map(Walls::describe).transpose(),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    /// The guardian, which is there to be watched.
    pub(crate) fn guardian(&self) -> BorrowedFd<'_> {
        self.guardian_fd.as_fd()
    }

    /// Whether the guardian lives.
    pub(crate) fn is_guarded(&self) -> bool {
        !sys::has_ended(self.guardian())
    }

    /// Does the guardian's work: kills every process that executes the file until there is none, and removes the directory.
    pub(crate) fn clear(&self) {
        self.kill_guests();
        if let Ok(Some(walls)) = &self.walls {
            walls.clear();
        }
        for path in std::iter::once(&self.path).chain(self.scratch.as_ref().map(|scratch| &scratch.path)) {
            let _ = std::fs::remove_dir_all(path);
        }
    }

    fn kill_guests(&self) {
        let Ok(own) = sys::stat_fd(self.file(), c"") else {
            return;
        };
        let mut quiet = 0;
        for _ in 0..SWEEPS_MAX {
            quiet = if sweep((own.st_dev, own.st_ino)) { 0 } else { quiet + 1 };
            if quiet == 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Every process that executes the file: guests of all VMs, and the guardian.
    pub(crate) fn executing(&self) -> Option<Vec<u32>> {
        let own = sys::stat_fd(self.file(), c"").ok()?;
        let entries = std::fs::read_dir("/proc").ok()?.flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Some(pids.filter(|pid| executes(*pid, (own.st_dev, own.st_ino))).collect())
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
        let dir = self.scratch.as_ref().map_or(self.dir(), |scratch| scratch.dir.as_fd());
        // SAFETY: the name is a C string.
        sys::check(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), 0o500) }.into())?;
        let opened = sys::open_at(dir, &name, libc::O_RDONLY | libc::O_DIRECTORY);
        // SAFETY: the name is a C string.
        unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), libc::AT_REMOVEDIR) };
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
        let guarded = self.is_guarded();
        // The guardian then does what it does when this process ends.
        drop(self.lifeline.take());
        let _ = self.guardian.wait();
        if !guarded {
            self.clear();
        }
    }
}

/// How often it is looked, each millisecond, whether a killed process is there still; then it is left to the host.
const SWEEPS_MAX: usize = 10_000;

/// Whether a process executes the file with this device and number.
fn executes(pid: u32, own: (u64, u64)) -> bool {
    std::fs::metadata(format!("/proc/{pid}/exe")).is_ok_and(|file| (file.dev(), file.ino()) == own)
}

/// Kills every process that executes the file with this device and number, and says whether there was one.
fn sweep(own: (u64, u64)) -> bool {
    let mut found = false;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // The descriptor first: what is looked at afterwards is the same process, or one that has ended.
        let Ok(process) = sys::pid_fd(pid) else { continue };
        if executes(pid, own) {
            found = true;
            let _ = sys::send_signal(process.as_fd(), libc::SIGKILL as u32, None);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_knows_whether_it_is_guarded_and_leaves_nothing() {
        let loader = Loader::install(&Cgroup::Off).unwrap();
        let (path, scratch) = (loader.place().to_owned(), scratch_of(&loader));
        assert!(loader.is_guarded() && path.join("x").exists() && scratch.exists());
        sys::send_signal(loader.guardian(), libc::SIGKILL as u32, None).unwrap();
        while loader.is_guarded() {
            std::thread::yield_now();
        }
        drop(loader);
        assert!(!path.exists() && !scratch.exists());
        let loader = Loader::install(&Cgroup::Off).unwrap();
        let (path, scratch) = (loader.place().to_owned(), scratch_of(&loader));
        // As those that were being made when the host process was killed.
        for dir in [&path, &scratch] {
            std::fs::create_dir(dir.join("d1-1")).unwrap();
        }
        drop(loader);
        assert!(!path.exists() && !scratch.exists());
    }

    /// Where a loader makes directories.
    fn scratch_of(loader: &Loader) -> PathBuf {
        let own = loader.scratch.as_ref().map(|scratch| scratch.path.clone());
        own.unwrap_or_else(|| loader.place().to_owned())
    }

    #[test]
    fn directories_are_in_memory_empty_and_each_its_own() {
        let loader = Loader::install(&Cgroup::Off).unwrap();
        let (one, other) = (loader.empty_directory().unwrap(), loader.empty_directory().unwrap());
        let stats = [&one, &other].map(|dir| sys::stat_fd(dir.as_fd(), c"").unwrap());
        assert_ne!(stats[0].st_ino, stats[1].st_ino);
        if let Ok(memory) = std::fs::metadata(MEMORY) {
            assert_eq!(stats[0].st_dev, memory.dev());
        }
        assert_eq!(
            std::fs::read_dir(scratch_of(&loader))
                .unwrap()
                .flatten()
                .filter(|entry| entry.file_name() != "x")
                .count(),
            0
        );
    }
}
