//! The position of a description that a process of the host shares.
//!
//! A program that really runs on the host inherits a description of the host for a file of the VM. Both have an offset, and POSIX
//! has one: what one process reads, the next does not read again. So from then on the host's is the one that counts; the kernel's description
//! looks it up before, and sets it after, whatever moves it.

use core::any::Any;

/// The host's offset.
pub trait HostPosition: Any + Send + Sync {
    /// Where it is. None if the host does not say.
    fn get(&self) -> Option<u64>;

    /// Moves it.
    fn set(&self, offset: u64);

    /// For whoever made it.
    fn as_any(&self) -> &dyn Any;
}
