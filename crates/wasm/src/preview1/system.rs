//! Ending, raising, yielding, randomness.

use crate::imports::Cx;
use crate::process::{State, Unwind};
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::Signal;
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker};
use wasmtime::Caller;

/// Does not return to the guest.
pub(super) fn exit(_: Caller<'_, State>, status: u32) -> wasmtime::Result<()> {
    Err(Unwind::Exit(status).into())
}

/// Preview 1 numbers signals as Linux does up to `SIGTERM`, and then without `SIGSTKFLT`.
fn signal(number: u32) -> Result<Option<Signal>> {
    let linux = match number {
        0 => return Ok(None),
        1..=15 => number,
        16..=30 => number + 1,
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(Signal::new(linux))
}

pub(super) fn raise(cx: &mut Cx<'_>, _: &Waker, number: u32) -> IoResult<()> {
    let process = &cx.state.process;
    Poll::Ready(match signal(number)? {
        Some(signal) => process.kill(process.pid().0.cast_signed(), signal),
        None => Ok(()),
    })
}

pub(super) fn sched_yield(cx: &mut Cx<'_>, waker: &Waker) -> IoResult<()> {
    cx.give_way(waker).map(Ok)
}

/// Bytes made in one step.
const CHUNK: u32 = 256 << 10;

pub(super) fn random_get(cx: &mut Cx<'_>, waker: &Waker, buf: u32, len: u32) -> IoResult<()> {
    cx.memory.bytes(buf, len)?;
    // At most `len`.
    let done = cx.scratch.done as u32;
    let now = len.saturating_sub(done).min(CHUNK);
    let target = cx.memory.bytes_mut(buf.saturating_add(done), now)?;
    cx.state.process.kernel().entropy().fill(target);
    cx.scratch.done += u64::from(now);
    if done + now < len {
        waker.wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_preview_1_numbers() {
        assert_eq!(signal(0).unwrap(), None);
        assert_eq!(signal(9).unwrap(), Some(Signal::KILL));
        assert_eq!(signal(15).unwrap(), Some(Signal::TERM));
        assert_eq!(signal(16).unwrap(), Some(Signal::CHLD));
        assert_eq!(signal(30).unwrap(), Some(Signal::SYS));
        assert_eq!(signal(31).unwrap_err(), Errno::EINVAL);
    }
}
