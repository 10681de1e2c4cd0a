//! Watching files and directories (`inotify(7)`).

use super::{Call, Fail, Outcome};
use crate::sys::Answer;
use agentos_kernel::process::AtFlags;
use agentos_kernel::vfs::locks::FileKey;
use agentos_kernel::vfs::news::mask;
use agentos_kernel::vfs::{Access, FileType};

const DONT_FOLLOW: u32 = 0x0200_0000;
const ONLY_DIR: u32 = 0x0100_0000;

/// Everything that says how to watch: Linux takes these alone, too.
const FLAGS: u32 = 0xf700_0000;

pub(crate) fn init(call: &mut Call<'_>) -> Outcome {
    call.vm.is_strange();
    open(call, 0)
}

pub(crate) fn init1(call: &mut Call<'_>) -> Outcome {
    call.vm.is_strange();
    open(call, call.int(0))
}

fn open(call: &mut Call<'_>, flags: i32) -> Outcome {
    if flags & !(libc::O_NONBLOCK | libc::O_CLOEXEC) != 0 {
        return Err(Fail(libc::EINVAL));
    }
    call.confirm()?;
    let end = call.vm.open_watcher(flags & libc::O_NONBLOCK != 0)?;
    Ok(Answer::Descriptor(end, flags & libc::O_CLOEXEC != 0))
}

pub(crate) fn add(call: &mut Call<'_>) -> Outcome {
    let (fd, asked) = (call.int(0), call.uint(2));
    if asked & (mask::ALL | FLAGS) == 0 || asked & mask::MASK_ADD != 0 && asked & mask::MASK_CREATE != 0 {
        return Err(Fail(libc::EINVAL));
    }
    let path = call.path(1)?;
    let mut flags = AtFlags::empty();
    flags.set(AtFlags::FOLLOW, asked & DONT_FOLLOW == 0);
    let stat = call.at(super::AT_FDCWD, &path, |process, dir| {
        let stat = process.stat(dir, &path, flags)?;
        process.access(dir, &path, Access::READ, flags | AtFlags::EACCESS)?;
        Ok(stat)
    })?;
    if asked & ONLY_DIR != 0 && stat.attr.kind != FileType::Directory {
        return Err(Fail(libc::ENOTDIR));
    }
    let key = FileKey {
        dev: stat.dev,
        ino: stat.attr.ino,
    };
    call.confirm()?;
    let reader = call.vm.watcher(call.key, fd)?;
    Ok(Answer::Value(reader.watch(key, asked)?.into()))
}

pub(crate) fn remove(call: &mut Call<'_>) -> Outcome {
    let (fd, watch) = (call.int(0), call.int(1));
    call.confirm()?;
    call.vm.watcher(call.key, fd)?.unwatch(watch)?;
    Ok(Answer::OK)
}
