//! The host's errors as the guest's.

use agentos_kernel::{Errno, Error, descriptors};
use std::io;

/// The error number of a failed operation of the host, as a guest may see it.
pub(crate) fn errno(error: &io::Error) -> Errno {
    match error.raw_os_error().and_then(Errno::from_raw) {
        // The host's process ran out of descriptors, not the guest's.
        Some(Errno::EMFILE) => Errno::ENFILE,
        Some(errno) => errno,
        None => match error.kind() {
            io::ErrorKind::TimedOut => Errno::ETIMEDOUT,
            io::ErrorKind::ConnectionRefused => Errno::ECONNREFUSED,
            io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => Errno::ECONNRESET,
            io::ErrorKind::ConnectionAborted => Errno::ECONNABORTED,
            io::ErrorKind::BrokenPipe => Errno::EPIPE,
            io::ErrorKind::WouldBlock => Errno::EAGAIN,
            _ => Errno::EIO,
        },
    }
}

/// The same as the kernel's error.
pub(crate) fn error(error: &io::Error) -> Error {
    match error.raw_os_error().and_then(Errno::from_raw) {
        Some(Errno::EMFILE) => descriptors::exhausted("socket").into(),
        _ => Error::Os(errno(error)),
    }
}

/// An error number that a call of the host reported.
pub(crate) fn from_errno(errno: rustix::io::Errno) -> Error {
    Error::from(errno)
}
