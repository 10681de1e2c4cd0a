//! Extended attributes.

use super::filesystem::{PLAIN, at_flags};
use crate::imports::Cx;
use crate::path::Place;
use agentos_abi::fs as abi;
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::AtFlags;
use agentos_kernel::vfs::{NAME_MAX, XattrMode};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker};

/// Largest value, as in Linux.
const VALUE_MAX: u32 = 64 << 10;

fn name<'a>(cx: &'a Cx<'_>, start: u32, len: u32) -> Result<&'a [u8]> {
    if len as usize > NAME_MAX {
        return Err(Errno::ERANGE.into());
    }
    let name = cx.memory.bytes(start, len)?;
    if name.is_empty() || name.contains(&0) {
        Err(Errno::EINVAL.into())
    } else {
        Ok(name)
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn get(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    attribute: u32,
    attribute_len: u32,
    buf: u32,
    cap: u32,
    out: u32,
) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let attribute = name(cx, attribute, attribute_len)?;
    let value = cx.state.process.getxattr(place.dir, place.path(), attribute, flags)?;
    Poll::Ready(Ok(cx.memory.put_bytes(&value, buf, cap, out)?))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn set(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    attribute: u32,
    attribute_len: u32,
    buf: u32,
    size: u32,
) -> IoResult<()> {
    let (create, replace) = (flags & abi::XATTR_CREATE != 0, flags & abi::XATTR_REPLACE != 0);
    let mode = match (create, replace) {
        (false, false) => XattrMode::Any,
        (true, false) => XattrMode::Create,
        (false, true) => XattrMode::Replace,
        (true, true) => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    let flags = at_flags(flags & !(abi::XATTR_CREATE | abi::XATTR_REPLACE), PLAIN)?;
    if size > VALUE_MAX {
        return Poll::Ready(Err(Errno::E2BIG.into()));
    }
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let attribute = name(cx, attribute, attribute_len)?;
    let value = cx.memory.bytes(buf, size)?;
    Poll::Ready(
        cx.state
            .process
            .setxattr(place.dir, place.path(), attribute, value, mode, flags),
    )
}

/// The names, each followed by a NUL.
#[allow(clippy::too_many_arguments)]
pub(super) fn list(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    buf: u32,
    cap: u32,
    out: u32,
) -> IoResult<()> {
    let flags: AtFlags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let names = cx.state.process.listxattr(place.dir, place.path(), flags)?;
    let mut joined = names.join(&0);
    if !names.is_empty() {
        joined.push(0);
    }
    Poll::Ready(Ok(cx.memory.put_bytes(&joined, buf, cap, out)?))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn remove(
    cx: &mut Cx<'_>,
    _: &Waker,
    dirfd: i32,
    flags: u32,
    path: u32,
    len: u32,
    attribute: u32,
    attribute_len: u32,
) -> IoResult<()> {
    let flags = at_flags(flags, PLAIN)?;
    let place = Place::read(&cx.memory, dirfd, path, len, flags)?;
    let attribute = name(cx, attribute, attribute_len)?;
    Poll::Ready(cx.state.process.removexattr(place.dir, place.path(), attribute, flags))
}
