//! Starting programs in the later form: path and arguments apart, a list of what to do with descriptors, attributes as those of
//! `posix_spawn(3)`; and running another program in the same process.
//!
//! ```text
//!   action   op  fd  source  flags  mode  |path|  path        six words of 32 bits, then the path
//! ```
//!
//! Everything is checked before a child exists. How long the list is and how many actions it has is bounded by the limits that
//! bound those of our own ABI.

use super::process::whole;
use crate::abi::{become_program, strings};
use crate::imports::{Cx, Scratch, number, step};
use crate::process::State;
use agentos_abi::{PATH_MAX, Record};
use agentos_kernel::fd::{IoResult, StatusFlags};
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{AtFlags, Dir, FileAction, OpenHow, Process, SigSet, SpawnRequest};
use agentos_kernel::vfs::{Mode, OpenOptions};
use agentos_kernel::{Errno, LimitExceeded, Result};
use std::collections::BTreeSet;
use std::task::{Poll, Waker, ready};
use wasmtime::Caller;

/// Where something is in memory, and how long it is.
type Slice = (u32, u32);

#[allow(clippy::too_many_arguments)]
pub(super) fn spawn(
    cx: &mut Cx<'_>,
    waker: &Waker,
    path: u32,
    path_len: u32,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    actions: u32,
    actions_len: u32,
    cwd: u32,
    cwd_len: u32,
    flags: u32,
    default_low: u32,
    default_high: u32,
    mask_low: u32,
    mask_high: u32,
    group: i32,
    pid: u32,
) -> IoResult<()> {
    // Read once: the program may have to be compiled, and then this is called again.
    let request = match cx.scratch.request.take() {
        Some(request) => request,
        None => {
            cx.memory.check::<u32>(pid)?;
            let mut request = program(cx, (path, path_len), (argv, argv_len), (env, env_len))?;
            if cwd_len > 0 {
                request.cwd = Some(cx.memory.path(cwd, cwd_len)?.to_vec());
            }
            request.actions = file_actions(cx, (actions, actions_len))?;
            request.sigmask = Some(SigSet(whole(mask_low, mask_high) & !SigSet::UNBLOCKABLE.0));
            attributes(cx, &mut request, flags, whole(default_low, default_high), group)?;
            Box::new(request)
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

/// Returns to the guest only if it fails. The descriptors that are listed are closed if it does not.
#[allow(clippy::too_many_arguments)]
pub(super) async fn exec(
    mut caller: Caller<'_, State>,
    path: u32,
    path_len: u32,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    closed: u32,
    closed_len: u32,
) -> wasmtime::Result<u32> {
    let request = step(&mut caller, &mut Scratch::default(), |cx| {
        let mut request = program(cx, (path, path_len), (argv, argv_len), (env, env_len))?;
        request.actions = closes(cx, (closed, closed_len))?;
        Ok(request)
    });
    match request {
        Ok(request) => become_program(caller, &request).await,
        Err(error) => Ok(number::<agentos_kernel::Error>(caller.data(), Err(error))),
    }
}

/// What is run: a path, or a name that is looked up in the `PATH` that the program gets.
fn program(cx: &Cx<'_>, path: Slice, argv: Slice, env: Slice) -> Result<SpawnRequest> {
    let limits = cx.state.process.kernel().limits();
    let path = cx.memory.path(path.0, path.1)?.to_vec();
    if path.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    let bound = ("limits.resources.maxProcessArgvBytes", limits.max_process_argv_bytes);
    let argv = strings(&cx.memory, argv.0, argv.1, bound)?;
    let bound = ("limits.resources.maxProcessEnvBytes", limits.max_process_env_bytes);
    Ok(SpawnRequest {
        path,
        argv,
        env: strings(&cx.memory, env.0, env.1, bound)?,
        search_path: true,
        inherit: true,
        ..SpawnRequest::default()
    })
}

/// The flags of `posix_spawnattr_setflags(3)`.
const RESET_IDS: u32 = 1;
const SET_GROUP: u32 = 2;
const SET_DEFAULT: u32 = 4;
/// The mask is always given, so that this one says nothing.
const SET_MASK: u32 = 8;
/// Advice.
const USE_VFORK: u32 = 0x40;
const SET_SESSION: u32 = 0x80;

fn attributes(cx: &Cx<'_>, request: &mut SpawnRequest, flags: u32, defaults: u64, group: i32) -> Result<()> {
    let has = |flag| flags & flag != 0;
    if flags & !(RESET_IDS | SET_GROUP | SET_DEFAULT | SET_MASK | USE_VFORK | SET_SESSION) != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let cred = cx.state.process.cred();
    if has(RESET_IDS) && (cred.ruid != cred.euid || cred.rgid != cred.egid) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if has(SET_SESSION) && has(SET_GROUP) {
        return Err(Errno::EPERM.into());
    }
    request.setsid = has(SET_SESSION);
    if has(SET_GROUP) {
        request.pgroup = Some(Pid(u32::try_from(group).map_err(|_| Errno::EINVAL)?));
    }
    if has(SET_DEFAULT) {
        request.sigdefault = SigSet(defaults);
    }
    Ok(())
}

/// Descriptors as an array of numbers.
fn closes(cx: &Cx<'_>, closed: Slice) -> Result<Vec<FileAction>> {
    let limits = cx.state.process.kernel().limits();
    if u64::from(closed.1) > limits.max_open_fds_per_process {
        return Err(Errno::EINVAL.into());
    }
    let len = closed.1.checked_mul(WORD as u32).ok_or(Errno::EFAULT)?;
    let bytes = cx.memory.bytes(closed.0, len)?;
    let numbers = bytes.chunks_exact(WORD).map(u32::decode);
    Ok(numbers.map(|fd| FileAction::Close(Fd(fd))).collect())
}

/// Bytes of a number, and of an action without its path.
const WORD: usize = u32::SIZE;
const HEAD: usize = 6 * WORD;

fn file_actions(cx: &Cx<'_>, (start, len): Slice) -> Result<Vec<FileAction>> {
    let process = &cx.state.process;
    let limits = process.kernel().limits();
    let over = |path, unit, observed, capacity| {
        let breach = LimitExceeded::new(path, unit, observed, capacity, "spawn", Errno::E2BIG);
        Err(breach.into())
    };
    let most = limits.max_spawn_file_action_bytes;
    if u64::from(len) > most {
        let path = "limits.process.maxSpawnFileActionBytes";
        return over(path, "bytes", u64::from(len), most);
    }
    let mut rest = cx.memory.bytes(start, len)?;
    let mut actions = Actions::new(process);
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        let most = limits.max_spawn_file_actions;
        if count > most {
            return over("limits.process.maxSpawnFileActions", "actions", count, most);
        }
        let (head, tail) = rest.split_at_checked(HEAD).ok_or(Errno::EINVAL)?;
        let word = |at: usize| u32::decode(head.get(at * WORD..).unwrap_or_default());
        let (path, after) = tail.split_at_checked(word(5) as usize).ok_or(Errno::EINVAL)?;
        rest = after;
        actions.add([word(0), word(1), word(2), word(3), word(4)], path)?;
    }
    Ok(actions.list)
}

const CLOSE: u32 = 1;
const DUP: u32 = 2;
const OPEN: u32 = 3;
const CHDIR: u32 = 4;
const FCHDIR: u32 = 5;
const CLOSE_FROM: u32 = 6;

/// Actions as they are read, with what the child will have open after them.
struct Actions<'a> {
    process: &'a Process,
    list: Vec<FileAction>,
    open: BTreeSet<u32>,
    /// Those that are no longer, or not any more, what they are in the parent.
    changed: BTreeSet<u32>,
}

impl<'a> Actions<'a> {
    fn new(process: &'a Process) -> Self {
        Self {
            process,
            list: Vec::new(),
            open: process.descriptors().into_iter().map(|fd| fd.0).collect(),
            changed: BTreeSet::new(),
        }
    }

    fn add(&mut self, [op, fd, source, flags, mode]: [u32; 5], path: &[u8]) -> Result<()> {
        if op != CHDIR && i32::try_from(fd).is_err() {
            return Err(Errno::EBADF.into());
        }
        let action = match op {
            CLOSE => {
                self.close(fd);
                return Ok(());
            }
            CLOSE_FROM => {
                // Each is closed once, however often that is asked for.
                let closed: Vec<u32> = self.open.range(fd..).copied().collect();
                for fd in closed {
                    self.close(fd);
                }
                return Ok(());
            }
            DUP if self.open.contains(&source) => FileAction::Dup2 {
                from: Fd(source),
                to: Fd(fd),
            },
            DUP => return Err(Errno::EBADF.into()),
            OPEN => FileAction::Open {
                fd: Fd(fd),
                path: checked(path)?,
                how: how(flags, mode)?,
            },
            CHDIR => FileAction::Chdir(checked(path)?),
            // A directory that is opened on the way has no path yet.
            FCHDIR if self.changed.contains(&fd) => return Err(Errno::EOPNOTSUPP.into()),
            FCHDIR => FileAction::Chdir(self.process.realpath(Dir::Fd(Fd(fd)), b".", AtFlags::FOLLOW)?),
            _ => return Err(Errno::EINVAL.into()),
        };
        if op == DUP || op == OPEN {
            self.open.insert(fd);
            self.changed.insert(fd);
        }
        self.list.push(action);
        Ok(())
    }

    fn close(&mut self, fd: u32) {
        if self.open.remove(&fd) {
            self.changed.insert(fd);
            self.list.push(FileAction::Close(Fd(fd)));
        }
    }
}

fn checked(path: &[u8]) -> Result<Vec<u8>> {
    if path.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    if path.len() > PATH_MAX as usize {
        return Err(Errno::ENAMETOOLONG.into());
    }
    if path.contains(&0) {
        return Err(Errno::EINVAL.into());
    }
    Ok(path.to_vec())
}

/// Numbers of the flags of `open(2)`: libc has those of WASI, and says then at least whether it reads or writes; others have
/// Linux's.
struct Flags {
    read: u32,
    write: u32,
    create: u32,
    exclusive: u32,
    truncate: u32,
    directory: u32,
    no_follow: u32,
    append: u32,
    nonblock: u32,
    close_on_exec: u32,
    /// Those that change nothing here.
    without_effect: u32,
}

const WASI: Flags = Flags {
    read: 0x0400_0000,
    write: 0x1000_0000,
    create: 0x1000,
    exclusive: 0x4000,
    truncate: 0x8000,
    directory: 0x2000,
    no_follow: 0x0100_0000,
    append: 1,
    nonblock: 4,
    close_on_exec: 0,
    // Durability (a child's own file) and searching.
    without_effect: 0x0800_0000 | 0x2 | 0x8 | 0x10,
};

const LINUX: Flags = Flags {
    read: 0,
    write: 0o1,
    create: 0o100,
    exclusive: 0o200,
    truncate: 0o1000,
    directory: 0o200_000,
    no_follow: 0o400_000,
    append: 0o2000,
    nonblock: 0o4000,
    close_on_exec: 0o2_000_000,
    // No controlling terminal, and large files.
    without_effect: 0o400 | 0o100_000,
};

/// `O_RDWR` of Linux; WASI has both flags.
const LINUX_BOTH: u32 = 0o2;

fn how(flags: u32, mode: u32) -> Result<OpenHow> {
    let wasi = flags & (WASI.read | WASI.write) != 0;
    let (known, both) = if wasi { (WASI, 0) } else { (LINUX, LINUX_BOTH) };
    let rest = !(known.read
        | known.write
        | both
        | known.create
        | known.exclusive
        | known.truncate
        | known.directory
        | known.no_follow
        | known.append
        | known.nonblock
        | known.close_on_exec
        | known.without_effect);
    if flags & rest != 0 || flags & (known.write | both) == LINUX.write | LINUX_BOTH {
        return Err(Errno::EINVAL.into());
    }
    let has = |flag| flags & flag != 0;
    let write = has(known.write | both);
    let mut status = StatusFlags::empty();
    status.set(StatusFlags::APPEND, has(known.append));
    status.set(StatusFlags::NONBLOCK, has(known.nonblock));
    Ok(OpenHow {
        options: OpenOptions {
            read: if wasi { has(known.read) } else { !write || has(both) },
            write,
            create: has(known.create),
            exclusive: has(known.exclusive),
            truncate: has(known.truncate),
            directory: has(known.directory),
            no_follow: has(known.no_follow),
            mode: Mode::new(mode & 0o7777),
            ..OpenOptions::default()
        },
        status,
        cloexec: has(known.close_on_exec),
        no_tty: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_write(flags: u32) -> Option<(bool, bool)> {
        how(flags, 0o644).ok().map(|how| (how.options.read, how.options.write))
    }

    #[test]
    fn flags_of_both_numberings_are_told_apart() {
        assert_eq!(read_write(0), Some((true, false)));
        assert_eq!(read_write(0o1), Some((false, true)));
        assert_eq!(read_write(0o2), Some((true, true)));
        assert_eq!(read_write(0o3), None);
        assert_eq!(read_write(0x0400_0000), Some((true, false)));
        assert_eq!(read_write(0x1000_0000), Some((false, true)));
        assert_eq!(read_write(0x1400_0000), Some((true, true)));
        let made = how(0x1000_9001, 0o100_640).unwrap();
        assert!(made.options.create && made.options.truncate && !made.options.exclusive);
        assert_eq!(
            (made.options.mode, made.status),
            (Mode::new(0o640), StatusFlags::APPEND)
        );
        let made = how(0o2301, 0o600).unwrap();
        assert!(made.options.create && made.options.exclusive && made.status == StatusFlags::APPEND);
        // What nobody knows is refused.
        assert_eq!(read_write(0x0420_0000), None);
        assert_eq!(read_write(0o40_000_000), None);
    }

    #[test]
    fn paths_are_checked() {
        assert_eq!(checked(b"/dev/null").unwrap(), b"/dev/null");
        for (path, errno) in [
            (&b""[..], Errno::ENOENT),
            (b"a\0b", Errno::EINVAL),
            (&[b'x'; 5000], Errno::ENAMETOOLONG),
        ] {
            assert_eq!(checked(path).unwrap_err().errno(), errno);
        }
    }
}
