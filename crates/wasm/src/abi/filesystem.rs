//! Files by path: open, make, move, and their attributes.

use super::request::open_how;
use crate::imports::Cx;
use crate::path::Place;
use agentos_abi::fs as abi;
use agentos_abi::{fd as status, fs};
use agentos_kernel::clock::Timestamp;
use agentos_kernel::fd::{IoResult, StatusFlags};
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::process::AtFlags;
use agentos_kernel::vfs::{Access, FileType, Mode, NAME_MAX, RenameFlags, SetTime, Stat, StatFs};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

/// Preferred size of reads and writes that `stat` reports.
const BLOCK: u32 = 4096;

/// Path flags; unknown ones are refused, so that they can get a meaning later.
pub(super) fn at_flags(flags: u32, allowed: AtFlags) -> Result<AtFlags> {
    let flags = AtFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    if allowed.contains(flags) {
        Ok(flags)
    } else {
        Err(Errno::EINVAL.into())
    }
}

/// Flags of most calls.
pub(super) const PLAIN: AtFlags = AtFlags::FOLLOW.union(AtFlags::EMPTY_PATH);

/// Status flags as preview 1 numbers them.
pub(crate) fn status_flags(raw: u32) -> StatusFlags {
    let mut flags = StatusFlags::empty();
    flags.set(StatusFlags::APPEND, raw & status::STATUS_APPEND != 0);
    flags.set(StatusFlags::NONBLOCK, raw & status::STATUS_NONBLOCK != 0);
    // Reads are never ahead of what is durable, so that RSYNC with SYNC is SYNC. This holds the bit of DSYNC, which must be set
    // afterwards therefore.
    flags.set(StatusFlags::SYNC, raw & status::STATUS_SYNC != 0);
    flags.set(
        StatusFlags::DSYNC,
        raw & (status::STATUS_DSYNC | status::STATUS_SYNC) != 0,
    );
    flags
}

/// Every status flag that a guest may name.
pub(crate) const STATUS_KNOWN: u32 =
    status::STATUS_APPEND | status::STATUS_DSYNC | status::STATUS_NONBLOCK | status::STATUS_RSYNC | status::STATUS_SYNC;

