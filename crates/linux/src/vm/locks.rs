//! Locks of guests for the kernel, and the kernel's for guests.
//!
//! Guests lock on the host, without anybody being asked: `flock`, `fcntl` and the waiting for them are the host's own. The kernel repeats
//! there what programs of the other kinds lock (`agentos_kernel::vfs::locks`), with the calls that are here. That way round, because
//! the host alone knows when a guest's lock is over: it goes with a descriptor that is closed, copied or inherited without a call that
//! anybody hears of, and a record lock with any descriptor of its file. The kernel knows just that of its own processes.
//!
//! Nobody is told when a guest lets go of a lock that a program of another kind waits for. While one does it is looked every
//! few milliseconds, and when a guest ends.

use super::{Shared, Vm};
use crate::calls::locks::{Held, held};
use crate::sys;
use agentos_kernel::id::Pid;
use agentos_kernel::vfs::locks::{LockMode, LockRange, NativeLock, NativeLocks};
use agentos_kernel::{Errno, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How often it is looked while somebody waits.
const EVERY: Duration = Duration::from_millis(4);

/// The host's locks, for the kernel.
pub(super) struct HostLocks {
    vm: Weak<Shared>,
    /// The kernel's numbers of guests, by the host's.
    guests: Mutex<HashMap<u32, Pid>>,
    /// Whether somebody waits for a guest.
    expected: AtomicBool,
}

impl HostLocks {
    pub(super) fn new(vm: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            vm: Arc::downgrade(vm),
            guests: Mutex::default(),
            expected: AtomicBool::new(false),
        })
    }
}

impl NativeLocks for HostLocks {
    fn flock(&self, file: BorrowedFd<'_>, mode: Option<LockMode>) -> Result<bool> {
        let operation = match mode {
            Some(LockMode::Shared) => libc::LOCK_SH,
            Some(LockMode::Exclusive) => libc::LOCK_EX,
            None => libc::LOCK_UN,
        };
        // SAFETY: takes numbers alone.
        taken(unsafe { libc::flock(file.as_raw_fd(), operation | libc::LOCK_NB) })
    }

    fn record(&self, file: BorrowedFd<'_>, range: LockRange, mode: Option<LockMode>) -> Result<bool> {
        let kind = match mode {
            Some(LockMode::Shared) => libc::F_RDLCK,
            Some(LockMode::Exclusive) => libc::F_WRLCK,
            None => libc::F_UNLCK,
        };
        // SAFETY: zeros are a valid value.
        let mut lock = unsafe { std::mem::zeroed::<libc::flock>() };
        lock.l_type = i16::try_from(kind).unwrap_or(0);
        lock.l_start = i64::try_from(range.start()).map_err(|_| Errno::EOVERFLOW)?;
        lock.l_len = i64::try_from(range.len()).map_err(|_| Errno::EOVERFLOW)?;
        // SAFETY: the lock is readable.
        taken(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) })
    }

    fn holds(&self, file: BorrowedFd<'_>) -> Option<LockMode> {
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
        flocked(&text)
    }

    fn list(&self) -> Vec<NativeLock> {
        let list = std::fs::read_to_string("/proc/locks").unwrap_or_default();
        let guests = self.guests.lock();
        let numbered = |held: Held| {
            let host = u32::try_from(held.pid).ok();
            Some(NativeLock {
                file: held.file,
                process: host.and_then(|host| guests.get(&host).copied()),
                range: LockRange::between(u64::try_from(held.start).ok()?, u64::try_from(held.end).ok()?),
                mode: match held.exclusive {
                    true => LockMode::Exclusive,
                    false => LockMode::Shared,
                },
                waits: held.waits,
            })
        };
        held(&list).filter_map(numbered).collect()
    }

    fn expect(&self) {
        if !self.expected.swap(true, Ordering::AcqRel)
            && let Some(vm) = self.vm.upgrade()
        {
            vm.ring();
        }
    }
}

/// Whether a lock was taken, from what its call has returned.
fn taken(returned: i32) -> Result<bool> {
    match sys::check(returned.into()) {
        Ok(_) => Ok(true),
        Err(error) => match sys::errno_of(&error) {
            libc::EAGAIN | libc::EACCES => Ok(false),
            _ => Err(Errno::ENOLCK.into()),
        },
    }
}

/// What a description holds on its whole file, as the host tells of the description.
fn flocked(text: &str) -> Option<LockMode> {
    text.lines()
        .filter_map(|line| line.strip_prefix("lock:"))
        .find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            match (words.nth(1)?, words.next()?, words.next()?) {
                ("FLOCK", _, "WRITE") => Some(LockMode::Exclusive),
                ("FLOCK", _, _) => Some(LockMode::Shared),
                _ => None,
            }
        })
}

impl Vm {
    /// There is a guest: what programs of other kinds lock it has to see.
    pub(super) fn lock_with(&self, host: u32, process: &agentos_kernel::process::Process) {
        self.locks.guests.lock().insert(host, process.pid());
        let natives: Arc<dyn NativeLocks> = Arc::clone(&self.locks) as _;
        process.kernel().vfs().locks().set_natives(Some(natives));
    }

    /// A guest has ended, and what it held is free.
    pub(super) fn end_locks(&mut self, host: u32, process: &agentos_kernel::process::Process) {
        self.locks.guests.lock().remove(&host);
        let locks = process.kernel().vfs().locks();
        match self.guests.is_empty() {
            true => locks.set_natives(None),
            false => locks.look_again(),
        }
    }

    /// Somebody may wait for a guest's lock.
    pub(super) fn expect_locks(&mut self) {
        if self.locks.expected.swap(false, Ordering::AcqRel) {
            self.times.look_for_locks(Instant::now() + EVERY);
        }
    }

    /// Has all who wait for a lock look for themselves. Who goes on waiting says so.
    pub(super) fn look_for_locks(&self) {
        if let Some(kernel) = self.kernel() {
            kernel.vfs().locks().look_again();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_description_holds_is_read() {
        let text = |lines: &str| format!("pos:\t0\nflags:\t0100002\nmnt_id:\t15\nino:\t2\n{lines}");
        assert_eq!(flocked(&text("")), None);
        let posix = "lock:\t1: POSIX  ADVISORY  WRITE 708 00:01:77 0 EOF\n";
        assert_eq!(flocked(&text(posix)), None);
        let flock = |mode| format!("{posix}lock:\t2: FLOCK  ADVISORY  {mode} 708 00:01:77 0 EOF\n");
        assert_eq!(flocked(&text(&flock("WRITE"))), Some(LockMode::Exclusive));
        assert_eq!(flocked(&text(&flock("READ"))), Some(LockMode::Shared));
        assert_eq!(flocked("lock:\n"), None);
    }
}
