//! Advisory locks: `flock(2)` and the record locks of `fcntl(2)`. The two kinds do not see each other, as on Linux.
//!
//! A lock is kept under the file's [`FileKey`]; files are not touched by locking them, so that a lock works the same on every
//! filesystem. An operation that must wait registers its waker and leaves a note of what it waits for, from which deadlocks
//! between record locks are found (`EDEADLK`); a task that gives up waiting calls [`LockTable::cancel`].
//!
//! Rules for callers: closing the last descriptor of a description gives up its `flock` lock
//! ([`LockTable::release_description`]); closing *any* descriptor of a file gives up all record locks of that process on
//! it ([`LockTable::release_process`]).
//!
//! Native programs take the host's locks; how the two agree says `natives`. Therefore whoever wants a lock also says how the file is
//! opened on the host, if natives may have it there.

mod flock;
mod natives;
mod record;

use crate::errno::Errno;
use crate::error::Result;
use crate::fd::AccessMode;
use crate::id::{DeviceId, Ino, Pid};
use crate::vfs::location::Location;
use crate::wait::WaitQueue;
use core::task::{Poll, Waker};
use flock::Flocks;
use natives::{Owner, Twins};
use parking_lot::Mutex;
use record::Records;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

pub(crate) use natives::open_as;
pub use natives::{NativeLock, NativeLocks};
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

/// An open description, as locks know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Its number.
    pub id: u64,
    /// How its file was opened.
    pub access: AccessMode,
}

/// Opens a file on the host if natives may have it there.
pub type Open<'a> = &'a dyn Fn() -> Result<Option<OwnedFd>>;

/// All advisory locks of a VM.
#[derive(Debug, Default)]
pub struct LockTable {
    state: Mutex<State>,
    /// Woken whenever a lock goes or weakens. One queue for all: waiting for a lock is rare, and each waiter looks again.
    changed: Arc<WaitQueue>,
}

#[derive(Default)]
struct State {
    flocks: HashMap<FileKey, Flocks>,
    records: HashMap<FileKey, Records>,
    /// Which process waits for which, for the search of deadlocks.
    waits: HashMap<Pid, Wait>,
    count: usize,
    /// Who asks the host, while there are natives.
    natives: Option<Arc<dyn NativeLocks>>,
    /// What the locks are repeated on.
    twins: HashMap<FileKey, Twins>,
    /// How often natives have got a file.
    opened: u64,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("State")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
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
    /// `ENOLCK` beyond 8192 locks, or if the host has no more for a file that natives have.
    pub fn flock(
        &self,
        key: FileKey,
        description: Description,
        mode: LockMode,
        open: Open<'_>,
        waker: Option<&Waker>,
    ) -> Poll<Result<()>> {
        let owner = Owner::Description(description.id);
        let (result, wake, cleared) = {
            let mut state = self.ready(key, owner, open)?;
            let (result, wake) = state.flock(key, description, mode, waker.is_some());
            state.prune(key, owner);
            let waker = waker.filter(|_| result.is_pending());
            (result, wake, self.changed.register(waker))
        };
        cleared.wake();
        if wake {
            self.changed.wake();
        }
        result
    }

    /// Gives up the lock of an open description (`LOCK_UN`).
    pub fn unlock_description(&self, key: FileKey, description: u64) {
        {
            let mut state = self.state.lock();
            state.release_flock(key, description);
            // Who unlocks does not fail.
            let _ = state.flock_natively(key, description, None);
            state.prune(key, Owner::Description(description));
        }
        self.changed.wake();
    }

