//! Starting, replacing, waiting for and grouping processes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use agentos_abi::process as abi;
pub use agentos_abi::process::{Ids, Limit, RLIM_INFINITY};

use crate::call::{bytes, errno, filled, os_string, retry};
use crate::signal::SigSet;

/// Everything that a new program is started with. Unlike [`std::process::Command`] it takes the environment as it is,
/// hands on any descriptor, and can set groups, masks and the terminal's foreground group before the program runs.
#[derive(Debug, Default)]
pub struct Spawn {
    program: Vec<u8>,
    argv: Vec<u8>,
    env: Vec<u8>,
    cwd: Vec<u8>,
    actions: Vec<Action>,
    flags: u32,
    pgroup: i32,
    umask: u32,
    sigmask: u64,
    sigdefault: u64,
    nul: bool,
}

#[derive(Debug)]
enum Action {
    Close(u32),
    Dup2 {
        from: u32,
        to: u32,
    },
    Open {
        fd: u32,
        path: Vec<u8>,
        oflags: u32,
        mode: u32,
    },
    Chdir(Vec<u8>),
}

impl Spawn {
    /// A program by path. It gets no arguments, not even its name, until [`Spawn::arg`] adds them.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().as_encoded_bytes().to_vec();
        Self {
            nul: program.contains(&0),
            program,
            ..Self::default()
        }
    }

    /// Looks a name without `/` up in `PATH` of the new environment.
    pub fn search_path(&mut self) -> &mut Self {
        self.flags |= abi::SPAWN_SEARCH_PATH;
        self
    }

    /// Appends an argument; the first is `argv[0]`.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        let arg = arg.as_ref().as_encoded_bytes();
        self.nul |= arg.contains(&0);
        self.argv.extend_from_slice(arg);
        self.argv.push(0);
        self
    }

    /// Appends arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Adds a variable to the new environment, which is empty at first.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let (name, value) = (name.as_ref().as_encoded_bytes(), value.as_ref().as_encoded_bytes());
        self.nul |= name.contains(&0) || value.contains(&0);
        self.env.extend_from_slice(name);
        self.env.push(b'=');
        self.env.extend_from_slice(value);
        self.env.push(0);
        self
    }

    /// Adds variables.
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, vars: impl IntoIterator<Item = (N, V)>) -> &mut Self {
        for (name, value) in vars {
            self.env(name, value);
        }
        self
    }

    /// Adds the variables of this process.
    pub fn inherit_env(&mut self) -> &mut Self {
        self.envs(std::env::vars_os())
    }

    /// Working directory; the caller's otherwise.
    pub fn current_dir(&mut self, dir: impl AsRef<OsStr>) -> &mut Self {
        self.cwd = dir.as_ref().as_encoded_bytes().to_vec();
        self.nul |= self.cwd.contains(&0);
        self
    }

    /// Hands on every descriptor that is not close-on-exec, instead of 0 to 2 only.
    pub fn inherit_descriptors(&mut self) -> &mut Self {
        self.flags |= abi::SPAWN_INHERIT;
        self
    }

    /// Closes `fd` in the child.
    pub fn close(&mut self, fd: u32) -> &mut Self {
        self.actions.push(Action::Close(fd));
        self
    }

    /// Makes `to` in the child a copy of `from`. Actions are done in order, each seeing the ones before.
    pub fn dup2(&mut self, from: u32, to: u32) -> &mut Self {
        self.actions.push(Action::Dup2 { from, to });
        self
    }

    /// Opens `path` as `fd` in the child; `oflags` are bits of `O_*` of [`crate::raw::fs`].
    pub fn open(&mut self, fd: u32, path: impl AsRef<OsStr>, oflags: u32, mode: u32) -> &mut Self {
        let path = path.as_ref().as_encoded_bytes().to_vec();
        self.nul |= path.contains(&0);
        self.actions.push(Action::Open { fd, path, oflags, mode });
        self
    }

    /// Changes the child's working directory at this point of the actions.
    pub fn chdir(&mut self, path: impl AsRef<OsStr>) -> &mut Self {
        self.actions
            .push(Action::Chdir(path.as_ref().as_encoded_bytes().to_vec()));
        self
    }

    /// Puts the child into a process group; 0 makes it the leader of a new one.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Self {
        self.flags |= abi::SPAWN_SETPGROUP;
        self.pgroup = pgroup;
        self
    }

    /// Makes the child's group the foreground group of its terminal before it runs.
    pub fn foreground(&mut self) -> &mut Self {
        self.flags |= abi::SPAWN_FOREGROUND;
        self
    }

    /// Makes the child a session leader.
    pub fn session(&mut self) -> &mut Self {
        self.flags |= abi::SPAWN_SETSID;
        self
    }

    /// Sets the child's umask.
    pub fn umask(&mut self, mask: u32) -> &mut Self {
        self.flags |= abi::SPAWN_SETUMASK;
        self.umask = mask;
        self
    }

    /// Sets the child's signal mask.
    pub fn signal_mask(&mut self, set: SigSet) -> &mut Self {
        self.flags |= abi::SPAWN_SETSIGMASK;
        self.sigmask = set.0;
        self
    }

    /// Resets these signals to their default action in the child.
    pub fn signal_default(&mut self, set: SigSet) -> &mut Self {
        self.flags |= abi::SPAWN_SETSIGDEFAULT;
        self.sigdefault = set.0;
        self
    }

    /// Starts the program; returns its process number.
    ///
    /// # Errors
    ///
    /// What `execve(2)` and the actions fail with; `InvalidInput` for a NUL byte in a string.
    pub fn spawn(&self) -> io::Result<u32> {
        let actions = self.raw_actions()?;
        let req = self.request(&actions);
        let mut pid = 0;
        call!(proc_spawn(&req, &mut pid))?;
        Ok(pid)
    }

    /// Replaces this process; returns only on failure.
    pub fn exec(&self) -> io::Error {
        let run = || -> io::Result<()> {
            let actions = self.raw_actions()?;
            let req = self.request(&actions);
            call!(proc_exec(&req))
        };
        run()
            .err()
            .unwrap_or_else(|| io::Error::other("exec returned without an error"))
    }

    fn raw_actions(&self) -> io::Result<Vec<abi::SpawnAction>> {
        if self.nul {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "nul byte found in provided data",
            ));
        }
        Ok(self.actions.iter().map(Action::raw).collect())
    }

    fn request(&self, actions: &[abi::SpawnAction]) -> abi::SpawnReq {
        abi::SpawnReq {
            size: size_of::<abi::SpawnReq>() as u32,
            flags: self.flags,
            path: address(&self.program),
            path_len: self.program.len() as u32,
            argv: address(&self.argv),
            argv_len: self.argv.len() as u32,
            env: address(&self.env),
            env_len: self.env.len() as u32,
            cwd: address(&self.cwd),
            cwd_len: self.cwd.len() as u32,
            actions: actions.as_ptr().addr() as u32,
            action_count: actions.len() as u32,
            pgroup: self.pgroup,
            umask: self.umask,
            sigmask: self.sigmask,
            sigdefault: self.sigdefault,
        }
    }
}

