//! Terminals.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use agentos_abi::tty as abi;
pub use agentos_abi::tty::{Termios, Winsize};

use crate::call::{filled, os_string};

/// When [`set`] takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// After output drained.
    Drain,
    /// After output drained; waiting input is thrown away.
    Flush,
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// Attributes of a terminal.
pub fn get(fd: BorrowedFd<'_>) -> io::Result<Termios> {
    let mut out = Termios::default();
    call!(tty_get(number(fd), &mut out))?;
    Ok(out)
}

/// Sets the attributes.
pub fn set(fd: BorrowedFd<'_>, when: When, termios: &Termios) -> io::Result<()> {
    let when = match when {
        When::Now => abi::TCSANOW,
        When::Drain => abi::TCSADRAIN,
        When::Flush => abi::TCSAFLUSH,
    };
    call!(tty_set(number(fd), when, termios))
}

/// Window size.
pub fn size(fd: BorrowedFd<'_>) -> io::Result<Winsize> {
    let mut out = Winsize::default();
    call!(tty_size_get(number(fd), &mut out))?;
    Ok(out)
}

/// Sets the window size.
pub fn set_size(fd: BorrowedFd<'_>, size: &Winsize) -> io::Result<()> {
    call!(tty_size_set(number(fd), size))
}

/// Foreground process group.
pub fn foreground(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let mut out = 0;
    call!(tty_pgrp_get(number(fd), &mut out))?;
    Ok(out)
}

/// Sets the foreground process group.
pub fn set_foreground(fd: BorrowedFd<'_>, pgid: u32) -> io::Result<()> {
    call!(tty_pgrp_set(number(fd), pgid))
}

/// Makes it the controlling terminal of the caller, which must lead a session without one.
pub fn set_controlling(fd: BorrowedFd<'_>) -> io::Result<()> {
    call!(tty_set_controlling(number(fd)))
}

/// A new pseudo-terminal: master first.
pub fn open() -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut master, mut slave) = (0, 0);
    call!(tty_open(0, &mut master, &mut slave))?;
    // SAFETY: the kernel just made these descriptors for us and nobody else owns them.
    unsafe {
        Ok((
            OwnedFd::from_raw_fd(master as RawFd),
            OwnedFd::from_raw_fd(slave as RawFd),
        ))
    }
}

/// Path of a terminal.
pub fn name(fd: BorrowedFd<'_>) -> io::Result<PathBuf> {
    let path = filled(agentos_abi::PATH_MAX as usize, |buf, cap, len| {
        call!(tty_name(number(fd), buf, cap, len))
    })?;
    Ok(PathBuf::from(os_string(path)))
}
