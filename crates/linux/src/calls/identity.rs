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
    if !call.process()?.cred().is_root() {
        return Err(Fail(libc::EPERM));
    }
    let mut bytes = vec![0; count * 4];
    call.read(call.arg(1), &mut bytes)?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
    let mut groups: Vec<Gid> = bytes.chunks_exact(4).map(|bytes| Gid(number(bytes))).collect();
    // As Linux keeps them.
    groups.sort_unstable_by_key(|gid| gid.0);
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

/// What `setreuid` and its like make of the saved id: it follows the effective one where the real one is set or the effective one becomes
/// another than the real one was. The real one becomes no saved one.
fn saved_too(ids: [u32; 3], real: Option<u32>, effective: Option<u32>, is_root: bool) -> Result<Option<u32>, Fail> {
    let [old_real, old_effective, _] = ids;
    if !is_root && real.is_some_and(|real| real != old_real && real != old_effective) {
        return Err(Fail(libc::EPERM));
    }
    let follows = real.is_some() || effective.is_some_and(|effective| effective != old_real);
    Ok(follows.then(|| effective.unwrap_or(old_effective)))
}

pub(crate) fn setreuid(call: &mut Call<'_>) -> Outcome {
    let (real, effective) = (given(call.uint(0)), given(call.uint(1)));
    let process = call.process()?;
    let cred = process.cred();
    let saved = saved_too([cred.ruid.0, cred.euid.0, cred.suid.0], real, effective, cred.is_root())?;
    process.set_uids(real.map(Uid), effective.map(Uid), saved.map(Uid))?;
    Ok(Answer::OK)
}

pub(crate) fn setregid(call: &mut Call<'_>) -> Outcome {
    let (real, effective) = (given(call.uint(0)), given(call.uint(1)));
    let process = call.process()?;
    let cred = process.cred();
    let saved = saved_too([cred.rgid.0, cred.egid.0, cred.sgid.0], real, effective, cred.is_root())?;
    process.set_gids(real.map(Gid), effective.map(Gid), saved.map(Gid))?;
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
    const ALL: [u32; 2] = [u32::MAX, 0x1ff];
    const VERSIONS: [u32; 3] = [0x1998_0330, 0x2007_1026, 0x2008_0522];
    let mut head = [0; 4];
    call.read(call.arg(0), &mut head)?;
    let version = u32::from_le_bytes(head);
    if !VERSIONS.contains(&version) {
        call.write(call.arg(0), &VERSIONS[2].to_le_bytes())?;
        // Who only asks for the version has it.
        return if call.arg(1) == 0 {
            Ok(Answer::OK)
        } else {
            Err(Fail(libc::EINVAL))
        };
    }
    let mut pid = [0; 4];
    call.read(call.arg(0).wrapping_add(4), &mut pid)?;
    let pid = u32::try_from(i32::from_le_bytes(pid)).map_err(|_| Fail(libc::EINVAL))?;
    let process = call.process()?;
    let pid = if pid == 0 {
        process.pid()
    } else {
        call.vm.kernel_pid(pid)
    };
    process.getpgid(pid)?;
    let cred = process.kernel().process(pid).ok_or(Fail(libc::ESRCH))?.cred();
    if call.arg(1) == 0 {
        return Ok(Answer::OK);
    }
    // Who can become the superuser again still may have them.
    let is_permitted = [cred.ruid, cred.euid, cred.suid].contains(&Uid::ROOT);
    let effective = if cred.is_root() { ALL } else { [0; 2] };
    let permitted = if is_permitted { ALL } else { [0; 2] };
    let parts = if version == VERSIONS[0] { 1 } else { 2 };
    let bytes = effective
        .iter()
        .zip(&permitted)
        .take(parts)
        .fold(Bytes::default(), |bytes, (effective, permitted)| {
            bytes.u32(*effective).u32(*permitted).u32(0)
        });
    call.write(call.arg(1), &bytes.0)?;
    Ok(Answer::OK)
}
