//! What an open description refers to.

use crate::errno::Errno;
use crate::error::Result;
use crate::vfs::{Attr, Location};
use core::any::Any;
use core::task::{Poll, Waker};

bitflags::bitflags! {
    /// Conditions of `poll(2)`, with Linux's numbers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct PollEvents: u32 {
        /// Data to read.
        const IN = 0x001;
        /// Urgent data.
        const PRI = 0x002;
        /// Room to write.
        const OUT = 0x004;
        /// Error.
        const ERR = 0x008;
        /// Hang-up.
        const HUP = 0x010;
        /// Not open.
        const NVAL = 0x020;
        /// The peer shut down its writing half.
        const RDHUP = 0x2000;
    }
}

/// Result of an operation that may have to wait. `Pending` means that `waker` was registered (if one was given) and that the
/// call had no effect.
pub type IoResult<T> = Poll<Result<T>>;

/// An object behind an open description: a stream, a terminal, a socket, a device. Regular files and directories are
/// handled by the description itself, which knows their inode and offset.
///
/// `waker` is `None` for a non-blocking caller, which turns `Pending` into `EAGAIN`.
pub trait File: Send + Sync + 'static {
    /// Reads; 0 is the end of the stream.
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let _ = (buf, waker);
        Poll::Ready(Err(Errno::EINVAL.into()))
    }

    /// Writes some of `data`. A stream without readers is `EPIPE`; the caller raises `SIGPIPE`.
    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let _ = (data, waker);
        Poll::Ready(Err(Errno::EINVAL.into()))
    }

    /// Conditions that hold now out of `interest` plus `ERR` and `HUP`. If none does, `waker` is registered for a change of
    /// any of them.
    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents;

    /// Attributes for `fstat(2)`.
    fn stat(&self) -> Result<Attr>;

    /// Bytes that can be read at once (`FIONREAD`).
    fn available(&self) -> Result<u64> {
        Err(Errno::ENOTTY.into())
    }

    /// Whether offsets have no meaning and are accepted all the same: seeking leads to 0, positioned reads and writes are
    /// plain ones. Devices such as `/dev/null` do that; a stream refuses with `ESPIPE`.
    fn ignores_offsets(&self) -> bool {
        false
    }

    /// Called once, when the last descriptor of the description is closed.
    fn close(&self) {}

    /// What `/proc/<pid>/fd/<n>` shows, for example `pipe:[7]`.
    fn describe(&self) -> String;

    /// The object once more, as an open of `/proc/<pid>/fd/<n>` finds it; none if that is not possible.
    fn again(&self, access: super::AccessMode) -> Option<std::sync::Arc<dyn File>> {
        let _ = access;
        None
    }

    /// The file to run when this is executed by `/proc/<pid>/fd/<n>`, which whoever may execute it by its attributes ([`stat`](Self::stat))
    /// may; none for what is no program.
    fn program(&self) -> Result<Option<Location>> {
        Ok(None)
    }

    /// The concrete type, for operations that only one kind knows (terminals, sockets).
    fn as_any(&self) -> &dyn Any;
}
