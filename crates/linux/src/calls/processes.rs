//! Processes: making them, groups, signals. Becoming another program is in [`execute`](super::execute).

use super::{Call, Fail, Outcome};
use crate::sys::{self, Answer};
use crate::vm::{Actions, Copy};
use agentos_kernel::Errno;
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
    let (pid, group) = (call.int(0), call.int(1));
    let group = u32::try_from(if group == 0 { pid } else { group }).map_err(|_| Fail(libc::EINVAL))?;
    let pid = named(call, pid)?;
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
    let own = call.process()?.pid();
    let target = u32::try_from(call.int(0)).ok().filter(|pid| *pid > 0);
    let info = queued(call, call.arg(2))?;
    let target = call.vm.kernel_pid(target.ok_or(Fail(libc::ESRCH))?);
    if target != own && info.pretends() {
        return Err(Fail(libc::EPERM));
    }
    send_with(call, call.int(0), call.int(1), info.value)
}

/// What a sender says of a signal (`siginfo_t`).
pub(super) struct Queued {
    pub(super) signal: i32,
    code: i32,
    pub(super) value: u64,
}

impl Queued {
    /// Whether it says to be the kernel's, or of one of the receiver's threads.
    pub(super) fn pretends(&self) -> bool {
        self.code >= 0 || self.code == libc::SI_TKILL
    }
}

pub(super) fn queued(call: &Call<'_>, at: u64) -> Result<Queued, Fail> {
    let half = |offset: u64| call.read_word(at.wrapping_add(offset)).map(|word| word as u32 as i32);
    Ok(Queued {
        signal: half(0)?,
        code: half(8)?,
        value: call.read_word(at.wrapping_add(24))?,
    })
}

/// Sends one process a signal with a value. What stops or ends a process is the kernel's to do, and has none.
pub(super) fn send_with(call: &mut Call<'_>, target: i32, signal: i32, value: u64) -> Outcome {
    const KERNELS: SigSet = SigSet::of(&[
        Signal::KILL,
        Signal::STOP,
        Signal::CONT,
        Signal::TSTP,
        Signal::TTIN,
        Signal::TTOU,
    ]);
    let pid = call.vm.kernel_pid(target.unsigned_abs());
    let guest = call.vm.guests.values().find(|guest| guest.process.pid() == pid);
    let key = guest.map(|guest| guest.pid);
    let (Some(key), Ok(sent)) = (key, valid(signal)) else {
        return send(call, target, signal);
    };
    if value == 0 || KERNELS.contains(sent) {
        return send(call, target, signal);
    }
    let process = call.process()?;
    process.may_kill(i32::try_from(pid.0).unwrap_or(i32::MAX))?;
    call.confirm()?;
    // What was sent before is there before.
    call.vm.attend_noticed();
    let from = (call.vm.visible_pid(process.pid()), process.cred().ruid.0);
    if let Some(guest) = call.vm.guests.get(&key) {
        sys::send_value(guest.pid_fd.as_fd(), sent.number(), from, value)?;
    }
    call.vm.rouse(key);
    Ok(Answer::OK)
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
    if is_unreaped(call, target) {
        // One that has ended takes any signal, as long as its parent has not waited for it.
        return if signal == 0 {
            Ok(Answer::OK)
        } else {
            valid(signal).map(|_| Answer::OK)
        };
    }
    match signal {
        0 => process.may_kill(target)?,
        _ => match valid(signal) {
            Ok(signal) => process.kill(target, signal)?,
            Err(fail) => {
                process.may_kill(target)?;
                return Err(fail);
            }
        },
    }
    // What was sent is there when the call returns, as if one kernel did both.
    call.vm.attend_noticed();
    Ok(Answer::OK)
}

/// Whether a number is that of a guest which has ended on the host, or of its group, and which the VM's kernel does not have any more.
fn is_unreaped(call: &Call<'_>, target: i32) -> bool {
    let number = target.unsigned_abs();
    let is_gone = || {
        let asked = call.process().map(|process| process.may_kill(target));
        matches!(asked, Ok(Err(error)) if error == Errno::ESRCH)
    };
    number > 1 && is_gone() && sys::parent_of_zombie(number).is_some_and(|parent| call.vm.guests.contains_key(&parent))
}

fn valid(signal: i32) -> Result<Signal, Fail> {
    u32::try_from(signal)
        .ok()
        .and_then(Signal::new)
        .ok_or(Fail(libc::EINVAL))
}

pub(crate) fn tkill(call: &mut Call<'_>) -> Outcome {
    let tid = call.uint(0);
    if call.int(0) <= 0 {
        return Err(Fail(libc::EINVAL));
    }
    match call.vm.guest_of_known(tid) {
        Some(owner) if owner == call.key => to_thread(call, tid, call.int(1)),
        Some(_) => send(call, call.int(0), call.int(1)),
        None if call.vm.kernel_pid(tid) == call.process()?.pid() => to_thread(call, tid, call.int(1)),
        // The first thread of a process of another kind, if it is one at all.
        None => send(call, call.int(0), call.int(1)),
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
    let owner = call.vm.guest_of_known(tid.unsigned_abs());
    let is_owners = |key: u32| call.vm.guests.get(&key).map(|guest| guest.process.pid());
    let pid = call.vm.kernel_pid(group.unsigned_abs());
    match owner.map_or_else(|| Some(call.vm.kernel_pid(tid.unsigned_abs())), is_owners) {
        Some(owner) if owner == pid => send(call, group, call.int(2)),
        _ => Err(Fail(libc::ESRCH)),
    }
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
