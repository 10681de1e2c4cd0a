//! One socket: what streams, listeners and datagram sockets of all families share.

use super::abi::{self, Address};
use crate::io::{self, BorrowedCursor, IoSlice, IoSliceMut};
use crate::net::{Shutdown, SocketAddr};
use crate::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use crate::sys::fd::FileDesc;
use crate::sys::{AsInner, FromInner, IntoInner, err2io};
use crate::time::{Duration, Instant};

/// Short pieces of a vectored write are gathered up to this many bytes.
const GATHER: usize = 4096;
/// `struct timeval` of the ABI: seconds, then microseconds.
const TIMEVAL: usize = 16;

pub struct Socket(FileDesc);

impl Socket {
    pub fn new(domain: u32, kind: u32) -> io::Result<Self> {
        let mut fd = 0;
        // SAFETY: the pointer is valid for the call.
        abi::check(unsafe { abi::sock_open(domain, kind | abi::SOCK_CLOEXEC, 0, &mut fd) })?;
        Ok(Self::owned(fd))
    }

    /// A socket of the address's family.
    pub fn for_inet(address: &SocketAddr, kind: u32) -> io::Result<Self> {
        match address {
            SocketAddr::V4(_) => Self::new(abi::AF_INET, kind),
            SocketAddr::V6(_) => Self::new(abi::AF_INET6, kind),
        }
    }

    /// Two connected sockets.
    pub fn pair(domain: u32, kind: u32) -> io::Result<(Self, Self)> {
        let (mut a, mut b) = (0, 0);
        // SAFETY: both pointers are valid for the call.
        abi::check(unsafe { abi::sock_pair(domain, kind | abi::SOCK_CLOEXEC, &mut a, &mut b) })?;
        Ok((Self::owned(a), Self::owned(b)))
    }

    fn owned(fd: u32) -> Self {
        // SAFETY: the kernel just gave us this descriptor and nobody else owns it.
        Self(unsafe { FileDesc::from_raw_fd(fd as RawFd) })
    }

    fn number(&self) -> u32 {
        self.as_raw_fd() as u32
    }

    pub fn bind(&self, address: &Address) -> io::Result<()> {
        let address = address.as_bytes();
        // SAFETY: pointer and length are those of a live slice.
        abi::check(unsafe { abi::sock_bind(self.number(), address.as_ptr(), address.len() as u32) })
    }

    pub fn listen(&self, backlog: u32) -> io::Result<()> {
        // SAFETY: no pointers.
        abi::check(unsafe { abi::sock_listen(self.number(), backlog) })
    }

    /// Connects and waits for the outcome.
    pub fn connect(&self, address: &Address) -> io::Result<()> {
        match self.start(address) {
            Err(error) if error.is_interrupted() => self.connected(None),
            result => result,
        }
    }

