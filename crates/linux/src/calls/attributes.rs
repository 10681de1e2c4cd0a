//! Attributes of files.

use super::files::at_flags;
use super::{AT_FDCWD, Call, Fail, Outcome, layout};
use crate::sys::Answer;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{DeviceId, Gid, Ino, Uid};
use agentos_kernel::process::AtFlags;
use agentos_kernel::vfs::{Access, Attr, FileType, Mode, SetTime, Stat};

const NOFOLLOW: i32 = libc::AT_SYMLINK_NOFOLLOW;

pub(crate) fn stat(call: &mut Call<'_>) -> Outcome {
    stat_path(call, AT_FDCWD, 0, AtFlags::FOLLOW, 1)
}

pub(crate) fn lstat(call: &mut Call<'_>) -> Outcome {
    stat_path(call, AT_FDCWD, 0, AtFlags::empty(), 1)
}

pub(crate) fn fstat(call: &mut Call<'_>) -> Outcome {
    let stat = stat_fd(call, call.int(0))?;
    call.write(call.arg(1), &layout::stat(&stat))?;
    Ok(Answer::OK)
}

pub(crate) fn newfstatat(call: &mut Call<'_>) -> Outcome {
    let flags = at_flags(call.int(3), NOFOLLOW)?;
    stat_path(call, call.int(0), 1, flags, 2)
}

fn stat_path(call: &mut Call<'_>, dirfd: i32, path: usize, flags: AtFlags, to: usize) -> Outcome {
    let stat = find(call, dirfd, path, flags)?;
    call.write(call.arg(to), &layout::stat(&stat))?;
    Ok(Answer::OK)
}

/// Attributes of what a path, or an empty path's descriptor, leads to.
fn find(call: &mut Call<'_>, dirfd: i32, path: usize, flags: AtFlags) -> Result<Stat, Fail> {
    // A null pointer is an empty path since Linux 6.11.
    let path = match call.arg(path) {
        0 if flags.contains(AtFlags::EMPTY_PATH) => Vec::new(),
        _ => call.path(path)?,
    };
    if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
        if dirfd == AT_FDCWD {
            return call.at(AT_FDCWD, b".", |process, dir| process.stat(dir, b".", AtFlags::FOLLOW));
        }
        return stat_fd(call, dirfd);
    }
    call.at(dirfd, &path, |process, dir| process.stat(dir, &path, flags))
}

pub(super) fn stat_fd(call: &mut Call<'_>, fd: i32) -> Result<Stat, Fail> {
    match call.file(fd)? {
        Some(file) => Ok(call.process()?.stat_of(&file)?),
        None => host_only(call, fd),
    }
}

/// What is only the host's has a kind, a size and a number; the rest is the VM's.
fn host_only(call: &Call<'_>, fd: i32) -> Result<Stat, Fail> {
    let host = call.vm.host_stat(call.key, fd)?;
    if let Some(bridge) = call.vm.sockets.find((host.st_dev, host.st_ino)) {
        return Ok(bridge.file.stat()?);
    }
    if let Some(fifo) = call.vm.fifos.get(&(host.st_dev, host.st_ino)) {
        return Ok(fifo.stat()?);
    }
    let cred = call.process()?.cred();
    let now = call.process()?.kernel().clock().now();
    let attr = Attr {
        ino: Ino(host.st_ino),
        kind: FileType::from_bits(host.st_mode).unwrap_or(FileType::Regular),
        mode: Mode::new(host.st_mode),
        nlink: 1,
        uid: cred.euid,
        gid: cred.egid,
        rdev: 0,
        size: u64::try_from(host.st_size).unwrap_or(0),
        blocks: u64::try_from(host.st_blocks).unwrap_or(0),
        atime: now,
        mtime: now,
        ctime: now,
        btime: now,
    };
    Ok(Stat {
        dev: DeviceId(0xffff_ffff),
        attr,
    })
}

pub(crate) fn statx(call: &mut Call<'_>) -> Outcome {
    const SYNC: i32 = 0x6000;
    const RESERVED: u32 = 0x8000_0000;
    let flags = at_flags(call.int(2) & !SYNC, NOFOLLOW)?;
    if call.int(2) & SYNC == SYNC || call.uint(3) & RESERVED != 0 {
        return Err(Fail(libc::EINVAL));
    }
    let stat = find(call, call.int(0), 1, flags)?;
    call.write(call.arg(4), &layout::statx(&stat))?;
    Ok(Answer::OK)
}

pub(crate) fn access(call: &mut Call<'_>) -> Outcome {
    access_path(call, AT_FDCWD, 0, 1, AtFlags::FOLLOW)
}