#[allow(clippy::too_many_arguments)]
pub(super) fn open(
    cx: &mut Cx<'_>,
    waker: &Waker,
    dirfd: i32,
    path: u32,
    len: u32,
    oflags: u32,
    fdflags: u32,
    mode: u32,
    fd: u32,
) -> IoResult<()> {
    if fdflags & !STATUS_KNOWN != 0 {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    let how = open_how(oflags, status_flags(fdflags), mode)?;
    cx.memory.check::<u32>(fd)?;
    let place = Place::read(&cx.memory, dirfd, path, len, AtFlags::empty())?;
    let opened = ready!(cx.state.process.open(place.dir, place.path(), &how, Some(waker)))?;
    Poll::Ready(Ok(cx.memory.put(fd, &opened.0)?))
}

pub(super) fn mkdir(cx: &mut Cx<'_>, _: &Waker, dirfd: i32, path: u32, len: u32, mode: u32) -> IoResult<()> {
    let place = Place::read(&cx.memory, dirfd, path, len, AtFlags::empty())?;
    Poll::Ready(cx.state.process.mkdir(place.dir, place.path(), Mode::new(mode)))
}

pub(super) fn mknod(cx: &mut Cx<'_>, _: &Waker, dirfd: i32, path: u32, len: u32, mode: u32, rdev: u64) -> IoResult<()> {
    let kind = FileType::from_bits(mode).ok_or(Errno::EINVAL)?;
    let place = Place::read(&cx.memory, dirfd, path, len, AtFlags::empty())?;
    Poll::Ready(
        cx.state
            .process
            .mknod(place.dir, place.path(), kind, Mode::new(mode), rdev),
    )
}

#[allow(clippy::too_many_arguments)]
pub(super) fn rename(
    cx: &mut Cx<'_>,
    _: &Waker,
    odir: i32,
    opath: u32,
    olen: u32,
    ndir: i32,
    npath: u32,
    nlen: u32,
    flags: u32,
) -> IoResult<()> {
    let flags = match flags {
        0 => RenameFlags::Replace,
        abi::RENAME_NOREPLACE => RenameFlags::NoReplace,
        abi::RENAME_EXCHANGE => RenameFlags::Exchange,
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    let old = Place::read(&cx.memory, odir, opath, olen, AtFlags::empty())?;
    let new = Place::read(&cx.memory, ndir, npath, nlen, AtFlags::empty())?;
    Poll::Ready(cx.state.process.rename(old.pair(), new.pair(), flags))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn resolve(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    buf: u32,
    cap: u32,
    out: u32,
) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let full = cx.state.process.realpath(place.dir, place.path(), flags)?;
    Poll::Ready(Ok(cx.memory.put_bytes(&full, buf, cap, out)?))
}

pub(super) fn sync(cx: &mut Cx<'_>, waker: &Waker) -> IoResult<()> {
    cx.state.process.sync_all(&mut cx.scratch.settle, waker)
}

pub(super) fn stat(cx: &mut Cx<'_>, _: &Waker, dirfd: i32, flags: u32, path: u32, len: u32, out: u32) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let stat = cx.state.process.stat(place.dir, place.path(), flags)?;
    Poll::Ready(Ok(cx.memory.put(out, &stat_record(&stat))?))
}

fn stat_record(stat: &Stat) -> fs::Stat {
    let attr = &stat.attr;
    fs::Stat {
        dev: stat.dev.0,
        ino: attr.ino.0,
        mode: attr.kind.bits() | attr.mode.bits(),
        nlink: attr.nlink,
        uid: attr.uid.0,
        gid: attr.gid.0,
        rdev: attr.rdev,
        size: attr.size,
        blksize: BLOCK,
        reserved: 0,
        blocks: attr.blocks,
        atim: attr.atime.0,
        mtim: attr.mtime.0,
        ctim: attr.ctime.0,
        btim: attr.btime.0,
    }
}

/// `ST_RDONLY` of `statvfs(3)`.
const ST_RDONLY: u64 = 1;

pub(super) fn statfs(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    out: u32,
) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let process = &cx.state.process;
    let totals = process.statfs(place.dir, place.path(), flags)?;
    let read_only = process.is_read_only(place.dir, place.path(), flags)?;
    Poll::Ready(Ok(cx.memory.put(out, &statfs_record(&totals, read_only))?))
}

fn statfs_record(totals: &StatFs, read_only: bool) -> fs::Statfs {
    fs::Statfs {
        kind: totals.magic,
        bsize: totals.block_size,
        blocks: totals.blocks,
        bfree: totals.blocks_free,
        bavail: totals.blocks_free,
        files: totals.inodes,
        ffree: totals.inodes_free,
        namelen: if totals.name_max == 0 {
            NAME_MAX as u64
        } else {
            totals.name_max
        },
        flags: if read_only { ST_RDONLY } else { 0 },
    }
}

pub(super) fn chmod(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    mode: u32,
) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    Poll::Ready(cx.state.process.chmod(place.dir, place.path(), Mode::new(mode), flags))
}

/// An id that stays as it is.
const KEEP: u32 = u32::MAX;

#[allow(clippy::too_many_arguments)]
pub(super) fn chown(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    uid: u32,
    gid: u32,
) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let (uid, gid) = ((uid != KEEP).then_some(Uid(uid)), (gid != KEEP).then_some(Gid(gid)));
    Poll::Ready(cx.state.process.chown(place.dir, place.path(), uid, gid, flags))
}

pub(super) fn access(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    amode: u32,
) -> IoResult<()> {
    // Without the flag of its own, the end of the path is followed: nothing asks about the rights of a link.
    let flags = at_flags(flags, AtFlags::all())?;
    let want = Access::from_bits(amode).ok_or(Errno::EINVAL)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    Poll::Ready(cx.state.process.access(place.dir, place.path(), want, flags))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn set_times(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    atim: i64,
    mtim: i64,
) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    Poll::Ready(
        cx.state
            .process
            .set_times(place.dir, place.path(), set_time(atim), set_time(mtim), flags),
    )
}

fn set_time(raw: i64) -> SetTime {
    match raw {
        abi::TIME_OMIT => SetTime::Keep,
        abi::TIME_NOW => SetTime::Now,
        at => SetTime::At(Timestamp(at)),
    }
}
