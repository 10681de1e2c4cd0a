//! What a guest asks about the scheduling of threads by number: its own, under the host's number or the VM's, and other guests.
//!
//! Libraries ask about each of their threads (`pthread_getattr_np` does), and take a refusal for something much worse.

use super::{Call, Fail, Outcome};
use crate::sys::{Answer, check};

/// Most bytes of a set of processors that are looked at.
const SET_MAX: usize = 1024;

/// The host's number of the thread that the first argument names.
fn named(call: &Call<'_>) -> Result<u32, Fail> {
    let asked = call.uint(0);
    if asked == call.process()?.pid().0 {
        return Ok(call.key);
    }
    if asked == call.n.tid || call.vm.guest_of_known(asked).is_some() {
        return Ok(asked);
    }
    let mut guests = call.vm.guests.values();
    let other = guests.find(|guest| guest.process.pid().0 == asked);
    other.map(|guest| guest.pid).ok_or(Fail(libc::ESRCH))
}

pub(crate) fn affinity(call: &mut Call<'_>) -> Outcome {
    let (tid, room) = (named(call)?, call.uint(1) as usize);
    let mut set = [0u64; SET_MAX / 8];
    // SAFETY: so many bytes are writable.
    let written =
        check(unsafe { libc::syscall(libc::SYS_sched_getaffinity, tid, room.min(SET_MAX), set.as_mut_ptr()) })?;
    let bytes: Vec<u8> = set.iter().flat_map(|word| word.to_le_bytes()).collect();
    let written = usize::try_from(written).unwrap_or(0).min(bytes.len());
    call.write(call.arg(2), bytes.get(..written).unwrap_or_default())?;
    Ok(Answer::Value(written as i64))
}

pub(crate) fn policy(call: &mut Call<'_>) -> Outcome {
    let tid = named(call)?;
    // SAFETY: takes numbers alone.
    Ok(Answer::Value(check(unsafe {
        libc::syscall(libc::SYS_sched_getscheduler, tid)
    })?))
}

pub(crate) fn parameter(call: &mut Call<'_>) -> Outcome {
    let tid = named(call)?;
    let mut priority = 0i32;
    // SAFETY: the structure is one number, which is writable.
    check(unsafe { libc::syscall(libc::SYS_sched_getparam, tid, &raw mut priority) })?;
    call.write(call.arg(1), &priority.to_le_bytes())?;
    Ok(Answer::OK)
}

pub(crate) fn interval(call: &mut Call<'_>) -> Outcome {
    let tid = named(call)?;
    let mut time = [0i64; 2];
    // SAFETY: the structure is two numbers, which are writable.
    check(unsafe { libc::syscall(libc::SYS_sched_rr_get_interval, tid, time.as_mut_ptr()) })?;
    let bytes: Vec<u8> = time.iter().flat_map(|word| word.to_le_bytes()).collect();
    call.write(call.arg(1), &bytes)?;
    Ok(Answer::OK)
}
