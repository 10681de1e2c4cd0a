//! Control groups of the host.

use super::check;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

fn name(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// Whether a directory is one of a cgroup2 file system.
pub(crate) fn is_cgroup2(path: &Path) -> bool {
    const MAGIC: i64 = 0x6367_7270;
    let Some(name) = name(path) else { return false };
    // SAFETY: zeros are a valid value, and the call fills it.
    let mut found = unsafe { std::mem::zeroed::<libc::statfs>() };
    // SAFETY: the path is a C string and the structure is writable.
    let done = unsafe { libc::statfs(name.as_ptr(), &raw mut found) };
    done == 0 && found.f_type == MAGIC
}

/// Whether this process may write to something, with the rights that it has now.
pub(crate) fn may_write(path: &Path) -> bool {
    let Some(name) = name(path) else { return false };
    // SAFETY: the path is a C string.
    unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::W_OK, libc::AT_EACCESS) == 0 }
}

/// Whether a group was given to whoever is in it: systemd has marked it so, or it belongs to this process's user, who is not root.
pub(crate) fn is_delegated(path: &Path) -> bool {
    // SAFETY: takes nothing.
    let user = unsafe { libc::geteuid() };
    let is_own = user != 0 && std::fs::metadata(path).is_ok_and(|dir| dir.uid() == user);
    is_own
        || [c"user.delegate", c"trusted.delegate"]
            .iter()
            .any(|mark| has(path, mark))
}

/// Whether an attribute says yes.
fn has(path: &Path, attribute: &CStr) -> bool {
    let Some(name) = name(path) else { return false };
    let mut value = [0u8; 8];
    // SAFETY: both names are C strings, and so many bytes are writable.
    let length = unsafe {
        libc::getxattr(
            name.as_ptr(),
            attribute.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    length == 1 && value[0] == b'1'
}

/// Whether there is a process with this number, or may be.
pub(crate) fn exists(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return true };
    // SAFETY: takes numbers alone; no signal is sent.
    let found = check(unsafe { libc::kill(pid, 0) }.into());
    pid <= 0 || !found.is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}

/// Waits until no process is in a group or below it, at most so long.
pub(crate) fn until_empty(path: &Path, most: Duration) {
    let until = Instant::now() + most;
    let Ok(mut events) = File::open(path.join("cgroup.events")) else {
        return;
    };
    let mut text = String::new();
    loop {
        text.clear();
        let read = events.rewind().and_then(|()| events.read_to_string(&mut text));
        let left = until.saturating_duration_since(Instant::now());
        if read.is_err() || !text.lines().any(|line| line == "populated 1") || left.is_zero() {
            return;
        }
        let mut poll = libc::pollfd {
            fd: events.as_raw_fd(),
            events: libc::POLLPRI,
            revents: 0,
        };
        let left = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one structure is readable and writable. An interruption reads as news.
        unsafe { libc::poll(&raw mut poll, 1, left.max(1)) };
    }
}

/// A system call that makes a process in a group: that of `clone3`, with what the filter knows it by.
pub(crate) const INTO_GROUP: u64 = 0x4147_4f53;

/// Why a process could not be made in a group, where it may be that it could be put there afterwards.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EACCES | libc::EPERM | libc::EINVAL | libc::E2BIG)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_group_is_none_and_waits_for_nobody() {
        let place = tempfile::tempdir().unwrap();
        assert!(!is_cgroup2(place.path()) && !is_cgroup2(Path::new("/nowhere")));
        assert!(may_write(place.path()) && !may_write(Path::new("/nowhere")));
        assert!(exists(std::process::id()) && exists(1));
        let start = Instant::now();
        until_empty(place.path(), Duration::from_secs(100));
        std::fs::write(place.path().join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
        until_empty(place.path(), Duration::from_secs(100));
        assert!(start.elapsed() < Duration::from_secs(50));
    }
}
