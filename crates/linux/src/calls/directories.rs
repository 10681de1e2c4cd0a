//! Directories, names and the working directory.

use super::{AT_FDCWD, Call, Fail, Outcome};
use crate::sys::{self, Answer};
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::vfs::{FileType, Mode, RenameFlags};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

pub(crate) fn umask(call: &mut Call<'_>) -> Outcome {
    let old = call.process()?.umask(Some(Mode::new(call.uint(0) & 0o777)));
    Ok(Answer::Value(old.bits().into()))
}

pub(crate) fn getcwd(call: &mut Call<'_>) -> Outcome {
    let mut path = call.process()?.getcwd()?;
    path.push(0);
    if path.len() as u64 > call.arg(1) {
        return Err(Fail(libc::ERANGE));
    }
    call.write(call.arg(0), &path)?;
    Ok(Answer::Value(path.len() as i64))
}

pub(crate) fn chdir(call: &mut Call<'_>) -> Outcome {
    let path = call.path(0)?;
    call.process()?.chdir(&path)?;
    Ok(Answer::OK)
}

pub(crate) fn fchdir(call: &mut Call<'_>) -> Outcome {
    let gone = call.on(call.int(0), |process, dir| match dir {
        Dir::Fd(fd) => process.fchdir(fd),
        Dir::Cwd => Ok(()),
    })?;
    gone.ok_or(Fail(libc::ENOTDIR))?;
    Ok(Answer::OK)
}

/// Most bytes of entries that one call gives; then the next call gives more.
const LISTING_MAX: usize = 256 << 10;

pub(crate) fn getdents64(call: &mut Call<'_>) -> Outcome {
    let (to, room) = (call.arg(1), call.uint(2) as usize);
    call.vm.is_strange();
    let known = call.vm.meaning(call.key, call.int(0))?.ok_or(Fail(libc::ENOTDIR))?;
    if known.file.access().is_empty() {
        return Err(Fail(libc::EBADF));
    }
    let directory = known.directory.as_mut().ok_or(Fail(libc::ENOTDIR))?;
    if known.file.stat()?.attr.nlink == 0 {
        // It was removed.
        return Err(Fail(libc::ENOENT));
    }
    let mut after = position(directory.real.as_fd())?;
    let Some(start) = directory.positions.start(after) else {
        return Ok(Answer::OK);
    };
    let room = room.min(LISTING_MAX);
    let mut entries = Vec::new();
    let mut full = false;
    let positions = &mut directory.positions;
    known.file.readdir(start, &mut |entry| {
        let length = (19 + entry.name.len() + 1).next_multiple_of(8);
        if entries.len() + length > room {
            full = true;
            return ControlFlow::Break(());
        }
        after = positions.tell(entry.next);
        let end = entries.len() + length;
        entries.extend(entry.ino.0.to_le_bytes());
        entries.extend(after.to_le_bytes());
        // A name has at most 255 bytes.
        entries.extend((length as u16).to_le_bytes());
        entries.push((entry.kind.bits() >> 12) as u8);
        entries.extend_from_slice(entry.name);
        entries.resize(end, 0);
        ControlFlow::Continue(())
    })?;
    if entries.is_empty() && full {
        return Err(Fail(libc::EINVAL));
    }
    let real = sys::duplicate(directory.real.as_fd())?;
    call.write(to, &entries)?;
    set_position(real.as_fd(), after)?;
    Ok(Answer::Value(entries.len() as i64))
}

fn position(fd: BorrowedFd<'_>) -> Result<u64, Fail> {
    // SAFETY: takes numbers alone.
    let at = sys::check(unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_CUR) })?;
    Ok(u64::try_from(at).unwrap_or(u64::MAX))
}

fn set_position(fd: BorrowedFd<'_>, at: u64) -> Result<(), Fail> {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    // SAFETY: takes numbers alone.
    sys::check(unsafe { libc::lseek(fd.as_raw_fd(), at, libc::SEEK_SET) })?;
    Ok(())
}

pub(crate) fn mkdir(call: &mut Call<'_>) -> Outcome {
    make_dir(call, AT_FDCWD, 0)
}

pub(crate) fn mkdirat(call: &mut Call<'_>) -> Outcome {
    make_dir(call, call.int(0), 1)
}

fn make_dir(call: &mut Call<'_>, dirfd: i32, path: usize) -> Outcome {
    let mode = Mode::new(call.uint(path + 1));
    let path = call.path(path)?;
    call.at(dirfd, &path, |process, dir| process.mkdir(dir, &path, mode))?;
    Ok(Answer::OK)
}

