//! Extended attributes of one inode, once loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentos_kernel::Errno;
use agentos_kernel::error::Result;
use agentos_kernel::vfs::XattrMode;

use super::ledger::{Ledger, XATTR_CHARGE};

/// Most bytes of names and values of one inode (limits.md 4.2).
const XATTRS_MAX: u64 = 64 * 1024;

/// By name.
pub(super) type Xattrs = BTreeMap<Arc<[u8]>, Arc<[u8]>>;

/// What an attribute is charged.
pub(super) fn charge(name: &[u8], value: &[u8]) -> u64 {
    XATTR_CHARGE + (name.len() + value.len()) as u64
}

/// Sets an attribute; `room` is what all of them are charged.
pub(super) fn set(
    xattrs: &mut Xattrs,
    (room, ledger): (&mut u64, &mut Ledger),
    (name, value): (&[u8], &[u8]),
    mode: XattrMode,
) -> Result<()> {
    let old = xattrs.get(name);
    match (mode, old.is_some()) {
        (XattrMode::Create, true) => return Err(Errno::EEXIST.into()),
        (XattrMode::Replace, false) => return Err(Errno::ENODATA.into()),
        _ => {}
    }
    let had = old.map_or(0, |old| charge(name, old));
    let wanted = charge(name, value);
    let count = xattrs.len() as u64 + u64::from(old.is_none());
    if *room - had + wanted - count * XATTR_CHARGE > XATTRS_MAX {
        return Err(Errno::ENOSPC.into());
    }
    ledger.take(wanted.saturating_sub(had), "setxattr")?;
    ledger.give(had.saturating_sub(wanted));
    *room = *room - had + wanted;
    xattrs.insert(name.into(), value.into());
    Ok(())
}

/// Removes an attribute.
pub(super) fn remove(xattrs: &mut Xattrs, (room, ledger): (&mut u64, &mut Ledger), name: &[u8]) -> Result<()> {
    let old = xattrs.remove(name).ok_or(Errno::ENODATA)?;
    let charge = charge(name, &old);
    *room = room.saturating_sub(charge);
    ledger.give(charge);
    Ok(())
}
