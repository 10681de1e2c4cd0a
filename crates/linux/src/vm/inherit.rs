//! What a program gets that was open before it began.
//!
//! A regular file is a description with an offset, which goes on counting for those that had it before: a shell that runs in another
//! executor, and its next child. So one description of the host stands for it from then on, and the kernel's follows its offset.

use super::Vm;
use crate::calls::Fail;
use crate::sys;
use agentos_kernel::fd::{HostPosition, OpenFile};
use agentos_kernel::vfs::FileType;
use std::any::Any;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

/// A description of the host, by a descriptor of this process.
struct Position(OwnedFd);

impl HostPosition for Position {
    fn get(&self) -> Option<u64> {
        // SAFETY: takes numbers alone.
        let at = unsafe { libc::lseek(self.0.as_raw_fd(), 0, libc::SEEK_CUR) };
        u64::try_from(at).ok()
    }

    fn set(&self, offset: u64) {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        // SAFETY: takes numbers alone.
        unsafe { libc::lseek(self.0.as_raw_fd(), offset, libc::SEEK_SET) };
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Vm {
    /// A descriptor of the host for what a process has open when it begins.
    pub(super) fn inherited(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        let shared = file.host_position();
        if let Some(shared) = shared
            .as_ref()
            .and_then(|shared| shared.as_any().downcast_ref::<Position>())
        {
            self.know(shared.0.as_fd(), file, None)?;
            return Ok(sys::duplicate(shared.0.as_fd())?);
        }
        let real = self.materialise(file)?;
        let is_file = file.handle().is_some_and(|handle| handle.kind() == FileType::Regular);
        if is_file && !file.access().is_empty() {
            file.share_position(Arc::new(Position(sys::duplicate(real.as_fd())?)));
        }
        Ok(real)
    }
}