pub(crate) fn rmdir(call: &mut Call<'_>) -> Outcome {
    let path = call.path(0)?;
    call.at(AT_FDCWD, &path, |process, dir| process.rmdir(dir, &path))?;
    Ok(Answer::OK)
}

pub(crate) fn unlink(call: &mut Call<'_>) -> Outcome {
    let path = call.path(0)?;
    call.at(AT_FDCWD, &path, |process, dir| process.unlink(dir, &path))?;
    Ok(Answer::OK)
}

pub(crate) fn unlinkat(call: &mut Call<'_>) -> Outcome {
    let path = call.path(1)?;
    let remove_dir = match call.int(2) {
        0 => false,
        libc::AT_REMOVEDIR => true,
        _ => return Err(Fail(libc::EINVAL)),
    };
    call.at(call.int(0), &path, |process, dir| match remove_dir {
        true => process.rmdir(dir, &path),
        false => process.unlink(dir, &path),
    })?;
    Ok(Answer::OK)
}

pub(crate) fn rename(call: &mut Call<'_>) -> Outcome {
    let (old, new) = (call.path(0)?, call.path(1)?);
    move_name(call, &(AT_FDCWD, old), &(AT_FDCWD, new), 0)
}

pub(crate) fn renameat(call: &mut Call<'_>) -> Outcome {
    let (old, new) = (call.path(1)?, call.path(3)?);
    move_name(call, &(call.int(0), old), &(call.int(2), new), 0)
}

pub(crate) fn renameat2(call: &mut Call<'_>) -> Outcome {
    let (old, new) = (call.path(1)?, call.path(3)?);
    move_name(call, &(call.int(0), old), &(call.int(2), new), call.uint(4))
}

/// A directory descriptor and a path.
type Place = (i32, Vec<u8>);

fn move_name(call: &mut Call<'_>, old: &Place, new: &Place, flags: u32) -> Outcome {
    let flags = match flags {
        0 => RenameFlags::Replace,
        libc::RENAME_NOREPLACE => RenameFlags::NoReplace,
        libc::RENAME_EXCHANGE => RenameFlags::Exchange,
        _ => return Err(Fail(libc::EINVAL)),
    };
    call.at_both(old, new, |process, from, to| {
        process.rename((from, &old.1), (to, &new.1), flags)
    })?;
    Ok(Answer::OK)
}

pub(crate) fn link(call: &mut Call<'_>) -> Outcome {
    let (old, new) = (call.path(0)?, call.path(1)?);
    add_name(call, &(AT_FDCWD, old), &(AT_FDCWD, new), AtFlags::empty())
}

pub(crate) fn linkat(call: &mut Call<'_>) -> Outcome {
    let (old, new) = (call.path(1)?, call.path(3)?);
    let flags = call.int(4);
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Fail(libc::EINVAL));
    }
    let mut at = AtFlags::empty();
    at.set(AtFlags::FOLLOW, flags & libc::AT_SYMLINK_FOLLOW != 0);
    at.set(AtFlags::EMPTY_PATH, flags & libc::AT_EMPTY_PATH != 0);
    add_name(call, &(call.int(0), old), &(call.int(2), new), at)
}

fn add_name(call: &mut Call<'_>, old: &Place, new: &Place, flags: AtFlags) -> Outcome {
    call.at_both(old, new, |process, from, to| {
        process.link((from, &old.1), (to, &new.1), flags)
    })?;
    Ok(Answer::OK)
}

pub(crate) fn symlink(call: &mut Call<'_>) -> Outcome {
    make_link(call, AT_FDCWD, 1)
}

pub(crate) fn symlinkat(call: &mut Call<'_>) -> Outcome {
    make_link(call, call.int(1), 2)
}

fn make_link(call: &mut Call<'_>, dirfd: i32, path: usize) -> Outcome {
    let (target, path) = (call.path(0)?, call.path(path)?);
    call.at(dirfd, &path, |process, dir| process.symlink(&target, dir, &path))?;
    Ok(Answer::OK)
}

pub(crate) fn mknod(call: &mut Call<'_>) -> Outcome {
    make_node(call, AT_FDCWD, 0)
}

pub(crate) fn mknodat(call: &mut Call<'_>) -> Outcome {
    make_node(call, call.int(0), 1)
}

fn make_node(call: &mut Call<'_>, dirfd: i32, path: usize) -> Outcome {
    let (mode, device) = (call.uint(path + 1), call.arg(path + 2));
    let kind = FileType::from_bits(mode).ok_or(Fail(libc::EINVAL))?;
    let path = call.path(path)?;
    call.at(dirfd, &path, |process, dir| {
        process.mknod(dir, &path, kind, Mode::new(mode), device)
    })?;
    Ok(Answer::OK)
}
