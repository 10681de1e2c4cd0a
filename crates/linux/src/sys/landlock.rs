//! The second wall (`landlock(7)`): no file of the host but the loader, which may be executed.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

const EXECUTE: u64 = 1;
const READ_FILE: u64 = 4;
const VERSION: libc::c_ulong = 1;
const PATH_BENEATH: libc::c_ulong = 1;

/// The version of Landlock that the host offers.
pub(crate) fn version() -> io::Result<u32> {
    // SAFETY: without attributes the call only reports.
    let version = check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, VERSION) })?;
    Ok(u32::try_from(version).unwrap_or(0))
}

/// Confines the calling thread, for ever: of the host's files it may only execute the one behind `loader`. Where the host
/// knows how, TCP, abstract sockets and signals to the outside are shut too.
pub(crate) fn confine_thread(loader: BorrowedFd<'_>) -> io::Result<()> {
    let version = version()?;
    // How many rights on files each version knows.
    let rights = match version {
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    let ruleset = Ruleset {
        files: (1 << rights) - 1,
        network: if version >= 4 { 3 } else { 0 },
        scopes: if version >= 6 { 3 } else { 0 },
    };
    let len = match version {
        ..4 => 8,
        4..6 => 16,
        _ => size_of::<Ruleset>(),
    };
    // SAFETY: the structure is at least `len` bytes long.
    let fd = check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, len, 0) })?;
    // SAFETY: the call made this descriptor.
    let rules = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) };
    let rule = Beneath {
        allowed: EXECUTE | READ_FILE,
        parent: loader.as_raw_fd(),
    };
    // SAFETY: the rule has the layout that the host expects, and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            PATH_BENEATH,
            &raw const rule,
            0,
        )
    })?;
    // SAFETY: the call takes a descriptor.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) })?;
    Ok(())
}
