//! What a new program is started with.

use super::signal::SigSet;
use crate::cred::Credentials;
use crate::fd::{OpenFile, StatusFlags};
use crate::id::{Fd, Pid};
use crate::vfs::{Mode, OpenOptions};
use std::sync::Arc;

/// A program to start, as a new process or in the place of the caller's.
#[derive(Debug, Clone, Default)]
pub struct SpawnRequest {
    /// Path of the program; with `search_path` a name without `/` is looked up in `PATH` of `env`.
    pub path: Vec<u8>,
    /// Arguments, the first being the name.
    pub argv: Vec<Vec<u8>>,
    /// Environment, `NAME=value` each.
    pub env: Vec<Vec<u8>>,
    /// Look a name without `/` up in `PATH`.
    pub search_path: bool,
    /// Working directory; the parent's if absent.
    pub cwd: Option<Vec<u8>>,
    /// What to do with descriptors, in order.
    pub actions: Vec<FileAction>,
    /// Process group: 0 makes the child a leader, absent keeps the parent's.
    pub pgroup: Option<Pid>,
    /// Make the child the leader of a new session.
    pub setsid: bool,
    /// Make the child's group the foreground group of its terminal. With `setsid` the terminal at descriptor 0, 1 or 2
    /// becomes the controlling terminal first.
    pub foreground: bool,
    /// Signal mask; the parent's if absent.
    pub sigmask: Option<SigSet>,
    /// Signals reset to their default action. Caught ones always are.
    pub sigdefault: SigSet,
    /// Inherit every descriptor that is not close-on-exec instead of 0, 1 and 2 only.
    pub inherit: bool,
    /// umask; the parent's if absent.
    pub umask: Option<Mode>,
    /// Identities, for a parent that is the superuser; the parent's if absent.
    pub credentials: Option<Credentials>,
    /// Clocks that stand still while the process computes, and those of its descendants; a parent with such clocks has no other
    /// children.
    pub freeze_clocks: bool,
    /// The path leads nowhere once the program runs, because it goes through a descriptor that is closed then: what an interpreter
    /// would have to open is not there (`ENOENT`).
    pub vanishes: bool,
}

/// One step of setting up a new process's descriptors and working directory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FileAction {
    /// Close it; a closed one is no error.
    Close(Fd),
    /// Make `to` a copy of `from`, which is the parent's or came from an earlier action. `to` is not close-on-exec.
    Dup2 {
        /// Source.
        from: Fd,
        /// Target.
        to: Fd,
    },
    /// Open a file as `fd`.
    Open {
        /// Target.
        fd: Fd,
        /// Path, relative to the child's working directory.
        path: Vec<u8>,
        /// How.
        how: OpenHow,
    },
    /// Change the working directory.
    Chdir(Vec<u8>),
    /// Give the child an open description that the host holds.
    Inherit(Fd, Arc<OpenFile>),
}

/// How to open a file: the options of the path layer, and those of descriptor and description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenHow {
    /// What the path layer needs.
    pub options: OpenOptions,
    /// Status flags of the description.
    pub status: StatusFlags,
    /// Close on exec.
    pub cloexec: bool,
    /// Do not make a terminal the controlling one.
    pub no_tty: bool,
}
