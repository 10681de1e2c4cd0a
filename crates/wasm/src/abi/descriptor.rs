//! Descriptors: copies, pipes, flags, locks, moving bytes.

use super::filesystem::{STATUS_KNOWN, status_flags};
use crate::imports::Cx;
use agentos_abi::fd as abi;
use agentos_abi::fd::RecordLock;
use agentos_kernel::fd::{AccessMode, IoResult, StatusFlags};
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{LockCommand, LockKind, Range};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

fn only(flags: u32, known: u32) -> Result<()> {
    if flags & !known == 0 {
        Ok(())
    } else {
        Err(Errno::EINVAL.into())
    }
}

pub(super) fn dup(cx: &mut Cx<'_>, fd: u32, min: u32, flags: u32, out: u32) -> Result<()> {
    only(flags, abi::DUP_CLOEXEC)?;
    cx.memory.check::<u32>(out)?;
    let new = cx.state.process.dup(Fd(fd), Fd(min), flags & abi::DUP_CLOEXEC != 0)?;
    Ok(cx.memory.put(out, &new.0)?)
}

pub(super) fn dup_to(cx: &mut Cx<'_>, _: &Waker, fd: u32, to: u32, flags: u32) -> IoResult<()> {
    only(flags, abi::DUP_CLOEXEC)?;
    cx.state.forget_preopen(to);
    Poll::Ready(cx.state.process.dup_to(Fd(fd), Fd(to), flags & abi::DUP_CLOEXEC != 0))
}

pub(super) fn pipe(cx: &mut Cx<'_>, flags: u32, read: u32, write: u32) -> Result<()> {
    only(flags, abi::DUP_CLOEXEC | abi::PIPE_NONBLOCK)?;
    cx.memory.check::<u32>(read)?;
    cx.memory.check::<u32>(write)?;
    let (nonblock, cloexec) = (flags & abi::PIPE_NONBLOCK != 0, flags & abi::DUP_CLOEXEC != 0);
    let (reader, writer) = cx.state.process.pipe(nonblock, cloexec)?;
    cx.memory.put(read, &reader.0)?;
    Ok(cx.memory.put(write, &writer.0)?)
}

pub(super) fn available(cx: &mut Cx<'_>, _: &Waker, fd: u32, out: u32) -> IoResult<()> {
    let bytes = cx.state.process.available(Fd(fd))?;
    Poll::Ready(Ok(cx.memory.put(out, &bytes)?))
}

pub(super) fn flags_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    let cloexec = cx.state.process.cloexec(Fd(fd))?;
    Ok(cx.memory.put(out, &if cloexec { abi::FD_CLOEXEC } else { 0 })?)
}

pub(super) fn flags_set(cx: &mut Cx<'_>, fd: u32, flags: u32) -> Result<()> {
    only(flags, abi::FD_CLOEXEC)?;
    cx.state.process.set_cloexec(Fd(fd), flags & abi::FD_CLOEXEC != 0)
}

/// Status flags as the guest sees them.
pub(crate) fn status_bits(status: StatusFlags) -> u32 {
    let mut bits = 0;
    for (flag, bit) in [
        (StatusFlags::APPEND, abi::STATUS_APPEND),
        (StatusFlags::NONBLOCK, abi::STATUS_NONBLOCK),
        (StatusFlags::DSYNC, abi::STATUS_DSYNC),
        (StatusFlags::SYNC, abi::STATUS_SYNC),
    ] {
        if status.contains(flag) {
            bits |= bit;
        }
    }
    bits
}

pub(super) fn status_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    let (access, status) = cx.state.process.status_flags(Fd(fd))?;
    let mut bits = status_bits(status);
    if access.contains(AccessMode::READ) {
        bits |= abi::STATUS_READ;
    }
    if access.contains(AccessMode::WRITE) {
        bits |= abi::STATUS_WRITE;
    }
    Ok(cx.memory.put(out, &bits)?)
}

