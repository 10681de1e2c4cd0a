//! Files by path.

use super::fault::Fault;
use super::preopen::HIDDEN;
use super::types::{file_type, put_filestat, rights};
use crate::abi::{STATUS_KNOWN, status_flags};
use crate::compat::Generation;
use crate::imports::Cx;
use crate::memory::Memory;
use crate::path::Place;
use crate::process::State;
use agentos_abi::AT_FDCWD;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::process::{AtFlags, OpenHow, Process};
use agentos_kernel::vfs::{FileType, Mode, OpenOptions, RenameFlags, SetTime};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

type Answer = Poll<Result<(), Fault>>;

/// `lookupflags`: follow a symbolic link at the end.
const SYMLINK_FOLLOW: u32 = 1;
/// What programs of another system give where a path is as they got it: absolute, or below the working directory.
const NO_DIRECTORY: u32 = u32::MAX;
/// Permissions of what is made, before the umask.
const FILE_MODE: u32 = 0o666;
const DIRECTORY_MODE: u32 = 0o777;

/// Reads a path under the rules of the calling program.
pub(crate) fn place<'a>(
    memory: &'a Memory<'_>,
    state: &State,
    fd: u32,
    path: u32,
    len: u32,
) -> Result<Place<'a>, Fault> {
    if state.code.native {
        return Ok(Place::read(memory, fd.cast_signed(), path, len, AtFlags::empty())?);
    }
    let bytes = memory.path(path, len)?;
    let is_later = state.code.generation == Generation::Later;
    if is_later && (bytes.starts_with(b"/") || fd == NO_DIRECTORY) {
        return Ok(Place::new(AT_FDCWD, bytes, AtFlags::empty()));
    }
    if bytes.starts_with(b"/") {
        return Err(Fault::NotCapable);
    }
    if state.preopen == Some(fd) || (is_later && fd == HIDDEN) {
        return Ok(below_preopen(&state.process, bytes));
    }
    if is_later || stays_below(bytes) {
        Ok(Place::new(fd.cast_signed(), bytes, AtFlags::empty()))
    } else {
        Err(Fault::NotCapable)
    }
}

/// What a path under the preopen means. Libc has no working directory of the kernel's and cuts the first slash off, so that
/// `/a` and `a` look alike here. What exists below the working directory is taken first, then what exists below the root; a
/// new name goes where its directory is.
fn below_preopen<'a>(process: &Process, path: &'a [u8]) -> Place<'a> {
    let here = Place::new(AT_FDCWD, path, AtFlags::empty());
    let rooted = Place::from_root(path);
    let exists = |path: &[u8]| process.leads_somewhere(path);
    let parent = |path: &[u8]| {
        // A directory that is made may have a slash at its end.
        let length = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let path = path.get(..length).unwrap_or(path);
        let end = path.iter().rposition(|byte| *byte == b'/');
        exists(end.and_then(|end| path.get(..end.max(1))).unwrap_or(b"."))
    };
    if path.is_empty() || exists(path) {
        here
    } else if exists(rooted.path()) || (!parent(path) && parent(rooted.path())) {
        rooted
    } else {
        here
    }
}

