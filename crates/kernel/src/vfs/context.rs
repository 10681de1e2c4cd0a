//! On whose behalf a path operation runs.

use crate::cred::Credentials;
use crate::guard::Guard;
use crate::id::Pid;
use crate::policy::Tier;
use crate::vfs::attr::Mode;
use crate::vfs::location::Location;
use crate::vfs::rules::Rules;
use crate::vfs::walks::Walks;

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
    /// Whether the permission policy is not asked: work of the kernel itself, and of a host that seeds files.
    pub trusted: bool,
    /// What the calling program may do at most.
    pub(crate) tier: Tier,
    /// Where refusals of the tier are recorded.
    pub(crate) guard: Option<&'a Guard>,
    /// The rules in force; set by the operation itself.
    pub(super) rules: Option<&'a Rules>,
    /// Ways that were walked before; set by the operation itself, where they may be taken.
    pub(super) walks: Option<&'a Walks>,
}

impl<'a> FsContext<'a> {
    /// A context whose root and working directory are `root`, with umask 022 and no process, under the policy.
    pub fn new(cred: &'a Credentials, root: &'a Location) -> Self {
        Self {
            cred,
            root,
            cwd: root,
            umask: Mode::new(0o022),
            caller: Pid(0),
            trusted: false,
            tier: Tier::Full,
            guard: None,
            rules: None,
            walks: None,
        }
    }

    /// The same, without the policy. For the kernel's own work and for a host's: never on behalf of a guest or a client.
    #[must_use]
    pub fn trusted(self) -> Self {
        Self { trusted: true, ..self }
    }
}