/// The access mode may be given back as it was reported, without effect.
pub(super) fn status_set(cx: &mut Cx<'_>, fd: u32, flags: u32) -> Result<()> {
    only(flags, STATUS_KNOWN | abi::STATUS_READ | abi::STATUS_WRITE)?;
    cx.state.process.set_status_flags(Fd(fd), status_flags(flags))
}

pub(super) fn flock(cx: &mut Cx<'_>, waker: &Waker, fd: u32, op: u32) -> IoResult<()> {
    let kind = match op & !abi::LOCK_NB {
        abi::LOCK_SH => LockKind::Read,
        abi::LOCK_EX => LockKind::Write,
        abi::LOCK_UN => LockKind::Unlock,
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    cx.state
        .process
        .flock(Fd(fd), kind, op & abi::LOCK_NB != 0, Some(waker))
}

pub(super) fn record_lock(cx: &mut Cx<'_>, waker: &Waker, fd: u32, cmd: u32, lock: u32) -> IoResult<()> {
    let record: RecordLock = cx.memory.get(lock)?;
    let command = match cmd {
        abi::RLOCK_GET => LockCommand::Test,
        abi::RLOCK_SET => LockCommand::Set,
        abi::RLOCK_SET_WAIT => LockCommand::Wait,
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    let kind = match record.kind {
        abi::RLOCK_READ => LockKind::Read,
        abi::RLOCK_WRITE => LockKind::Write,
        abi::RLOCK_UNLOCK => LockKind::Unlock,
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    let mut range = Range {
        kind,
        whence: record.whence,
        start: record.start,
        len: record.len,
        pid: Pid(0),
    };
    ready!(cx.state.process.record_lock(Fd(fd), command, &mut range, Some(waker)))?;
    if command != LockCommand::Test {
        return Poll::Ready(Ok(()));
    }
    let kind = match range.kind {
        LockKind::Read => abi::RLOCK_READ,
        LockKind::Write => abi::RLOCK_WRITE,
        LockKind::Unlock => abi::RLOCK_UNLOCK,
    };
    let answer = RecordLock {
        kind,
        whence: range.whence,
        start: range.start,
        len: range.len,
        pid: range.pid.0,
        reserved: 0,
    };
    Poll::Ready(Ok(cx.memory.put(lock, &answer)?))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn copy_range(
    cx: &mut Cx<'_>,
    waker: &Waker,
    input: u32,
    in_off: u32,
    output: u32,
    out_off: u32,
    len: u64,
    out: u32,
) -> IoResult<()> {
    cx.memory.check::<u64>(out)?;
    let moved = match cx.scratch.written {
        // All that is left is to wait for the disk.
        Some(moved) => moved,
        None => {
            ready!(cx.state.process.room(Fd(output), &mut cx.scratch.settle, waker))?;
            let moved = ready!(move_range(cx, waker, (input, in_off), (output, out_off), len))?;
            // One call moves far less than 4 GiB.
            u32::try_from(moved).unwrap_or(u32::MAX)
        }
    };
    cx.scratch.written = Some(moved);
    ready!(cx.state.process.settled(Fd(output), &mut cx.scratch.settle, waker))?;
    Poll::Ready(Ok(cx.memory.put(out, &u64::from(moved))?))
}

/// Moves bytes between two descriptors, and the offsets that the guest gave.
fn move_range(
    cx: &mut Cx<'_>,
    waker: &Waker,
    (input, in_off): (u32, u32),
    (output, out_off): (u32, u32),
    len: u64,
) -> IoResult<u64> {
    let offset = |cx: &Cx<'_>, at: u32| -> Result<Option<u64>> {
        Ok(if at == 0 { None } else { Some(cx.memory.get::<u64>(at)?) })
    };
    let (mut from, mut to) = (offset(cx, in_off)?, offset(cx, out_off)?);
    let process = &cx.state.process;
    let moved = ready!(process.copy_range((Fd(input), from.as_mut()), (Fd(output), to.as_mut()), len, Some(waker)))?;
    if let Some(from) = from {
        cx.memory.put(in_off, &from)?;
    }
    if let Some(to) = to {
        cx.memory.put(out_off, &to)?;
    }
    Poll::Ready(Ok(moved))
}
