//! Locks of native programs, which are the host's.
//!
//! What natives lock the host keeps: it alone sees them close, copy and inherit descriptors, and gives their locks up when they die.
//! So that locks hold between them and the kernel's own callers, the latter's are repeated on the host while natives may have
//! the file: each owner (a process for records, an open description for whole files) has a *twin*, an open description of the same
//! file on the host, and holds there what it holds in the table. To natives it is one holder among others, for whom they wait as
//! for any; the kernel's callers ask the host in turn, after the table.
//!
//! ```text
//!   kernel's callers ──> table ──> twin ──> the host's locks of the file <── natives
//! ```
//!
//! Invariants:
//!
//! * Whoever holds a lock in the table on a file that natives have holds it on its twin as well. Twins are made when a lock is
//!   wanted, and for all who hold one when natives get the file ([`LockTable::made_native`]); a count tells whoever looked for
//!   the host's file just before that to look again.
//! * A twin exists as long as its owner holds or awaits something. While it does the file's bytes stay where natives can use
//!   them, so it never is one of a file that natives do not find any more.
//! * A description that both kinds have is one on the host, too ([`LockTable::share`]): its twin is the very description of the
//!   natives, on which each kind undoes what the other has done. What came of that is read from the host.
//!
//! The host wakes natives. Nobody tells the kernel that a native has let go of something, so whoever waits for one has it looked
//! again from time to time ([`NativeLocks::expect`]). Natives do not hear of deadlocks in which the kernel's callers take part;
//! these do (`EDEADLK`), at each look, so that there is always one who gives way.

use super::{Description, FileKey, LockMode, LockRange, LockTable, Open, State};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::AccessMode;
use crate::id::Pid;
use crate::vfs::anew::anew;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, OFlags};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What the host does with locks.
pub trait NativeLocks: Send + Sync + 'static {
    /// Takes, changes or gives up the lock of a description on a whole file (`flock(2)`). False if another is in the way.
    ///
    /// # Errors
    /// Those of the host but for that one.
    fn flock(&self, file: BorrowedFd<'_>, mode: Option<LockMode>) -> Result<bool>;

    /// The same for the records of a description.
    ///
    /// # Errors
    /// As above.
    fn record(&self, file: BorrowedFd<'_>, range: LockRange, mode: Option<LockMode>) -> Result<bool>;

    /// What a description holds on its whole file.
    fn holds(&self, file: BorrowedFd<'_>) -> Option<LockMode>;

    /// Records that are locked and waited for on the host.
    fn list(&self) -> Vec<NativeLock>;

    /// Somebody waits for a native: [`LockTable::look_again`] is to be called soon. Called with locks held.
    fn expect(&self);
}

/// A record that is locked, or waited for, on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeLock {
    /// Device and inode on the host.
    pub file: (u64, u64),
    /// Who, as the kernel knows the process; none for an open description, and for processes that are not the VM's.
    pub process: Option<Pid>,
    /// Bytes.
    pub range: LockRange,
    /// Kind.
    pub mode: LockMode,
    /// Whether it is waited for only.
    pub waits: bool,
}

/// The twins of a file's owners.
#[derive(Debug)]
pub(super) struct Twins {
    /// Device and inode on the host.
    pub(super) file: (u64, u64),
    records: HashMap<Pid, OwnedFd>,
    flocks: HashMap<u64, Twin>,
}

#[derive(Debug)]
struct Twin {
    real: OwnedFd,
    /// Whether natives have the same description.
    shared: bool,
}

/// Who holds locks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    Process(Pid),
    Description(u64),
}

impl Twins {
    fn has(&self, owner: Owner) -> bool {
        match owner {
            Owner::Process(pid) => self.records.contains_key(&pid),
            Owner::Description(id) => self.flocks.contains_key(&id),
        }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.flocks.is_empty()
    }
}

