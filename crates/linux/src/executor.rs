//! What the kernel sees, which is the same on every host. What is behind it is either here, or says that it is not.

#[cfg(not(jail))]
#[path = "executor/elsewhere.rs"]
mod here;
#[cfg(jail)]
mod here;

use crate::parked::{Base, ParkedNode, Preload};
use crate::probe::Probe;
use crate::walls::{Cgroup, CgroupError};
use agentos_kernel::Error;
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::{Executor, Kernel, Program};
use agentos_kernel::vfs::InodeHandle;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

/// What the kernel calls this executor.
pub(crate) const NAME: &str = "linux";

/// Runs Linux programs (ELF files) for any number of VMs. One per host process is enough.
///
/// Nothing happens until the first ELF file is executed: then the machine is probed, once, and what it said stays.
#[derive(Debug, Default)]
pub struct LinuxExecutor {
    probe: Arc<OnceLock<Probe>>,
    core: Arc<Core>,
    base: Option<Based>,
}

impl LinuxExecutor {
    /// An executor that has done nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An executor that takes this for what the machine can do.
    pub fn with_probe(probe: Probe) -> Arc<Self> {
        Arc::new(Self {
            probe: Arc::new(probe.into()),
            ..Self::default()
        })
    }

    /// The same executor for VMs whose roots lie on one base, for which it may park processes of Node.js; those that are parked for
    /// the scripts of `preloads` load their modules before.
    #[must_use]
    pub fn on(&self, base: Base, preloads: Vec<Preload>) -> Arc<Self> {
        Arc::new(Self {
            probe: Arc::clone(&self.probe),
            core: Arc::clone(&self.core),
            base: Some(Based {
                base,
                preloads: preloads.into(),
            }),
        })
    }

    /// Says where the control groups of VMs are made; [`Cgroup::Auto`] unless it is called.
    ///
    /// # Errors
    /// Linux programs were probed or have run already, with something else.
    pub fn set_cgroup(&self, cgroup: Cgroup) -> Result<(), CgroupError> {
        match self.probe.get() {
            Some(_) if self.core.cgroup() != cgroup => Err(CgroupError::TooLate(self.core.cgroup())),
            _ => self.core.set_cgroup(cgroup),
        }
    }

    /// How many processes of Node.js may be parked; 0 parks none. What is too much ends.
    pub fn park_node(&self, most: usize) {
        self.core.park_node(most);
    }

    /// The parked processes of Node.js.
    pub fn parked_node(&self) -> ParkedNode {
        self.core.parked_node()
    }

    /// What this machine can do; found out at the first call.
    pub fn probe(&self) -> &Probe {
        self.probe.get_or_init(|| self.core.probe())
    }
}

impl Executor for LinuxExecutor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(b"\x7fELF")
    }

    fn load(&self, kernel: &Kernel, file: &InodeHandle, _: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        if let Some(why) = self.probe().refusal() {
            return Poll::Ready(Err(Error::not_executable(why)));
        }
        Poll::Ready(self.core.load(kernel, file, self.base.as_ref()))
    }
}

pub(crate) use here::Core;

/// What some VMs lie on.
#[derive(Clone)]
#[cfg_attr(not(jail), expect(dead_code, reason = "nothing is parked there"))]
pub(crate) struct Based {
    pub(crate) base: Base,
    pub(crate) preloads: Arc<[Preload]>,
}

impl std::fmt::Debug for Based {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Base")
    }
}
