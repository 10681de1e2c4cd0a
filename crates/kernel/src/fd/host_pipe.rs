//! Pipes that native programs hold too.
//!
//! A native program needs a descriptor of the host. From the moment it is given one, the pipe's bytes are in a pipe of the host,
//! for everybody: what two programs share they share exactly, byte for byte, whichever kind each of them is. Nobody copies between
//! two buffers, so nothing is read ahead of the one who asked, and a writer learns at once that nobody reads any more.

use super::file::{IoResult, PollEvents};
use super::flags::AccessMode;
use core::any::Any;
use core::task::Waker;

/// A pipe of the host behind a pipe of the VM.
pub trait HostPipe: Send + Sync + 'static {
    /// As [`File::read`](super::File::read): 0 once nobody holds a write end.
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize>;

    /// As [`File::write`](super::File::write): `EPIPE` once nobody holds a read end.
    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize>;

    /// As [`File::poll`](super::File::poll), for an end with this access.
    fn poll(&self, access: AccessMode, interest: PollEvents, waker: Option<&Waker>) -> PollEvents;

    /// Bytes that wait to be read.
    fn available(&self) -> u64;

    /// Whether the VM's kernel has read ends and write ends of its own: while it has, the host's pipe has them too.
    fn hold(&self, readers: bool, writers: bool);

    /// Whether anybody on the host has an end with this access now, the kernel's own included.
    fn has(&self, access: AccessMode) -> bool;

    /// For whoever made it.
    fn as_any(&self) -> &dyn Any;
}