/// Device and inode on the host.
pub(super) fn identity(file: BorrowedFd<'_>) -> Result<(u64, u64)> {
    let stat = fs::fstat(file)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// For whoever runs natives.
impl LockTable {
    /// Says who asks the host from now on, or that there are no natives any more: locks are the table's alone then.
    pub fn set_natives(&self, natives: Option<Arc<dyn NativeLocks>>) {
        let dropped = {
            let mut state = self.state.lock();
            state.opened += 1;
            match (&state.natives, &natives) {
                (Some(old), Some(new)) if Arc::ptr_eq(old, new) => return,
                _ => {}
            }
            state.natives = natives;
            core::mem::take(&mut state.twins)
        };
        drop(dropped);
        self.changed.wake();
    }

    /// Natives get a file, of which `real` is a description: who has locked it holds that against them, too. A lock that somebody
    /// outside of the VM is in the way of stays the table's alone.
    pub fn made_native(&self, key: FileKey, real: BorrowedFd<'_>) {
        let mut state = self.state.lock();
        state.opened += 1;
        if state.natives.is_some() && (state.flocks.contains_key(&key) || state.records.contains_key(&key)) {
            state.make_twins(key, real);
        }
    }

    /// Natives have let go of something, or may have.
    pub fn look_again(&self) {
        self.changed.wake();
    }

    /// The host's description of a description that has locked its file.
    pub fn twin(&self, key: FileKey, description: u64) -> Option<OwnedFd> {
        let state = self.state.lock();
        let twin = state.twins.get(&key)?.flocks.get(&description)?;
        twin.real.try_clone().ok()
    }

    /// Natives have a description of the kernel's as `real`.
    pub fn share(&self, key: FileKey, description: Description, real: OwnedFd) {
        let mut state = self.state.lock();
        if state.natives.is_none() {
            return;
        }
        let Ok(twins) = state.twins_of(key, real.as_fd()) else {
            return;
        };
        twins.flocks.insert(description.id, Twin { real, shared: true });
        state.read_shared(key, Some(description));
    }

    /// Natives do not have a description any more: what they have made of its lock stays.
    pub fn unshare(&self, key: FileKey, description: Description) {
        let mut state = self.state.lock();
        state.read_shared(key, Some(description));
        if let Some(twin) = state.shared_twin(key, description.id) {
            twin.shared = false;
        }
        state.prune(key, Owner::Description(description.id));
        drop(state);
        self.changed.wake();
    }

    /// The process that holds just this on behalf of the kernel's callers.
    pub fn holder(&self, key: FileKey, range: LockRange, mode: LockMode) -> Option<Pid> {
        let state = self.state.lock();
        state.records.get(&key)?.holder(range, mode)
    }

    /// The state, in which an owner has a twin if natives may have the file.
    pub(super) fn ready(
        &self,
        key: FileKey,
        owner: Owner,
        open: Open<'_>,
    ) -> Result<parking_lot::MutexGuard<'_, State>> {
        loop {
            let state = self.state.lock();
            if state.natives.is_none() || state.twins.get(&key).is_some_and(|twins| twins.has(owner)) {
                return Ok(state);
            }
            let seen = state.opened;
            drop(state);
            let real = match open() {
                // What cannot be opened on the host natives cannot open either.
                Err(error) if !matches!(error.errno(), Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => None,
                opened => opened.map_err(|_| Errno::ENOLCK)?,
            };
            let mut state = self.state.lock();
            if state.opened == seen {
                if let Some(real) = real {
                    state.add_twin(key, owner, real)?;
                }
                return Ok(state);
            }
        }
    }
}

impl State {
    fn twins_of(&mut self, key: FileKey, real: BorrowedFd<'_>) -> Result<&mut Twins> {
        let file = identity(real)?;
        let twins = self.twins.entry(key).or_insert_with(|| Twins {
            file,
            records: HashMap::new(),
            flocks: HashMap::new(),
        });
        if twins.file != file {
            // It was copied within the VM, and natives get the copy from now on.
            twins.file = file;
            twins.records.clear();
            twins.flocks.retain(|_, twin| twin.shared);
        }
        Ok(twins)
    }

    fn add_twin(&mut self, key: FileKey, owner: Owner, real: OwnedFd) -> Result<()> {
        let twins = self.twins_of(key, real.as_fd())?;
        match owner {
            Owner::Process(pid) => drop(twins.records.insert(pid, real)),
            Owner::Description(id) => drop(twins.flocks.insert(id, Twin { real, shared: false })),
        }
        Ok(())
    }

    /// Gives all who hold something a twin that holds it, too.
    fn make_twins(&mut self, key: FileKey, real: BorrowedFd<'_>) {
        let Some(natives) = self.natives.clone() else { return };
        let records: Vec<_> = self
            .records
            .get(&key)
            .map_or_else(Vec::new, |records| records.all().to_vec());
        let flocks: Vec<_> = self
            .flocks
            .get(&key)
            .map_or_else(Vec::new, |flocks| flocks.all().to_vec());
        let Ok(twins) = self.twins_of(key, real) else { return };
        let mut new: HashMap<Pid, OwnedFd> = HashMap::new();
        for lock in records.iter().filter(|lock| !twins.records.contains_key(&lock.process)) {
            let twin = match new.entry(lock.process) {
                Entry::Occupied(twin) => twin.into_mut(),
                Entry::Vacant(none) => match anew(real, OFlags::RDWR).or_else(|_| anew(real, OFlags::RDONLY)) {
                    Ok(twin) => none.insert(twin),
                    Err(_) => continue,
                },
            };
            let _ = natives.record(twin.as_fd(), lock.range, Some(lock.mode));
        }
        twins.records.extend(new);
        for (description, mode) in flocks {
            if twins.flocks.contains_key(&description.id) {
                continue;
            }
            if let Ok(real) = anew(real, flags_of(description.access)) {
                let _ = natives.flock(real.as_fd(), Some(mode));
                twins.flocks.insert(description.id, Twin { real, shared: false });
            }
        }
    }

    fn shared_twin(&mut self, key: FileKey, description: u64) -> Option<&mut Twin> {
        let twin = self.twins.get_mut(&key)?.flocks.get_mut(&description);
        twin.filter(|twin| twin.shared)
    }

    /// Whether natives can change the lock of a description.
    pub(super) fn is_shared(&self, key: FileKey, description: u64) -> bool {
        let twin = self.twins.get(&key).and_then(|twins| twins.flocks.get(&description));
        twin.is_some_and(|twin| twin.shared)
    }

    /// Takes over what natives have made of the locks of descriptions that they share: of one, or of all whose locks are known. Whether
    /// there are any.
    pub(super) fn read_shared(&mut self, key: FileKey, only: Option<Description>) -> bool {
        let Some(natives) = self.natives.clone() else {
            return false;
        };
        let descriptions: Vec<Description> = match (only, self.flocks.get(&key)) {
            (Some(only), _) => vec![only],
            (None, Some(flocks)) => flocks.all().iter().map(|(description, _)| *description).collect(),
            (None, None) => return false,
        };
        let mut any = false;
        for description in descriptions {
            let Some(twin) = self.shared_twin(key, description.id) else {
                continue;
            };
            let held = natives.holds(twin.real.as_fd());
            self.note_flock(key, description, held);
            any = true;
        }
        any
    }

    /// Repeats what becomes of a record on the owner's twin, if it has one. False if a native is in the way.
    pub(super) fn record_natively(
        &mut self,
        key: FileKey,
        process: Pid,
        range: LockRange,
        mode: Option<LockMode>,
    ) -> Result<bool> {
        let twin = self.twins.get(&key).and_then(|twins| twins.records.get(&process));
        match (&self.natives, twin) {
            (Some(natives), Some(twin)) => natives.record(twin.as_fd(), range, mode),
            _ => Ok(true),
        }
    }

    /// The same for a whole file.
    pub(super) fn flock_natively(&mut self, key: FileKey, description: u64, mode: Option<LockMode>) -> Result<bool> {
        let twin = self.twins.get(&key).and_then(|twins| twins.flocks.get(&description));
        match (&self.natives, twin) {
            (Some(natives), Some(twin)) => natives.flock(twin.real.as_fd(), mode),
            _ => Ok(true),
        }
    }

    /// Somebody waits for a native.
    pub(super) fn expect_natives(&self) {
        if let Some(natives) = &self.natives {
            natives.expect();
        }
    }

    /// Drops the twin of an owner who neither holds nor awaits anything.
    pub(super) fn prune(&mut self, key: FileKey, owner: Owner) {
        let Some(twins) = self.twins.get_mut(&key) else { return };
        match owner {
            Owner::Process(pid) => {
                let holds = self.records.get(&key).is_some_and(|records| records.has(pid));
                let waits = self.waits.get(&pid).is_some_and(|wait| wait.key == key);
                if !holds && !waits {
                    twins.records.remove(&pid);
                }
            }
            Owner::Description(id) => {
                let holds = self.flocks.get(&key).is_some_and(|flocks| flocks.held(id).is_some());
                if !holds && twins.flocks.get(&id).is_some_and(|twin| !twin.shared) {
                    twins.flocks.remove(&id);
                }
            }
        }
        self.forget_twins(key);
    }

    /// Drops the twin of an owner who is gone; with it goes what it holds on the host, unless natives have the same description.
    pub(super) fn drop_twin(&mut self, key: FileKey, owner: Owner) {
        let Some(twins) = self.twins.get_mut(&key) else { return };
        match owner {
            Owner::Process(pid) => drop(twins.records.remove(&pid)),
            Owner::Description(id) => drop(twins.flocks.remove(&id)),
        }
        self.forget_twins(key);
    }

    fn forget_twins(&mut self, key: FileKey) {
        if self.twins.get(&key).is_some_and(Twins::is_empty) {
            self.twins.remove(&key);
        }
    }
}

fn flags_of(access: AccessMode) -> OFlags {
    match (access.contains(AccessMode::READ), access.contains(AccessMode::WRITE)) {
        (true, true) => OFlags::RDWR,
        (_, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    }
}

/// What of the host's file natives may have: a description with this access, for a lock.
pub(crate) fn open_as(real: OwnedFd, access: AccessMode) -> Result<OwnedFd> {
    match access == AccessMode::WRITE {
        true => anew(real.as_fd(), OFlags::WRONLY),
        false => Ok(real),
    }
}
