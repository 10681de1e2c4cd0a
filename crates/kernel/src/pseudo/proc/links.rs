//! Links in `/proc`: who asks, and what processes hold.

use super::node::{Item, Node};
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{AccessMode, OpenFile};
use crate::id::{Fd, Pid};
use crate::process::{Kernel, Process, Shown};
use crate::tty::Slave;
use crate::vfs::{FsContext, Jump, Location, Mode, Object};
use std::fmt::Write as _;
use std::sync::Arc;

/// Text of a link.
pub(super) fn text(kernel: &Kernel, node: Node, caller: Pid) -> Result<Vec<u8>> {
    // Without a process that asks there is no "self".
    let own = || if caller.0 == 0 { Err(Errno::ENOENT) } else { Ok(caller) };
    match node.item {
        Item::SelfLink => return Ok(own()?.to_string().into_bytes()),
        Item::ThreadSelf => return Ok(format!("{0}/task/{0}", own()?).into_bytes()),
        Item::MountsLink => return Ok(b"self/mounts".to_vec()),
        Item::Fd | Item::PCwd | Item::PExe | Item::PRoot => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    let process = permitted(kernel, node.pid, caller)?;
    if node.item == Item::Fd {
        let file = process.shown_descriptor(node.fd)?.file;
        return Ok(describe(kernel, &file));
    }
    Ok(path_of(kernel, &held(kernel, &process, node.item)?))
}

/// Where a link of a process leads.
pub(super) fn jump(kernel: &Kernel, node: Node, caller: Pid) -> Result<Jump> {
    let process = permitted(kernel, node.pid, caller)?;
    if node.item != Item::Fd {
        return held(kernel, &process, node.item).map(Jump::Location);
    }
    let file = process.shown_descriptor(node.fd)?.file;
    match file.location() {
        Some(location) => Ok(Jump::Location(location.clone())),
        None => Ok(Jump::Object(Object {
            stat: file.stat()?,
            handle: file,
        })),
    }
}

/// Permissions of the link of a descriptor: how the file was opened.
pub(super) fn mode(access: AccessMode) -> Mode {
    let bit = |mode, bits| if access.contains(mode) { bits } else { 0 };
    Mode::new(0o100 | bit(AccessMode::READ, 0o400) | bit(AccessMode::WRITE, 0o200))
}

/// What `/proc/<pid>/fdinfo/<n>` says.
pub(super) fn fd_info(process: &Process, fd: Fd) -> Result<Vec<u8>> {
    let Shown { position, flags, .. } = process.shown_descriptor(fd)?;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t0\n");
    Ok(text.into_bytes())
}

/// The process, if `caller` may see what it keeps to itself. The host (pid 0) may.
fn permitted(kernel: &Kernel, pid: Pid, caller: Pid) -> Result<Arc<Process>> {
    let process = kernel.process(pid).ok_or(Errno::ENOENT)?;
    if caller.0 == 0 || caller == pid {
        return Ok(process);
    }
    let asks = kernel.process(caller).ok_or(Errno::ENOENT)?.cred();
    let target = process.cred();
    let same = [target.ruid, target.euid, target.suid]
        .iter()
        .all(|uid| *uid == asks.euid);
    if same || asks.is_root() {
        Ok(process)
    } else {
        Err(Errno::EACCES.into())
    }
}

fn held(kernel: &Kernel, process: &Process, item: Item) -> Result<Location> {
    // A zombie is nowhere any more.
    match item {
        Item::PCwd => process.cwd().ok_or_else(|| Errno::ENOENT.into()),
        Item::PExe => process.exe().ok_or_else(|| Errno::ENOENT.into()),
        _ => Ok(kernel.root().clone()),
    }
}

fn describe(kernel: &Kernel, file: &OpenFile) -> Vec<u8> {
    // Terminals say their name themselves: the directory that shows them has no way back from a number to a name.
    if let Some(slave) = file.object_as::<Slave>() {
        return slave.pty().path().into_bytes();
    }
    match (file.describe(), file.location()) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(location)) => path_of(kernel, location),
        (None, None) => Vec::new(),
    }
}

/// Path of a held inode. One that has no name any more is shown by its number.
fn path_of(kernel: &Kernel, location: &Location) -> Vec<u8> {
    let cred = Credentials::root();
    let cx = FsContext::new(&cred, kernel.root());
    match kernel.vfs().path_of(&cx, location) {
        Ok(path) => path,
        Err(_) => format!("/#{} (deleted)", location.ino()).into_bytes(),
    }
}
