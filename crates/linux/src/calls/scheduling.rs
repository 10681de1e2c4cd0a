//! What a guest asks about the scheduling of threads by number: its own, under the host's number or the VM's, and other guests; and what it
//! wishes for its own.
//!
//! Libraries ask about each of their threads (`pthread_getattr_np` does), and take a refusal for something much worse.

use super::{Call, Fail, Outcome};
use crate::sys::{Answer, check};

/// Most bytes of a set of processors that are looked at; then the rest counts as empty.
const SET_MAX: usize = 1024;

/// The host's number of the thread that the first argument names.
fn named(call: &Call<'_>) -> Result<u32, Fail> {
    let asked = u32::try_from(call.int(0)).map_err(|_| Fail(libc::EINVAL))?;
    if let Some(tid) = guest(call, asked)? {
        return Ok(tid);
    }
    // A process of the other kind is scheduled as everybody, the caller too.
    call.process()?.nice(call.vm.kernel_pid(asked))?;
    Ok(call.key)
}

/// The same of a guest.
fn guest(call: &Call<'_>, asked: u32) -> Result<Option<u32>, Fail> {
    if asked == call.process()?.pid().0 {
        return Ok(Some(call.key));
    }
    if asked == call.n.tid || call.vm.guest_of_known(asked).is_some() {
        return Ok(Some(asked));
    }
    let mut guests = call.vm.guests.values();
    let other = guests.find(|guest| guest.process.pid().0 == asked);
    Ok(other.map(|guest| guest.pid))
}

/// The host's number of a thread of the caller; nobody changes the scheduling of others.
fn own(call: &Call<'_>) -> Result<u32, Fail> {
    let tid = match call.uint(0) {
        0 => Some(call.n.tid),
        asked => guest(call, asked)?,
    };
    let tid = match tid {
        // Somebody's whose scheduling is not the caller's to change, or nobody's.
        None => {
            call.process()?.getpgid(call.vm.kernel_pid(call.uint(0)))?;
            None
        }
        found => found,
    };
    tid.filter(|tid| *tid == call.key || *tid == call.n.tid || call.vm.guest_of_known(*tid) == Some(call.key))
        .ok_or(Fail(libc::EPERM))
}

/// The one number of `struct sched_param`.
fn priority(call: &Call<'_>, index: usize) -> Result<i32, Fail> {
    let mut bytes = [0; 4];
    match call.arg(index) {
        0 => return Err(Fail(libc::EINVAL)),
        at => call.read(at, &mut bytes)?,
    }
    Ok(i32::from_le_bytes(bytes))
}

/// Among what everybody may choose, of which none takes time from others; real time is refused.
pub(crate) fn set_policy(call: &mut Call<'_>) -> Outcome {
    const RESET_ON_FORK: i32 = 0x4000_0000;
    const REAL_TIME: std::ops::RangeInclusive<i32> = 1..=99;
    if call.int(0) < 0 {
        return Err(Fail(libc::EINVAL));
    }
    let priority = priority(call, 2)?;
    let (tid, policy) = (own(call)?, call.int(1));
    match policy & !RESET_ON_FORK {
        libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE if priority == 0 => {}
        libc::SCHED_FIFO | libc::SCHED_RR if REAL_TIME.contains(&priority) => return Err(Fail(libc::EPERM)),
        _ => return Err(Fail(libc::EINVAL)),
    }
    call.confirm()?;
    // SAFETY: the structure is one number, which is readable.
    check(unsafe { libc::syscall(libc::SYS_sched_setscheduler, tid, policy, &raw const priority) })?;
    Ok(Answer::OK)
}

/// What nobody has real time with has one priority.
pub(crate) fn set_parameter(call: &mut Call<'_>) -> Outcome {
    if call.int(0) < 0 || priority(call, 1)? != 0 {
        return Err(Fail(libc::EINVAL));
    }
    own(call)?;
    Ok(Answer::OK)
}

/// The processors are the VM's to choose: a wish that has one of them succeeds and does nothing.
pub(crate) fn set_affinity(call: &mut Call<'_>) -> Outcome {
    if call.int(0) < 0 {
        return Err(Fail(libc::ESRCH));
    }
    let tid = own(call)?;
    let mut wanted = vec![0; usize::try_from(call.uint(1)).unwrap_or(0).min(SET_MAX)];
    call.read(call.arg(2), &mut wanted)?;
    let mut allowed = [0u8; SET_MAX];
    // SAFETY: so many bytes are writable.
    check(unsafe { libc::syscall(libc::SYS_sched_getaffinity, tid, SET_MAX, allowed.as_mut_ptr()) })?;
    match wanted
        .iter()
        .zip(&allowed)
        .any(|(wanted, allowed)| wanted & allowed != 0)
    {
        true => Ok(Answer::OK),
        false => Err(Fail(libc::EINVAL)),
    }
}

pub(crate) fn affinity(call: &mut Call<'_>) -> Outcome {
    let tid = guest(call, call.uint(0))?.ok_or(Fail(libc::ESRCH))?;
    let room = call.uint(1) as usize;
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
    if call.arg(1) == 0 {
        return Err(Fail(libc::EINVAL));
    }
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
