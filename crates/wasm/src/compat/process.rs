//! Children, pipes, waiting, and what a process has of its own.

use crate::abi::strings;
use crate::imports::Cx;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{
    ExitStatus, FileAction, MaskHow, SigSet, SpawnRequest, WaitEvent, WaitOptions, WaitTarget, Waited,
};
use agentos_kernel::vfs::Mode;
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

/// `proc_waitpid`: answer at once.
const NO_HANG: u32 = 1;

#[allow(clippy::too_many_arguments)]
pub(super) fn spawn(
    cx: &mut Cx<'_>,
    waker: &Waker,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    stdin: i32,
    stdout: i32,
    stderr: i32,
    cwd: u32,
    cwd_len: u32,
    pid: u32,
) -> IoResult<()> {
    let given = [stdin, stdout, stderr];
    // Read once: the program may have to be compiled, and then this is called again.
    let request = match cx.scratch.request.take() {
        Some(request) => request,
        None => {
            cx.memory.check::<u32>(pid)?;
            Box::new(request(cx, (argv, argv_len), (env, env_len), given, (cwd, cwd_len))?)
        }
    };
    let process = &cx.state.process;
    let child = process.kernel().spawn(process, &request, Some(waker));
    if child.is_pending() {
        cx.scratch.request = Some(request);
    }
    let child = ready!(child)?;
    // Callers count on it that what the child was given is not open here any more, or no reader would see an end.
    let mut gone: Vec<Fd> = given
        .iter()
        .filter_map(|fd| u32::try_from(*fd).ok())
        .filter(|fd| *fd > 2)
        .map(Fd)
        .collect();
    gone.sort_unstable();
    gone.dedup();
    for fd in gone {
        let _ = process.close(fd);
    }
    Poll::Ready(Ok(cx.memory.put(pid, &child.pid().0)?))
}

fn request(cx: &Cx<'_>, argv: (u32, u32), env: (u32, u32), given: [i32; 3], cwd: (u32, u32)) -> Result<SpawnRequest> {
    let process = &cx.state.process;
    let limits = process.kernel().limits();
    let bound = ("limits.resources.maxProcessArgvBytes", limits.max_process_argv_bytes);
    let mut argv = strings(&cx.memory, argv.0, argv.1, bound)?;
    argv.retain(|word| !word.is_empty());
    let path = argv.first().cloned().ok_or(Errno::EINVAL)?;
    let bound = ("limits.resources.maxProcessEnvBytes", limits.max_process_env_bytes);
    let env = match env.1 {
        0 => process.image().env.clone(),
        len => strings(&cx.memory, env.0, len, bound)?,
    };
    Ok(SpawnRequest {
        path,
        argv,
        env,
        search_path: true,
        cwd: match cwd.1 {
            0 => None,
            len => Some(cx.memory.path(cwd.0, len)?.to_vec()),
        },
        actions: actions(given),
        ..SpawnRequest::default()
    })
}

/// What the child has as its standard descriptors; those that are not given it inherits.
fn actions(given: [i32; 3]) -> Vec<FileAction> {
    let wanted: Vec<(u32, u32)> = (0..)
        .zip(given)
        .filter_map(|(to, from)| Some((u32::try_from(from).ok()?, to)))
        .collect();
    let dup = |(from, to): (u32, u32)| FileAction::Dup2 {
        from: Fd(from),
        to: Fd(to),
    };
    // Where one is the number of another, copies are made out of the way first.
    if wanted.iter().all(|(from, to)| from == to || *from > 2) {
        return wanted.into_iter().map(dup).collect();
    }
    let free = (AWAY..).filter(|number| wanted.iter().all(|(from, _)| from != number));
    let moves: Vec<(u32, u32)> = wanted.iter().zip(free).map(|((_, to), away)| (away, *to)).collect();
    let away = wanted
        .iter()
        .zip(&moves)
        .map(|((from, _), (away, _))| dup((*from, *away)));
    let back = moves.iter().copied().map(dup);
    let closed = moves.iter().map(|(away, _)| FileAction::Close(Fd(*away)));
    away.chain(back).chain(closed).collect()
}

/// Numbers from here on are only a child's, while it is made.
const AWAY: u32 = 32;

