//! Processes: spawn, exec, clone, wait, groups, place.

use super::request;
use crate::imports::{Cx, Scratch, number, step};
use crate::path::Place;
use crate::process::{State, Unwind, clone_process};
use agentos_abi::process::{self as abi, Ids, WaitResult};
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Pid;
use agentos_kernel::process::{
    AtFlags, Dir, ExitStatus, Gate, SpawnRequest, WaitEvent, WaitOptions, WaitTarget, Waited,
};
use agentos_kernel::vfs::Mode;
use agentos_kernel::{Errno, Result};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use wasmtime::Caller;

pub(super) fn spawn(cx: &mut Cx<'_>, waker: &Waker, request: u32, pid: u32) -> IoResult<()> {
    // Read once: the program may have to be compiled, and then this is called again.
    let request = match cx.scratch.request.take() {
        Some(request) => request,
        None => {
            cx.memory.check::<u32>(pid)?;
            Box::new(request::read(cx, request)?)
        }
    };
    let process = &cx.state.process;
    let child = process.kernel().spawn(process, &request, Some(waker));
    if child.is_pending() {
        cx.scratch.request = Some(request);
    }
    let child = ready!(child)?;
    Poll::Ready(Ok(cx.memory.put(pid, &child.pid().0)?))
}

/// Returns to the guest only if it fails.
pub(super) async fn exec(mut caller: Caller<'_, State>, request: u32) -> wasmtime::Result<u32> {
    let request = match step(&mut caller, &mut Scratch::default(), |cx| request::read(cx, request)) {
        Ok(request) => request,
        Err(error) => return Ok(number(caller.data(), Err(error))),
    };
    become_program(caller, &request).await
}

/// Runs another program in the process of the caller.
pub(crate) async fn become_program(mut caller: Caller<'_, State>, request: &SpawnRequest) -> wasmtime::Result<u32> {
    let process = Arc::clone(&caller.data().process);
    let program = poll_fn(|task| match ready!(process.gate(Some(task.waker()))) {
        Gate::Die => Poll::Ready(None),
        Gate::Run => process.exec(request, Some(task.waker())).map(Some),
    });
    match program.await {
        None => Err(Unwind::Killed.into()),
        Some(Err(error)) => Ok(number(caller.data(), Err(error))),
        Some(Ok(program)) => {
            caller.data_mut().next = Some(program);
            Err(Unwind::Exec.into())
        }
    }
}

/// `proc_clone` flag: the child's process group is set.
const CLONE_PGROUP: u32 = 1;
/// `proc_clone` flag: that group becomes the foreground group.
const CLONE_FOREGROUND: u32 = 2;

pub(super) async fn clone(
    mut caller: Caller<'_, State>,
    flags: u32,
    pgroup: i32,
    arg: u32,
    pid: u32,
) -> wasmtime::Result<u32> {
    let process = Arc::clone(&caller.data().process);
    let child = step(&mut caller, &mut Scratch::default(), |cx| {
        cx.memory.check::<u32>(pid)?;
        if flags & !(CLONE_PGROUP | CLONE_FOREGROUND) != 0 {
            return Err(Errno::EINVAL.into());
        }
        if !cx.state.code.can_clone() {
            return Err(Errno::ENOSYS.into());
        }
        process.kernel().check_memory(process.memory(), "clone")?;
        let group = (flags & CLONE_PGROUP != 0)
            .then(|| request::group(pgroup))
            .transpose()?;
        process.clone_child(group, flags & CLONE_FOREGROUND != 0)
    });
    let child = match child {
        Ok(child) => child,
        Err(error) => return Ok(number(caller.data(), Err(error))),
    };
    let child_pid = child.pid().0;
    clone_process(&mut caller, child, arg).await;
    let told = step(&mut caller, &mut Scratch::default(), |cx| -> Result<()> {
        Ok(cx.memory.put(pid, &child_pid)?)
    });
    Ok(number(caller.data(), told))
}