impl Action {
    fn raw(&self) -> abi::SpawnAction {
        match self {
            Self::Close(fd) => abi::SpawnAction {
                op: abi::ACTION_CLOSE,
                fd: *fd,
                ..Default::default()
            },
            Self::Dup2 { from, to } => abi::SpawnAction {
                op: abi::ACTION_DUP2,
                fd: *to,
                src: *from,
                ..Default::default()
            },
            Self::Open { fd, path, oflags, mode } => abi::SpawnAction {
                op: abi::ACTION_OPEN,
                fd: *fd,
                src: 0,
                oflags: *oflags,
                mode: *mode,
                path: address(path),
                path_len: path.len() as u32,
            },
            Self::Chdir(path) => abi::SpawnAction {
                op: abi::ACTION_CHDIR,
                path: address(path),
                path_len: path.len() as u32,
                ..Default::default()
            },
        }
    }
}

fn address(bytes: &[u8]) -> u32 {
    bytes.as_ptr().addr() as u32
}

/// How a clone's process group is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneGroup {
    /// The caller's.
    Same,
    /// Group `pgroup`, or a new one for 0.
    Join { pgroup: i32, foreground: bool },
}

/// Starts a copy of this process that calls the program's `agentos_clone_entry(arg)` and exits with its result; returns
/// the child's number. The copy has the caller's memory, but none of its stack runs on: it must not rely on a lock or
/// borrow held here.
pub fn clone(group: CloneGroup, arg: u32) -> io::Result<u32> {
    let (flags, pgroup) = match group {
        CloneGroup::Same => (0, 0),
        CloneGroup::Join { pgroup, foreground } => (1 | if foreground { 2 } else { 0 }, pgroup),
    };
    let mut pid = 0;
    call!(proc_clone(flags, pgroup, arg, &mut pid))?;
    Ok(pid)
}

