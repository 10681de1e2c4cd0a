//! Records between the supervisor and a guest, and the host's own `inotify(7)`.

use super::check;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Two ends that keep records apart. The first waits unless it is told not to; the second never waits. What is written into the
/// first nobody reads.
pub(crate) fn record_pair(nonblocking: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: there is room for two numbers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }.into())?;
    // SAFETY: the call made both.
    let (guest, own) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    if !nonblocking {
        // SAFETY: takes numbers alone.
        check(unsafe { libc::fcntl(guest.as_raw_fd(), libc::F_SETFL, 0) }.into())?;
    }
    Ok((guest, own))
}

/// Sends a record as a whole. `EAGAIN` if there is no room, `EPIPE` if nobody is left to read it.
pub(crate) fn send_record(fd: BorrowedFd<'_>, record: &[u8]) -> io::Result<()> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the record is readable.
    let sent = unsafe { libc::send(fd.as_raw_fd(), record.as_ptr().cast(), record.len(), flags) };
    check(sent as libc::c_long).map(drop)
}

/// The host's news of files, which never waits.
pub(crate) fn host_watcher() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers alone.
    let fd = check(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) }.into())?;
    // SAFETY: the call made it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// Has the host tell of a file.
pub(crate) fn watch_host(watcher: BorrowedFd<'_>, path: &CStr, mask: u32) -> io::Result<i32> {
    // SAFETY: the path is a C string.
    let watch = check(unsafe { libc::inotify_add_watch(watcher.as_raw_fd(), path.as_ptr(), mask) }.into())?;
    Ok(i32::try_from(watch).unwrap_or(-1))
}

/// Has the host tell no more.
pub(crate) fn unwatch_host(watcher: BorrowedFd<'_>, watch: i32) {
    // SAFETY: takes numbers alone; fails for a watch that is gone already.
    unsafe { libc::inotify_rm_watch(watcher.as_raw_fd(), watch) };
}

/// What the host has to tell: watches and bits.
pub(crate) fn host_events(watcher: BorrowedFd<'_>) -> io::Result<Vec<(i32, u32)>> {
    const HEAD: usize = 16;
    let mut buf = [0u8; 16 << 10];
    // SAFETY: the buffer is writable.
    let count = check(unsafe { libc::read(watcher.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) } as libc::c_long)?;
    let mut rest = buf.get(..usize::try_from(count).unwrap_or(0)).unwrap_or_default();
    let mut events = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(HEAD) {
        let word = |at: usize| {
            head.get(at..at + 4)
                .and_then(|word| word.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        events.push((word(0).cast_signed(), word(4)));
        rest = after.get(word(12) as usize..).unwrap_or_default();
    }
    Ok(events)
}
