//! The way out of the VM.
//!
//! The kernel opens no host socket and resolves no name. Whatever a guest sends to somebody who is not in the VM goes through
//! an [`Egress`] that the host supplied; with none, nothing outside is reachable. The egress decides (policy, guard), connects
//! and moves bytes; the kernel gives its streams and flows the behaviour of sockets: errors, options, waiting, counting.
//!
//! Contract of everything here:
//!
//! * Calls return at once. `Pending` means that nothing happened and that the waker, if there was one, is woken when it is worth
//!   trying again. Several tasks may wait for the same object, each with a waker of its own: all are woken.
//! * Bytes move between the host's socket and the caller's buffer in the caller's thread, without a queue in between.
//! * An error is final for the call that gets it. One that says why a destination was refused carries the text
//!   ([`Error::Denied`](crate::Error) of a policy, [`Error::refused`](crate::Error::refused) of a guard), which the process
//!   keeps as its last denial.
//! * Dropping an object gives up whatever it was doing: a connection is closed, a lookup cancelled.
//! * The kernel may hold the lock of the one socket that a call is about, so the egress calls nothing of the kernel back, and
//!   holds no lock of its own while it wakes.

use super::{Domain, Shutdown};
use crate::error::Result;
use crate::fd::{IoResult, PollEvents};
use crate::id::Pid;
use core::net::{IpAddr, SocketAddr};
use core::task::Waker;
use std::sync::Arc;

/// The only way out of a VM.
pub trait Egress: Send + Sync + 'static {
    /// Begins a stream connection and returns at once; [`Stream::poll_connected`] tells how it goes. The destination is outside
    /// of the VM, or a loopback address where nobody in the VM listens.
    ///
    /// # Errors
    /// A destination that is refused without trying: `EACCES` with its text. What is found out later comes from
    /// [`Stream::poll_connected`].
    fn connect(&self, request: &Outgoing) -> Result<Arc<dyn Stream>>;

    /// Opens a flow of datagrams to one destination, with a connected host socket of its own, so that only that peer answers.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    fn datagrams(&self, request: &Outgoing) -> Result<Arc<dyn Datagrams>>;

    /// Looks the addresses of a host up: of one family, or of both. Names of the VM's own (`localhost`, `/etc/hosts`) and literal
    /// addresses do not come here.
    ///
    /// # Errors
    /// A name that is refused without asking anybody: `EACCES` with its text.
    fn resolve(&self, name: &[u8], family: Option<Domain>, pid: Pid) -> Result<Arc<dyn Lookup>>;

    /// Answers a DNS message that a guest sent to the VM's resolver. What comes back is a whole message, as long as it is; the
    /// kernel cuts it for a guest that asked by datagram.
    ///
    /// # Errors
    /// `EINVAL` for something that is no question. A refused name is an answer (`REFUSED`), not an error.
    fn query(&self, message: &[u8], pid: Pid) -> Result<Arc<dyn Query>>;
}

/// Where a guest wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// Address and port, canonical: an IPv4 address inside IPv6 was taken out. The port is not 0.
    pub destination: SocketAddr,
    /// The process that asks.
    pub pid: Pid,
}

impl Outgoing {
    /// A request of `pid` to go to `destination`.
    pub fn new(destination: SocketAddr, pid: Pid) -> Self {
        Self { destination, pid }
    }
}

/// A stream to somebody outside.
pub trait Stream: Send + Sync + 'static {
    /// Whether it is connected: the address at the other end, or why it failed. Asked again it answers the same.
    fn poll_connected(&self, waker: Option<&Waker>) -> IoResult<SocketAddr>;

    /// Reads what there is, at least one byte; 0 is the end of the stream. `buf` is not empty.
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize>;

    /// Writes a part of `data`, at least one byte. `data` is not empty. `EPIPE` once the writing half is shut down or the peer
    /// takes nothing any more.
    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize>;

    /// Conditions that hold now out of `interest` plus `ERR` and `HUP`. If none does, `waker` is registered for a change of any
    /// of them.
    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents;

    /// Bytes that [`read`](Self::read) would give at once, as far as is known.
    fn available(&self) -> u64;

    /// Shuts a half down: writing sends the end of the stream.
    fn shutdown(&self, how: Shutdown);

    /// Closes it; with `abort` the peer gets a reset. Waiting tasks are woken. Happens once; dropping an open stream closes
    /// it, too.
    fn close(&self, abort: bool);

    /// `TCP_NODELAY`.
    fn set_no_delay(&self, on: bool);

    /// An error that came in the background and that no call has reported yet; it is then forgotten.
    fn take_error(&self) -> Option<crate::Error>;
}

/// Datagrams to and from one address outside.
pub trait Datagrams: Send + Sync + 'static {
    /// Sends one datagram, whole. `ECONNREFUSED` reports that an earlier one found nobody.
    fn send(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<()>;

    /// Takes one datagram: stores what fits into `buf`, loses the rest, and returns the whole length.
    fn receive(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize>;

    /// As [`Stream::poll`].
    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents;

    /// As [`Stream::take_error`].
    fn take_error(&self) -> Option<crate::Error>;

    /// Closes it and wakes whoever waits. Happens once; dropping an open flow closes it, too.
    fn close(&self);
}

/// A name being looked up. Dropping it cancels.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses, at least one, in the order in which to try them.
    ///
    /// # Errors
    /// `ENOENT` if the name does not exist, `ENODATA` if it has no address of the family, `EAGAIN` if no server answered in time
    /// or one failed, `EACCES` with the text if policy or guard refuse the name or every address of it, `EINVAL` for what
    /// cannot be a name.
    fn poll(&self, waker: Option<&Waker>) -> IoResult<Vec<IpAddr>>;
}

/// A DNS message being answered. Dropping it cancels.
pub trait Query: Send + Sync + 'static {
    /// The answer, a whole DNS message with the id of the question.
    ///
    /// # Errors
    /// `EAGAIN` if no server answered in time.
    fn poll(&self, waker: Option<&Waker>) -> IoResult<Vec<u8>>;
}
