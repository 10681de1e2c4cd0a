//! Path operations, one per system call: each resolves, checks in the order of Linux, and calls the filesystem once.

mod attributes;
mod create;
mod open;
mod paths;
mod remove;
mod rename;
mod xattr;

use crate::error::Result;
use crate::id::Gid;
use crate::vfs::attr::{Attr, FileType, Mode};
use crate::vfs::context::FsContext;
use crate::vfs::filesystem::NewNode;

/// The new inode that `cx` creates in `dir`: umask, and the group of a set-group-id directory.
fn new_node(cx: &FsContext<'_>, dir: &Attr, kind: FileType, mode: Mode, rdev: u64) -> NewNode {
    let inherits = dir.mode.bits() & Mode::SETGID != 0;
    let gid = if inherits { dir.gid } else { cx.cred.egid };
    NewNode {
        kind,
        mode: new_mode(cx, gid, inherits, kind, mode),
        uid: cx.cred.euid,
        gid,
        rdev,
    }
}

fn new_mode(cx: &FsContext<'_>, gid: Gid, inherits: bool, kind: FileType, mode: Mode) -> Mode {
    let mut bits = mode.masked(cx.umask).bits();
    if kind == FileType::Directory {
        bits &= 0o777 | Mode::STICKY;
        if inherits {
            bits |= Mode::SETGID;
        }
    } else if inherits && bits & 0o010 != 0 && !cx.cred.is_root() && !cx.cred.in_group(gid) {
        // A file that would run with a group that its creator is not in.
        bits &= !Mode::SETGID;
    }
    Mode::new(bits)
}

/// Whether the name in a lookup's result is absent; other errors pass.
fn absent(found: Result<Attr>) -> Result<Option<Attr>> {
    match found {
        Ok(attr) => Ok(Some(attr)),
        Err(error) if error == crate::errno::Errno::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}
