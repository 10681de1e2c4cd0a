//! Directories that programs find open.

use super::descriptor::is_root;
use crate::imports::Cx;
use crate::process::State;
use agentos_abi::{ROOT_PREOPEN_FD, Record};
use agentos_kernel::id::Fd;
use agentos_kernel::process::{Dir, OpenHow};
use agentos_kernel::vfs::OpenOptions;
use agentos_kernel::{Errno, Result};
use std::task::Poll;

/// Where libc begins to look.
const FIRST: u32 = 3;
const PRESTAT: u32 = 8;
const TAG_DIRECTORY: u32 = 0;
/// A tag that preview 1 does not define. Libc stops at the first number that is not open, so one that is open and no preopen
/// has to answer something; libc skips what it does not know.
const TAG_OTHER: u32 = 1;

/// Opens the preopens of a pure preview-1 program: the root, and the working directory as `.`. What cannot be opened is left
/// out.
pub(crate) fn preopen(state: &mut State) {
    if state.code.native {
        return;
    }
    for (path, name) in [(&b"/"[..], &b"/"[..]), (b".", b".")] {
        if let Ok(fd) = open(state, path) {
            state.preopens.push((fd, name));
        }
    }
}

fn open(state: &State, path: &[u8]) -> Result<u32> {
    let options = OpenOptions {
        read: true,
        directory: true,
        ..OpenOptions::default()
    };
    let how = OpenHow {
        options,
        cloexec: true,
        no_tty: true,
        ..OpenHow::default()
    };
    let process = &state.process;
    // A directory never makes the caller wait.
    let Poll::Ready(opened) = process.open(Dir::Cwd, path, &how, None) else {
        return Err(Errno::EAGAIN.into());
    };
    let fd = opened?;
    if fd.0 >= FIRST {
        return Ok(fd.0);
    }
    let moved = process.dup(fd, Fd(FIRST), true);
    process.close(fd)?;
    moved.map(|fd| fd.0)
}

/// The name of a preopen.
fn name(cx: &Cx<'_>, fd: u32) -> Option<&'static [u8]> {
    if is_root(cx, fd) {
        return Some(b"/");
    }
    cx.state
        .preopens
        .iter()
        .find(|(preopen, _)| *preopen == fd)
        .map(|(_, name)| *name)
}

pub(super) fn prestat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    let (tag, len) = match name(cx, fd) {
        Some(name) => (TAG_DIRECTORY, name.len() as u32),
        None if hides_a_preopen(cx, fd) => (TAG_OTHER, 0),
        None => return Err(Errno::EBADF.into()),
    };
    let record = cx.memory.bytes_mut(out, PRESTAT)?;
    for (slot, field) in record.chunks_exact_mut(u32::SIZE).zip([tag, len]) {
        field.encode(slot);
    }
    Ok(())
}

/// Whether libc would not find a preopen if this number were said not to be open.
fn hides_a_preopen(cx: &Cx<'_>, fd: u32) -> bool {
    let behind = cx.state.preopens.iter().any(|(preopen, _)| *preopen > fd);
    fd >= FIRST && fd != ROOT_PREOPEN_FD && behind && cx.state.process.file(Fd(fd)).is_ok()
}

pub(super) fn prestat_dir_name(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Result<()> {
    let name = name(cx, fd).ok_or(Errno::EBADF)?;
    if name.len() > len as usize {
        return Err(Errno::ENAMETOOLONG.into());
    }
    cx.memory.bytes_mut(path, name.len() as u32)?.copy_from_slice(name);
    Ok(())
}