/// Waits for a child; nothing if it was asked not to wait, and all of them run.
fn wait(cx: &mut Cx<'_>, waker: &Waker, pid: i32, options: u32) -> IoResult<Option<Waited>> {
    let options = match options {
        0 => WaitOptions::empty(),
        NO_HANG => WaitOptions::NOHANG,
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    let target = WaitTarget::from_raw(pid);
    let waited = ready!(cx.state.process.wait(target, options, Some(waker)))?;
    if waited.is_none() {
        ready!(cx.give_way(waker));
    }
    Poll::Ready(Ok(waited))
}

/// How a child ended: its exit code, and the signal that ended it.
fn ending(event: WaitEvent) -> (u32, u32) {
    match event {
        WaitEvent::Ended(ExitStatus::Exited(code)) => (u32::from(code), 0),
        WaitEvent::Ended(ExitStatus::Signaled(signal)) | WaitEvent::Stopped(signal) => (0, signal.number()),
        WaitEvent::Continued => (0, 0),
    }
}

/// The status is that of `wait(2)`. There is no place for the child's number, so that a child that still runs has to be told by
/// an error: callers know `EBUSY` as that.
pub(super) fn waitpid(cx: &mut Cx<'_>, waker: &Waker, pid: i32, options: u32, status: u32) -> IoResult<()> {
    cx.memory.check::<u32>(status)?;
    let waited = ready!(wait(cx, waker, pid, options))?.ok_or(Errno::EBUSY)?;
    let (code, signal) = ending(waited.event);
    Poll::Ready(Ok(cx.memory.put(status, &(code << 8 | signal))?))
}

/// The later form: code, signal and number apart; the number of nobody is 0.
#[allow(clippy::too_many_arguments)]
pub(super) fn waitpid_v2(
    cx: &mut Cx<'_>,
    waker: &Waker,
    pid: i32,
    options: u32,
    code: u32,
    signal: u32,
    child: u32,
    dumped: u32,
) -> IoResult<()> {
    for place in [code, signal, child, dumped] {
        cx.memory.check::<u32>(place)?;
    }
    let waited = ready!(wait(cx, waker, pid, options))?;
    let (ended, by) = waited.map_or((0, 0), |waited| ending(waited.event));
    cx.memory.put(code, &ended)?;
    cx.memory.put(signal, &by)?;
    cx.memory.put(child, &waited.map_or(0, |waited| waited.pid.0))?;
    // Nothing here leaves a core.
    Poll::Ready(Ok(cx.memory.put(dumped, &0u32)?))
}

pub(super) fn getpid(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let pid = cx.state.process.pid().0;
    Ok(cx.memory.put(out, &pid)?)
}

pub(super) fn getppid(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let pid = cx.state.process.ppid().0;
    Ok(cx.memory.put(out, &pid)?)
}

pub(super) fn pipe(cx: &mut Cx<'_>, read: u32, write: u32) -> Result<()> {
    cx.memory.check::<u32>(read)?;
    cx.memory.check::<u32>(write)?;
    let (reader, writer) = cx.state.process.pipe(false, false)?;
    cx.memory.put(read, &reader.0)?;
    Ok(cx.memory.put(write, &writer.0)?)
}

pub(super) fn dup(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    dup_min(cx, fd, 0, out)
}

pub(super) fn dup_min(cx: &mut Cx<'_>, fd: u32, min: u32, out: u32) -> Result<()> {
    cx.memory.check::<u32>(out)?;
    let new = cx.state.process.dup(Fd(fd), Fd(min), false)?;
    Ok(cx.memory.put(out, &new.0)?)
}

pub(super) fn dup2(cx: &mut Cx<'_>, _: &Waker, fd: u32, to: u32) -> IoResult<()> {
    cx.state.forget_preopen(to);
    Poll::Ready(cx.state.process.dup_to(Fd(fd), Fd(to), false))
}

/// `FD_CLOEXEC`.
const CLOSE_ON_EXEC: u32 = 1;

pub(super) fn set_flags(cx: &mut Cx<'_>, fd: u32, flags: u32) -> Result<()> {
    cx.state.process.set_cloexec(Fd(fd), flags & CLOSE_ON_EXEC != 0)
}

pub(super) fn umask(cx: &mut Cx<'_>, mask: u32, set: u32, old: u32) -> Result<()> {
    cx.memory.check::<u32>(old)?;
    let before = cx
        .state
        .process
        .umask((set != 0).then(|| Mode::new(mask & PERMISSIONS)));
    Ok(cx.memory.put(old, &before.bits())?)
}

/// What a umask can take away.
const PERMISSIONS: u32 = 0o777;

/// Blocks signals, unblocks them, or says only which are blocked; sets come in halves.
///
/// What is unblocked by it acts before the program goes on, as after every call that waits.
pub(super) fn signal_mask(
    cx: &mut Cx<'_>,
    _: &Waker,
    how: u32,
    low: u32,
    high: u32,
    old_low: u32,
    old_high: u32,
) -> IoResult<()> {
    let set = SigSet(whole(low, high));
    let change = match how {
        0 => Some((MaskHow::Block, set)),
        1 => Some((MaskHow::Unblock, set)),
        2 => Some((MaskHow::Set, set)),
        3 => None,
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    cx.memory.check::<u32>(old_low)?;
    cx.memory.check::<u32>(old_high)?;
    let SigSet(before) = cx.state.process.sig_mask(change);
    cx.memory.put(old_low, &half(before))?;
    Poll::Ready(Ok(cx.memory.put(old_high, &half(before >> u32::BITS))?))
}

/// The lower half of a number.
fn half(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// A number of 64 bits that comes in halves.
pub(super) fn whole(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

pub(super) fn sleep(cx: &mut Cx<'_>, waker: &Waker, ms: u32) -> IoResult<()> {
    match cx.deadline(i64::from(ms).saturating_mul(1_000_000)) {
        Some(deadline) => cx.state.process.sleep_until(deadline, Some(waker)),
        None => Poll::Ready(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standard descriptors are in the end, of descriptors that are what their numbers say.
    fn played(given: [i32; 3]) -> [u32; 3] {
        let mut table: std::collections::HashMap<u32, u32> = (0..64).map(|fd| (fd, fd)).collect();
        for action in actions(given) {
            match action {
                FileAction::Dup2 { from, to } => {
                    let file = table[&from.0];
                    table.insert(to.0, file);
                }
                FileAction::Close(fd) => drop(table.remove(&fd.0)),
                other => panic!("{other:?}"),
            }
        }
        [0, 1, 2].map(|fd| table[&fd])
    }

    #[test]
    fn a_child_has_what_it_is_given_whatever_the_numbers() {
        for given in [[0, 1, 2], [5, 6, 7], [2, 1, 0], [1, 0, 0], [2, 32, 33], [33, 32, 0]] {
            assert_eq!(played(given).map(|fd| i32::try_from(fd).unwrap()), given);
        }
        assert_eq!(played([-1, 5, -1]), [0, 5, 2]);
    }
}
