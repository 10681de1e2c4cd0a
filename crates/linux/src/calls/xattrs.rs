//! Extended attributes of files (`xattr(7)`). What is only the host's, such as a pipe, has none.

use super::{AT_FDCWD, Call, Fail, Outcome};
use crate::sys::Answer;
use agentos_kernel::process::AtFlags;
use agentos_kernel::vfs::XattrMode;

/// Longest name of an extended attribute; then `ERANGE`.
const XATTR_NAME_MAX: usize = 255;
/// Longest value of an extended attribute; then `E2BIG`.
const XATTR_VALUE_MAX: u64 = 65536;

/// What an extended attribute belongs to.
enum Owner {
    Path(Vec<u8>, AtFlags),
    Open(i32),
}

fn path_owner(call: &mut Call<'_>, flags: AtFlags) -> Result<Owner, Fail> {
    Ok(Owner::Path(call.path(0)?, flags))
}

fn xattr_name(call: &Call<'_>) -> Result<Vec<u8>, Fail> {
    let name = call.string(call.arg(1), XATTR_NAME_MAX, libc::ERANGE)?;
    if name.is_empty() {
        Err(Fail(libc::ERANGE))
    } else {
        Ok(name)
    }
}

/// Gives the guest bytes, or their number if it has no room and only asks.
fn give(call: &Call<'_>, bytes: &[u8], to: u64, room: u64) -> Outcome {
    if room > 0 {
        if (bytes.len() as u64) > room {
            return Err(Fail(libc::ERANGE));
        }
        call.write(to, bytes)?;
    }
    Ok(Answer::Value(bytes.len() as i64))
}

/// Whether an attribute is one that everybody may have names for.
fn is_users(name: &[u8]) -> bool {
    name.len() > 5 && name.starts_with(b"user.")
}

/// The error of changing an attribute of what is only the host's: only files and directories have any.
fn unchangeable(call: &Call<'_>, name: &[u8]) -> Fail {
    let host = call.vm.host_stat(call.key, call.int(0));
    let is_file = host.is_ok_and(|host| host.st_mode & libc::S_IFMT == libc::S_IFREG);
    Fail(if is_users(name) && !is_file {
        libc::EPERM
    } else {
        libc::EOPNOTSUPP
    })
}

fn get_xattr(call: &mut Call<'_>, owner: Owner) -> Outcome {
    let name = xattr_name(call)?;
    let value = match owner {
        Owner::Path(path, flags) => call
            .at(AT_FDCWD, &path, |process, dir| {
                process.getxattr(dir, &path, &name, flags)
            })
            .map(Some),
        Owner::Open(fd) => call.on_open(fd, |process, dir| {
            process.getxattr(dir, b"", &name, AtFlags::EMPTY_PATH)
        }),
    };
    // What is only the host's has none.
    let value = value?.ok_or(Fail(if is_users(&name) {
        libc::ENODATA
    } else {
        libc::EOPNOTSUPP
    }))?;
    give(call, &value, call.arg(2), call.arg(3))
}

pub(crate) fn getxattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::FOLLOW)?;
    get_xattr(call, owner)
}

pub(crate) fn lgetxattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::empty())?;
    get_xattr(call, owner)
}

pub(crate) fn fgetxattr(call: &mut Call<'_>) -> Outcome {
    get_xattr(call, Owner::Open(call.int(0)))
}

fn list_xattr(call: &mut Call<'_>, owner: Owner) -> Outcome {
    let names = match owner {
        Owner::Path(path, flags) => call
            .at(AT_FDCWD, &path, |process, dir| process.listxattr(dir, &path, flags))
            .map(Some),
        Owner::Open(fd) => call.on_open(fd, |process, dir| process.listxattr(dir, b"", AtFlags::EMPTY_PATH)),
    };
    let mut bytes = Vec::new();
    for name in names?.unwrap_or_default() {
        bytes.extend(name);
        bytes.push(0);
    }
    give(call, &bytes, call.arg(1), call.arg(2))
}

pub(crate) fn listxattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::FOLLOW)?;
    list_xattr(call, owner)
}

pub(crate) fn llistxattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::empty())?;
    list_xattr(call, owner)
}

pub(crate) fn flistxattr(call: &mut Call<'_>) -> Outcome {
    list_xattr(call, Owner::Open(call.int(0)))
}

fn set_xattr(call: &mut Call<'_>, owner: Owner) -> Outcome {
    let name = xattr_name(call)?;
    let mode = match call.int(4) {
        0 => XattrMode::Any,
        1 => XattrMode::Create,
        2 => XattrMode::Replace,
        _ => return Err(Fail(libc::EINVAL)),
    };
    if call.arg(3) > XATTR_VALUE_MAX {
        return Err(Fail(libc::E2BIG));
    }
    let mut value = vec![0; call.arg(3) as usize];
    call.read(call.arg(2), &mut value)?;
    match owner {
        Owner::Path(path, flags) => call
            .at(AT_FDCWD, &path, |process, dir| {
                process.setxattr(dir, &path, &name, &value, mode, flags)
            })
            .map(Some),
        Owner::Open(fd) => call.on_open(fd, |process, dir| {
            process.setxattr(dir, b"", &name, &value, mode, AtFlags::EMPTY_PATH)
        }),
    }?
    .ok_or_else(|| unchangeable(call, &name))?;
    Ok(Answer::OK)
}

pub(crate) fn setxattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::FOLLOW)?;
    set_xattr(call, owner)
}

pub(crate) fn lsetxattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::empty())?;
    set_xattr(call, owner)
}

pub(crate) fn fsetxattr(call: &mut Call<'_>) -> Outcome {
    set_xattr(call, Owner::Open(call.int(0)))
}

fn remove_xattr(call: &mut Call<'_>, owner: Owner) -> Outcome {
    let name = xattr_name(call)?;
    match owner {
        Owner::Path(path, flags) => call
            .at(AT_FDCWD, &path, |process, dir| {
                process.removexattr(dir, &path, &name, flags)
            })
            .map(Some),
        Owner::Open(fd) => call.on_open(fd, |process, dir| {
            process.removexattr(dir, b"", &name, AtFlags::EMPTY_PATH)
        }),
    }?
    .ok_or_else(|| unchangeable(call, &name))?;
    Ok(Answer::OK)
}

pub(crate) fn removexattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::FOLLOW)?;
    remove_xattr(call, owner)
}

pub(crate) fn lremovexattr(call: &mut Call<'_>) -> Outcome {
    let owner = path_owner(call, AtFlags::empty())?;
    remove_xattr(call, owner)
}

pub(crate) fn fremovexattr(call: &mut Call<'_>) -> Outcome {
    remove_xattr(call, Owner::Open(call.int(0)))
}
