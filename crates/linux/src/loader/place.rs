//! A directory on the host that is one host process's alone, and what is left of those whose host process is gone.
//!
//! Whose a directory is says a lock that the host process holds on it, and nothing else: numbers of processes mean nothing in another
//! namespace and come again, and ages follow a clock that is set. The lock ends with the process, however that ends, and is the
//! host kernel's, so it holds between containers that share a place. Its number stands in the name for whoever looks there; what
//! makes the name unlike every other is chance.
//!
//! Between making a directory and locking it, it looks like one that was left. Whoever makes one therefore looks afterwards whether it is
//! still there, and makes another if not; nothing is in it before.

use crate::sys;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A directory that this process has locked.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) path: PathBuf,
}

/// What such a directory is called, before the number of the process and what chance adds.
const PREFIX: &str = "agentos-linux-";
/// Names that are tried; then the next place is.
const TRIES_MAX: usize = 64;
/// Entries of a place that are looked at for what was left; then the others stay.
const ENTRIES_MAX: usize = 10_000;

impl Place {
    /// A new one in `within`, after those that nobody has any more were removed there.
    pub(super) fn new(within: &Path) -> io::Result<Self> {
        remove_left(within);
        for _ in 0..TRIES_MAX {
            if let Some(made) = Self::make(within)? {
                return Ok(made);
            }
        }
        Err(io::Error::other("each directory that was made was gone at once"))
    }

    /// None if somebody took it for left, or has the name.
    fn make(within: &Path) -> io::Result<Option<Self>> {
        let path = within.join(format!("{PREFIX}{}-{:016x}", std::process::id(), sys::random()?));
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            made => made?,
        }
        let Ok(dir) = open(&path) else {
            return Ok(None);
        };
        match sys::lock(dir.as_fd()) {
            Ok(()) if is_at(&dir, &path) => Ok(Some(Self { dir: dir.into(), path })),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                // A filesystem without locks.
                let _ = std::fs::remove_dir(&path);
                Err(error)
            }
            _ => Ok(None),
        }
    }
}

/// Opens a directory, and nothing that a symbolic link of that name leads to.
fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Whether an open directory is the one of that name.
fn is_at(dir: &File, path: &Path) -> bool {
    let identity = |of: std::fs::Metadata| (of.dev(), of.ino());
    let (opened, named) = (dir.metadata().map(identity), path.symlink_metadata().map(identity));
    matches!((opened, named), (Ok(opened), Ok(named)) if opened == named)
}

/// Removes what host processes of this user have left that were killed together with their guardians: directories that nobody has
/// locked.
fn remove_left(within: &Path) {
    // SAFETY: takes nothing.
    let user = unsafe { libc::geteuid() };
    let entries = std::fs::read_dir(within)
        .into_iter()
        .flatten()
        .take(ENTRIES_MAX)
        .flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        let Ok(dir) = open(&path) else { continue };
        let is_own = dir.metadata().is_ok_and(|dir| dir.uid() == user);
        // As long as this holds the lock nobody begins to use what the name leads to.
        if is_own && sys::lock(dir.as_fd()).is_ok() && is_at(&dir, &path) {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn made(within: &Path, name: &str) -> PathBuf {
        let path = within.join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("x"), "").unwrap();
        path
    }

    #[test]
    fn what_nobody_holds_is_removed_at_once_and_nothing_else() {
        let within = tempfile::tempdir().unwrap();
        let within = within.path();
        let left = made(within, "agentos-linux-1-a");
        // Those of this very number, as of a process of another namespace.
        let own = format!("agentos-linux-{}-", std::process::id());
        let (held, same) = (made(within, &format!("{own}b")), made(within, &format!("{own}c")));
        let lock = open(&held).unwrap();
        sys::lock(lock.as_fd()).unwrap();
        let other = made(within, "another-4-d");
        let aim = made(within, "aim");
        let link = within.join("agentos-linux-5-e");
        std::os::unix::fs::symlink(&aim, &link).unwrap();
        let place = Place::new(within).unwrap();
        let is_there = [&left, &same, &held, &other, &aim, &link].map(|path| path.symlink_metadata().is_ok());
        assert_eq!(is_there, [false, false, true, true, true, true]);
        assert!(held.join("x").exists() && aim.join("x").exists() && place.path.exists());
        // As at the end of a process.
        drop(lock);
        let path = place.path.clone();
        drop(place);
        until_removed(within, &[held, path]);
    }

    /// A child that another test has just made has the locks, too, until it executes its program.
    fn until_removed(within: &Path, paths: &[PathBuf]) {
        while paths.iter().any(|path| path.exists()) {
            remove_left(within);
        }
    }

    #[test]
    fn what_another_process_holds_stays_until_its_end() {
        let within = tempfile::tempdir().unwrap();
        let held = made(within.path(), "agentos-linux-7-a");
        let lock = open(&held).unwrap();
        sys::lock(lock.as_fd()).unwrap();
        // A child that holds the same lock, which this process then gives up.
        let mut holder = {
            let mut command = std::process::Command::new("cat");
            command
                .stdin(std::process::Stdio::piped())
                .stdout(lock)
                .spawn()
                .unwrap()
        };
        remove_left(within.path());
        assert!(held.join("x").exists());
        holder.kill().unwrap();
        holder.wait().unwrap();
        until_removed(within.path(), &[held]);
    }

    #[test]
    fn one_that_is_being_made_is_not_lost_to_whoever_clears_up() {
        let within = tempfile::tempdir().unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        remove_left(within.path());
                    }
                });
            }
            for _ in 0..500 {
                let place = Place::new(within.path()).unwrap();
                std::fs::write(place.path.join("x"), "").unwrap();
                assert!(is_at(&place.dir.try_clone().unwrap().into(), &place.path));
                std::fs::remove_dir_all(&place.path).unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
