//! Permission checks of `path_resolution(7)` and `inode(7)`: owner, group, others, the superuser's override, sticky
//! directories.

use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Uid;
use crate::vfs::attr::{Attr, FileType, Mode};

bitflags::bitflags! {
    /// Kinds of access, with the numbers of `access(2)`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Access: u32 {
        /// Execute a file, search a directory.
        const EXEC = 1;
        /// Write.
        const WRITE = 2;
        /// Read.
        const READ = 4;
    }
}

/// Whether `cred` (its effective ids) may access the inode; `EACCES` if not.
pub fn check(cred: &Credentials, attr: &Attr, want: Access) -> Result<()> {
    if permits(cred, attr, want) {
        Ok(())
    } else {
        Err(Errno::EACCES.into())
    }
}

/// Whether `cred` (its effective ids) may access the inode in all of the wanted ways. The class that fits first decides:
/// an owner without the owner's bit is refused even if others have it.
pub fn permits(cred: &Credentials, attr: &Attr, want: Access) -> bool {
    let mode = attr.mode.bits();
    if cred.is_root() {
        // The superuser reads, writes and searches everything, and executes what anybody may execute.
        return !want.contains(Access::EXEC) || attr.kind == FileType::Directory || mode & 0o111 != 0;
    }
    let class = if cred.euid == attr.uid {
        mode >> 6
    } else if cred.in_group(attr.gid) {
        mode >> 3
    } else {
        mode
    };
    want.bits() & !class == 0
}

/// Whether `cred` owns the inode or is the superuser.
pub fn owns(cred: &Credentials, attr: &Attr) -> bool {
    cred.is_root() || cred.euid == attr.uid
}

/// Whether names may be added to directory `dir`: write and search permission, and the directory still has a name.
pub fn may_create(cred: &Credentials, dir: &Attr) -> Result<()> {
    if dir.nlink == 0 {
        return Err(Errno::ENOENT.into());
    }
    check(cred, dir, Access::WRITE | Access::EXEC)
}

/// Whether the name of `victim` may be removed from `dir`, to remove a directory (`as_directory`) or something else.
/// The order of errors is that of Linux: `EACCES`, `EPERM` of a sticky directory, `ENOTDIR` or `EISDIR`.
pub fn may_delete(cred: &Credentials, dir: &Attr, victim: &Attr, as_directory: bool) -> Result<()> {
    check(cred, dir, Access::WRITE | Access::EXEC)?;
    let sticky = dir.mode.bits() & Mode::STICKY != 0;
    if sticky && !owns(cred, victim) && cred.euid != dir.uid {
        return Err(Errno::EPERM.into());
    }
    match (as_directory, victim.kind == FileType::Directory) {
        (true, false) => Err(Errno::ENOTDIR.into()),
        (false, true) => Err(Errno::EISDIR.into()),
        _ => Ok(()),
    }
}

/// Permissions of an inode after its content or owner was changed by `cred`: set-id bits that must go are gone. `None` if
/// nothing changes. Group-id goes when the group may execute (otherwise it has no such meaning) or when the caller does not
/// belong to the group.
pub fn without_set_id(cred: &Credentials, attr: &Attr) -> Option<Mode> {
    let mode = attr.mode.bits();
    let mut kept = mode & !Mode::SETUID;
    if drops_set_gid(cred, attr) {
        kept &= !Mode::SETGID;
    }
    (kept != mode).then(|| Mode::new(kept))
}

fn drops_set_gid(cred: &Credentials, attr: &Attr) -> bool {
    attr.mode.bits() & 0o010 != 0 || !(cred.is_root() || cred.in_group(attr.gid))
}

/// Identities with the real ids in place of the effective ones, as `access(2)` checks them.
pub fn with_real_ids(cred: &Credentials) -> Credentials {
    let mut real = cred.clone();
    real.euid = cred.ruid;
    real.egid = cred.rgid;
    real
}

/// Whether `cred` may act as the superuser.
pub fn is_root(cred: &Credentials) -> bool {
    cred.euid == Uid::ROOT
}