/// What became of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It exited with this status.
    Exited(u8),
    /// This signal killed it.
    Signaled(u8),
    /// This signal stopped it.
    Stopped(u8),
    /// It was continued.
    Continued,
}

impl State {
    /// The status as shells show it: the exit status, or 128 and the signal number.
    pub fn shell_status(self) -> i32 {
        match self {
            Self::Exited(code) => i32::from(code),
            Self::Signaled(signal) | Self::Stopped(signal) => 128 + i32::from(signal),
            Self::Continued => 0,
        }
    }
}

/// A child that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// Its number.
    pub pid: u32,
    /// What happened.
    pub state: State,
    /// Its user time.
    pub user: Duration,
    /// Its system time.
    pub sys: Duration,
    /// Its peak memory in bytes.
    pub max_rss: u64,
}

/// Which children [`wait`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Any child.
    Any,
    /// This one.
    Pid(u32),
    /// Any of the caller's group.
    OwnGroup,
    /// Any of this group.
    Group(u32),
}

/// Waits for a child to change; `options` are bits of `WAIT_*` of [`crate::raw::process`]. With `WAIT_NOHANG` the
/// result is `None` when no child changed.
///
/// # Errors
///
/// `ECHILD` when there is no such child, `EINTR` when a caught signal arrived.
pub fn wait(which: Which, options: u32) -> io::Result<Option<Waited>> {
    let which = match which {
        Which::Any => -1,
        Which::Pid(pid) => pid as i32,
        Which::OwnGroup => 0,
        Which::Group(pgid) => (pgid as i32).wrapping_neg(),
    };
    let mut out = abi::WaitResult::default();
    call!(proc_wait(which, options, &mut out))?;
    if out.pid == 0 {
        return Ok(None);
    }
    let code = out.code as u8;
    let state = match out.kind {
        abi::WAITED_SIGNALED => State::Signaled(code),
        abi::WAITED_STOPPED => State::Stopped(code),
        abi::WAITED_CONTINUED => State::Continued,
        _ => State::Exited(code),
    };
    Ok(Some(Waited {
        pid: out.pid,
        state,
        user: Duration::from_nanos(out.user_ns),
        sys: Duration::from_nanos(out.sys_ns),
        max_rss: out.max_rss,
    }))
}

