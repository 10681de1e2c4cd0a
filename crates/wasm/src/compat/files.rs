//! Modes, sizes and owners of files, which preview 1 does not have.
//!
//! Calls of the first generation take a path alone. Those of the later ones take a directory first, as preview 1 does, and their
//! paths mean what they mean there ([`place`]).

use crate::imports::{Cx, Scratch, number, step};
use crate::preview1::{Fault, place};
use crate::process::State;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::{Fd, Gid, Uid};
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::vfs::{Mode, Stat};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker};
use wasmtime::Caller;

/// What a call answers that has no way to say what is wrong: a mode that no file has, and a size and a device that none has.
const NO_MODE: u32 = 0;
const NO_NUMBER: u64 = u64::MAX;

type Answer = Poll<Result<(), Fault>>;

/// Something of a file's attributes, or what stands for none.
fn look<T>(
    caller: &mut Caller<'_, State>,
    none: T,
    stat: impl FnOnce(&mut Cx<'_>) -> Result<Stat, Fault>,
    wanted: impl FnOnce(&Stat) -> T,
) -> T {
    match step(caller, &mut Scratch::default(), stat) {
        Ok(stat) => wanted(&stat),
        Err(fault) => {
            // Why it was refused is kept for whoever asks.
            let _told = number(caller.data(), Err(fault));
            none
        }
    }
}

fn mode(stat: &Stat) -> u32 {
    stat.attr.kind.bits() | stat.attr.mode.bits()
}

fn following(follow: u32) -> AtFlags {
    match follow {
        0 => AtFlags::empty(),
        _ => AtFlags::FOLLOW,
    }
}

/// Attributes of what a path below a directory names.
fn stat_at(cx: &Cx<'_>, fd: u32, path: u32, len: u32, follow: u32) -> Result<Stat, Fault> {
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    Ok(cx.state.process.stat(place.dir, place.path(), following(follow))?)
}

/// Kind and permissions of what a path names; 0 if that cannot be told.
pub(super) async fn path_mode(
    mut caller: Caller<'_, State>,
    path: u32,
    len: u32,
    follow: u32,
) -> wasmtime::Result<u32> {
    let stat = |cx: &mut Cx<'_>| {
        let path = cx.memory.path(path, len)?;
        Ok(cx.state.process.stat(Dir::Cwd, path, following(follow))?)
    };
    Ok(look(&mut caller, NO_MODE, stat, mode))
}

/// The same below a directory.
pub(super) async fn path_mode_at(
    mut caller: Caller<'_, State>,
    fd: u32,
    path: u32,
    len: u32,
    follow: u32,
) -> wasmtime::Result<u32> {
    let stat = |cx: &mut Cx<'_>| stat_at(cx, fd, path, len, follow);
    Ok(look(&mut caller, NO_MODE, stat, mode))
}

pub(super) async fn path_size(
    mut caller: Caller<'_, State>,
    fd: u32,
    path: u32,
    len: u32,
    follow: u32,
) -> wasmtime::Result<u64> {
    let stat = |cx: &mut Cx<'_>| stat_at(cx, fd, path, len, follow);
    Ok(look(&mut caller, NO_NUMBER, stat, |stat| stat.attr.size))
}

pub(super) async fn path_rdev(
    mut caller: Caller<'_, State>,
    fd: u32,
    path: u32,
    len: u32,
    follow: u32,
) -> wasmtime::Result<u64> {
    let stat = |cx: &mut Cx<'_>| stat_at(cx, fd, path, len, follow);
    Ok(look(&mut caller, NO_NUMBER, stat, |stat| stat.attr.rdev))
}

/// Kind and permissions of an open file; 0 if that cannot be told.
pub(super) async fn fd_mode(mut caller: Caller<'_, State>, fd: u32) -> wasmtime::Result<u32> {
    let stat = |cx: &mut Cx<'_>| Ok(cx.state.process.fstat(Fd(fd))?);
    Ok(look(&mut caller, NO_MODE, stat, mode))
}

pub(super) async fn fd_size(mut caller: Caller<'_, State>, fd: u32) -> wasmtime::Result<u64> {
    let stat = |cx: &mut Cx<'_>| Ok(cx.state.process.fstat(Fd(fd))?);
    Ok(look(&mut caller, NO_NUMBER, stat, |stat| stat.attr.size))
}

