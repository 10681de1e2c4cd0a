//! Sockets: descriptors over [`crate::net`].

use super::Dir;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{AccessMode, IoResult, OpenFile, StatusFlags};
use crate::id::Fd;
use crate::net::{
    Caller, Cargo, Domain, Kind, MessageFlags, NodeId, OptionName, OptionValue, PeerCredentials, Received, Shutdown,
    Socket, SocketAddress,
};
use crate::policy::Operation;
use crate::process::process::Process;
use crate::vfs::{Access, FileType, Mode, access};
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker, ready};
use std::sync::Arc;

impl Process {
    /// `socket(2)`.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `EAGAIN` at `maxSockets`, `EPROTONOSUPPORT`.
    pub fn socket(&self, domain: Domain, kind: Kind, protocol: u32, nonblock: bool, cloexec: bool) -> Result<Fd> {
        if domain != Domain::Unix {
            self.within_tier(Operation::NetworkHttp, b"socket")?;
        }
        let socket = self.kernel().net().socket(domain, kind, protocol, self)?;
        self.add_socket(socket, nonblock, cloexec)
    }

    /// `socketpair(2)`.
    ///
    /// # Errors
    /// As [`socket`](Self::socket).
    pub fn socket_pair(&self, domain: Domain, kind: Kind, nonblock: bool, cloexec: bool) -> Result<(Fd, Fd)> {
        let (a, b) = self.kernel().net().pair(domain, kind, self)?;
        let pair = (self.socket_file(a, nonblock)?, self.socket_file(b, nonblock)?);
        let kept = pair.clone();
        let added = self.fds.lock().insert_pair(pair, cloexec);
        drop(kept);
        added
    }

    /// `bind(2)`.
    ///
    /// # Errors
    /// Those of `bind(2)`.
    pub fn bind(&self, fd: Fd, address: &SocketAddress) -> Result<()> {
        self.with_socket(fd, |socket| socket.bind(address, self))
    }

    /// `listen(2)`.
    ///
    /// # Errors
    /// Those of `listen(2)`.
    pub fn listen(&self, fd: Fd, backlog: u32) -> Result<()> {
        self.with_socket(fd, |socket| socket.listen(backlog, self))
    }

    /// `connect(2)`.
    ///
    /// # Errors
    /// Those of `connect(2)`; `EINPROGRESS` on a non-blocking socket.
    pub fn connect(&self, fd: Fd, address: &SocketAddress, waker: Option<&Waker>) -> IoResult<()> {
        let file = self.file(fd)?;
        let socket = file.object_as::<Socket>().ok_or(Errno::ENOTSOCK)?;
        if file.flags().contains(StatusFlags::NONBLOCK) {
            return match socket.connect(address, self, None) {
                Poll::Pending => Poll::Ready(Err(Errno::EINPROGRESS.into())),
                ready => ready,
            };
        }
        let timeout = socket.send_timeout();
        let result = self.waiting(waker, |waker| {
            let result = socket.connect(address, self, waker);
            self.socket_timeout(result, timeout, Errno::EINPROGRESS, waker)
        });
        self.settle_wait(result)
    }

    /// `accept4(2)`: the new descriptor and the peer's address.
    ///
    /// # Errors
    /// Those of `accept(2)`.
    pub fn accept(
        &self,
        fd: Fd,
        nonblock: bool,
        cloexec: bool,
        waker: Option<&Waker>,
    ) -> IoResult<(Fd, SocketAddress)> {
        let file = self.file(fd)?;
        let socket = file.object_as::<Socket>().ok_or(Errno::ENOTSOCK)?;
        let timeout = socket.receive_timeout();
        let result = self.waiting(waker, |waker| {
            let result = not_waiting(&file, false, waker, |waker| socket.accept(waker));
            self.socket_timeout(result, timeout, Errno::EAGAIN, waker)
        });
        let (connection, peer) = ready!(self.settle_wait(result))?;
        Poll::Ready(self.add_socket(connection, nonblock, cloexec).map(|fd| (fd, peer)))
    }

