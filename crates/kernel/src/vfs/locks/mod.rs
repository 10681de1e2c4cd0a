//! Advisory locks: `flock(2)` and the record locks of `fcntl(2)`. The two kinds do not see each other, as on Linux.
//!
//! A lock is kept under the file's [`FileKey`]; files are not touched by locking them, so that a lock works the same on every
//! filesystem. An operation that must wait registers its waker and leaves a note of what it waits for, from which deadlocks
//! between record locks are found (`EDEADLK`); a task that gives up waiting calls [`LockTable::cancel`].
//!
//! Rules for callers: closing the last descriptor of a description gives up its `flock` lock
//! ([`LockTable::release_description`]); closing *any* descriptor of a file gives up all record locks of that process on
//! it ([`LockTable::release_process`]).

mod flock;
mod record;

use crate::errno::Errno;
use crate::error::Result;
use crate::id::{DeviceId, Ino, Pid};
use crate::vfs::location::Location;
use crate::wait::WaitQueue;
use core::task::{Poll, Waker};
use flock::Flocks;
use parking_lot::Mutex;
use record::Records;
use std::collections::HashMap;
use std::sync::Arc;

pub use record::{LockRange, RecordLock};

/// Most locks of one VM, both kinds together.
pub const LOCKS_MAX: usize = 8192;

/// A file, as locks know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Device.
    pub dev: DeviceId,
    /// Inode.
    pub ino: Ino,
}

impl From<&Location> for FileKey {
    fn from(location: &Location) -> Self {
        Self {
            dev: location.dev(),
            ino: location.ino(),
        }
    }
}

/// Kinds of lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Many may hold it.
    Shared,
    /// Only one holds it, and nobody a shared one.
    Exclusive,
}

/// All advisory locks of a VM.
#[derive(Debug, Default)]
pub struct LockTable {
    state: Mutex<State>,
    /// Woken whenever a lock goes or weakens. One queue for all: waiting for a lock is rare, and each waiter looks again.
    changed: Arc<WaitQueue>,
}

#[derive(Debug, Default)]
struct State {
    flocks: HashMap<FileKey, Flocks>,
    records: HashMap<FileKey, Records>,
    /// Which process waits for which, for the search of deadlocks.
    waits: HashMap<Pid, Wait>,
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    key: FileKey,
    range: LockRange,
    mode: LockMode,
}

impl LockTable {
    /// Takes, or changes the mode of, the lock of an open description (`flock(2)`). A change is not atomic: the old lock
    /// goes first. `Pending` if another description is in the way; a caller that does not wait turns that into `EAGAIN`
    /// and has then lost its old lock, as on Linux.
    ///
    /// # Errors
    /// `ENOLCK` beyond 8192 locks.
    pub fn flock(&self, key: FileKey, description: u64, mode: LockMode, waker: Option<&Waker>) -> Poll<Result<()>> {
        let (result, wake, cleared) = {
            let mut state = self.state.lock();
            let (result, wake) = state.flock(key, description, mode);
            let waker = waker.filter(|_| result.is_pending());
            (result, wake, self.changed.register(waker))
        };
        cleared.wake();
        if wake {
            self.changed.wake();
        }
        result
    }

    /// Gives up the lock of an open description: `LOCK_UN`, or its last descriptor was closed.
    pub fn release_description(&self, key: FileKey, description: u64) {
        let released = self.state.lock().release_flock(key, description);
        if released {
            self.changed.wake();
        }
    }

    /// Takes, or changes the mode of, a record lock of a process (`F_SETLK`, `F_SETLKW`). `Pending` if another process is
    /// in the way. With a `waker` that is a wait, of which [`cancel`](Self::cancel) must be told if it is given up.
    ///
    /// # Errors
    /// `EDEADLK` if waiting would never end, `ENOLCK` beyond 8192 locks.
    pub fn lock_record(
        &self,
        key: FileKey,
        process: Pid,
        range: LockRange,
        mode: LockMode,
        waker: Option<&Waker>,
    ) -> Poll<Result<()>> {
        let (result, cleared) = {
            let mut state = self.state.lock();
            let wait = Wait { key, range, mode };
            let result = state.lock_record(process, wait, waker.is_some());
            let waker = waker.filter(|_| result.is_pending());
            (result, self.changed.register(waker))
        };
        cleared.wake();
        // A lock that was weakened lets others in.
        if result.is_ready() && mode == LockMode::Shared {
            self.changed.wake();
        }
        result
    }

    /// Gives up a range (`F_UNLCK`).
    ///
    /// # Errors
    /// `ENOLCK` if that splits a lock beyond 8192 locks.
    pub fn unlock_record(&self, key: FileKey, process: Pid, range: LockRange) -> Result<()> {
        self.state.lock().unlock_record(key, process, range)?;
        self.changed.wake();
        Ok(())
    }

    /// The first lock that would be in the way of this one (`F_GETLK`).
    pub fn test_record(&self, key: FileKey, process: Pid, range: LockRange, mode: LockMode) -> Option<RecordLock> {
        let state = self.state.lock();
        state.records.get(&key)?.conflict(process, range, mode).copied()
    }

    /// Gives up all record locks of a process on a file: it closed a descriptor of it.
    pub fn release_process(&self, key: FileKey, process: Pid) {
        let released = {
            let mut state = self.state.lock();
            state.waits.remove(&process);
            state.unlock_record(key, process, LockRange::ALL).unwrap_or(false)
        };
        if released {
            self.changed.wake();
        }
    }

    /// The process no longer waits for a record lock.
    pub fn cancel(&self, process: Pid) {
        self.state.lock().waits.remove(&process);
    }

    /// Locks held.
    pub fn len(&self) -> usize {
        self.state.lock().count
    }

    /// Whether no lock is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
impl LockTable {
    /// Files that the table knows of.
    fn files(&self) -> usize {
        let state = self.state.lock();
        state.flocks.len() + state.records.len()
    }
}

impl State {
    /// Accounts for a change from `before` to `after` locks, if that is allowed.
    fn recount(&mut self, before: usize, after: usize) -> Result<()> {
        let count = self.count.saturating_sub(before).saturating_add(after);
        if after > before && count > LOCKS_MAX {
            return Err(Errno::ENOLCK.into());
        }
        self.count = count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(ino: u64) -> FileKey {
        FileKey {
            dev: DeviceId(1),
            ino: Ino(ino),
        }
    }

    #[test]
    fn what_is_refused_at_the_limit_leaves_nothing() {
        let table = LockTable::default();
        let lock = |ino, at| {
            let range = LockRange::new(at, 1).unwrap();
            table.lock_record(file(ino), Pid(2), range, LockMode::Shared, None)
        };
        // Every other byte, so that no two locks join.
        for at in 0..LOCKS_MAX as i64 {
            assert!(matches!(lock(1, 2 * at), Poll::Ready(Ok(()))));
        }
        for ino in 2..100 {
            let refused = [lock(ino, 0), table.flock(file(ino), 9, LockMode::Exclusive, None)];
            for result in refused {
                assert!(matches!(result, Poll::Ready(Err(error)) if error == Errno::ENOLCK));
            }
        }
        assert_eq!((table.len(), table.files()), (LOCKS_MAX, 1));
        table.release_process(file(1), Pid(2));
        assert_eq!((table.len(), table.files()), (0, 0));
    }
}
