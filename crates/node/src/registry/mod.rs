//! VMs as actors: the registry, its definitions and hooks, inside the Node.js process.

use crate::abi::Export;

/// What JavaScript sees of registries.
pub(crate) const EXPORTS: &[Export] = &[];
