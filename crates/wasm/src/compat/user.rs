//! Who runs a program, which accounts there are, and whether it talks to a terminal.
//!
//! Accounts are those of the VM's own `/etc/passwd` and `/etc/group`, as far as the program may read these; otherwise those that
//! every VM has.

use crate::abi::{set_gid, set_groups, set_uid};
use crate::imports::Cx;
use agentos_abi::Record;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{AtFlags, Dir, OpenHow, Process};
use agentos_kernel::vfs::{FileType, OpenOptions};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

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

/// `setuid(2)`: the superuser changes all three for good.
pub(super) fn become_user(cx: &mut Cx<'_>, uid: u32) -> Result<()> {
    let others = if cx.state.process.cred().is_root() { uid } else { KEEP };
    set_uid(cx, others, uid, others)
}

/// `setgid(2)`.
pub(super) fn become_group(cx: &mut Cx<'_>, gid: u32) -> Result<()> {
    let others = if cx.state.process.cred().is_root() { gid } else { KEEP };
    set_gid(cx, others, gid, others)
}

/// An id that stays as it is.
const KEEP: u32 = u32::MAX;

/// `getgroups(2)`. The effective group is among them, whether it was set or not: programs that list groups look nowhere else.
pub(super) fn supplementary(cx: &mut Cx<'_>, cap: u32, buf: u32, count: u32) -> Result<()> {
    cx.memory.check::<u32>(count)?;
    let cred = cx.state.process.cred();
    let mut groups: Vec<u32> = cred.groups.iter().map(|group| group.0).collect();
    if !groups.contains(&cred.egid.0) {
        groups.insert(0, cred.egid.0);
    }
    let found = u32::try_from(groups.len()).map_err(|_| Errno::EOVERFLOW)?;
    if cap > 0 {
        if found > cap {
            return Err(Errno::EINVAL.into());
        }
        let bytes = cx.memory.bytes_mut(buf, found.saturating_mul(u32::SIZE as u32))?;
        for (slot, group) in bytes.chunks_exact_mut(u32::SIZE).zip(&groups) {
            group.encode(slot);
        }
    }
    Ok(cx.memory.put(count, &found)?)
}

pub(super) fn set_supplementary(cx: &mut Cx<'_>, count: u32, buf: u32) -> Result<()> {
    set_groups(cx, buf, count)
}

pub(super) fn isatty(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    cx.memory.check::<u32>(out)?;
    let process = &cx.state.process;
    process.file(Fd(fd))?;
    let answer = u32::from(process.tty_attributes(Fd(fd)).is_ok());
    Ok(cx.memory.put(out, &answer)?)
}

/// A list of accounts, and what stands for it where it cannot be read.
struct List {
    path: &'static [u8],
    /// How many colons a line has.
    colons: usize,
    known: &'static [u8],
}

const USERS: List = List {
    path: b"/etc/passwd",
    colons: 6,
    known: b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
};

const GROUPS: List = List {
    path: b"/etc/group",
    colons: 3,
    known: b"root:x:0:\nuser:x:1000:\n",
};

/// Which account.
enum Wanted<'a> {
    Id(u32),
    Name(&'a [u8]),
    /// The one after so many others.
    Nth(u32),
}

impl List {
    /// The line of an account.
    fn find<'t>(&self, text: &'t [u8], wanted: &Wanted<'_>) -> Option<&'t [u8]> {
        let is_account =
            |line: &&[u8]| line.len() <= LINE_MAX && line.iter().filter(|byte| **byte == b':').count() == self.colons;
        let mut lines = text.split(|byte| *byte == b'\n').filter(is_account);
        let field = |line: &'t [u8], at| line.split(|byte| *byte == b':').nth(at).unwrap_or_default();
        match wanted {
            Wanted::Nth(at) => lines.nth(*at as usize),
            Wanted::Name(name) => lines.find(|line| field(line, 0) == *name),
            Wanted::Id(id) => lines.find(|line| {
                let digits = std::str::from_utf8(field(line, 2)).ok();
                digits.and_then(|digits| digits.parse().ok()) == Some(*id)
            }),
        }
    }
}

/// Longest line of an account, for which programs have room.
const LINE_MAX: usize = 4000;
/// Bytes of a list of accounts that are read.
const LIST_MAX: usize = 1 << 18;

