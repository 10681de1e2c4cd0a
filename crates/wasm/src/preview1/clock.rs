//! Clocks.

use crate::imports::Cx;
use agentos_kernel::clock::Instant;
use agentos_kernel::{Errno, Result};

pub(super) const REALTIME: u32 = 0;
pub(super) const MONOTONIC: u32 = 1;
const PROCESS_CPUTIME: u32 = 2;
const THREAD_CPUTIME: u32 = 3;

/// Resolution of clocks in ns.
const RESOLUTION: u64 = 1;

pub(super) fn res_get(cx: &mut Cx<'_>, id: u32, out: u32) -> Result<()> {
    match id {
        REALTIME..=THREAD_CPUTIME => Ok(cx.memory.put(out, &RESOLUTION)?),
        _ => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn time_get(cx: &mut Cx<'_>, id: u32, _precision: u64, out: u32) -> Result<()> {
    let process = &cx.state.process;
    let time = match id {
        REALTIME => u64::try_from(process.clock_now().0).map_err(|_| Errno::EOVERFLOW)?,
        MONOTONIC => process.clock_instant().0,
        // A clock that runs while the process computes, and only then: it stands for ever.
        PROCESS_CPUTIME | THREAD_CPUTIME if process.has_frozen_clocks() => 0,
        PROCESS_CPUTIME | THREAD_CPUTIME => {
            // What this slice has used is accounted for now, so that the clock moves within it.
            crate::process::charge(process);
            process.usage().user_ns
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(cx.memory.put(out, &time)?)
}

/// The moment on the VM's monotonic clock at which a timeout ends; `began` is on that clock.
pub(super) fn deadline(cx: &Cx<'_>, id: u32, timeout: u64, absolute: bool, began: Instant) -> Result<Instant> {
    let process = &cx.state.process;
    match (id, absolute) {
        (REALTIME | MONOTONIC, false) => Ok(began.after(timeout)),
        (MONOTONIC, true) => Ok(process.when_shown(Instant(timeout))),
        (REALTIME, true) => {
            let left = timeout.saturating_sub(u64::try_from(process.clock_now().0).unwrap_or(0));
            Ok(process.when_shown(process.clock_instant().after(left)))
        }
        (PROCESS_CPUTIME | THREAD_CPUTIME, _) => Err(Errno::EOPNOTSUPP.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}
