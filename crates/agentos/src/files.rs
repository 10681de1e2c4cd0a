//! The file API of a VM (api.md section 4.1): whole files, listings, attributes. It acts as the VM's user, under the
//! permission policy; [`HostFiles`] does the same without the policy.

mod listing;
mod read;
mod tree;
mod trusted;
mod write;

pub use listing::{DirectoryEntry, EntryKind, ListOptions, Stat};
pub use read::FileOutcome;
pub use trusted::HostFiles;
pub use write::WriteOutcome;

use crate::vm::{AgentOs, Vm};
use agentos_kernel::cred::Credentials;
use agentos_kernel::vfs::FsContext;

/// File work in a VM on behalf of a client or of the host.
#[derive(Clone, Copy)]
struct Files<'a> {
    vm: &'a Vm,
    trusted: bool,
}

impl AgentOs {
    fn files(&self) -> Files<'_> {
        Files {
            vm: &self.vm,
            trusted: self.trusted,
        }
    }
}

impl Files<'_> {
    /// Does file work as the VM's user, under the policy unless the host asks.
    fn as_user<T>(&self, work: impl FnOnce(&FsContext<'_>) -> T) -> T {
        match self.trusted {
            true => self.as_kernel(work),
            false => self.vm.as_user(work),
        }
    }

    /// Looks as the VM's user at what an operation needs to know beforehand; the operation itself is what the policy is asked
    /// about.
    fn as_kernel<T>(&self, work: impl FnOnce(&FsContext<'_>) -> T) -> T {
        let root = self.vm.kernel.vfs().root();
        work(&FsContext::new(&Credentials::user(), &root).trusted())
    }
}

impl std::ops::Deref for Files<'_> {
    type Target = Vm;

    fn deref(&self) -> &Vm {
        self.vm
    }
}