pub(crate) fn faccessat(call: &mut Call<'_>) -> Outcome {
    access_path(call, call.int(0), 1, 2, AtFlags::FOLLOW)
}

pub(crate) fn faccessat2(call: &mut Call<'_>) -> Outcome {
    let mut flags = at_flags(call.int(3) & !libc::AT_EACCESS, NOFOLLOW)?;
    flags.set(AtFlags::EACCESS, call.int(3) & libc::AT_EACCESS != 0);
    access_path(call, call.int(0), 1, 2, flags)
}

fn access_path(call: &mut Call<'_>, dirfd: i32, path: usize, mode: usize, flags: AtFlags) -> Outcome {
    let want = Access::from_bits(call.uint(mode)).ok_or(Fail(libc::EINVAL))?;
    let path = call.path(path)?;
    call.at(dirfd, &path, |process, dir| process.access(dir, &path, want, flags))?;
    Ok(Answer::OK)
}

pub(crate) fn readlink(call: &mut Call<'_>) -> Outcome {
    link_text(call, AT_FDCWD, 0)
}

pub(crate) fn readlinkat(call: &mut Call<'_>) -> Outcome {
    link_text(call, call.int(0), 1)
}

fn link_text(call: &mut Call<'_>, dirfd: i32, path: usize) -> Outcome {
    let (to, room) = (call.arg(path + 1), call.int(path + 2));
    let room = usize::try_from(room)
        .ok()
        .filter(|room| *room > 0)
        .ok_or(Fail(libc::EINVAL))?;
    let path = call.path(path)?;
    let text = match path.is_empty() && dirfd != AT_FDCWD {
        true => own_text(call, dirfd)?,
        false => call
            .at(dirfd, &path, |process, dir| process.readlink(dir, &path))
            .inspect_err(|Fail(errno)| {
                if *errno == libc::EINVAL {
                    call.vm.was_no_link(call.key, &call.n, &path);
                }
            })?,
    };
    let text = text.get(..room).unwrap_or(&text);
    call.write(to, text)?;
    Ok(Answer::Value(text.len() as i64))
}

/// Text of the symbolic link that a descriptor stands for.
fn own_text(call: &mut Call<'_>, fd: i32) -> Result<Vec<u8>, Fail> {
    let file = call.file(fd)?.ok_or(Fail(libc::ENOENT))?;
    let link = file.location().filter(|location| location.kind() == FileType::Symlink);
    let link = link.ok_or(Fail(libc::ENOENT))?;
    Ok(link.filesystem().readlink_for(link.ino(), call.process()?.pid())?)
}

pub(crate) fn chmod(call: &mut Call<'_>) -> Outcome {
    set_mode(call, AT_FDCWD, 0, 1, AtFlags::FOLLOW)
}

pub(crate) fn fchmodat(call: &mut Call<'_>) -> Outcome {
    set_mode(call, call.int(0), 1, 2, AtFlags::FOLLOW)
}

pub(crate) fn fchmodat2(call: &mut Call<'_>) -> Outcome {
    let flags = at_flags(call.int(3), NOFOLLOW)?;
    set_mode(call, call.int(0), 1, 2, flags)
}

fn set_mode(call: &mut Call<'_>, dirfd: i32, path: usize, mode: usize, flags: AtFlags) -> Outcome {
    let (path, mode) = (call.path(path)?, Mode::new(call.uint(mode)));
    call.at(dirfd, &path, |process, dir| process.chmod(dir, &path, mode, flags))?;
    Ok(Answer::OK)
}

pub(crate) fn fchmod(call: &mut Call<'_>) -> Outcome {
    let mode = Mode::new(call.uint(1));
    done(call.on_open(call.int(0), |process, dir| {
        process.chmod(dir, b"", mode, AtFlags::EMPTY_PATH)
    })?)
}

/// A change of what is only the host's does nothing.
fn done(changed: Option<()>) -> Outcome {
    changed.unwrap_or(());
    Ok(Answer::OK)
}

fn owner(call: &Call<'_>, at: usize) -> (Option<Uid>, Option<Gid>) {
    let given = |id: u32| (id != u32::MAX).then_some(id);
    (given(call.uint(at)).map(Uid), given(call.uint(at + 1)).map(Gid))
}

pub(crate) fn chown(call: &mut Call<'_>) -> Outcome {
    set_owner(call, AT_FDCWD, 0, AtFlags::FOLLOW)
}

pub(crate) fn lchown(call: &mut Call<'_>) -> Outcome {
    set_owner(call, AT_FDCWD, 0, AtFlags::empty())
}

pub(crate) fn fchownat(call: &mut Call<'_>) -> Outcome {
    let flags = at_flags(call.int(4), NOFOLLOW)?;
    set_owner(call, call.int(0), 1, flags)
}

