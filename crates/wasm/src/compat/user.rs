//! Who runs a program, and whether it talks to a terminal.

use crate::imports::Cx;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::{Fd, Uid};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker};

pub(super) fn real_user(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let id = cx.state.process.cred().ruid.0;
    Ok(cx.memory.put(out, &id)?)
}

pub(super) fn effective_user(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let id = cx.state.process.cred().euid.0;
    Ok(cx.memory.put(out, &id)?)
}

pub(super) fn real_group(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let id = cx.state.process.cred().rgid.0;
    Ok(cx.memory.put(out, &id)?)
}

pub(super) fn effective_group(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let id = cx.state.process.cred().egid.0;
    Ok(cx.memory.put(out, &id)?)
}

pub(super) fn isatty(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    cx.memory.check::<u32>(out)?;
    let process = &cx.state.process;
    process.file(Fd(fd))?;
    let answer = u32::from(process.tty_attributes(Fd(fd)).is_ok());
    Ok(cx.memory.put(out, &answer)?)
}

/// The accounts that every VM has, as lines of `/etc/passwd`.
const ACCOUNTS: [(u32, &str); 2] = [
    (0, "root:x:0:0:root:/root:/bin/sh"),
    (Uid::USER.0, "user:x:1000:1000:user:/home/user:/bin/sh"),
];

/// The line of an account, cut where there is no room. Whom nobody knows has none.
pub(super) fn account(cx: &mut Cx<'_>, _: &Waker, uid: u32, buf: u32, cap: u32, len: u32) -> IoResult<()> {
    cx.memory.check::<u32>(len)?;
    let line = ACCOUNTS.iter().find(|(known, _)| *known == uid);
    let (_, line) = line.ok_or(Errno::ENOENT)?;
    let shown = line.as_bytes();
    let shown = shown.get(..cap as usize).unwrap_or(shown);
    let count = u32::try_from(shown.len()).map_err(|_| Errno::EFAULT)?;
    cx.memory.bytes_mut(buf, count)?.copy_from_slice(shown);
    Poll::Ready(Ok(cx.memory.put(len, &count)?))
}