    /// `recvfrom(2)`.
    ///
    /// # Errors
    /// Those of `recv(2)`; `ETIMEDOUT` after `maxBlockingReadMs`.
    pub fn receive(&self, fd: Fd, buf: &mut [u8], flags: MessageFlags, waker: Option<&Waker>) -> IoResult<Received> {
        self.receive_by(fd, flags, waker, |socket, waker| socket.receive(buf, flags, waker))
    }

    /// As [`receive`](Self::receive), with what goes along ([`Socket::receive_with`]).
    ///
    /// # Errors
    /// Those of `recv(2)`.
    pub fn receive_with(
        &self,
        fd: Fd,
        buf: &mut [u8],
        flags: MessageFlags,
        waker: Option<&Waker>,
    ) -> IoResult<(Received, Option<Cargo>)> {
        self.receive_by(fd, flags, waker, |socket, waker| socket.receive_with(buf, flags, waker))
    }

    fn receive_by<T>(
        &self,
        fd: Fd,
        flags: MessageFlags,
        waker: Option<&Waker>,
        receive: impl FnOnce(&Socket, Option<&Waker>) -> IoResult<T>,
    ) -> IoResult<T> {
        let file = self.file(fd)?;
        let socket = file.object_as::<Socket>().ok_or(Errno::ENOTSOCK)?;
        let timeout = socket.receive_timeout();
        let now = flags.contains(MessageFlags::DONTWAIT);
        let result = self.waiting(waker, |waker| {
            let result = not_waiting(&file, now, waker, |waker| receive(socket, waker));
            let result = self.socket_timeout(result, timeout, Errno::EAGAIN, waker);
            match result.is_pending().then(|| self.read_expired(waker)).flatten() {
                Some(expired) => Poll::Ready(Err(expired)),
                None => result,
            }
        });
        self.settle_wait(result)
    }

    /// `sendto(2)`.
    ///
    /// # Errors
    /// Those of `send(2)`; `EPIPE` comes with `SIGPIPE` unless [`MessageFlags::NOSIGNAL`] is given.
    pub fn send(
        &self,
        fd: Fd,
        data: &[u8],
        flags: MessageFlags,
        to: Option<&SocketAddress>,
        waker: Option<&Waker>,
    ) -> IoResult<usize> {
        self.send_with(fd, (data, &mut None), flags, to, waker)
    }

    /// As [`send`](Self::send), with something that goes along ([`Socket::send_with`]).
    ///
    /// # Errors
    /// Those of `send(2)`.
    pub fn send_with(
        &self,
        fd: Fd,
        (data, cargo): (&[u8], &mut Option<Cargo>),
        flags: MessageFlags,
        to: Option<&SocketAddress>,
        waker: Option<&Waker>,
    ) -> IoResult<usize> {
        let file = self.file(fd)?;
        let socket = file.object_as::<Socket>().ok_or(Errno::ENOTSOCK)?;
        let timeout = socket.send_timeout();
        let now = flags.contains(MessageFlags::DONTWAIT);
        let result = self.waiting(waker, |waker| {
            let to = to.map(|address| (address, self as &dyn Caller));
            let result = not_waiting(&file, now, waker, |waker| socket.send_with(data, cargo, to, waker));
            self.socket_timeout(result, timeout, Errno::EAGAIN, waker)
        });
        let result = self.settle_wait(result);
        match flags.contains(MessageFlags::NOSIGNAL) {
            true => result,
            false => self.written(result),
        }
    }

    /// `shutdown(2)`.
    ///
    /// # Errors
    /// `ENOTCONN`, `ENOTSOCK`.
    pub fn shutdown(&self, fd: Fd, how: Shutdown) -> Result<()> {
        self.with_socket(fd, |socket| socket.shutdown(how))
    }

    /// `getsockname(2)`.
    ///
    /// # Errors
    /// `ENOTSOCK`.
    pub fn socket_name(&self, fd: Fd) -> Result<SocketAddress> {
        self.with_socket(fd, |socket| Ok(socket.name()))
    }

    /// `getpeername(2)`.
    ///
    /// # Errors
    /// `ENOTCONN`, `ENOTSOCK`.
    pub fn peer_name(&self, fd: Fd) -> Result<SocketAddress> {
        self.with_socket(fd, Socket::peer_name)
    }