/// The bytes of a list.
fn read(process: &Process, path: &[u8], waker: &Waker) -> IoResult<Vec<u8>> {
    let how = OpenHow {
        options: OpenOptions {
            read: true,
            ..OpenOptions::default()
        },
        cloexec: true,
        no_tty: true,
        ..OpenHow::default()
    };
    let attr = process.stat(Dir::Cwd, path, AtFlags::FOLLOW)?.attr;
    if attr.kind != FileType::Regular {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    let fd = ready!(process.open(Dir::Cwd, path, &how, Some(waker)))?;
    let size = usize::try_from(attr.size).unwrap_or(LIST_MAX);
    let mut text = vec![0; size.min(LIST_MAX)];
    let mut end = 0;
    let read = loop {
        match process.read(fd, text.get_mut(end..).unwrap_or_default(), Some(waker)) {
            Poll::Ready(Ok(0)) => break Poll::Ready(Ok(())),
            Poll::Ready(Ok(count)) => end += count,
            Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
            // Nothing is kept: it is opened anew.
            Poll::Pending => break Poll::Pending,
        }
    };
    process.close(fd)?;
    ready!(read)?;
    text.truncate(end);
    Poll::Ready(Ok(text))
}

/// Writes the line of an account out. Whom nobody knows has none.
fn account(
    cx: &mut Cx<'_>,
    waker: &Waker,
    list: &List,
    wanted: &Wanted<'_>,
    (buf, cap, len): (u32, u32, u32),
) -> IoResult<()> {
    cx.memory.check::<u32>(len)?;
    let text = ready!(read(&cx.state.process, list.path, waker)).unwrap_or_else(|_| list.known.to_vec());
    let line = list.find(&text, wanted).ok_or(Errno::ENOENT)?;
    Poll::Ready(Ok(cx.memory.put_bytes(line, buf, cap, len)?))
}

/// Longest name of an account that is looked for.
const NAME_MAX: u32 = 256;

fn by_name(
    cx: &mut Cx<'_>,
    waker: &Waker,
    list: &List,
    (name, name_len): (u32, u32),
    out: (u32, u32, u32),
) -> IoResult<()> {
    if name_len > NAME_MAX {
        return Poll::Ready(Err(Errno::ENOENT.into()));
    }
    let name = cx.memory.bytes(name, name_len)?.to_vec();
    account(cx, waker, list, &Wanted::Name(&name), out)
}

pub(super) fn user(cx: &mut Cx<'_>, waker: &Waker, uid: u32, buf: u32, cap: u32, len: u32) -> IoResult<()> {
    account(cx, waker, &USERS, &Wanted::Id(uid), (buf, cap, len))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn user_named(
    cx: &mut Cx<'_>,
    waker: &Waker,
    name: u32,
    name_len: u32,
    buf: u32,
    cap: u32,
    len: u32,
) -> IoResult<()> {
    by_name(cx, waker, &USERS, (name, name_len), (buf, cap, len))
}

pub(super) fn nth_user(cx: &mut Cx<'_>, waker: &Waker, at: u32, buf: u32, cap: u32, len: u32) -> IoResult<()> {
    account(cx, waker, &USERS, &Wanted::Nth(at), (buf, cap, len))
}

pub(super) fn group(cx: &mut Cx<'_>, waker: &Waker, gid: u32, buf: u32, cap: u32, len: u32) -> IoResult<()> {
    account(cx, waker, &GROUPS, &Wanted::Id(gid), (buf, cap, len))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn group_named(
    cx: &mut Cx<'_>,
    waker: &Waker,
    name: u32,
    name_len: u32,
    buf: u32,
    cap: u32,
    len: u32,
) -> IoResult<()> {
    by_name(cx, waker, &GROUPS, (name, name_len), (buf, cap, len))
}

pub(super) fn nth_group(cx: &mut Cx<'_>, waker: &Waker, at: u32, buf: u32, cap: u32, len: u32) -> IoResult<()> {
    account(cx, waker, &GROUPS, &Wanted::Nth(at), (buf, cap, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"# who\nroot:x:0:0:root:/root:/bin/sh\nodd\nuser:x:1000:1000::/home/user:/bin/sh\nbad:x:a:0:::\n";

    fn found(wanted: &Wanted<'_>) -> Option<&'static str> {
        USERS
            .find(TEXT, wanted)
            .map(|line| std::str::from_utf8(line.split(|byte| *byte == b':').next().unwrap()).unwrap())
    }

    #[test]
    fn accounts_are_found_by_id_name_and_place() {
        assert_eq!(found(&Wanted::Id(1000)), Some("user"));
        assert_eq!(found(&Wanted::Id(7)), None);
        assert_eq!(found(&Wanted::Name(b"root")), Some("root"));
        assert_eq!(found(&Wanted::Name(b"roo")), None);
        assert_eq!(found(&Wanted::Nth(1)), Some("user"));
        assert_eq!(found(&Wanted::Nth(2)), Some("bad"));
        assert_eq!(found(&Wanted::Nth(3)), None);
        assert_eq!(GROUPS.find(GROUPS.known, &Wanted::Id(1000)), Some(&b"user:x:1000:"[..]));
    }
}
