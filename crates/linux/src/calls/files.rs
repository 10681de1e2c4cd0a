//! Opening files.
//!
//! A working copy cannot be opened with `O_SYNC` or `O_DSYNC` for writing. Its writes happen on the host, in memory, and return before the
//! filesystem has them: the filter decides by a call and its registers, so it cannot tell the descriptors whose writes somebody would have to
//! answer from all others, and nobody can add to it for one process but that process. To have every `write` of a VM answered for
//! this would cost each of them more than the write. `fsync` is what waits for the disk.

use super::{AT_FDCWD, Call, Fail, Outcome};
use crate::sys::{self, Answer};
use crate::vm::Reopened;
use agentos_kernel::Errno;
use agentos_kernel::fd::{OpenFile, StatusFlags};
use agentos_kernel::process::{AtFlags, OpenHow};
use agentos_kernel::vfs::{FileType, Mode, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::Poll;

pub(crate) fn open(call: &mut Call<'_>) -> Outcome {
    open_with(call, AT_FDCWD, 0, call.arg(1), call.uint(2))
}

pub(crate) fn creat(call: &mut Call<'_>) -> Outcome {
    open_with(
        call,
        AT_FDCWD,
        0,
        (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64,
        call.uint(1),
    )
}

pub(crate) fn openat(call: &mut Call<'_>) -> Outcome {
    open_with(call, call.int(0), 1, call.arg(2), call.uint(3))
}

pub(super) fn open_with(call: &mut Call<'_>, dirfd: i32, path: usize, flags: u64, mode: u32) -> Outcome {
    let how = how(flags as i32, mode)?;
    if let Some(file) = call.vm.take_prepared(call.n.id) {
        return give(call, &file?, &how, flags);
    }
    let path = match call.path_to_open(path)? {
        Ok(answer) => return Ok(answer),
        Err(path) => path,
    };
    call.make_room()?;
    let waker = call.guest()?.waker.clone();
    let open = |call: &mut Call<'_>| {
        call.at(dirfd, &path, |process, dir| {
            Ok(process.open(dir, &path, &how, Some(&waker)))
        })
    };
    let mut opened = open(call)?;
    if matches!(&opened, Poll::Ready(Err(error)) if error.errno() == Errno::ENOSPC) {
        // Perhaps it is only that what was removed is not gone yet.
        call.vm.make_room();
        opened = open(call)?;
    }
    call.settle(opened, |call, fd| {
        let process = call.process()?;
        let file = process.file(fd);
        let _ = process.close(fd);
        give(call, &file?, &how, flags)
    })
}

/// Gives the guest what was opened. Bytes that have to be copied first, and are many, are copied elsewhere meanwhile.
fn give(call: &mut Call<'_>, file: &Arc<OpenFile>, how: &OpenHow, flags: u64) -> Outcome {
    if call.vm.prepare(call.key, call.n.id, file)? {
        let n = call.n;
        let guest = call.vm.guests.get_mut(&call.key).ok_or(Fail(libc::ESRCH))?;
        guest.parked.push(n);
        return Ok(Answer::Later);
    }
    let mut real = call.vm.materialise(file)?;
    if file.object_as::<Reopened>().is_some() && how.options.truncate {
        // SAFETY: takes numbers alone.
        sys::check(unsafe { libc::ftruncate(real.as_raw_fd(), 0) }.into())?;
    }
    let is_regular = file
        .location()
        .is_some_and(|location| location.kind() == FileType::Regular);
    if flags & libc::O_DSYNC as u64 != 0 && how.options.write && is_regular && !how.options.path_only {
        if is_copied(call, file)? {
            // Its writes would return before they are on disk.
            return Err(Fail(libc::EINVAL));
        }
        real = writing_to_disk(&real, flags as i32)?;
    }
    Ok(Answer::Descriptor(real, how.cloexec))
}

/// Another description of a file, whose writes return once they are on the host's disk. Where the host gives none, none is promised.
fn writing_to_disk(real: &OwnedFd, flags: i32) -> Result<OwnedFd, Fail> {
    const KEPT: i32 = libc::O_ACCMODE | libc::O_SYNC | libc::O_APPEND | libc::O_NONBLOCK;
    sys::reopen(real.as_fd(), flags & KEPT).map_err(|_| Fail(libc::EINVAL))
}

/// Whether natives use a copy of a file that is written back.
fn is_copied(call: &Call<'_>, file: &OpenFile) -> Result<bool, Fail> {
    let process = call.process()?;
    Ok(file
        .location()
        .is_some_and(|location| process.kernel().vfs().has_native_copy(location)))
}

/// `open(2)`'s flags as the kernel has them. Unknown ones are ignored, as they always were.
pub(super) fn how(flags: i32, mode: u32) -> Result<OpenHow, Fail> {
    let has = |flag: i32| flags & flag == flag;
    let access = flags & libc::O_ACCMODE;
    let mut status = StatusFlags::empty();
    status.set(StatusFlags::APPEND, has(libc::O_APPEND));
    status.set(StatusFlags::NONBLOCK, has(libc::O_NONBLOCK));
    let path_only = has(libc::O_PATH);
    let unnamed = has(libc::O_TMPFILE);
    if unnamed && access == libc::O_RDONLY {
        return Err(Fail(libc::EINVAL));
    }
    let options = OpenOptions {
        read: access != libc::O_WRONLY,
        write: access == libc::O_WRONLY || access == libc::O_RDWR,
        create: has(libc::O_CREAT) && !path_only,
        exclusive: has(libc::O_EXCL),
        truncate: has(libc::O_TRUNC) && !path_only,
        directory: has(libc::O_DIRECTORY) && !unnamed,
        no_follow: has(libc::O_NOFOLLOW),
        path_only,
        unnamed,
        mode: Mode::new(mode),
    };
    Ok(OpenHow {
        options,
        status,
        cloexec: has(libc::O_CLOEXEC),
        no_tty: has(libc::O_NOCTTY),
    })
}

pub(crate) fn truncate(call: &mut Call<'_>) -> Outcome {
    let path = call.path(0)?;
    let size = u64::try_from(call.arg(1).cast_signed()).map_err(|_| Fail(libc::EINVAL))?;
    super::content::within_limit(call, size)?;
    call.at(AT_FDCWD, &path, |process, dir| process.truncate(dir, &path, size))?;
    Ok(Answer::OK)
}

/// A file without a name. The host cannot execute it, whatever the guest asks for; the VM can.
pub(crate) fn memfd_create(call: &mut Call<'_>) -> Outcome {
    const NOEXEC_SEAL: u32 = 0x8;
    const EXEC: u32 = 0x10;
    const KNOWN: u32 = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | NOEXEC_SEAL | EXEC;
    let flags = call.uint(1);
    if flags & !KNOWN != 0 || flags & NOEXEC_SEAL != 0 && flags & EXEC != 0 {
        return Err(Fail(libc::EINVAL));
    }
    call.string(call.arg(0), 249, libc::EINVAL)?;
    let most = call.process()?.kernel().limits().max_open_fds;
    let made = sys::memfd(c"guest", flags & libc::MFD_ALLOW_SEALING != 0)?;
    let file = call.vm.memories.keep(call.key, made, flags & NOEXEC_SEAL == 0, most)?;
    Ok(Answer::Descriptor(file, flags & libc::MFD_CLOEXEC != 0))
}

/// Flags that take an empty path for the descriptor itself, and do not follow a link at the end.
pub(super) fn at_flags(flags: i32, known: i32) -> Result<AtFlags, Fail> {
    if flags & !(known | libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT) != 0 {
        return Err(Fail(libc::EINVAL));
    }
    let mut at = AtFlags::empty();
    at.set(AtFlags::FOLLOW, flags & libc::AT_SYMLINK_NOFOLLOW == 0);
    at.set(AtFlags::EMPTY_PATH, flags & libc::AT_EMPTY_PATH != 0);
    Ok(at)
}
