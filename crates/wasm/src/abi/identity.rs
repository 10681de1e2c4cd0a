//! Users and groups, as numbers.

use crate::imports::Cx;
use agentos_abi::Record;
use agentos_abi::process::Credentials as Ids;
use agentos_kernel::cred::Credentials;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::{Errno, Result};

/// An id that stays as it is.
const KEEP: u32 = u32::MAX;

pub(super) fn get(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let cred = cx.state.process.cred();
    let ids = Ids {
        ruid: cred.ruid.0,
        euid: cred.euid.0,
        suid: cred.suid.0,
        rgid: cred.rgid.0,
        egid: cred.egid.0,
        sgid: cred.sgid.0,
    };
    Ok(cx.memory.put(out, &ids)?)
}

/// The number of groups, and the groups if there is room for any.
pub(super) fn groups(cx: &mut Cx<'_>, buf: u32, cap: u32, out: u32) -> Result<()> {
    let cred = cx.state.process.cred();
    // At most `Credentials::MAX_GROUPS`.
    let count = cred.groups.len() as u32;
    cx.memory.check::<u32>(out)?;
    if cap > 0 {
        if count > cap {
            return Err(Errno::EINVAL.into());
        }
        let bytes = cx.memory.bytes_mut(buf, count.saturating_mul(u32::SIZE as u32))?;
        for (slot, group) in bytes.chunks_exact_mut(u32::SIZE).zip(&cred.groups) {
            group.0.encode(slot);
        }
    }
    Ok(cx.memory.put(out, &count)?)
}

pub(crate) fn set_uid(cx: &mut Cx<'_>, real: u32, effective: u32, saved: u32) -> Result<()> {
    let id = |raw| (raw != KEEP).then_some(Uid(raw));
    cx.state.process.set_uids(id(real), id(effective), id(saved))
}

pub(crate) fn set_gid(cx: &mut Cx<'_>, real: u32, effective: u32, saved: u32) -> Result<()> {
    let id = |raw| (raw != KEEP).then_some(Gid(raw));
    cx.state.process.set_gids(id(real), id(effective), id(saved))
}

pub(crate) fn set_groups(cx: &mut Cx<'_>, buf: u32, count: u32) -> Result<()> {
    if count as usize > Credentials::MAX_GROUPS {
        return Err(Errno::EINVAL.into());
    }
    let bytes = cx.memory.bytes(buf, count.saturating_mul(u32::SIZE as u32))?;
    let groups: Vec<Gid> = bytes
        .chunks_exact(u32::SIZE)
        .map(|bytes| Gid(u32::decode(bytes)))
        .collect();
    cx.state.process.set_groups(&groups)
}
