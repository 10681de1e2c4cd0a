//! The directory that programs find open.

use super::descriptor::is_root;
use crate::imports::Cx;
use crate::process::State;
use agentos_abi::Record;
use agentos_kernel::id::Fd;
use agentos_kernel::{Errno, Result};

/// Where libc begins to look.
const FIRST: u32 = 3;
/// Where libc of another system's later generations begins to look, so that the numbers of descriptors are all its programs'.
pub(super) const HIDDEN: u32 = 0x4000_0000 | FIRST;
const PRESTAT: u32 = 8;
const TAG_DIRECTORY: u32 = 0;
/// A tag that preview 1 does not define. Libc stops at the first number that is not open, so one that is open and no preopen
/// has to answer something; libc skips what it does not know.
const TAG_OTHER: u32 = 1;

/// Opens the preopen of a pure preview-1 program, the root. Without it the program runs all the same, and finds no files.
pub(crate) fn preopen(state: &mut State) {
    if !state.code.native {
        state.preopen = open(state).ok();
    }
}

fn open(state: &State) -> Result<u32> {
    let process = &state.process;
    let fd = process.open_root(true)?;
    if fd.0 >= FIRST {
        return Ok(fd.0);
    }
    let moved = process.dup(fd, Fd(FIRST), true);
    process.close(fd)?;
    moved.map(|fd| fd.0)
}

/// Whether a number is a preopen.
fn is_preopen(cx: &Cx<'_>, fd: u32) -> bool {
    is_root(cx, fd) || cx.state.preopen == Some(fd)
}

/// What every preopen is called.
const NAME: &[u8] = b"/";

pub(super) fn prestat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    let (tag, len) = if is_preopen(cx, fd) {
        (TAG_DIRECTORY, NAME.len() as u32)
    } else if hides_the_preopen(cx, fd) {
        (TAG_OTHER, 0)
    } else {
        return Err(Errno::EBADF.into());
    };
    let record = cx.memory.bytes_mut(out, PRESTAT)?;
    for (slot, field) in record.chunks_exact_mut(u32::SIZE).zip([tag, len]) {
        field.encode(slot);
    }
    Ok(())
}

/// Whether libc would not find the preopen if this number were said not to be open.
fn hides_the_preopen(cx: &Cx<'_>, fd: u32) -> bool {
    let before = cx.state.preopen.is_some_and(|preopen| (FIRST..preopen).contains(&fd));
    before && cx.state.process.file(Fd(fd)).is_ok()
}

pub(super) fn prestat_dir_name(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Result<()> {
    if !is_preopen(cx, fd) {
        return Err(Errno::EBADF.into());
    }
    if NAME.len() > len as usize {
        return Err(Errno::ENAMETOOLONG.into());
    }
    cx.memory.bytes_mut(path, NAME.len() as u32)?.copy_from_slice(NAME);
    Ok(())
}
