//! Processes: making them, groups, signals. Becoming another program is in [`execute`](super::execute).

use super::{Call, Fail, Outcome};
use crate::sys::{self, Answer};
use crate::vm::{Actions, Copy};
use agentos_kernel::id::Pid;
use agentos_kernel::process::{Process, SigSet, Signal};
use std::os::fd::AsFd;

/// Begins in the memory of the caller.
const CLONE_VM: u64 = 0x100;
/// The caller waits until the child lets go of its memory.
const CLONE_VFORK: u64 = 0x4000;
/// Another thread of the caller.
const CLONE_THREAD: u64 = 0x10000;

pub(crate) fn clone(call: &mut Call<'_>) -> Outcome {
    if call.arg(0) & CLONE_THREAD != 0 {
        return thread(call);
    }
    copy(call, call.arg(0) & CLONE_VM != 0, call.arg(0) & CLONE_VFORK != 0)
}

pub(crate) fn fork(call: &mut Call<'_>) -> Outcome {
    copy(call, false, false)
}

pub(crate) fn vfork(call: &mut Call<'_>) -> Outcome {
    copy(call, true, true)
}

/// The host makes the thread, unless the VM has too many. All that matters is in the register.
fn thread(call: &mut Call<'_>) -> Outcome {
    let processes = call.process()?.kernel().limits().max_processes;
    match call.vm.may_add_thread(processes) {
        true => Ok(Answer::Continue),
        false => Err(Fail(libc::EAGAIN)),
    }
}

/// The host makes the process; what the kernel knows of the caller is copied now, before the caller can change it.
fn copy(call: &mut Call<'_>, shares: bool, waits: bool) -> Outcome {
    let copied = call.process()?.copy()?;
    call.confirm()?;
    let tid = call.n.tid;
    let copy = Copy {
        tid,
        copied,
        shares,
        waits,
    };
    call.vm.remember_copy(call.key, copy);
    Ok(Answer::Continue)
}

/// A process as the guest knows it.
fn number(call: &Call<'_>, pid: Pid) -> Outcome {
    Ok(Answer::Value(call.vm.visible_pid(pid).into()))
}

pub(crate) fn getpid(call: &mut Call<'_>) -> Outcome {
    number(call, call.process()?.pid())
}

pub(crate) fn gettid(call: &mut Call<'_>) -> Outcome {
    match call.n.tid == call.key {
        true => getpid(call),
        false => Ok(Answer::Value(call.n.tid.into())),
    }
}

pub(crate) fn getppid(call: &mut Call<'_>) -> Outcome {
    number(call, call.process()?.ppid())
}

pub(crate) fn getpgid(call: &mut Call<'_>) -> Outcome {
    let pid = named(call, call.int(0))?;
    number(call, call.process()?.getpgid(pid)?)
}

pub(crate) fn getpgrp(call: &mut Call<'_>) -> Outcome {
    number(call, call.process()?.pgid())
}

pub(crate) fn getsid(call: &mut Call<'_>) -> Outcome {
    let pid = named(call, call.int(0))?;
    number(call, call.process()?.getsid(pid)?)
}

pub(crate) fn setpgid(call: &mut Call<'_>) -> Outcome {
    let pid = named(call, call.int(0))?;
    let group = u32::try_from(call.int(1)).map_err(|_| Fail(libc::EINVAL))?;
    let group = call.vm.kernel_pid(group);
    call.process()?.setpgid(pid, group)?;
    call.vm.expect_readers();
    Ok(Answer::OK)
}

pub(crate) fn setsid(call: &mut Call<'_>) -> Outcome {
    number(call, call.process()?.setsid()?)
}

/// The process that a guest means: it may know one by the number of the host.
fn named(call: &Call<'_>, pid: i32) -> Result<Pid, Fail> {
    let pid = u32::try_from(pid).map_err(|_| Fail(libc::ESRCH))?;
    Ok(call.vm.kernel_pid(pid))
}

pub(crate) fn kill(call: &mut Call<'_>) -> Outcome {
    send(call, call.int(0), call.int(1))
}

pub(crate) fn sigqueue(call: &mut Call<'_>) -> Outcome {
    match call.int(0) {
        1.. => send(call, call.int(0), call.int(1)),
        _ => Err(Fail(libc::ESRCH)),
    }
}

