//! Bytes of files: sizes, room, durability, and mappings that others see.
//!
//! Reading and writing happen on the host. Here is what needs the VM's filesystem: what may run into a quota, and what must be on
//! disk when the call returns.

use super::{Call, Fail, Outcome};
use crate::sys::{self, Answer};
use agentos_kernel::fd::{AccessMode, OpenFile};
use agentos_kernel::process::Signal;
use agentos_kernel::vfs::{FileType, Location};
use std::sync::Arc;

pub(crate) fn fsync(call: &mut Call<'_>) -> Outcome {
    durable(call, false)
}

pub(crate) fn fdatasync(call: &mut Call<'_>) -> Outcome {
    durable(call, true)
}

fn durable(call: &mut Call<'_>, data_only: bool) -> Outcome {
    let Some(file) = call.file(call.int(0))? else {
        // Pipes and sockets cannot be made durable, and files without a name of the VM need not be.
        let host = call.vm.host_stat(call.key, call.int(0))?;
        return match host.st_mode & libc::S_IFMT {
            libc::S_IFREG => Ok(Answer::OK),
            _ => Err(Fail(libc::EINVAL)),
        };
    };
    match file.location().map(Location::kind) {
        _ if file.access().is_empty() => Err(Fail(libc::EBADF)),
        Some(FileType::Regular | FileType::Directory) => call.settle_on_disk(&Some((file, data_only))),
        _ => Err(Fail(libc::EINVAL)),
    }
}

pub(crate) fn sync(call: &mut Call<'_>) -> Outcome {
    match call.settle_on_disk(&None)? {
        Answer::Later => Ok(Answer::Later),
        // It has no errors.
        _ => Ok(Answer::OK),
    }
}

pub(crate) fn syncfs(call: &mut Call<'_>) -> Outcome {
    let fd = call.int(0);
    call.vm.host_stat(call.key, fd)?;
    match call.file(fd)? {
        Some(file) if file.access().is_empty() => Err(Fail(libc::EBADF)),
        _ => call.settle_on_disk(&None),
    }
}

/// With `MS_SYNC`. Which file is mapped there only the host knows; so whatever is mapped gets to disk.
pub(crate) fn msync(call: &mut Call<'_>) -> Outcome {
    const PAGE: u64 = 4096;
    let flags = call.int(2);
    if !call.arg(0).is_multiple_of(PAGE) || flags & !(libc::MS_SYNC | libc::MS_INVALIDATE) != 0 {
        return Err(Fail(libc::EINVAL));
    }
    if call.vm.files.has_mappings() {
        // Whether anything is mapped there at all the host says.
        return match call.settle_on_disk(&None)? {
            Answer::Value(_) => Ok(Answer::Continue),
            other => Ok(other),
        };
    }
    Ok(Answer::Continue)
}

/// Of a file's own bytes: what is written there leaves no trace, so it has to be looked for from now on. The registers say
/// everything that matters.
pub(crate) fn mmap(call: &mut Call<'_>) -> Outcome {
    const WRITABLE: i32 = libc::O_RDWR;
    let fd = call.int(4);
    if let Ok(Some(file)) = call.file(fd)
        && let Some(location) = file.location()
        && location.kind() == FileType::Regular
        && call.flags_of(fd)? & libc::O_ACCMODE == WRITABLE
    {
        call.process()?.kernel().vfs().note_mapping(location);
        call.vm.files.mapped();
    }
    Ok(Answer::Continue)
}

pub(crate) fn ftruncate(call: &mut Call<'_>) -> Outcome {
    let size = u64::try_from(call.arg(1).cast_signed()).map_err(|_| Fail(libc::EINVAL))?;
    let Some(file) = writable(call, libc::EINVAL)? else {
        return Ok(Answer::Continue);
    };
    within_limit(call, size)?;
    let cred = call.process()?.cred();
    call.confirm()?;
    file.truncate(&cred, size)?;
    call.vm.room_changed(&file);
    Ok(Answer::OK)
}

pub(crate) fn fallocate(call: &mut Call<'_>) -> Outcome {
    const KEEP_SIZE: i32 = libc::FALLOC_FL_KEEP_SIZE;
    const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let Some(file) = writable(call, libc::EBADF)? else {
        return Ok(Answer::Continue);
    };
    let (keep_size, punch) = match call.int(1) {
        0 => (false, false),
        KEEP_SIZE => (true, false),
        PUNCH => (true, true),
        _ => return Err(Fail(libc::EOPNOTSUPP)),
    };
    let number = |at: usize| u64::try_from(call.arg(at).cast_signed()).map_err(|_| Fail(libc::EINVAL));
    let (offset, len) = (number(2)?, number(3)?);
    if !keep_size {
        within_limit(call, offset.saturating_add(len))?;
    }
    let cred = call.process()?.cred();
    call.confirm()?;
    file.allocate(&cred, offset, len, keep_size, punch)?;
    call.vm.room_changed(&file);
    Ok(Answer::OK)
}

/// The VM's regular file behind a descriptor that is open for writing; none for what is only the host's. `otherwise` is the
/// error for one that is not open for writing.
fn writable(call: &mut Call<'_>, otherwise: i32) -> Result<Option<Arc<OpenFile>>, Fail> {
    let fd = call.int(0);
    let Some(file) = call.file(fd)? else { return Ok(None) };
    if file.access().is_empty() {
        return Err(Fail(libc::EBADF));
    }
    match file.location().map(Location::kind) {
        Some(FileType::Regular) => {}
        Some(FileType::Directory) => return Err(Fail(otherwise)),
        _ => return Ok(None),
    }
    let flags = call.flags_of(fd)?;
    if flags & libc::O_ACCMODE == libc::O_RDONLY {
        return Err(Fail(otherwise));
    }
    // The description that is known may be another one of the same file, which was opened for reading.
    match file.access().contains(AccessMode::WRITE) {
        true => Ok(Some(file)),
        false => Ok(Some(call.vm.writable_twin(call.key, &file)?)),
    }
}

/// A size that the process's own limit lets a file have.
pub(super) fn within_limit(call: &Call<'_>, size: u64) -> Result<(), Fail> {
    let limit = sys::limit_of(call.key, libc::RLIMIT_FSIZE)?;
    // What the quota has set the filesystem itself decides here.
    if size <= limit || limit == call.guest()?.file_limit {
        return Ok(());
    }
    let process = call.process()?;
    let from = (process.pid().0, process.cred().ruid.0);
    let _ = sys::signal_thread((call.key, call.n.tid), Signal::XFSZ.number().cast_signed(), from);
    Err(Fail(libc::EFBIG))
}
