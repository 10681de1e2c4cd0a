//! Pipes and duplicated descriptors on the agentOS kernel.

use crate::io;
use crate::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use crate::sys::fd::FileDesc;

pub type Pipe = FileDesc;

const CLOEXEC: u32 = 1;
/// Lowest descriptor that a duplicate gets, so that it never lands on a standard stream.
const FIRST_FREE: u32 = 3;

#[link(wasm_import_module = "agentos_v1")]
unsafe extern "C" {
    fn fd_pipe(flags: u32, read: *mut u32, write: *mut u32) -> u32;
    fn fd_dup(fd: u32, min: u32, flags: u32, out: *mut u32) -> u32;
}

/// Makes a pipe whose ends are close-on-exec: reading end first.
pub fn pipe() -> io::Result<(Pipe, Pipe)> {
    let (mut read, mut write) = (0, 0);
    // SAFETY: both pointers are valid for the call.
    match unsafe { fd_pipe(CLOEXEC, &mut read, &mut write) } {
        // SAFETY: the kernel just gave us these two descriptors and nobody else owns them.
        0 => unsafe { Ok((Pipe::from_raw_fd(read as i32), Pipe::from_raw_fd(write as i32))) },
        errno => Err(io::Error::from_raw_os_error(errno as i32)),
    }
}

/// Duplicates a descriptor; the new one is close-on-exec.
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut out = 0;
    // SAFETY: the pointer is valid for the call.
    match unsafe { fd_dup(fd.as_raw_fd() as u32, FIRST_FREE, CLOEXEC, &mut out) } {
        // SAFETY: the kernel just gave us this descriptor and nobody else owns it.
        0 => unsafe { Ok(OwnedFd::from_raw_fd(out as i32)) },
        errno => Err(io::Error::from_raw_os_error(errno as i32)),
    }
}
