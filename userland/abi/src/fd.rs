//! Descriptors: duplicates, flags, locks, poll.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use agentos_abi::fd as abi;
pub use agentos_abi::fd::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, RecordLock};

use crate::call::retry;

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn owned(fd: u32) -> OwnedFd {
    // SAFETY: the kernel just made this descriptor for us and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

/// Duplicates `fd` to the lowest free descriptor from `min` on.
pub fn dup(fd: BorrowedFd<'_>, min: u32, cloexec: bool) -> io::Result<OwnedFd> {
    dup_raw(number(fd), min, cloexec).map(owned)
}

/// As [`dup`], on a bare descriptor number: a shell redirects numbers that no Rust value owns.
pub fn dup_raw(fd: u32, min: u32, cloexec: bool) -> io::Result<u32> {
    let mut out = 0;
    call!(fd_dup(fd, min, if cloexec { abi::DUP_CLOEXEC } else { 0 }, &mut out))?;
    Ok(out)
}

/// Makes descriptor `to` a duplicate of `fd`, closing what it was.
pub fn dup_to_raw(fd: u32, to: u32, cloexec: bool) -> io::Result<()> {
    call!(fd_dup_to(fd, to, if cloexec { abi::DUP_CLOEXEC } else { 0 }))
}

/// Closes a bare descriptor number. Only for numbers that no Rust value owns.
pub fn close_raw(fd: u32) -> io::Result<()> {
    // Duplicating checks that it is open, which dropping does not report.
    drop(owned(dup_raw(fd, 3, true)?));
    drop(owned(fd));
    Ok(())
}

/// A pipe: reading end first. Both ends are close-on-exec.
pub fn pipe(nonblock: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = abi::DUP_CLOEXEC | if nonblock { abi::PIPE_NONBLOCK } else { 0 };
    let (mut read, mut write) = (0, 0);
    call!(fd_pipe(flags, &mut read, &mut write))?;
    Ok((owned(read), owned(write)))
}

/// Bytes that can be read without waiting.
pub fn available(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes = 0;
    call!(fd_available(number(fd), &mut bytes))?;
    Ok(bytes)
}

/// Whether a descriptor number is open.
pub fn is_open(fd: u32) -> bool {
    let mut flags = 0;
    call!(fd_flags_get(fd, &mut flags)).is_ok()
}

/// Whether a descriptor closes on exec.
pub fn cloexec(fd: u32) -> io::Result<bool> {
    let mut flags = 0;
    call!(fd_flags_get(fd, &mut flags))?;
    Ok(flags & abi::FD_CLOEXEC != 0)
}

/// Sets whether a descriptor closes on exec.
pub fn set_cloexec(fd: u32, cloexec: bool) -> io::Result<()> {
    call!(fd_flags_set(fd, if cloexec { abi::FD_CLOEXEC } else { 0 }))
}

/// Status flags: bits of `STATUS_*` of [`crate::raw::fd`].
pub fn status(fd: u32) -> io::Result<u32> {
    let mut flags = 0;
    call!(fd_status_get(fd, &mut flags))?;
    Ok(flags)
}

/// Sets whether operations on a description wait.
pub fn set_nonblock(fd: u32, nonblock: bool) -> io::Result<()> {
    let flags = status(fd)? & !(abi::STATUS_NONBLOCK | abi::STATUS_READ | abi::STATUS_WRITE);
    call!(fd_status_set(
        fd,
        flags | if nonblock { abi::STATUS_NONBLOCK } else { 0 }
    ))
}

/// Locks as `flock(2)`; `op` are bits of `LOCK_*` of [`crate::raw::fd`].
pub fn flock(fd: BorrowedFd<'_>, op: u32) -> io::Result<()> {
    call!(fd_flock(number(fd), op))
}

/// As [`flock`], on a bare descriptor number.
pub fn flock_raw(fd: u32, op: u32) -> io::Result<()> {
    call!(fd_flock(fd, op))
}

/// Record locks as `fcntl(2)`; `cmd` is one of `RLOCK_*` of [`crate::raw::fd`].
pub fn record_lock(fd: BorrowedFd<'_>, cmd: u32, lock: &mut RecordLock) -> io::Result<()> {
    call!(fd_record_lock(number(fd), cmd, lock))
}

/// Copies up to `len` bytes from one description's offset to the other's; returns how many.
pub fn copy_range(input: BorrowedFd<'_>, output: BorrowedFd<'_>, len: u64) -> io::Result<u64> {
    let mut n = 0;
    let own_offset: *mut u64 = std::ptr::null_mut();
    call!(fd_copy_range(
        number(input),
        own_offset,
        number(output),
        own_offset,
        len,
        &mut n
    ))?;
    Ok(n)
}

/// What [`poll`] may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A descriptor, with wanted bits of `POLL*`.
    Fd(u32, u32),
    /// A waitable child: this one, or any.
    Child(Option<u32>),
    /// A pending caught signal.
    Signal,
}

/// Waits until a source is ready or `timeout` passed (`None`: for ever); returns the ready bits of each source, 0 for
/// the others. Goes on through interruptions unless a [`Source::Signal`] is among the sources, which then reports it.
pub fn poll(sources: &[Source], timeout: Option<Duration>) -> io::Result<Vec<u32>> {
    let mut entries: Vec<abi::PollEntry> = sources.iter().map(|s| entry(*s)).collect();
    let mut ready = 0;
    let timeout = timeout_ns(timeout);
    let mut once = || {
        call!(fd_poll(
            entries.as_mut_ptr(),
            entries.len() as u32,
            timeout,
            std::ptr::null::<u64>(),
            &mut ready
        ))
    };
    if sources.contains(&Source::Signal) {
        once()?
    } else {
        retry(once)?
    }
    Ok(entries.iter().map(|e| e.revents).collect())
}

fn entry(source: Source) -> abi::PollEntry {
    let (kind, id, events) = match source {
        Source::Fd(fd, events) => (abi::POLL_KIND_FD, fd as i32, events),
        Source::Child(pid) => (abi::POLL_KIND_CHILD, pid.map_or(-1, |pid| pid as i32), POLLIN),
        Source::Signal => (abi::POLL_KIND_SIGNAL, 0, POLLIN),
    };
    abi::PollEntry {
        kind,
        id,
        events,
        revents: 0,
    }
}

/// A timeout in the kernel's form: ns, or -1 for ever.
pub(crate) fn timeout_ns(timeout: Option<Duration>) -> i64 {
    timeout.map_or(-1, |t| i64::try_from(t.as_nanos()).unwrap_or(i64::MAX))
}
