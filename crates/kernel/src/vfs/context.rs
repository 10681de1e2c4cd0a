//! On whose behalf a path operation runs.

use crate::cred::Credentials;
use crate::id::Pid;
use crate::vfs::attr::Mode;
use crate::vfs::location::Location;

/// The parts of a process that path operations depend on.
#[derive(Debug, Clone, Copy)]
pub struct FsContext<'a> {
    /// Identities; permission checks use the effective ids.
    pub cred: &'a Credentials,
    /// Where absolute paths start; `..` does not lead above it.
    pub root: &'a Location,
    /// Where relative paths start.
    pub cwd: &'a Location,
    /// Permissions that new files do not get.
    pub umask: Mode,
    /// The calling process, for links such as `/proc/self`; pid 0 when no process asks.
    pub caller: Pid,
}

impl<'a> FsContext<'a> {
    /// A context whose root and working directory are `root`, with umask 022 and no process.
    pub fn new(cred: &'a Credentials, root: &'a Location) -> Self {
        Self {
            cred,
            root,
            cwd: root,
            umask: Mode::new(0o022),
            caller: Pid(0),
        }
    }
}
