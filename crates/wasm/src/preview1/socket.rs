//! Sockets, as far as preview 1 knows them.

use crate::abi::status_flags;
use crate::imports::Cx;
use agentos_abi::fd::STATUS_NONBLOCK;
use agentos_kernel::fd::{IoResult, StatusFlags};
use agentos_kernel::id::Fd;
use agentos_kernel::net::{MessageFlags, Shutdown};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

/// `riflags`.
const PEEK: u32 = 1;
const WAITALL: u32 = 2;
/// `roflags`.
const TRUNCATED: u16 = 1;
/// `sdflags`.
const SHUT_RD: u32 = 1;
const SHUT_WR: u32 = 2;
/// Most bytes of one message.
const MESSAGE_MAX: u32 = 1 << 20;

pub(super) fn accept(cx: &mut Cx<'_>, waker: &Waker, fd: u32, flags: u32, out: u32) -> IoResult<()> {
    if flags & !STATUS_NONBLOCK != 0 {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    cx.memory.check::<u32>(out)?;
    let nonblock = status_flags(flags).contains(StatusFlags::NONBLOCK);
    let (accepted, _) = ready!(cx.state.process.accept(Fd(fd), nonblock, false, Some(waker)))?;
    Poll::Ready(Ok(cx.memory.put(out, &accepted.0)?))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn recv(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    iovs: u32,
    count: u32,
    flags: u32,
    out: u32,
    out_flags: u32,
) -> IoResult<()> {
    if flags & !(PEEK | WAITALL) != 0 {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    let mut wanted = MessageFlags::empty();
    wanted.set(MessageFlags::PEEK, flags & PEEK != 0);
    wanted.set(MessageFlags::WAITALL, flags & WAITALL != 0);
    cx.memory.check::<u32>(out)?;
    cx.memory.check::<u16>(out_flags)?;
    let ranges: Vec<_> = cx.memory.vectors(iovs, count)?.collect();
    let total = ranges
        .iter()
        .fold(0u32, |sum, range| sum.saturating_add(range.len))
        .min(MESSAGE_MAX);
    let mut bytes = vec![0; total as usize];
    let received = ready!(cx.state.process.receive(Fd(fd), &mut bytes, wanted, Some(waker)))?;
    let stored = received.length.min(bytes.len());
    let mut rest = bytes.get(..stored).unwrap_or_default();
    for range in ranges {
        let (here, after) = rest.split_at(rest.len().min(range.len as usize));
        cx.memory
            .bytes_mut(range.start, here.len() as u32)?
            .copy_from_slice(here);
        rest = after;
    }
    let cut = if received.flags.contains(MessageFlags::TRUNC) {
        TRUNCATED
    } else {
        0
    };
    cx.memory.put(out_flags, &cut)?;
    Poll::Ready(Ok(cx.memory.put(out, &(stored as u32))?))
}

pub(super) fn send(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    iovs: u32,
    count: u32,
    flags: u32,
    out: u32,
) -> IoResult<()> {
    if flags != 0 {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    cx.memory.check::<u32>(out)?;
    let mut bytes = Vec::new();
    for range in cx.memory.vectors(iovs, count)? {
        let room = (MESSAGE_MAX as usize).saturating_sub(bytes.len());
        let part = cx.memory.bytes(range.start, range.len)?;
        bytes.extend_from_slice(part.get(..room).unwrap_or(part));
    }
    let sent = ready!(
        cx.state
            .process
            .send(Fd(fd), &bytes, MessageFlags::empty(), None, Some(waker))
    )?;
    Poll::Ready(Ok(cx.memory.put(out, &(sent as u32))?))
}

pub(super) fn shutdown(cx: &mut Cx<'_>, fd: u32, how: u32) -> Result<()> {
    let how = match how {
        SHUT_RD => Shutdown::Read,
        SHUT_WR => Shutdown::Write,
        both if both == SHUT_RD | SHUT_WR => Shutdown::Both,
        _ => return Err(Errno::EINVAL.into()),
    };
    cx.state.process.shutdown(Fd(fd), how)
}
