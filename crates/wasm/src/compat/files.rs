//! Modes of files.

use crate::imports::{Cx, Scratch, number, step};
use crate::process::State;
use agentos_kernel::Result;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::vfs::{Mode, Stat};
use std::task::{Poll, Waker};
use wasmtime::Caller;

/// What a call answers that has no way to say what is wrong.
const NONE: u32 = 0;

fn mode(caller: &mut Caller<'_, State>, stat: impl FnOnce(&mut Cx<'_>) -> Result<Stat>) -> u32 {
    match step(caller, &mut Scratch::default(), stat) {
        Ok(stat) => stat.attr.kind.bits() | stat.attr.mode.bits(),
        Err(error) => {
            // Why it was refused is kept for whoever asks.
            let _told = number(caller.data(), Err(error));
            NONE
        }
    }
}

/// Kind and permissions of what a path names; 0 if that cannot be told.
pub(super) async fn path_mode(
    mut caller: Caller<'_, State>,
    path: u32,
    len: u32,
    follow: u32,
) -> wasmtime::Result<u32> {
    Ok(mode(&mut caller, |cx| {
        let flags = match follow {
            0 => AtFlags::empty(),
            _ => AtFlags::FOLLOW,
        };
        cx.state.process.stat(Dir::Cwd, cx.memory.path(path, len)?, flags)
    }))
}

/// The same of an open file.
pub(super) async fn fd_mode(mut caller: Caller<'_, State>, fd: u32) -> wasmtime::Result<u32> {
    Ok(mode(&mut caller, |cx| cx.state.process.fstat(Fd(fd))))
}

pub(super) fn chmod(cx: &mut Cx<'_>, _: &Waker, path: u32, len: u32, mode: u32) -> IoResult<()> {
    let path = cx.memory.path(path, len)?;
    let changed = cx
        .state
        .process
        .chmod(Dir::Cwd, path, Mode::new(mode & 0o7777), AtFlags::FOLLOW);
    Poll::Ready(changed)
}
