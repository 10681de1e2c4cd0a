//! Spawn, exec, wait, identities of processes.

use crate::record::record;

record! {
    /// Argument of `proc_spawn` and `proc_exec`. Strings are guest pointers with byte lengths; `argv` and `env` are the
    /// strings joined with one NUL **after each** string.
    pub struct SpawnReq {
        /// Size of this record as the guest knows it.
        pub size: u32,
        /// Bits of `SPAWN_*`.
        pub flags: u32,
        /// Program path; with [`SPAWN_SEARCH_PATH`] a name without `/` is looked up in `PATH` of the new environment.
        pub path: u32,
        /// Bytes of `path`.
        pub path_len: u32,
        /// NUL-terminated arguments, the first is `argv[0]`.
        pub argv: u32,
        /// Bytes of `argv`.
        pub argv_len: u32,
        /// NUL-terminated `NAME=value` strings.
        pub env: u32,
        /// Bytes of `env`.
        pub env_len: u32,
        /// Working directory of the child; length 0 keeps the caller's.
        pub cwd: u32,
        /// Bytes of `cwd`.
        pub cwd_len: u32,
        /// Pointer to [`SpawnAction`] records, applied in order.
        pub actions: u32,
        /// Number of actions.
        pub action_count: u32,
        /// Process group with [`SPAWN_SETPGROUP`]: 0 makes the child a leader.
        pub pgroup: i32,
        /// umask with [`SPAWN_SETUMASK`].
        pub umask: u32,
        /// Signal mask with [`SPAWN_SETSIGMASK`]; bit n-1 is signal n.
        pub sigmask: u64,
        /// Signals reset to their default with [`SPAWN_SETSIGDEFAULT`].
        pub sigdefault: u64,
    }
}

/// Put the child into group `pgroup`.
pub const SPAWN_SETPGROUP: u32 = 1;
/// Set the child's signal mask.
pub const SPAWN_SETSIGMASK: u32 = 2;
/// Reset the given signals to their default action.
pub const SPAWN_SETSIGDEFAULT: u32 = 4;
/// Make the child a session leader.
pub const SPAWN_SETSID: u32 = 8;
/// Look a name without `/` up in `PATH`.
pub const SPAWN_SEARCH_PATH: u32 = 16;
/// Inherit every descriptor that is not close-on-exec instead of 0, 1 and 2 only. `proc_exec` always does.
pub const SPAWN_INHERIT: u32 = 32;
/// Set the child's umask.
pub const SPAWN_SETUMASK: u32 = 64;
/// Make the child's group the foreground group of its controlling terminal, before it runs.
pub const SPAWN_FOREGROUND: u32 = 128;

record! {
    /// One file action of a spawn, done in the child before it runs.
    pub struct SpawnAction {
        /// `ACTION_*`.
        pub op: u32,
        /// Target descriptor.
        pub fd: u32,
        /// Source descriptor of [`ACTION_DUP2`] (the parent's numbering as changed by earlier actions).
        pub src: u32,
        /// For [`ACTION_OPEN`]: bits of `fs::O_*`.
        pub oflags: u32,
        /// For [`ACTION_OPEN`]: creation mode.
        pub mode: u32,
        /// Guest pointer to a path for open and chdir.
        pub path: u32,
        /// Bytes of `path`.
        pub path_len: u32,
    }
}

/// Close `fd`; closing a closed descriptor is no error.
pub const ACTION_CLOSE: u32 = 1;
/// Make `fd` a copy of `src`, without close-on-exec. Any descriptor of the parent may be the source.
pub const ACTION_DUP2: u32 = 2;
/// Open `path` as `fd`.
pub const ACTION_OPEN: u32 = 3;
/// Change the child's working directory to `path`.
pub const ACTION_CHDIR: u32 = 4;

record! {
    /// Result of `proc_wait`; `pid` 0 means that `WAIT_NOHANG` found nothing.
    pub struct WaitResult {
        /// Child that changed.
        pub pid: u32,
        /// `WAITED_*`.
        pub kind: u32,
        /// Exit status or signal number.
        pub code: u32,
        /// Zero.
        pub reserved: u32,
        /// User CPU time in ns.
        pub user_ns: u64,
        /// System CPU time in ns.
        pub sys_ns: u64,
        /// Peak memory in bytes.
        pub max_rss: u64,
    }
}

/// Do not wait.
pub const WAIT_NOHANG: u32 = 1;
/// Report stopped children.
pub const WAIT_UNTRACED: u32 = 2;
/// Report continued children.
pub const WAIT_CONTINUED: u32 = 8;
/// Leave the child waitable.
pub const WAIT_NOWAIT: u32 = 0x0100_0000;

/// The child exited; `code` is its status.
pub const WAITED_EXITED: u32 = 1;
/// The child was killed; `code` is the signal.
pub const WAITED_SIGNALED: u32 = 2;
/// The child was stopped; `code` is the signal.
pub const WAITED_STOPPED: u32 = 3;
/// The child was continued.
pub const WAITED_CONTINUED: u32 = 4;

record! {
    /// Result of `proc_ids`.
    pub struct Ids {
        /// Process.
        pub pid: u32,
        /// Parent.
        pub ppid: u32,
        /// Process group.
        pub pgid: u32,
        /// Session.
        pub sid: u32,
    }
}

record! {
    /// Result of `proc_times`, in ns.
    pub struct Times {
        /// User time of the caller.
        pub user: u64,
        /// System time of the caller.
        pub sys: u64,
        /// User time of waited-for children.
        pub cuser: u64,
        /// System time of waited-for children.
        pub csys: u64,
    }
}

record! {
    /// A resource limit; [`RLIM_INFINITY`] means none. Resources have Linux's numbers.
    pub struct Limit {
        /// Soft limit.
        pub cur: u64,
        /// Hard limit.
        pub max: u64,
    }
}

/// No limit.
pub const RLIM_INFINITY: u64 = u64::MAX;

record! {
    /// Result of `id_get`.
    pub struct Credentials {
        /// Real user.
        pub ruid: u32,
        /// Effective user.
        pub euid: u32,
        /// Saved user.
        pub suid: u32,
        /// Real group.
        pub rgid: u32,
        /// Effective group.
        pub egid: u32,
        /// Saved group.
        pub sgid: u32,
    }
}

/// Fields of `sys_uname`, in the order of `struct utsname`.
pub const UNAME_SYSNAME: u32 = 0;
/// Host name.
pub const UNAME_NODENAME: u32 = 1;
/// Release.
pub const UNAME_RELEASE: u32 = 2;
/// Version.
pub const UNAME_VERSION: u32 = 3;
/// Machine.
pub const UNAME_MACHINE: u32 = 4;
