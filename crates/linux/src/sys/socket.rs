//! Pairs of connected sockets, one end of which a guest gets, and pipes that only say that something waits.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Two connected sockets of the host that nobody else can find: `SOCK_STREAM` or `SOCK_SEQPACKET`, both non-blocking.
pub(crate) fn pair(kind: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: there is room for two numbers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }.into())?;
    // SAFETY: the call made both.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Sets whether calls on an open description wait.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let flags = if on { libc::O_NONBLOCK } else { 0 };
    // SAFETY: takes numbers alone.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags) }.into()).map(drop)
}

/// Sets how much may wait in what a socket sends. The host takes twice as much, and no more than it lets everybody have.
pub(crate) fn set_room(fd: BorrowedFd<'_>, bytes: i32) -> io::Result<()> {
    let (level, name) = (libc::SOL_SOCKET, libc::SO_SNDBUF);
    let len = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(0);
    // SAFETY: the option is one number, which is readable.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const bytes).cast(), len) }.into()).map(drop)
}

/// What a receive found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    /// Bytes, or the whole length of a packet if that was asked for.
    pub(crate) count: usize,
    /// Descriptors came along, which were closed.
    pub(crate) descriptors: bool,
    /// A packet was longer than the buffer.
    pub(crate) cut: bool,
}

/// Receives without waiting. None if there is nothing.
pub(crate) fn receive(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32) -> io::Result<Option<Found>> {
    let mut part = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: zeros are a valid value.
    let mut message = unsafe { std::mem::zeroed::<libc::msghdr>() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    // SAFETY: the message has one part, which is `buf`.
    let count = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags | libc::MSG_DONTWAIT) };
    match usize::try_from(count) {
        Ok(count) => Ok(Some(Found {
            count,
            descriptors: message.msg_flags & libc::MSG_CTRUNC != 0,
            cut: message.msg_flags & libc::MSG_TRUNC != 0,
        })),
        Err(_) => would_block(),
    }
}

/// Most descriptors of a message, as the host has it; then the host sends none.
const DESCRIPTORS_MAX: usize = 253;

/// Room for the descriptors of a message, laid out as the host does it.
#[repr(C, align(8))]
struct Control {
    len: usize,
    level: i32,
    kind: i32,
    fds: [i32; DESCRIPTORS_MAX],
}

impl Control {
    /// Bytes before the descriptors.
    const HEAD: usize = 16;

    fn new() -> Self {
        Self {
            len: 0,
            level: 0,
            kind: 0,
            fds: [-1; DESCRIPTORS_MAX],
        }
    }
}

/// As [`receive`], with the descriptors that came along.
pub(crate) fn receive_with(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: i32,
) -> io::Result<Option<(Found, Vec<OwnedFd>)>> {
    let mut control = Control::new();
    let mut part = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: zeros are a valid value.
    let mut message = unsafe { std::mem::zeroed::<libc::msghdr>() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>();
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message has one part, which is `buf`, and room for other things in `control`.
    let count = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) };
    let Ok(count) = usize::try_from(count) else {
        return would_block();
    };
    let has_rights = message.msg_controllen >= Control::HEAD
        && (control.level, control.kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    let came = if has_rights {
        control.len.saturating_sub(Control::HEAD) / 4
    } else {
        0
    };
    // SAFETY: the host has just made these descriptors for this process.
    let fds = control
        .fds
        .iter()
        .take(came)
        .map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) });
    let fds: Vec<OwnedFd> = fds.collect();
    let found = Found {
        count,
        descriptors: !fds.is_empty() || message.msg_flags & libc::MSG_CTRUNC != 0,
        cut: message.msg_flags & libc::MSG_TRUNC != 0,
    };
    Ok(Some((found, fds)))
}

/// As [`send`], with descriptors, of which there are as many as one message may have.
pub(crate) fn send_with(fd: BorrowedFd<'_>, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<Option<usize>> {
    let mut control = Control::new();
    let count = fds.len().min(DESCRIPTORS_MAX);
    control.len = Control::HEAD + 4 * count;
    (control.level, control.kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    control
        .fds
        .iter_mut()
        .zip(fds)
        .for_each(|(to, fd)| *to = fd.as_raw_fd());
    let mut part = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    // SAFETY: zeros are a valid value.
    let mut message = unsafe { std::mem::zeroed::<libc::msghdr>() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = control.len.next_multiple_of(8);
    // SAFETY: the message has one part, which is `data` and is only read, and as much of `control` as was filled.
    let sent = unsafe {
        libc::sendmsg(
            fd.as_raw_fd(),
            &raw const message,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    match usize::try_from(sent) {
        Ok(count) => Ok(Some(count)),
        Err(_) => would_block(),
    }
}

/// Bytes of memory that wait to be read at the other end.
pub(crate) fn unread(fd: BorrowedFd<'_>) -> i32 {
    let mut count = 0i32;
    // SAFETY: the request writes one number.
    unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    count
}

/// Sends without waiting and without a signal. None if there is no room.
pub(crate) fn send(fd: BorrowedFd<'_>, data: &[u8]) -> io::Result<Option<usize>> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `data` is readable.
    let count = unsafe { libc::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) };
    match usize::try_from(count) {
        Ok(count) => Ok(Some(count)),
        Err(_) => would_block(),
    }
}

fn would_block<T>() -> io::Result<Option<T>> {
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(error),
    }
}

/// Tells the other end that nothing more comes.
pub(crate) fn end_writing(fd: BorrowedFd<'_>) {
    // SAFETY: takes numbers alone. The other end may be gone.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) };
}

/// What of `events`, errors and the end holds of a descriptor at this moment.
pub(crate) fn poll_now(fd: BorrowedFd<'_>, events: i16) -> i16 {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one entry is readable and writable.
    unsafe { libc::poll(&raw mut entry, 1, 0) };
    entry.revents
}

/// The error of a socket, which is then forgotten; 0 for none.
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> i32 {
    let mut errno = 0i32;
    let mut len: libc::socklen_t = 4;
    // SAFETY: the option is one number, for which there is room.
    unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut errno).cast(),
            &raw mut len,
        )
    };
    errno
}

/// A pipe whose ends never wait.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: there is room for two numbers.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }.into())?;
    // SAFETY: the call made both.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Writes a byte to a pipe, unless it is full.
pub(crate) fn ring(fd: BorrowedFd<'_>) {
    // SAFETY: one byte is readable.
    unsafe { libc::write(fd.as_raw_fd(), [1u8].as_ptr().cast(), 1) };
}

/// Empties a pipe of which only the writing end is here.
pub(crate) fn drain_pipe(writer: BorrowedFd<'_>) -> io::Result<()> {
    let reader = super::reopen(writer, libc::O_RDONLY | libc::O_NONBLOCK)?;
    let mut buf = [0u8; 512];
    loop {
        // SAFETY: `buf` is writable.
        let count = unsafe { libc::read(reader.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
        if count < buf.len() as isize {
            return Ok(());
        }
    }
}

/// The process that made the other end of a socket.
pub(crate) fn peer_pid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let fd = socket.as_raw_fd();
    // SAFETY: the structure is writable and as long as it says.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut len,
        )
    };
    check(done.into())?;
    Ok(peer.pid.unsigned_abs())
}