pub(super) fn wait(cx: &mut Cx<'_>, waker: &Waker, which: i32, options: u32, out: u32) -> IoResult<()> {
    cx.memory.check::<WaitResult>(out)?;
    let options = WaitOptions::from_bits(options).ok_or(Errno::EINVAL)?;
    let waited = ready!(cx.state.process.wait(WaitTarget::from_raw(which), options, Some(waker)))?;
    if waited.is_none() {
        // Somebody who asks in a loop lets the child run.
        ready!(cx.give_way(waker));
    }
    Poll::Ready(Ok(cx
        .memory
        .put(out, &waited.map_or_else(WaitResult::default, wait_result))?))
}

fn wait_result(waited: Waited) -> WaitResult {
    let (kind, code) = match waited.event {
        WaitEvent::Ended(ExitStatus::Exited(code)) => (abi::WAITED_EXITED, u32::from(code)),
        WaitEvent::Ended(ExitStatus::Signaled(signal)) => (abi::WAITED_SIGNALED, signal.number()),
        WaitEvent::Stopped(signal) => (abi::WAITED_STOPPED, signal.number()),
        WaitEvent::Continued => (abi::WAITED_CONTINUED, 0),
    };
    WaitResult {
        pid: waited.pid.0,
        kind,
        code,
        reserved: 0,
        user_ns: waited.usage.user_ns,
        sys_ns: waited.usage.sys_ns,
        max_rss: waited.usage.max_rss,
    }
}

pub(super) fn ids(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let process = &cx.state.process;
    let ids = Ids {
        pid: process.pid().0,
        ppid: process.ppid().0,
        pgid: process.pgid().0,
        sid: process.sid().0,
    };
    Ok(cx.memory.put(out, &ids)?)
}

pub(super) fn setpgid(cx: &mut Cx<'_>, pid: u32, pgid: u32) -> Result<()> {
    cx.state.process.setpgid(Pid(pid), Pid(pgid))
}

pub(super) fn setsid(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    cx.memory.check::<u32>(out)?;
    let sid = cx.state.process.setsid()?;
    Ok(cx.memory.put(out, &sid.0)?)
}

pub(super) fn getpgid(cx: &mut Cx<'_>, pid: u32, out: u32) -> Result<()> {
    let pgid = cx.state.process.getpgid(Pid(pid))?;
    Ok(cx.memory.put(out, &pgid.0)?)
}

pub(super) fn getsid(cx: &mut Cx<'_>, pid: u32, out: u32) -> Result<()> {
    let sid = cx.state.process.getsid(Pid(pid))?;
    Ok(cx.memory.put(out, &sid.0)?)
}

pub(super) fn umask(cx: &mut Cx<'_>, set: u32, mask: u32, out: u32) -> Result<()> {
    cx.memory.check::<u32>(out)?;
    let old = cx.state.process.umask((set != 0).then(|| Mode::new(mask)));
    Ok(cx.memory.put(out, &old.bits())?)
}

pub(super) fn chdir(cx: &mut Cx<'_>, _: &Waker, dirfd: i32, path: u32, len: u32) -> IoResult<()> {
    let process = &cx.state.process;
    let place = Place::read(&cx.memory, dirfd, path, len, AtFlags::EMPTY_PATH)?;
    Poll::Ready(match (place.dir, place.path()) {
        (Dir::Fd(fd), b"") => process.fchdir(fd),
        (Dir::Fd(_), path) => {
            let full = process.realpath(place.dir, path, AtFlags::FOLLOW)?;
            process.chdir(&full)
        }
        (Dir::Cwd, path) => process.chdir(path),
    })
}

pub(super) fn getcwd(cx: &mut Cx<'_>, _: &Waker, buf: u32, cap: u32, len: u32) -> IoResult<()> {
    let cwd = cx.state.process.getcwd()?;
    Poll::Ready(Ok(cx.memory.put_bytes(&cwd, buf, cap, len)?))
}

pub(super) fn last_denial(cx: &mut Cx<'_>, buf: u32, cap: u32, len: u32) -> Result<()> {
    let text = cx.state.process.last_denial();
    Ok(cx.memory.put_bytes(text.as_bytes(), buf, cap, len)?)
}
