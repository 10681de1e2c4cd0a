//! Copies of a VM's files: for later, or as a second VM.
//!
//! Copies are constant-time: the copy shares every page with the original until one of them writes. Processes, open files,
//! and the content of mounts are not part of it; the copy gets the same mounts. For another process a snapshot is saved as
//! an archive (see `archive`).

use crate::builder::Options;
use crate::error::{Error, Result};
use crate::vm::{AgentOs, quota};
use crate::{archive, host, layers};
use agentos_kernel::vfs::MemoryFs;
use agentos_software::Image;
use bytes::Bytes;
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
                added: self.vm.added.packages(),
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
    /// The files as bytes from which [`Builder::snapshot`](crate::Builder::snapshot) starts a VM, in this process or another: a
    /// tar file of what differs from the packages. It is as large as that, and no program runs meanwhile in any VM on its
    /// account, but the caller's thread is busy.
    ///
    /// Certificates that the VM was told to trust are not among them, because they belong to its secrets and options.
    ///
    /// # Errors
    /// The bundled software cannot be used, or the VM has layers of its own ([`Builder::lower`](crate::Builder::lower)).
    pub fn to_archive(&self) -> Result<Bytes> {
        if layers::any(&self.options) || !self.options.added.is_empty() {
            return Err(Error::InvalidOption {
                option: "snapshot",
                reason: "a VM with layers of its own cannot be saved: what is in them is not its own".to_owned(),
            });
        }
        let image = Image::with(&self.options.software, &host::system_clock())?;
        let without = self.options.outlet.own_file().as_bytes();
        let archive = archive::save(&*self.root, &*image.layer(), without);
        Ok(archive.map_err(Error::os("snapshot"))?.into())
    }

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
