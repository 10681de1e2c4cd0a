//! What the outside sees of parked processes, on every host.

use agentos_kernel::process::{Executor, Kernel};
use std::sync::Arc;

/// Makes a kernel that has nothing but what is read-only below the root of some VMs, and runs programs with the executor it is given.
pub type Base = Arc<dyn Fn(Arc<dyn Executor>) -> Option<Arc<Kernel>> + Send + Sync>;

/// A script of the base that processes may be parked for which have loaded modules that it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preload {
    /// The script's own path in VMs, links followed.
    pub script: String,
    /// Paths of the modules, in the order in which they are loaded.
    pub modules: Vec<String>,
}

/// Parked processes of an executor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedNode {
    /// How many there may be.
    pub most: usize,
    /// Processes that are parked.
    pub parked: usize,
    /// Those on their way to it.
    pub booting: usize,
    /// Of those that are parked the ones that wait for a VM without Linux programs.
    pub waiting: usize,
    /// Starts that got one.
    pub claimed: u64,
    /// Starts that could have had one and did not.
    pub missed: u64,
}