    /// `getsockopt(2)`.
    ///
    /// # Errors
    /// `ENOPROTOOPT`, `ENOTSOCK`.
    pub fn socket_option(&self, fd: Fd, name: OptionName) -> Result<OptionValue> {
        let value = self.with_socket(fd, |socket| match name {
            // With its reason, which the guest can ask for.
            OptionName::Error => Ok(Err(socket.pending_error())),
            name => socket.option(name).map(Ok),
        })?;
        Ok(value.unwrap_or_else(|error| {
            error.iter().for_each(|error| self.note_denial(error));
            OptionValue::Error(error.map(|error| error.errno()))
        }))
    }

    /// `setsockopt(2)`.
    ///
    /// # Errors
    /// `EINVAL`, `ENOPROTOOPT`, `ENOTSOCK`.
    pub fn set_socket_option(&self, fd: Fd, name: OptionName, value: OptionValue) -> Result<()> {
        self.with_socket(fd, |socket| socket.set_option(name, value))
    }

    fn with_socket<T>(&self, fd: Fd, call: impl FnOnce(&Socket) -> Result<T>) -> Result<T> {
        let file = self.file(fd)?;
        call(file.object_as::<Socket>().ok_or(Errno::ENOTSOCK)?)
    }

    fn add_socket(&self, socket: Arc<Socket>, nonblock: bool, cloexec: bool) -> Result<Fd> {
        let file = self.socket_file(socket, nonblock)?;
        self.add_fd(file, cloexec)
    }

    fn socket_file(&self, socket: Arc<Socket>, nonblock: bool) -> Result<Arc<OpenFile>> {
        let status = if nonblock {
            StatusFlags::NONBLOCK
        } else {
            StatusFlags::empty()
        };
        OpenFile::from_object(socket, None, AccessMode::READ_WRITE, status, self.kernel().fd_limits())
    }

    /// Ends a wait that lasts longer than the socket's own timeout.
    fn socket_timeout<T>(
        &self,
        result: IoResult<T>,
        timeout: Option<u64>,
        errno: Errno,
        waker: Option<&Waker>,
    ) -> IoResult<T> {
        match timeout {
            Some(timeout) if result.is_pending() && self.wait_expired(timeout, waker) => Poll::Ready(Err(errno.into())),
            _ => result,
        }
    }

    fn settle_wait<T>(&self, result: IoResult<T>) -> IoResult<T> {
        if result.is_ready() {
            self.waiting_since.store(0, Ordering::Release);
        }
        result
    }
}

/// Runs a call that may wait, unless the description or the call says that it must not.
fn not_waiting<T>(
    file: &OpenFile,
    now: bool,
    waker: Option<&Waker>,
    call: impl FnOnce(Option<&Waker>) -> IoResult<T>,
) -> IoResult<T> {
    if !now && !file.flags().contains(StatusFlags::NONBLOCK) {
        return call(waker);
    }
    match call(None) {
        Poll::Pending => Poll::Ready(Err(Errno::EAGAIN.into())),
        ready => ready,
    }
}

impl Caller for Process {
    fn credentials(&self) -> PeerCredentials {
        let cred = self.cred();
        PeerCredentials {
            pid: self.pid(),
            uid: cred.euid,
            gid: cred.egid,
        }
    }

    fn create_node(&self, path: &[u8]) -> Result<NodeId> {
        let made = self.mknod(Dir::Cwd, path, FileType::Socket, Mode::new(0o777), 0);
        match made {
            Err(error) if error == Errno::EEXIST => return Err(Errno::EADDRINUSE.into()),
            made => made?,
        }
        let cx = self.cx()?;
        // What was just made may be looked at by whoever made it.
        let stat = self.kernel().vfs().stat(&cx.fs().trusted(), None, path, false)?;
        Ok(NodeId {
            device: stat.dev,
            ino: stat.attr.ino,
        })
    }

    fn find_node(&self, path: &[u8]) -> Result<NodeId> {
        let cx = self.cx()?;
        let stat = self
            .kernel()
            .vfs()
            .stat_for(Operation::FsWrite, &cx.fs(), None, path, true)?;
        access::check(&cx.cred, &stat.attr, Access::WRITE)?;
        if stat.attr.kind != FileType::Socket {
            return Err(Errno::ECONNREFUSED.into());
        }
        Ok(NodeId {
            device: stat.dev,
            ino: stat.attr.ino,
        })
    }
}
