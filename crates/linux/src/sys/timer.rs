//! A timer that is waited for like a file.

use super::check;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Rings once after it was set.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: takes numbers alone.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) }.into())?;
        // SAFETY: the call made it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) }))
    }

    /// Has it ring after this time, and not when it would have.
    pub(crate) fn set(&self, after: Duration) {
        // Zero would stop it.
        let after = after.max(Duration::from_nanos(1));
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = libc::itimerspec {
            it_interval: zero,
            it_value: libc::timespec {
                tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: after.subsec_nanos().into(),
            },
        };
        // SAFETY: the setting is readable; no old one is asked for.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &raw const setting, std::ptr::null_mut()) };
    }

    /// Forgets that it rang.
    pub(crate) fn silence(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes are writable.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
