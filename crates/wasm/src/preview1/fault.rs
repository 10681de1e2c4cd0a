//! Errors of the path functions: the kernel's, and the one that only preview 1 has.

use crate::imports::GuestError;
use agentos_abi::errno::ENOTCAPABLE;
use agentos_kernel::{Errno, Error};

/// Why a path function failed.
pub(crate) enum Fault {
    Kernel(Error),
    /// A path that leads out of the directory that it starts from.
    NotCapable,
}

impl GuestError for Fault {
    fn number(&self) -> u32 {
        match self {
            Self::Kernel(error) => error.number(),
            Self::NotCapable => ENOTCAPABLE,
        }
    }

    fn kernel(&self) -> Option<&Error> {
        match self {
            Self::Kernel(error) => Some(error),
            Self::NotCapable => None,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno.into())
    }
}
