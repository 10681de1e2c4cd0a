//! Programs that were found and planned a moment ago.
//!
//! A shell starts the same few programs again and again, and nearly all of them have the same interpreter. Opening both files anew and
//! reading the same headers takes the VM's thread longer than all else that it does for an `execve`. So the last few files are kept open, with
//! their plans:
//!
//! * Only files of images are, which no guest can write ([`Filesystem::host_file`]); and only while their size and both their times are what
//!   they were. A guest that writes to such a file gets one of its own, with a time of change that nobody can set.
//! * Not files that were changed less than [`SETTLED`] before they were read: another change in the same tick of the host's clock could not be
//!   told from it.
//! * At most [`PLACES_MAX`] for all VMs of a process, as each takes a descriptor. Those of a VM go with the end of its last Linux program.
//!
//! The descriptions are handed to loaders, which map them and close them before the program begins; nobody reads from them, so it does
//! not matter that they share an offset.

use crate::program::Image;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{Attr, Filesystem, InodeHandle};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files that are kept open for the programs of all VMs; then the one that was kept first is closed.
const PLACES_MAX: usize = 32;
/// How long ago a file must have been changed for the last time.
const SETTLED: Duration = Duration::from_secs(2);

/// What was planned, the last one used last.
static PLANNED: Mutex<Vec<Planned>> = Mutex::new(Vec::new());

struct Planned {
    /// Whose programs they are, by the address of the kernel.
    kernel: usize,
    fs: Weak<dyn Filesystem>,
    stamp: Stamp,
    image: Arc<Image>,
}

/// What must be the same for a file to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    ino: Ino,
    size: u64,
    mtime: Timestamp,
    ctime: Timestamp,
}

impl Stamp {
    pub(crate) const fn of(attr: &Attr) -> Self {
        Self {
            ino: attr.ino,
            size: attr.size,
            mtime: attr.mtime,
            ctime: attr.ctime,
        }
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Whether a later change would show.
    fn is_settled(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(UNIX_EPOCH) else {
            return false;
        };
        let settled = now.saturating_sub(SETTLED).as_nanos();
        let is_before = |time: Timestamp| u128::try_from(time.0).is_ok_and(|time| time < settled);
        is_before(self.mtime) && is_before(self.ctime)
    }
}

/// What a file was planned as, if it is what it was.
pub(crate) fn get(kernel: usize, file: &InodeHandle, stamp: &Stamp) -> Option<Arc<Image>> {
    let mut planned = PLANNED.lock();
    let fs = Arc::as_ptr(file.location().filesystem());
    let is_it = |known: &Planned| {
        known.kernel == kernel && known.stamp.ino == stamp.ino && std::ptr::addr_eq(known.fs.as_ptr(), fs)
    };
    let place = planned.iter().rposition(is_it)?;
    let known = planned.remove(place);
    let holds = known.stamp == *stamp;
    let image = Arc::clone(&known.image);
    if holds {
        planned.push(known);
    }
    holds.then_some(image)
}

/// Keeps what a file was planned as that had this stamp, and of which nothing was read before that time.
pub(crate) fn put(kernel: usize, file: &InodeHandle, (stamp, since): (Stamp, SystemTime), image: &Arc<Image>) {
    if !stamp.is_settled(since) {
        return;
    }
    let mut planned = PLANNED.lock();
    planned.retain(|known| known.fs.strong_count() > 0);
    if planned.len() >= PLACES_MAX {
        planned.remove(0);
    }
    planned.push(Planned {
        kernel,
        fs: Arc::downgrade(file.location().filesystem()),
        stamp,
        image: Arc::clone(image),
    });
}

/// A kernel has no Linux programs any more.
pub(crate) fn forget(kernel: usize) {
    PLANNED.lock().retain(|known| known.kernel != kernel);
}

#[cfg(test)]
mod tests;