fn set_owner(call: &mut Call<'_>, dirfd: i32, path: usize, flags: AtFlags) -> Outcome {
    let (uid, gid) = owner(call, path + 1);
    let path = call.path(path)?;
    call.at(dirfd, &path, |process, dir| process.chown(dir, &path, uid, gid, flags))?;
    Ok(Answer::OK)
}

pub(crate) fn fchown(call: &mut Call<'_>) -> Outcome {
    let (uid, gid) = owner(call, 1);
    done(call.on_open(call.int(0), |process, dir| {
        process.chown(dir, b"", uid, gid, AtFlags::EMPTY_PATH)
    })?)
}

pub(crate) fn utimensat(call: &mut Call<'_>) -> Outcome {
    let flags = at_flags(call.int(3), NOFOLLOW)?;
    let times = match call.arg(2) {
        0 => [SetTime::Now; 2],
        at => {
            let word = |index: u64| call.read_word(at.wrapping_add(index * 8));
            [time(word(0)?, word(1)?, 1)?, time(word(2)?, word(3)?, 1)?]
        }
    };
    set_times(call, call.int(0), 1, times, flags)
}

pub(crate) fn utime(call: &mut Call<'_>) -> Outcome {
    let times = match call.arg(1) {
        0 => [SetTime::Now; 2],
        at => [
            time(call.read_word(at)?, 0, 1)?,
            time(call.read_word(at.wrapping_add(8))?, 0, 1)?,
        ],
    };
    set_times(call, AT_FDCWD, 0, times, AtFlags::FOLLOW)
}

pub(crate) fn utimes(call: &mut Call<'_>) -> Outcome {
    let times = micro_times(call, call.arg(1))?;
    set_times(call, AT_FDCWD, 0, times, AtFlags::FOLLOW)
}

pub(crate) fn futimesat(call: &mut Call<'_>) -> Outcome {
    let times = micro_times(call, call.arg(2))?;
    set_times(call, call.int(0), 1, times, AtFlags::FOLLOW)
}

fn micro_times(call: &Call<'_>, at: u64) -> Result<[SetTime; 2], Fail> {
    if at == 0 {
        return Ok([SetTime::Now; 2]);
    }
    let word = |index: u64| call.read_word(at.wrapping_add(index * 8));
    Ok([time(word(0)?, word(1)?, 1000)?, time(word(2)?, word(3)?, 1000)?])
}

/// Seconds and parts of them, of `unit` ns each.
fn time(seconds: u64, parts: u64, unit: i64) -> Result<SetTime, Fail> {
    const NOW: u64 = libc::UTIME_NOW.cast_unsigned();
    const OMIT: u64 = libc::UTIME_OMIT.cast_unsigned();
    match parts {
        NOW if unit == 1 => return Ok(SetTime::Now),
        OMIT if unit == 1 => return Ok(SetTime::Keep),
        _ => {}
    }
    let nanos = parts
        .cast_signed()
        .checked_mul(unit)
        .filter(|nanos| (0..1_000_000_000).contains(nanos));
    let nanos = nanos.ok_or(Fail(libc::EINVAL))?;
    Ok(SetTime::At(Timestamp(
        seconds
            .cast_signed()
            .saturating_mul(1_000_000_000)
            .saturating_add(nanos),
    )))
}

fn set_times(call: &mut Call<'_>, dirfd: i32, path: usize, times: [SetTime; 2], flags: AtFlags) -> Outcome {
    // Without a path it is the descriptor's own file.
    if call.arg(path) == 0 && dirfd != AT_FDCWD {
        return done(call.on_open(dirfd, |process, dir| {
            process.set_times(dir, b"", times[0], times[1], AtFlags::EMPTY_PATH)
        })?);
    }
    let path = call.path(path)?;
    call.at(dirfd, &path, |process, dir| {
        process.set_times(dir, &path, times[0], times[1], flags)
    })?;
    Ok(Answer::OK)
}

pub(crate) fn statfs(call: &mut Call<'_>) -> Outcome {
    let path = call.path(0)?;
    let totals = call.at(AT_FDCWD, &path, |process, dir| {
        process.statfs(dir, &path, AtFlags::FOLLOW)
    })?;
    call.write(call.arg(1), &layout::statfs(&totals))?;
    Ok(Answer::OK)
}

pub(crate) fn fstatfs(call: &mut Call<'_>) -> Outcome {
    let totals = call.on(call.int(0), |process, dir| {
        process.statfs(dir, b"", AtFlags::EMPTY_PATH)
    })?;
    call.write(call.arg(1), &layout::statfs(&totals.unwrap_or_default()))?;
    Ok(Answer::OK)
}