    /// Gives up the lock of an open description whose last descriptor was closed.
    pub fn release_description(&self, key: FileKey, description: u64) {
        let released = {
            let mut state = self.state.lock();
            state.drop_twin(key, Owner::Description(description));
            state.release_flock(key, description)
        };
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
        (range, mode): (LockRange, LockMode),
        open: Open<'_>,
        waker: Option<&Waker>,
    ) -> Poll<Result<()>> {
        let owner = Owner::Process(process);
        let (result, cleared) = {
            let mut state = self.ready(key, owner, open)?;
            let wait = Wait { key, range, mode };
            let result = state.lock_record(process, wait, waker.is_some());
            state.prune(key, owner);
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
        {
            let mut state = self.state.lock();
            state.unlock_record(key, process, range)?;
            state.prune(key, Owner::Process(process));
        }
        self.changed.wake();
        Ok(())
    }

    /// The first lock that would be in the way of this one (`F_GETLK`). Of what is no process's the number is the largest.
    pub fn test_record(
        &self,
        key: FileKey,
        process: Pid,
        (range, mode): (LockRange, LockMode),
        open: Open<'_>,
    ) -> Option<RecordLock> {
        let natives = self.state.lock().natives.clone();
        let real = natives.as_ref().and_then(|_| open().ok().flatten());
        let state = self.state.lock();
        let own = state
            .records
            .get(&key)
            .and_then(|records| records.conflict(process, range, mode).copied());
        let (Some(natives), Some(file)) = (natives, real.and_then(|real| natives::identity(real.as_fd()).ok())) else {
            return own;
        };
        let wanted = RecordLock { process, range, mode };
        let of_natives = natives
            .list()
            .into_iter()
            .filter(|lock| lock.file == file && !lock.waits);
        // What the host holds for the kernel's callers is in the table.
        let repeated = |lock: &NativeLock| {
            lock.process.is_none()
                && state
                    .records
                    .get(&key)
                    .is_some_and(|own| own.holder(lock.range, lock.mode).is_some())
        };
        let in_the_way = of_natives.filter(|lock| !repeated(lock)).map(|lock| RecordLock {
            process: lock.process.unwrap_or(Pid(u32::MAX)),
            range: lock.range,
            mode: lock.mode,
        });
        let in_the_way = in_the_way.filter(|lock| lock.is_in_the_way_of(&wanted));
        in_the_way.chain(own).min_by_key(|lock| lock.range.start())
    }

    /// Gives up all record locks of a process on a file: it closed a descriptor of it.
    pub fn release_process(&self, key: FileKey, process: Pid) {
        let released = {
            let mut state = self.state.lock();
            state.waits.remove(&process);
            // What it holds on the host goes at once.
            state.drop_twin(key, Owner::Process(process));
            state.unlock_record(key, process, LockRange::ALL).unwrap_or(false)
        };
        if released {
            self.changed.wake();
        }
    }

    /// The process no longer waits for a record lock.
    pub fn cancel(&self, process: Pid) {
        let mut state = self.state.lock();
        if let Some(wait) = state.waits.remove(&process) {
            state.prune(wait.key, Owner::Process(process));
        }
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
    /// What there are after a change from `before` to `after` locks, if that is allowed.
    fn counted(&self, before: usize, after: usize) -> Result<usize> {
        let count = self.count.saturating_sub(before).saturating_add(after);
        match after > before && count > LOCKS_MAX {
            true => Err(Errno::ENOLCK.into()),
            false => Ok(count),
        }
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
            table.lock_record(file(ino), Pid(2), (range, LockMode::Shared), &|| Ok(None), None)
        };
        // Every other byte, so that no two locks join.
        for at in 0..LOCKS_MAX as i64 {
            assert!(matches!(lock(1, 2 * at), Poll::Ready(Ok(()))));
        }
        for ino in 2..100 {
            let description = Description {
                id: 9,
                access: AccessMode::READ,
            };
            let flocked = table.flock(file(ino), description, LockMode::Exclusive, &|| Ok(None), None);
            let refused = [lock(ino, 0), flocked];
            for result in refused {
                assert!(matches!(result, Poll::Ready(Err(error)) if error == Errno::ENOLCK));
            }
        }
        assert_eq!((table.len(), table.files()), (LOCKS_MAX, 1));
        table.release_process(file(1), Pid(2));
        assert_eq!((table.len(), table.files()), (0, 0));
    }
}