/// As `kill` does.
pub(super) fn send(call: &mut Call<'_>, target: i32, signal: i32) -> Outcome {
    let translate = |pid: u32| i32::try_from(call.vm.kernel_pid(pid).0).unwrap_or(i32::MAX);
    let target = match target {
        -1 | 0 => target,
        1.. => translate(target.unsigned_abs()),
        i32::MIN => return Err(Fail(libc::ESRCH)),
        _ => -translate(target.unsigned_abs()),
    };
    let process = call.process()?;
    call.confirm()?;
    match signal {
        0 => process.may_kill(target)?,
        _ => process.kill(target, valid(signal)?)?,
    }
    // What was sent is there when the call returns, as if one kernel did both.
    call.vm.attend_noticed();
    Ok(Answer::OK)
}

fn valid(signal: i32) -> Result<Signal, Fail> {
    u32::try_from(signal)
        .ok()
        .and_then(Signal::new)
        .ok_or(Fail(libc::EINVAL))
}

pub(crate) fn tkill(call: &mut Call<'_>) -> Outcome {
    let tid = call.uint(0);
    match call.vm.guest_of_known(tid) {
        Some(owner) if owner == call.key => to_thread(call, tid, call.int(1)),
        Some(_) => send(call, call.int(0), call.int(1)),
        None if call.vm.kernel_pid(tid) == call.process()?.pid() => to_thread(call, tid, call.int(1)),
        None => Err(Fail(libc::ESRCH)),
    }
}

pub(crate) fn tgkill(call: &mut Call<'_>) -> Outcome {
    let (group, tid) = (call.int(0), call.int(1));
    if group <= 0 || tid <= 0 {
        return Err(Fail(libc::EINVAL));
    }
    let own: std::sync::Arc<Process> = call.process()?;
    if call.vm.kernel_pid(group.unsigned_abs()) == own.pid() {
        return to_thread(call, tid.unsigned_abs(), call.int(2));
    }
    send(call, group, call.int(2))
}

/// Whether a signal is the kernel's to act on, although it is for one thread: what stops a process must be known to the VM.
fn to_kernel(call: &Call<'_>, signal: Signal) -> Result<bool, Fail> {
    const KEYBOARD: SigSet = SigSet::of(&[Signal::TSTP, Signal::TTIN, Signal::TTOU]);
    if !KEYBOARD.contains(signal) {
        return Ok(signal == Signal::STOP || signal == Signal::CONT);
    }
    let guest = call.guest()?;
    Ok(Actions::of_thread(guest.proc_dir.as_fd(), call.n.tid).stops(signal))
}

/// To a thread of the caller. The host checks that the thread is one of that process, which is there while it waits for this.
fn to_thread(call: &mut Call<'_>, tid: u32, signal: i32) -> Outcome {
    let process = call.process()?;
    let tid = match call.vm.kernel_pid(tid) == process.pid() {
        true => call.key,
        false => tid,
    };
    if signal != 0 && to_kernel(call, valid(signal)?)? {
        return send(
            call,
            i32::try_from(call.vm.visible_pid(process.pid())).unwrap_or(i32::MAX),
            signal,
        );
    }
    call.confirm()?;
    let from = (call.vm.visible_pid(process.pid()), process.cred().ruid.0);
    match sys::is_compared(signal) {
        true => call.vm.helpers.signal_as_own((call.key, tid), signal, from)?,
        false => sys::signal_thread((call.key, tid), signal, from)?,
    }
    call.vm.rouse(call.key);
    Ok(Answer::OK)
}

pub(crate) fn getpriority(call: &mut Call<'_>) -> Outcome {
    if call.int(0) != 0 {
        return Ok(Answer::Value(20));
    }
    let pid = named(call, call.int(1))?;
    let process = call.process()?;
    let pid = if pid.0 == 0 { process.pid() } else { pid };
    Ok(Answer::Value(i64::from(20 - process.nice(pid)?)))
}

pub(crate) fn setpriority(call: &mut Call<'_>) -> Outcome {
    if call.int(0) != 0 {
        return Err(Fail(libc::EPERM));
    }
    let pid = named(call, call.int(1))?;
    let process = call.process()?;
    let pid = if pid.0 == 0 { process.pid() } else { pid };
    process.set_nice(pid, call.int(2).clamp(-20, 19))?;
    Ok(Answer::OK)
}
