//! What this process is and may do.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Whether the process behind a descriptor has ended; also if it has not been reaped.
pub(crate) fn has_ended(process: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd {
        fd: process.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure is readable and writable.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
}

/// The calling thread and what it makes never get a right by executing something.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: takes numbers alone.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).map(drop)
}

/// Makes a process in a user and a pid namespace of its own, which ends at once.
pub(crate) fn try_namespaces() -> io::Result<()> {
    extern "C" fn end(_: *mut libc::c_void) -> libc::c_int {
        0
    }
    let mut stack = vec![0u8; 16 << 10];
    let top = stack.as_mut_ptr_range().end;
    let top = top.wrapping_sub(top.addr() % 16);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_NEWUSER | libc::CLONE_NEWPID;
    // SAFETY: the child only returns, on a stack of its own, and this thread goes on when it has ended.
    let pid = check(unsafe { libc::clone(end, top.cast(), flags, std::ptr::null_mut()) }.into())?;
    // SAFETY: takes numbers alone; the child has ended, and no signal told of it.
    unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), libc::__WALL) };
    Ok(())
}

/// Whether this process may look into others whatever Yama says (`CAP_SYS_PTRACE`).
pub(crate) fn may_trace() -> bool {
    const SYS_PTRACE: u64 = 19;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    held.and_then(|held| u64::from_str_radix(held.trim(), 16).ok())
        .is_some_and(|held| held >> SYS_PTRACE & 1 == 1)
}

/// Keeps the signals of this process from the calling thread, for whose work others are better: a handler that interrupts it while
/// it gives a guest a descriptor would have the guest's call answered without one. What the thread itself does wrong it is told.
pub(crate) fn leave_signals_to_others() {
    // SAFETY: the set is this function's own, and the mask the calling thread's.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        for own in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGTRAP,
            libc::SIGSYS,
            libc::SIGABRT,
        ] {
            libc::sigdelset(&raw mut set, own);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Locks an open file until its description is closed; fails if somebody has locked it.
pub(crate) fn lock(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes numbers alone.
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }.into()).map(drop)
}
