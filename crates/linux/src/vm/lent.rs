//! Open files that programs of both kinds have: those that a Linux program is started with.
//!
//! Such a description has one offset for all who share it. While Linux programs have it the host keeps that: all of them get the
//! same description of the host, which begins where the kernel's stands; when one of them ends, the kernel's stands where the host's
//! does. A program of the kernel's that writes at the same time as a Linux one would still begin where it was before.
//!
//! A lock of such a description on the whole file (`flock(2)`) is one of both kinds, too: `exec 9>lock; flock 9` of a shell of one kind
//! and a `flock` of the other.

use super::known::set_status;
use super::{Guest, Vm};
use crate::calls::Fail;
use crate::sys;
use agentos_kernel::fd::{OpenFile, SeekFrom};
use agentos_kernel::vfs::FileType;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

/// A description that Linux programs have been started with.
pub(crate) struct Lent {
    real: OwnedFd,
    file: Arc<OpenFile>,
    users: usize,
}

impl Vm {
    /// A descriptor for a program that is started with `file`.
    pub(super) fn lend(&mut self, key: u32, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        let has_offset = file.handle().is_some_and(|handle| handle.kind() == FileType::Regular);
        if !has_offset || file.access().is_empty() {
            return self.materialise(file);
        }
        let known = self.lent.get(&file.id()).map(|lent| sys::duplicate(lent.real.as_fd()));
        let real = match known {
            Some(real) => real?,
            None => {
                let real = self.with_lock(file)?;
                let at = i64::try_from(file.seek(SeekFrom::Current(0))?).unwrap_or(i64::MAX);
                // SAFETY: takes numbers alone.
                sys::check(unsafe { libc::lseek(real.as_raw_fd(), at, libc::SEEK_SET) })?;
                let lent = Lent {
                    real: sys::duplicate(real.as_fd())?,
                    file: Arc::clone(file),
                    users: 0,
                };
                if let Some(kernel) = self.kernel() {
                    kernel.share_lock(file, sys::duplicate(real.as_fd())?);
                }
                self.lent.insert(file.id(), lent);
                real
            }
        };
        if let Some(guest) = self.guests.get_mut(&key)
            && let Some(lent) = self.lent.get_mut(&file.id())
        {
            lent.users += 1;
            guest.lent.push(file.id());
        }
        Ok(real)
    }

    /// A description for a guest. One that has locked its file has one on the host already.
    fn with_lock(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        let real = self.materialise(file)?;
        let Some(twin) = self.kernel().and_then(|kernel| kernel.lock_twin(file)) else {
            return Ok(real);
        };
        let identity = |fd: &OwnedFd| sys::stat_fd(fd.as_fd(), c"").map(|stat| (stat.st_dev, stat.st_ino));
        if identity(&twin)? != identity(&real)? {
            return Ok(real);
        }
        set_status(twin.as_fd(), file.flags())?;
        Ok(twin)
    }

    /// A guest has ended: whoever else has its descriptions goes on where it stopped.
    pub(super) fn take_back(&mut self, guest: &Guest) {
        for id in &guest.lent {
            let Some(lent) = self.lent.get_mut(id) else { continue };
            // SAFETY: takes numbers alone.
            let at = unsafe { libc::lseek(lent.real.as_raw_fd(), 0, libc::SEEK_CUR) };
            if let Ok(at) = u64::try_from(at) {
                let _ = lent.file.seek(SeekFrom::Start(at));
            }
            lent.users -= 1;
            if lent.users == 0
                && let Some(lent) = self.lent.remove(id)
            {
                guest.process.kernel().unshare_lock(&lent.file);
            }
        }
    }
}
