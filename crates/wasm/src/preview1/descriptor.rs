//! Descriptors: state, size, times.

use super::fault::Fault;
use super::paths::set_times;
use super::preopen::HIDDEN;
use super::types::{self, put_filestat, rights, rights_of, type_of};
use crate::abi::{STATUS_KNOWN, status_bits, status_flags};
use crate::compat::Generation;
use crate::imports::Cx;
use agentos_abi::{ROOT_PREOPEN_FD, Record};
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker};

/// Bytes of an `fdstat`.
const FDSTAT: u32 = 24;
/// Kinds of advice.
const ADVICE_MAX: u32 = 5;

/// Advice about a file. It changes nothing: all files are in memory or read ahead by the host.
pub(super) fn advise(cx: &mut Cx<'_>, fd: u32, offset: u64, len: u64, advice: u32) -> Result<()> {
    let file = cx.state.process.file(Fd(fd))?;
    if advice > ADVICE_MAX || offset.checked_add(len).is_none() {
        return Err(Errno::EINVAL.into());
    }
    match file.handle() {
        Some(_) => Ok(()),
        None => Err(Errno::ESPIPE.into()),
    }
}

pub(super) fn allocate(cx: &mut Cx<'_>, _: &Waker, fd: u32, offset: u64, len: u64) -> IoResult<()> {
    Poll::Ready(cx.state.process.allocate(Fd(fd), offset, len, false, false))
}

pub(super) fn close(cx: &mut Cx<'_>, _: &Waker, fd: u32) -> IoResult<()> {
    cx.state.forget_preopen(fd);
    Poll::Ready(cx.state.process.close(Fd(fd)))
}

pub(super) fn datasync(cx: &mut Cx<'_>, waker: &Waker, fd: u32) -> IoResult<()> {
    cx.state.process.fsync(Fd(fd), true, &mut cx.scratch.settle, waker)
}

pub(super) fn sync(cx: &mut Cx<'_>, waker: &Waker, fd: u32) -> IoResult<()> {
    cx.state.process.fsync(Fd(fd), false, &mut cx.scratch.settle, waker)
}

/// Whether the number is the root preopen of a program that has one without a descriptor.
pub(super) fn is_root(cx: &Cx<'_>, fd: u32) -> bool {
    let code = &cx.state.code;
    match fd {
        ROOT_PREOPEN_FD => code.native,
        HIDDEN => !code.native && code.generation == Generation::Later,
        _ => false,
    }
}

/// Type, status flags and rights of a descriptor.
fn describe(cx: &Cx<'_>, fd: u32) -> Result<(u8, u32, u64)> {
    if is_root(cx, fd) {
        return Ok((types::DIRECTORY, 0, rights::ON_DIRECTORY));
    }
    let file = cx.state.process.file(Fd(fd))?;
    let kind = type_of(&file)?;
    Ok((kind, status_bits(file.flags()), rights_of(&file, kind)))
}

pub(super) fn fdstat_get(cx: &mut Cx<'_>, _: &Waker, fd: u32, out: u32) -> IoResult<()> {
    let (kind, flags, base) = describe(cx, fd)?;
    let inheriting = if kind == types::DIRECTORY { rights::ALL } else { 0 };
    let record = cx.memory.bytes_mut(out, FDSTAT)?;
    let head = u64::from(kind) | u64::from(flags) << 16;
    for (slot, field) in record.chunks_exact_mut(u64::SIZE).zip([head, base, inheriting]) {
        field.encode(slot);
    }
    Poll::Ready(Ok(()))
}

pub(super) fn fdstat_set_flags(cx: &mut Cx<'_>, fd: u32, flags: u32) -> Result<()> {
    if flags & !STATUS_KNOWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.state.process.set_status_flags(Fd(fd), status_flags(flags))
}

/// Rights follow from how a file was opened. Asking for more is refused; giving some up is accepted, and has no effect as
/// every program may open the same file again.
pub(super) fn fdstat_set_rights(
    cx: &mut Cx<'_>,
    _: &Waker,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Poll<Result<(), Fault>> {
    let (kind, _, have) = describe(cx, fd)?;
    let may_inherit = if kind == types::DIRECTORY { rights::ALL } else { 0 };
    if base & !have != 0 || inheriting & !may_inherit != 0 {
        return Poll::Ready(Err(Fault::NotCapable));
    }
    Poll::Ready(Ok(()))
}

pub(super) fn filestat_get(cx: &mut Cx<'_>, _: &Waker, fd: u32, out: u32) -> IoResult<()> {
    let process = &cx.state.process;
    if is_root(cx, fd) {
        let stat = process.stat(Dir::Cwd, b"/", AtFlags::FOLLOW)?;
        return Poll::Ready(Ok(put_filestat(&mut cx.memory, out, &stat, types::DIRECTORY)?));
    }
    let file = process.file(Fd(fd))?;
    let (stat, kind) = (process.fstat(Fd(fd))?, type_of(&file)?);
    Poll::Ready(Ok(put_filestat(&mut cx.memory, out, &stat, kind)?))
}

pub(super) fn filestat_set_size(cx: &mut Cx<'_>, _: &Waker, fd: u32, size: u64) -> IoResult<()> {
    Poll::Ready(cx.state.process.ftruncate(Fd(fd), size))
}

pub(super) fn filestat_set_times(
    cx: &mut Cx<'_>,
    _: &Waker,
    fd: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> IoResult<()> {
    let (atime, mtime) = set_times(atim, mtim, flags)?;
    let flags = AtFlags::EMPTY_PATH | AtFlags::FOLLOW;
    Poll::Ready(cx.state.process.set_times(Dir::Fd(Fd(fd)), b"", atime, mtime, flags))
}

pub(super) fn renumber(cx: &mut Cx<'_>, _: &Waker, from: u32, to: u32) -> IoResult<()> {
    let renumbered = cx.state.process.renumber(Fd(from), Fd(to));
    if renumbered.is_ok() && from != to {
        cx.state.forget_preopen(from);
        cx.state.forget_preopen(to);
    }
    Poll::Ready(renumbered)
}