    pub fn connect_timeout(&self, address: &Address, timeout: Duration) -> io::Result<()> {
        if timeout.is_zero() {
            return Err(io::Error::ZERO_TIMEOUT);
        }
        self.set_nonblocking(true)?;
        let outcome = match self.start(address) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => self.connected(Some(timeout)),
            result => result,
        };
        self.set_nonblocking(false)?;
        outcome
    }

    fn start(&self, address: &Address) -> io::Result<()> {
        let address = address.as_bytes();
        // SAFETY: pointer and length are those of a live slice.
        abi::check(unsafe { abi::sock_connect(self.number(), address.as_ptr(), address.len() as u32) })
    }

    /// Waits until a connection that was started is there or has failed.
    fn connected(&self, timeout: Option<Duration>) -> io::Result<()> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let wait = left.map_or(-1, |left| i64::try_from(left.as_nanos()).unwrap_or(i64::MAX));
            let mut entry =
                abi::PollEntry { kind: abi::POLL_FD, id: self.as_raw_fd(), events: abi::POLLOUT, revents: 0 };
            let mut ready = 0;
            // SAFETY: one entry, and a null mask leaves the mask alone.
            match abi::check(unsafe { abi::fd_poll(&mut entry, 1, wait, crate::ptr::null(), &mut ready) }) {
                Err(error) if error.is_interrupted() => {}
                Err(error) => return Err(error),
                Ok(()) if ready > 0 => return self.take_error()?.map_or(Ok(()), Err),
                Ok(()) => return Err(io::const_error!(io::ErrorKind::TimedOut, "connection timed out")),
            }
        }
    }

    /// Takes a connection; the address is the peer's.
    pub fn accept(&self) -> io::Result<(Self, Address)> {
        loop {
            let mut peer = Address::EMPTY;
            let (mut fd, mut len) = (0, 0);
            // SAFETY: the buffer has the given room; the other pointers are valid for the call.
            let errno = unsafe {
                abi::sock_accept_from(
                    self.number(),
                    abi::SOCK_CLOEXEC,
                    peer.as_mut_ptr(),
                    abi::ADDRESS_MAX as u32,
                    &mut fd,
                    &mut len,
                )
            };
            match abi::check(errno) {
                Err(error) if error.is_interrupted() => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    peer.set_len(len);
                    return Ok((Self::owned(fd), peer));
                }
            }
        }
    }

    /// The socket's own address, or its peer's.
    pub fn name(&self, peer: bool) -> io::Result<Address> {
        let mut address = Address::EMPTY;
        let mut len = 0;
        // SAFETY: the buffer has the given room; the other pointer is valid for the call.
        abi::check(unsafe {
            abi::sock_name(
                self.number(),
                u32::from(peer),
                address.as_mut_ptr(),
                abi::ADDRESS_MAX as u32,
                &mut len,
            )
        })?;
        address.set_len(len);
        Ok(address)
    }

    /// The same, of an internet socket.
    pub fn inet_name(&self, peer: bool) -> io::Result<SocketAddr> {
        inet(&self.name(peer)?)
    }

    /// Receives into `cap` bytes at `buf`.
    ///
    /// # Safety
    /// The bytes must be writable.
    unsafe fn receive(&self, buf: *mut u8, cap: usize, flags: u32) -> io::Result<(usize, Address)> {
        let mut from = Address::EMPTY;
        let (mut n, mut result_flags, mut len) = (0, 0, 0);
        // SAFETY: the caller's buffer, our address buffer and our results.
        abi::check(unsafe {
            abi::sock_recv_from(
                self.number(),
                buf,
                cap as u32,
                flags,
                from.as_mut_ptr(),
                abi::ADDRESS_MAX as u32,
                &mut n,
                &mut result_flags,
                &mut len,
            )
        })?;
        from.set_len(len);
        Ok((n as usize, from))
    }

    pub fn recv_from(&self, buf: &mut [u8], peek: bool) -> io::Result<(usize, Address)> {
        let flags = if peek { abi::MSG_PEEK } else { 0 };
        // SAFETY: a live slice.
        unsafe { self.receive(buf.as_mut_ptr(), buf.len(), flags) }
    }

    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buf, false)?.0)
    }

    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buf, true)?.0)
    }

    pub fn read_buf(&self, mut cursor: BorrowedCursor<'_>) -> io::Result<()> {
        // SAFETY: the cursor's unfilled part is writable.
        let (n, _) = unsafe { self.receive(cursor.as_mut().as_mut_ptr().cast(), cursor.capacity(), 0)? };
        // SAFETY: the kernel has written that many bytes.
        unsafe { cursor.advance(n) };
        Ok(())
    }

    /// Reads into the first buffer that has room: `fd_read` does not know the socket's timeout.
    pub fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match bufs.iter_mut().find(|buf| !buf.is_empty()) {
            Some(buf) => self.read(buf),
            None => self.read(&mut []),
        }
    }

    pub fn send_to(&self, buf: &[u8], to: Option<&Address>) -> io::Result<usize> {
        let to = to.map_or(&[][..], Address::as_bytes);
        let mut n = 0;
        // SAFETY: pointers and lengths are those of live slices.
        abi::check(unsafe {
            abi::sock_send_to(
                self.number(),
                buf.as_ptr(),
                buf.len() as u32,
                abi::MSG_NOSIGNAL,
                to.as_ptr(),
                to.len() as u32,
                &mut n,
            )
        })?;
        Ok(n as usize)
    }

    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.send_to(buf, None)
    }

    /// A vectored write through `fd_write` would raise SIGPIPE, so short pieces are gathered and long ones sent alone.
    pub fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
        let Some(first) = filled.next() else {
            return self.write(&[]);
        };
        let Some(second) = filled.next() else {
            return self.write(first);
        };
        if first.len() >= GATHER {
            return self.write(first);
        }
        let mut gathered = [0; GATHER];
        let mut len = 0;
        for piece in [first, second].into_iter().chain(filled) {
            let fits = piece.len().min(GATHER - len);
            gathered[len..len + fits].copy_from_slice(&piece[..fits]);
            len += fits;
        }
        self.write(&gathered[..len])
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => wasi::SDFLAGS_RD,
            Shutdown::Write => wasi::SDFLAGS_WR,
            Shutdown::Both => wasi::SDFLAGS_RD | wasi::SDFLAGS_WR,
        };
        // SAFETY: no pointers.
        unsafe { wasi::sock_shutdown(self.as_raw_fd() as wasi::Fd, how).map_err(err2io) }
    }

    pub fn duplicate(&self) -> io::Result<Self> {
        self.0.duplicate().map(Self)
    }

    pub fn set_nonblocking(&self, state: bool) -> io::Result<()> {
        self.0.set_nonblocking(state)
    }

    fn option<const N: usize>(&self, level: u32, name: u32) -> io::Result<[u8; N]> {
        let mut value = [0; N];
        let mut len = 0;
        // SAFETY: the buffer has the given room; the other pointer is valid for the call.
        abi::check(unsafe {
            abi::sock_opt_get(self.number(), level, name, value.as_mut_ptr(), N as u32, &mut len)
        })?;
        Ok(value)
    }

    pub fn set_option(&self, level: u32, name: u32, value: &[u8]) -> io::Result<()> {
        // SAFETY: pointer and length are those of a live slice.
        abi::check(unsafe { abi::sock_opt_set(self.number(), level, name, value.as_ptr(), value.len() as u32) })
    }

    /// An option that is a number.
    pub fn number_option(&self, level: u32, name: u32) -> io::Result<u32> {
        self.option(level, name).map(u32::from_le_bytes)
    }

    pub fn set_number_option(&self, level: u32, name: u32, value: u32) -> io::Result<()> {
        self.set_option(level, name, &value.to_le_bytes())
    }

    /// `SO_RCVTIMEO` or `SO_SNDTIMEO`.
    fn timeout(&self, name: u32) -> io::Result<Option<Duration>> {
        let value = self.option::<TIMEVAL>(abi::SOL_SOCKET, name)?;
        let [seconds, micros] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&value[at..at + 8]);
            u64::from_le_bytes(half)
        });
        let timeout = Duration::new(seconds, (micros * 1000) as u32);
        Ok((!timeout.is_zero()).then_some(timeout))
    }

    fn set_timeout(&self, name: u32, timeout: Option<Duration>) -> io::Result<()> {
        let (seconds, micros) = match timeout {
            Some(timeout) if timeout.is_zero() => return Err(io::Error::ZERO_TIMEOUT),
            // Less than a microsecond must not mean "for ever".
            Some(timeout) if timeout < Duration::from_micros(1) => (0, 1),
            Some(timeout) => (timeout.as_secs().min(i64::MAX as u64), u64::from(timeout.subsec_micros())),
            None => (0, 0),
        };
        let mut value = [0; TIMEVAL];
        value[..8].copy_from_slice(&seconds.to_le_bytes());
        value[8..].copy_from_slice(&micros.to_le_bytes());
        self.set_option(abi::SOL_SOCKET, name, &value)
    }

    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.timeout(abi::SO_RCVTIMEO)
    }

    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.timeout(abi::SO_SNDTIMEO)
    }

    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(abi::SO_RCVTIMEO, timeout)
    }

    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(abi::SO_SNDTIMEO, timeout)
    }

    pub fn linger(&self) -> io::Result<Option<Duration>> {
        let value = self.option::<8>(abi::SOL_SOCKET, abi::SO_LINGER)?;
        let [on, seconds] = [0, 4].map(|at| u32::from_le_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]]));
        Ok((on != 0).then(|| Duration::from_secs(seconds.into())))
    }

    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        let seconds = linger.map_or(0, |linger| u32::try_from(linger.as_secs()).unwrap_or(u32::MAX));
        let mut value = [0; 8];
        value[..4].copy_from_slice(&u32::from(linger.is_some()).to_le_bytes());
        value[4..].copy_from_slice(&seconds.to_le_bytes());
        self.set_option(abi::SOL_SOCKET, abi::SO_LINGER, &value)
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let errno = self.number_option(abi::SOL_SOCKET, abi::SO_ERROR)?;
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno as i32)))
    }
}

/// The internet address that the kernel reported.
pub(super) fn inet(address: &Address) -> io::Result<SocketAddr> {
    address.to_inet().ok_or(io::const_error!(io::ErrorKind::InvalidInput, "invalid argument"))
}

impl AsInner<FileDesc> for Socket {
    #[inline]
    fn as_inner(&self) -> &FileDesc {
        &self.0
    }
}

impl IntoInner<FileDesc> for Socket {
    fn into_inner(self) -> FileDesc {
        self.0
    }
}

impl FromInner<FileDesc> for Socket {
    fn from_inner(inner: FileDesc) -> Self {
        Self(inner)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Socket {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl IntoRawFd for Socket {
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl FromRawFd for Socket {
    unsafe fn from_raw_fd(raw_fd: RawFd) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self(FromRawFd::from_raw_fd(raw_fd)) }
    }
}