/// Waits for this child to end, through interruptions.
pub fn wait_for(pid: u32) -> io::Result<State> {
    match retry(|| wait(Which::Pid(pid), 0))? {
        Some(waited) => Ok(waited.state),
        None => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Process, parent, group and session of the caller.
pub fn ids() -> Ids {
    let mut out = Ids::default();
    // A valid pointer is all that this call could complain about.
    let _ = call!(proc_ids(&mut out));
    out
}

/// Puts process `pid` (0: the caller) into group `pgid` (0: its own).
pub fn setpgid(pid: u32, pgid: u32) -> io::Result<()> {
    call!(proc_setpgid(pid, pgid))
}

/// Makes the caller the leader of a new session; returns its number.
pub fn setsid() -> io::Result<u32> {
    let mut out = 0;
    call!(proc_setsid(&mut out))?;
    Ok(out)
}

/// Group of process `pid` (0: the caller).
pub fn getpgid(pid: u32) -> io::Result<u32> {
    let mut out = 0;
    call!(proc_getpgid(pid, &mut out))?;
    Ok(out)
}

/// Session of process `pid` (0: the caller).
pub fn getsid(pid: u32) -> io::Result<u32> {
    let mut out = 0;
    call!(proc_getsid(pid, &mut out))?;
    Ok(out)
}

/// The file mode creation mask.
pub fn umask() -> u32 {
    let mut old = 0;
    let _ = call!(proc_umask(0, 0, &mut old));
    old
}

/// Sets the file mode creation mask; returns the one before.
pub fn set_umask(mask: u32) -> u32 {
    let mut old = 0;
    let _ = call!(proc_umask(1, mask, &mut old));
    old
}

/// The working directory as the kernel knows it.
pub fn current_dir() -> io::Result<PathBuf> {
    let path = filled(agentos_abi::PATH_MAX as usize, |buf, cap, len| {
        call!(proc_getcwd(buf, cap, len))
    })?;
    Ok(PathBuf::from(os_string(path)))
}

/// Changes the working directory to the one that descriptor `fd` is open on.
pub fn fchdir(fd: u32) -> io::Result<()> {
    call!(proc_chdir(fd as i32, std::ptr::null::<u8>(), 0))
}

/// Changes the working directory.
pub fn chdir(path: impl AsRef<std::path::Path>) -> io::Result<()> {
    let path = bytes(path.as_ref());
    call!(proc_chdir(agentos_abi::AT_FDCWD, path.as_ptr(), path.len() as u32))
}

/// CPU times of the caller and of the children it waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// User time of the caller.
    pub user: Duration,
    /// System time of the caller.
    pub sys: Duration,
    /// User time of children.
    pub children_user: Duration,
    /// System time of children.
    pub children_sys: Duration,
}

/// CPU times so far.
pub fn times() -> io::Result<Times> {
    let mut out = abi::Times::default();
    call!(proc_times(&mut out))?;
    Ok(Times {
        user: Duration::from_nanos(out.user),
        sys: Duration::from_nanos(out.sys),
        children_user: Duration::from_nanos(out.cuser),
        children_sys: Duration::from_nanos(out.csys),
    })
}

/// A resource limit; `resource` has Linux's number (`RLIMIT_NOFILE` is 7).
pub fn limit(resource: u32) -> io::Result<Limit> {
    let mut out = Limit::default();
    call!(proc_limit_get(resource, &mut out))?;
    Ok(out)
}

/// Sets a resource limit.
pub fn set_limit(resource: u32, limit: &Limit) -> io::Result<()> {
    call!(proc_limit_set(resource, limit))
}

/// Nice value of process `pid` (0: the caller), -20 to 19.
pub fn nice(pid: u32) -> io::Result<i32> {
    let mut out: u32 = 0;
    call!(proc_nice(pid, 0, 0, &mut out))?;
    Ok(out as i32 - 20)
}

/// Sets the nice value of process `pid` (0: the caller); returns the new one.
pub fn set_nice(pid: u32, nice: i32) -> io::Result<i32> {
    let mut out: u32 = 0;
    call!(proc_nice(pid, 1, nice, &mut out))?;
    Ok(out as i32 - 20)
}

/// Whether an error of [`Spawn::spawn`] means that there is no such program (status 127 of shells, `env`, `timeout`).
pub fn is_not_found(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || errno(error) == Some(agentos_abi::errno::ENOTDIR)
}

/// The program name of an argument list for messages: the last component of `argv[0]`.
pub fn program_name(argv: &[OsString]) -> String {
    let name = argv
        .first()
        .map(|a| a.to_string_lossy().into_owned())
        .unwrap_or_default();
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Why the last call of this process that the VM's policy or network guard refused (`EACCES`) was refused; empty if none was.
pub fn last_denial() -> io::Result<String> {
    let text = filled(1024, |buf, cap, len| call!(proc_last_denial(buf, cap, len)))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
