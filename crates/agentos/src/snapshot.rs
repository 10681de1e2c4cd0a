//! Copies of a VM's files: for later, or as a second VM.
//!
//! Both are constant-time: the copy shares every page with the original until one of them writes. Processes, open files,
//! and the content of mounts are not part of it; the copy gets the same mounts.

use crate::builder::Options;
use crate::error::Result;
use crate::host;
use crate::vm::{AgentOs, quota};
use agentos_kernel::vfs::MemoryFs;
use std::sync::Arc;

/// The files of a VM at one moment, from which VMs can be created.
#[derive(Clone)]
pub struct Snapshot {
    root: Arc<MemoryFs>,
    options: Options,
}

impl AgentOs {
    /// Keeps the files as they are now.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let quota = quota(&self.vm.options.limits);
        let root = self.vm.root.fork(host::SystemClock::shared(), quota);
        Ok(Snapshot {
            root,
            options: Options {
                // Two VMs must not write to one filesystem as if it were their own.
                quota: None,
                upper: None,
                ..self.vm.options.clone()
            },
        })
    }

    /// A second VM with the same files and options, and no processes.
    pub async fn fork(&self) -> Result<Self> {
        self.snapshot().await?.create().await
    }
}

impl Snapshot {
    /// A VM with these files and the options of the original.
    pub async fn create(&self) -> Result<AgentOs> {
        let quota = quota(&self.options.limits);
        let root = self.root.fork(host::SystemClock::shared(), quota.clone());
        AgentOs::boot_on(root, quota, self.options.clone())
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}
