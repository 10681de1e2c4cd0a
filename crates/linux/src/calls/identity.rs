//! Users, groups and capabilities: the VM's. The host's never change.

use super::layout::Bytes;
use super::{Call, Fail, Outcome};
use crate::sys::Answer;
use agentos_kernel::id::{Gid, Uid};

pub(crate) fn getuid(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::Value(call.process()?.cred().ruid.0.into()))
}

pub(crate) fn geteuid(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::Value(call.process()?.cred().euid.0.into()))
}

pub(crate) fn getgid(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::Value(call.process()?.cred().rgid.0.into()))
}

pub(crate) fn getegid(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::Value(call.process()?.cred().egid.0.into()))
}

pub(crate) fn getresuid(call: &mut Call<'_>) -> Outcome {
    let cred = call.process()?.cred();
    three(call, [cred.ruid.0, cred.euid.0, cred.suid.0])
}

pub(crate) fn getresgid(call: &mut Call<'_>) -> Outcome {
    let cred = call.process()?.cred();
    three(call, [cred.rgid.0, cred.egid.0, cred.sgid.0])
}

fn three(call: &Call<'_>, ids: [u32; 3]) -> Outcome {
    for (index, id) in ids.into_iter().enumerate() {
        call.write(call.arg(index), &id.to_le_bytes())?;
    }
    Ok(Answer::OK)
}

pub(crate) fn getgroups(call: &mut Call<'_>) -> Outcome {
    let cred = call.process()?.cred();
    let room = usize::try_from(call.int(0)).map_err(|_| Fail(libc::EINVAL))?;
    let count = cred.groups.len();
    if room > 0 {
        if room < count {
            return Err(Fail(libc::EINVAL));
        }
        let bytes = cred.groups.iter().fold(Bytes::default(), |bytes, gid| bytes.u32(gid.0));
        call.write(call.arg(1), &bytes.0)?;
    }
    Ok(Answer::Value(count as i64))
}

pub(crate) fn setgroups(call: &mut Call<'_>) -> Outcome {
    let count = usize::try_from(call.int(0))
        .ok()
        .filter(|count| *count <= 65536)
        .ok_or(Fail(libc::EINVAL))?;
    let mut bytes = vec![0; count * 4];
    call.read(call.arg(1), &mut bytes)?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
    let groups: Vec<Gid> = bytes.chunks_exact(4).map(|bytes| Gid(number(bytes))).collect();
    call.process()?.set_groups(&groups)?;
    Ok(Answer::OK)
}

/// An id, or none for -1.
fn given(id: u32) -> Option<u32> {
    (id != u32::MAX).then_some(id)
}

pub(crate) fn setuid(call: &mut Call<'_>) -> Outcome {
    let process = call.process()?;
    let uid = given(call.uint(0)).map(Uid).ok_or(Fail(libc::EINVAL))?;
    match process.cred().is_root() {
        true => process.set_uids(Some(uid), Some(uid), Some(uid))?,
        false => process.set_uids(None, Some(uid), None)?,
    }
    Ok(Answer::OK)
}

pub(crate) fn setgid(call: &mut Call<'_>) -> Outcome {
    let process = call.process()?;
    let gid = given(call.uint(0)).map(Gid).ok_or(Fail(libc::EINVAL))?;
    match process.cred().is_root() {
        true => process.set_gids(Some(gid), Some(gid), Some(gid))?,
        false => process.set_gids(None, Some(gid), None)?,
    }
    Ok(Answer::OK)
}

pub(crate) fn setreuid(call: &mut Call<'_>) -> Outcome {
    let (real, effective) = (given(call.uint(0)).map(Uid), given(call.uint(1)).map(Uid));
    // The saved one follows the effective one, as far as this call changes anything.
    let saved = effective.filter(|_| real.is_some() || effective.is_some());
    call.process()?.set_uids(real, effective, saved)?;
    Ok(Answer::OK)
}

pub(crate) fn setregid(call: &mut Call<'_>) -> Outcome {
    let (real, effective) = (given(call.uint(0)).map(Gid), given(call.uint(1)).map(Gid));
    let saved = effective.filter(|_| real.is_some() || effective.is_some());
    call.process()?.set_gids(real, effective, saved)?;
    Ok(Answer::OK)
}

pub(crate) fn setresuid(call: &mut Call<'_>) -> Outcome {
    let [real, effective, saved] = [0, 1, 2].map(|index| given(call.uint(index)).map(Uid));
    call.process()?.set_uids(real, effective, saved)?;
    Ok(Answer::OK)
}

pub(crate) fn setresgid(call: &mut Call<'_>) -> Outcome {
    let [real, effective, saved] = [0, 1, 2].map(|index| given(call.uint(index)).map(Gid));
    call.process()?.set_gids(real, effective, saved)?;
    Ok(Answer::OK)
}

/// The superuser of a VM has every capability there, which is none on the host.
pub(crate) fn capget(call: &mut Call<'_>) -> Outcome {
    const VERSIONS: [u32; 3] = [0x1998_0330, 0x2007_1026, 0x2008_0522];
    let mut head = [0; 4];
    call.read(call.arg(0), &mut head)?;
    let version = u32::from_le_bytes(head);
    if !VERSIONS.contains(&version) {
        call.write(call.arg(0), &VERSIONS[2].to_le_bytes())?;
        return Err(Fail(libc::EINVAL));
    }
    if call.arg(1) == 0 {
        return Ok(Answer::OK);
    }
    let all = if call.process()?.cred().is_root() {
        [u32::MAX, 0x1ff]
    } else {
        [0; 2]
    };
    let parts = if version == VERSIONS[0] { 1 } else { 2 };
    let bytes = all
        .iter()
        .take(parts)
        .fold(Bytes::default(), |bytes, set| bytes.u32(*set).u32(*set).u32(0));
    call.write(call.arg(1), &bytes.0)?;
    Ok(Answer::OK)
}
