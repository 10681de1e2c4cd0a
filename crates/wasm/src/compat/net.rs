//! Sockets, as far as programs ask for them: libc of the later generations tries every read and write here first, and goes on
//! to preview 1 where it is told that the descriptor is no socket.

use crate::imports::Cx;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::net::{MessageFlags, Socket};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

/// Bytes that one receive or send moves at most.
const MESSAGE_MAX: u32 = 16 << 20;

/// `EBADF` for everything but a socket: that is what callers know.
fn socket(cx: &Cx<'_>, fd: u32) -> Result<()> {
    match cx.state.process.file(Fd(fd))?.object_as::<Socket>() {
        Some(_) => Ok(()),
        None => Err(Errno::EBADF.into()),
    }
}

fn flags(raw: u32, known: MessageFlags) -> Result<MessageFlags> {
    let flags = MessageFlags::from_bits(raw).ok_or(Errno::EINVAL)?;
    match known.contains(flags) {
        true => Ok(flags),
        false => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn send(cx: &mut Cx<'_>, waker: &Waker, fd: u32, buf: u32, len: u32, raw: u32, sent: u32) -> IoResult<()> {
    socket(cx, fd)?;
    let flags = flags(raw, MessageFlags::DONTWAIT | MessageFlags::NOSIGNAL)?;
    cx.memory.check::<u32>(sent)?;
    cx.memory.bytes(buf, len)?;
    let data = cx.memory.bytes(buf, len.min(MESSAGE_MAX))?;
    let count = ready!(cx.state.process.send(Fd(fd), data, flags, None, Some(waker)))?;
    // At most what was given.
    Poll::Ready(Ok(cx.memory.put(sent, &u32::try_from(count).unwrap_or(MESSAGE_MAX))?))
}

pub(super) fn recv(cx: &mut Cx<'_>, waker: &Waker, fd: u32, buf: u32, len: u32, raw: u32, got: u32) -> IoResult<()> {
    socket(cx, fd)?;
    let flags = flags(raw, MessageFlags::all())?;
    cx.memory.check::<u32>(got)?;
    cx.memory.bytes(buf, len)?;
    let buf = cx.memory.bytes_mut(buf, len.min(MESSAGE_MAX))?;
    let received = ready!(cx.state.process.receive(Fd(fd), buf, flags, Some(waker)))?;
    let count = u32::try_from(received.length).unwrap_or(u32::MAX);
    Poll::Ready(Ok(cx.memory.put(got, &count)?))
}
