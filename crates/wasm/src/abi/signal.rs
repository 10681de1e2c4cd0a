//! Signals and the timer that sends one.

use crate::imports::Cx;
use agentos_abi::signal::{self as abi, Siginfo};
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::{Disposition, MaskHow, SigInfo, SigSet, Signal};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

fn signal(number: u32) -> Result<Signal> {
    Ok(Signal::new(number).ok_or(Errno::EINVAL)?)
}

/// `kill(2)`; signal 0 only asks whether it would be allowed.
pub(crate) fn kill(cx: &mut Cx<'_>, _: &Waker, pid: i32, number: u32) -> IoResult<()> {
    Poll::Ready(match number {
        0 => cx.state.process.may_kill(pid),
        _ => cx.state.process.kill(pid, signal(number)?),
    })
}

pub(super) fn mask(cx: &mut Cx<'_>, how: u32, set: u64, old: u32) -> Result<()> {
    let how = match how {
        abi::SIG_BLOCK => MaskHow::Block,
        abi::SIG_UNBLOCK => MaskHow::Unblock,
        abi::SIG_SETMASK => MaskHow::Set,
        _ => return Err(Errno::EINVAL.into()),
    };
    cx.memory.check::<u64>(old)?;
    let before = cx.state.process.sig_mask(Some((how, SigSet(set))));
    Ok(cx.memory.put(old, &before.0)?)
}

pub(super) fn pending(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let set = cx.state.process.sig_pending();
    Ok(cx.memory.put(out, &set.0)?)
}

pub(super) fn take(cx: &mut Cx<'_>, set: u64, out: u32) -> Result<()> {
    cx.memory.check::<Siginfo>(out)?;
    let info = cx.state.process.sig_take(SigSet(set))?;
    Ok(cx.memory.put(out, &siginfo(info))?)
}

pub(super) fn disposition(cx: &mut Cx<'_>, number: u32, disposition: u32, old: u32) -> Result<()> {
    let signal = signal(number)?;
    let new = match disposition {
        abi::DISP_DEFAULT => Some(Disposition::Default),
        abi::DISP_IGNORE => Some(Disposition::Ignore),
        abi::DISP_CATCH => Some(Disposition::Catch),
        abi::DISP_QUERY => None,
        _ => return Err(Errno::EINVAL.into()),
    };
    cx.memory.check::<u32>(old)?;
    let before = match new {
        Some(new) => cx.state.process.set_disposition(signal, new)?,
        None => cx.state.process.disposition(signal),
    };
    let before = match before {
        Disposition::Default => abi::DISP_DEFAULT,
        Disposition::Ignore => abi::DISP_IGNORE,
        Disposition::Catch => abi::DISP_CATCH,
    };
    Ok(cx.memory.put(old, &before)?)
}

pub(super) fn wait(cx: &mut Cx<'_>, waker: &Waker, set: u64, timeout: i64, out: u32) -> IoResult<()> {
    cx.memory.check::<Siginfo>(out)?;
    let deadline = cx.deadline(timeout);
    let info = ready!(cx.state.process.sig_wait(SigSet(set), deadline, Some(waker)))?;
    Poll::Ready(Ok(cx.memory.put(out, &siginfo(info))?))
}

pub(super) fn timer(cx: &mut Cx<'_>, first: u64, every: u64, old: u32) -> Result<()> {
    cx.memory.check::<u64>(old)?;
    let left = cx.state.process.set_timer(first, every);
    Ok(cx.memory.put(old, &left)?)
}

fn siginfo(info: SigInfo) -> Siginfo {
    Siginfo {
        signo: info.signal.number(),
        code: info.code,
        pid: info.pid.0,
        uid: info.uid.0,
        status: info.status,
        reserved: 0,
        value: info.value,
    }
}