/// Permissions, without the kind that may come with them.
const PERMISSIONS: u32 = 0o7777;

pub(super) fn chmod(cx: &mut Cx<'_>, _: &Waker, path: u32, len: u32, mode: u32) -> IoResult<()> {
    let path = cx.memory.path(path, len)?;
    let mode = Mode::new(mode & PERMISSIONS);
    Poll::Ready(cx.state.process.chmod(Dir::Cwd, path, mode, AtFlags::FOLLOW))
}

pub(super) fn chmod_at(cx: &mut Cx<'_>, _: &Waker, fd: u32, path: u32, len: u32, mode: u32) -> Answer {
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let mode = Mode::new(mode & PERMISSIONS);
    let changed = cx.state.process.chmod(place.dir, place.path(), mode, AtFlags::FOLLOW);
    Poll::Ready(Ok(changed?))
}

pub(super) fn fchmod(cx: &mut Cx<'_>, _: &Waker, fd: u32, mode: u32) -> IoResult<()> {
    let mode = Mode::new(mode & PERMISSIONS);
    let itself = AtFlags::EMPTY_PATH;
    Poll::Ready(cx.state.process.chmod(Dir::Fd(Fd(fd)), b"", mode, itself))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn owner_at(
    cx: &mut Cx<'_>,
    _: &Waker,
    fd: u32,
    path: u32,
    len: u32,
    follow: u32,
    uid: u32,
    gid: u32,
) -> Answer {
    cx.memory.check::<u32>(uid)?;
    cx.memory.check::<u32>(gid)?;
    let stat = stat_at(cx, fd, path, len, follow)?;
    cx.memory.put(uid, &stat.attr.uid.0)?;
    Poll::Ready(Ok(cx.memory.put(gid, &stat.attr.gid.0)?))
}

/// An id that stays as it is.
const KEEP: u32 = u32::MAX;

#[allow(clippy::too_many_arguments)]
pub(super) fn chown_at(
    cx: &mut Cx<'_>,
    _: &Waker,
    fd: u32,
    path: u32,
    len: u32,
    uid: u32,
    gid: u32,
    follow: u32,
) -> Answer {
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let (uid, gid) = ((uid != KEEP).then_some(Uid(uid)), (gid != KEEP).then_some(Gid(gid)));
    let changed = cx
        .state
        .process
        .chown(place.dir, place.path(), uid, gid, following(follow));
    Poll::Ready(Ok(changed?))
}

/// What a filesystem holds: bytes in all, used and free, inodes in all and free.
#[allow(clippy::too_many_arguments)]
pub(super) fn statfs_at(
    cx: &mut Cx<'_>,
    _: &Waker,
    fd: u32,
    path: u32,
    len: u32,
    total: u32,
    used: u32,
    free: u32,
    inodes: u32,
    inodes_free: u32,
) -> Answer {
    let places = [total, used, free, inodes, inodes_free];
    for place in places {
        cx.memory.check::<u64>(place)?;
    }
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let held = cx.state.process.statfs(place.dir, place.path(), AtFlags::FOLLOW)?;
    let bytes = |blocks: u64| blocks.saturating_mul(held.block_size);
    let taken = held.blocks.saturating_sub(held.blocks_free);
    let numbers = [
        bytes(held.blocks),
        bytes(taken),
        bytes(held.blocks_free),
        held.inodes,
        held.inodes_free,
    ];
    for (place, value) in places.into_iter().zip(numbers) {
        cx.memory.put(place, &value)?;
    }
    Poll::Ready(Ok(()))
}

/// Mounts are the host's.
pub(super) fn remount(cx: &mut Cx<'_>, path: u32, len: u32, options: u32, options_len: u32) -> Result<()> {
    cx.memory.path(path, len)?;
    cx.memory.path(options, options_len)?;
    Err(Errno::EPERM.into())
}

/// The permissions of what the next `path_open` makes, which has no place for them.
pub(super) fn set_open_mode(cx: &mut Cx<'_>, mode: u32) -> Result<()> {
    cx.state.foreign.open_mode = Some(Mode::new(mode & PERMISSIONS));
    Ok(())
}

pub(super) fn ftruncate(cx: &mut Cx<'_>, _: &Waker, fd: u32, size: u64) -> IoResult<()> {
    if i64::try_from(size).is_err() {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    Poll::Ready(cx.state.process.ftruncate(Fd(fd), size))
}
