//! One socket.

use super::{Caller, Domain, Kind, MessageFlags, OptionName, OptionValue, Shutdown, SocketAddress};
use crate::clock::Clock;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{File, IoResult, PollEvents};
use crate::limits::Limits;
use crate::vfs::Attr;
use core::any::Any;
use core::task::{Poll, Waker};
use std::sync::Arc;

/// The sockets of one VM.
pub struct Net {}

impl Net {
    /// An empty network with the limits of the VM; `clock` dates the sockets.
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let _ = (limits, clock);
        Arc::new(Self {})
    }

    /// `socket(2)`. `protocol` is 0 or the number that belongs to family and kind, else `EPROTONOSUPPORT`.
    pub fn socket(
        self: &Arc<Self>,
        domain: Domain,
        kind: Kind,
        protocol: u32,
        caller: &dyn Caller,
    ) -> Result<Arc<Socket>> {
        let _ = (domain, kind, protocol, caller);
        Err(Errno::ENOSYS.into())
    }

    /// `socketpair(2)`: two connected unix sockets; `EOPNOTSUPP` for other families.
    pub fn pair(
        self: &Arc<Self>,
        domain: Domain,
        kind: Kind,
        caller: &dyn Caller,
    ) -> Result<(Arc<Socket>, Arc<Socket>)> {
        let _ = (domain, kind, caller);
        Err(Errno::ENOSYS.into())
    }
}

/// What one receive call got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Bytes stored; with [`MessageFlags::TRUNC`] asked for a datagram, its real length.
    pub length: usize,
    /// [`MessageFlags::TRUNC`] if a message was cut.
    pub flags: MessageFlags,
    /// Sender, for datagrams.
    pub source: Option<SocketAddress>,
}

/// One socket, an open description.
pub struct Socket {}

impl Socket {
    /// `bind(2)`.
    pub fn bind(&self, address: &SocketAddress, caller: &dyn Caller) -> Result<()> {
        let _ = (address, caller);
        Err(Errno::ENOSYS.into())
    }

    /// `listen(2)`; `backlog` is capped at 4096.
    pub fn listen(&self, backlog: u32, caller: &dyn Caller) -> Result<()> {
        let _ = (backlog, caller);
        Err(Errno::ENOSYS.into())
    }

    /// `connect(2)`. Without a waker a TCP connection answers `EINPROGRESS` and is established in the background.
    pub fn connect(&self, address: &SocketAddress, caller: &dyn Caller, waker: Option<&Waker>) -> IoResult<()> {
        let _ = (address, caller, waker);
        Poll::Ready(Err(Errno::ENOSYS.into()))
    }

    /// `accept(2)`: the connection and its peer's address.
    pub fn accept(&self, waker: Option<&Waker>) -> IoResult<(Arc<Self>, SocketAddress)> {
        let _ = waker;
        Poll::Ready(Err(Errno::ENOSYS.into()))
    }

    /// `recvfrom(2)`.
    pub fn receive(&self, buf: &mut [u8], flags: MessageFlags, waker: Option<&Waker>) -> IoResult<Received> {
        let _ = (buf, flags, waker);
        Poll::Ready(Err(Errno::ENOSYS.into()))
    }

    /// `sendto(2)`. `EPIPE` of a stream is the caller's cue to raise `SIGPIPE`.
    pub fn send(
        &self,
        data: &[u8],
        flags: MessageFlags,
        to: Option<(&SocketAddress, &dyn Caller)>,
        waker: Option<&Waker>,
    ) -> IoResult<usize> {
        let _ = (data, flags, to, waker);
        Poll::Ready(Err(Errno::ENOSYS.into()))
    }

    /// `shutdown(2)`.
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        let _ = how;
        Err(Errno::ENOSYS.into())
    }

    /// `getsockname(2)`.
    pub fn name(&self) -> SocketAddress {
        SocketAddress::unspecified(Domain::Unix)
    }

    /// `getpeername(2)`; `ENOTCONN` without a peer.
    pub fn peer_name(&self) -> Result<SocketAddress> {
        Err(Errno::ENOSYS.into())
    }

    /// `getsockopt(2)`; `ENOPROTOOPT` for an option that this kind of socket does not have.
    pub fn option(&self, name: OptionName) -> Result<OptionValue> {
        let _ = name;
        Err(Errno::ENOSYS.into())
    }

    /// `setsockopt(2)`. `EINVAL` for a value of the wrong kind, `ENOPROTOOPT` for an option that cannot be set.
    pub fn set_option(&self, name: OptionName, value: OptionValue) -> Result<()> {
        let _ = (name, value);
        Err(Errno::ENOSYS.into())
    }

    /// How long a receive may wait (`SO_RCVTIMEO`), in nanoseconds. The caller that waits keeps the deadline and answers
    /// `EAGAIN` at its end.
    pub fn receive_timeout(&self) -> Option<u64> {
        None
    }

    /// The same for sends and connects (`SO_SNDTIMEO`); a connect answers `EINPROGRESS`.
    pub fn send_timeout(&self) -> Option<u64> {
        None
    }
}

impl File for Socket {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.receive(buf, MessageFlags::empty(), waker)
            .map(|got| got.map(|received| received.length))
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.send(data, MessageFlags::empty(), None, waker)
    }

    fn poll(&self, _interest: PollEvents, _waker: Option<&Waker>) -> PollEvents {
        PollEvents::empty()
    }

    fn stat(&self) -> Result<Attr> {
        Err(Errno::ENOSYS.into())
    }

    fn describe(&self) -> String {
        "socket:[0]".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
