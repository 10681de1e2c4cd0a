//! Linux programs where they do not run. The probe says so before anything is loaded.

use crate::parked::{Base, ParkedNode};
use agentos_kernel::process::{Kernel, Program};
use agentos_kernel::vfs::InodeHandle;
use agentos_kernel::{Errno, Result};

/// What all VMs of one executor share: nothing.
#[derive(Debug, Default)]
pub(crate) struct Core;

impl Core {
    #[expect(clippy::unused_self, reason = "elsewhere there is something to set")]
    pub(super) fn park_node(&self, _: usize) {}

    #[expect(clippy::unused_self, reason = "elsewhere there is something to tell")]
    pub(super) fn parked_node(&self) -> ParkedNode {
        ParkedNode::default()
    }

    #[expect(clippy::unused_self, reason = "elsewhere there is something to load with")]
    pub(super) fn load(&self, _: &Kernel, _: &InodeHandle, _: Option<&Base>) -> Result<Box<dyn Program>> {
        Err(Errno::ENOEXEC.into())
    }
}