/// Whether a path is nowhere above its start. Links may lead anywhere: the root is preopened, so the rule guides programs and
/// protects nothing.
fn stays_below(path: &[u8]) -> bool {
    let mut depth: i64 = 0;
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

fn lookup(flags: u32) -> Result<AtFlags, Errno> {
    match flags {
        0 => Ok(AtFlags::empty()),
        SYMLINK_FOLLOW => Ok(AtFlags::FOLLOW),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn create_directory(cx: &mut Cx<'_>, _: &Waker, fd: u32, path: u32, len: u32) -> Answer {
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    Poll::Ready(Ok(cx.state.process.mkdir(
        place.dir,
        place.path(),
        Mode::new(DIRECTORY_MODE),
    )?))
}

pub(super) fn filestat_get(cx: &mut Cx<'_>, _: &Waker, fd: u32, flags: u32, path: u32, len: u32, out: u32) -> Answer {
    let flags = lookup(flags)?;
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let stat = cx.state.process.stat(place.dir, place.path(), flags)?;
    Poll::Ready(Ok(put_filestat(&mut cx.memory, out, &stat, file_type(stat.attr.kind))?))
}

/// `fstflags`.
const SET_ATIM: u32 = 1;
const SET_ATIM_NOW: u32 = 2;
const SET_MTIM: u32 = 4;
const SET_MTIM_NOW: u32 = 8;

/// How to set the times that preview 1 describes so.
pub(super) fn set_times(atim: u64, mtim: u64, flags: u32) -> Result<(SetTime, SetTime), Errno> {
    if flags & !(SET_ATIM | SET_ATIM_NOW | SET_MTIM | SET_MTIM_NOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let time = |given: bool, now: bool, value: u64| match (given, now) {
        (true, true) => Err(Errno::EINVAL),
        (true, false) => Ok(SetTime::At(Timestamp(i64::try_from(value).map_err(|_| Errno::EINVAL)?))),
        (false, true) => Ok(SetTime::Now),
        (false, false) => Ok(SetTime::Keep),
    };
    let has = |flag| flags & flag != 0;
    Ok((
        time(has(SET_ATIM), has(SET_ATIM_NOW), atim)?,
        time(has(SET_MTIM), has(SET_MTIM_NOW), mtim)?,
    ))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn filestat_set_times(
    cx: &mut Cx<'_>,
    _: &Waker,
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    atim: u64,
    mtim: u64,
    fst_flags: u32,
) -> Answer {
    let flags = lookup(flags)?;
    let (atime, mtime) = set_times(atim, mtim, fst_flags)?;
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    Poll::Ready(Ok(cx.state.process.set_times(
        place.dir,
        place.path(),
        atime,
        mtime,
        flags,
    )?))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn link(
    cx: &mut Cx<'_>,
    _: &Waker,
    old_fd: u32,
    flags: u32,
    old_path: u32,
    old_len: u32,
    new_fd: u32,
    new_path: u32,
    new_len: u32,
) -> Answer {
    let flags = lookup(flags)?;
    let old = place(&cx.memory, cx.state, old_fd, old_path, old_len)?;
    let new = place(&cx.memory, cx.state, new_fd, new_path, new_len)?;
    Poll::Ready(Ok(cx.state.process.link(old.pair(), new.pair(), flags)?))
}

/// `oflags`.
const CREAT: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCL: u32 = 4;
const TRUNC: u32 = 8;

#[allow(clippy::too_many_arguments)]
pub(super) fn open(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    dirflags: u32,
    path: u32,
    len: u32,
    oflags: u32,
    base: u64,
    _inheriting: u64,
    fdflags: u32,
    out: u32,
) -> Answer {
    if oflags & !(CREAT | DIRECTORY | EXCL | TRUNC) != 0 || fdflags & !STATUS_KNOWN != 0 {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    let follow = lookup(dirflags)?.contains(AtFlags::FOLLOW);
    cx.memory.check::<u32>(out)?;
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let has = |flag| oflags & flag != 0;
    let options = OpenOptions {
        // The rights of reading and of writing always come together.
        read: base & (rights::FD_READ | rights::FD_READDIR) != 0,
        write: base & (rights::FD_WRITE | rights::FD_ALLOCATE | rights::FD_FILESTAT_SET_SIZE) != 0,
        create: has(CREAT),
        exclusive: has(EXCL),
        truncate: has(TRUNC),
        directory: has(DIRECTORY),
        no_follow: !follow,
        path_only: false,
        unnamed: false,
        mode: cx.state.foreign.open_mode.unwrap_or(Mode::new(FILE_MODE)),
    };
    let how = OpenHow {
        options: plausible(options),
        status: status_flags(fdflags),
        cloexec: false,
        no_tty: true,
    };
    let opened = ready!(cx.state.process.open(place.dir, place.path(), &how, Some(waker)));
    // It was said for this one call.
    cx.state.foreign.open_mode = None;
    Poll::Ready(Ok(cx.memory.put(out, &opened?.0)?))
}

/// A directory is never opened for writing: programs ask for every right there is.
fn plausible(mut options: OpenOptions) -> OpenOptions {
    if options.directory {
        options.read |= options.write;
        options.write = false;
    }
    options
}

#[allow(clippy::too_many_arguments)]
pub(super) fn readlink(
    cx: &mut Cx<'_>,
    _: &Waker,
    fd: u32,
    path: u32,
    len: u32,
    buf: u32,
    cap: u32,
    out: u32,
) -> Answer {
    cx.memory.check::<u32>(out)?;
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let target = cx.state.process.readlink(place.dir, place.path())?;
    // As in POSIX, a short buffer gets the beginning.
    let fits = target.len().min(cap as usize);
    cx.memory
        .bytes_mut(buf, fits as u32)?
        .copy_from_slice(target.get(..fits).unwrap_or_default());
    Poll::Ready(Ok(cx.memory.put(out, &(fits as u32))?))
}

pub(super) fn remove_directory(cx: &mut Cx<'_>, _: &Waker, fd: u32, path: u32, len: u32) -> Answer {
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    Poll::Ready(Ok(cx.state.process.rmdir(place.dir, place.path())?))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn rename(
    cx: &mut Cx<'_>,
    _: &Waker,
    old_fd: u32,
    old_path: u32,
    old_len: u32,
    new_fd: u32,
    new_path: u32,
    new_len: u32,
) -> Answer {
    let old = place(&cx.memory, cx.state, old_fd, old_path, old_len)?;
    let new = place(&cx.memory, cx.state, new_fd, new_path, new_len)?;
    Poll::Ready(Ok(cx.state.process.rename(
        old.pair(),
        new.pair(),
        RenameFlags::Replace,
    )?))
}

pub(super) fn symlink(
    cx: &mut Cx<'_>,
    _: &Waker,
    target: u32,
    target_len: u32,
    fd: u32,
    path: u32,
    len: u32,
) -> Answer {
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let target = cx.memory.path(target, target_len)?;
    Poll::Ready(Ok(cx.state.process.symlink(target, place.dir, place.path())?))
}

pub(super) fn unlink_file(cx: &mut Cx<'_>, _: &Waker, fd: u32, path: u32, len: u32) -> Answer {
    let place = place(&cx.memory, cx.state, fd, path, len)?;
    let process = &cx.state.process;
    let removed = process.unlink(place.dir, place.path());
    // Linux says EISDIR, POSIX and other hosts EPERM; preview 1's programs know the former.
    if let Err(error) = &removed
        && error.errno() == Errno::EPERM
        && process
            .stat(place.dir, place.path(), AtFlags::empty())
            .is_ok_and(|stat| stat.attr.kind == FileType::Directory)
    {
        return Poll::Ready(Err(Errno::EISDIR.into()));
    }
    Poll::Ready(Ok(removed?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_programs_stay_below_their_directory() {
        for good in [&b"a"[..], b"a/../b", b"./a", b"a/b/../..", b"a//b", b""] {
            assert!(stays_below(good));
        }
        for bad in [&b".."[..], b"a/../../b", b"../a", b"./.."] {
            assert!(!stays_below(bad));
        }
    }

    #[test]
    fn times_are_given_now_or_kept() {
        assert_eq!(
            set_times(5, 6, SET_ATIM),
            Ok((SetTime::At(Timestamp(5)), SetTime::Keep))
        );
        assert_eq!(set_times(5, 6, SET_MTIM_NOW), Ok((SetTime::Keep, SetTime::Now)));
        assert_eq!(set_times(0, 0, SET_ATIM | SET_ATIM_NOW), Err(Errno::EINVAL));
        assert_eq!(set_times(0, 0, 16), Err(Errno::EINVAL));
        assert_eq!(set_times(u64::MAX, 0, SET_ATIM), Err(Errno::EINVAL));
    }
}
