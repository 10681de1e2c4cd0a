//! Linux programs where they do not run. The probe says so before anything is loaded.

use super::Based;
use crate::parked::ParkedNode;
use crate::probe::Probe;
use crate::walls::{Cgroup, CgroupError};
use agentos_kernel::process::{Kernel, Program};
use agentos_kernel::vfs::InodeHandle;
use agentos_kernel::{Errno, Result};

/// What all VMs of one executor share: nothing.
#[derive(Debug, Default)]
pub(crate) struct Core;

impl Core {
    pub(super) fn probe(&self) -> Probe {
        Probe::run()
    }

    pub(super) fn set_cgroup(&self, _: Cgroup) -> std::result::Result<(), CgroupError> {
        Ok(())
    }

    pub(super) fn cgroup(&self) -> Cgroup {
        Cgroup::Off
    }

    pub(super) fn park_node(&self, _: usize) {}

    pub(super) fn parked_node(&self) -> ParkedNode {
        ParkedNode::default()
    }

    pub(super) fn load(&self, _: &Kernel, _: &InodeHandle, _: Option<&Based>) -> Result<Box<dyn Program>> {
        Err(Errno::ENOEXEC.into())
    }
}
