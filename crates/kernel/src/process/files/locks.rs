//! Advisory locks: `flock(2)` and the record locks of `fcntl(2)`.

use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{AccessMode, IoResult, OpenFile, SeekFrom};
use crate::id::{Fd, Pid};
use crate::process::kernel::Kernel;
use crate::process::process::Process;
use crate::vfs::Location;
use crate::vfs::locks::{Description, FileKey, LockMode, LockRange, open_as};
use core::task::{Poll, Waker};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

/// Kinds of lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Shared; needs read access for a record lock.
    Read,
    /// Exclusive; needs write access for a record lock.
    Write,
    /// None.
    Unlock,
}

/// What to do with a record lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockCommand {
    /// Report what is in the way.
    Test,
    /// Set or fail.
    Set,
    /// Set, waiting if need be.
    Wait,
}

/// Bytes of a record lock, as `fcntl(2)` describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Kind; on return from a test, of the lock in the way.
    pub kind: LockKind,
    /// What `start` is relative to: 0 start, 1 offset, 2 end of the file.
    pub whence: u32,
    /// First byte.
    pub start: i64,
    /// Length; 0 to the end of the file, however long it gets.
    pub len: i64,
    /// Holder, on return from a test.
    pub pid: Pid,
}

/// Gives a description's lock up when the description goes.
struct Held {
    kernel: Weak<Kernel>,
    key: FileKey,
    description: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.vfs().locks().release_description(self.key, self.description);
        }
    }
}

impl Process {
    /// Locks a whole file for its open description (`flock(2)`). `nonblock`: fail with `EAGAIN` instead of waiting.
    ///
    /// # Errors
    /// `EBADF`, `EAGAIN`, `EINTR`, `ENOLCK`.
    pub fn flock(&self, fd: Fd, kind: LockKind, nonblock: bool, waker: Option<&Waker>) -> IoResult<()> {
        let file = self.file(fd)?;
        let key = lock_key(&file)?;
        let locks = self.kernel().vfs().locks();
        let mode = match kind {
            LockKind::Read => LockMode::Shared,
            LockKind::Write => LockMode::Exclusive,
            LockKind::Unlock => {
                locks.unlock_description(key, file.id());
                return Poll::Ready(Ok(()));
            }
        };
        self.kernel().keep_lock(&file, key);
        let description = description(&file);
        let open = || match file.location().map(|location| on_host(location, file.access())) {
            Some(Ok(Some(real))) => open_as(real, file.access()).map(Some),
            other => other.unwrap_or(Ok(None)),
        };
        if nonblock {
            return match locks.flock(key, description, mode, &open, None) {
                Poll::Pending => Poll::Ready(Err(Errno::EAGAIN.into())),
                ready => ready,
            };
        }
        self.waiting(waker, |waker| locks.flock(key, description, mode, &open, waker))
    }

    /// Tests, takes or gives up a record lock. A test answers in `range`.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`, `EOVERFLOW`, `EAGAIN`, `EDEADLK`, `EINTR`, `ENOLCK`.
    pub fn record_lock(&self, fd: Fd, command: LockCommand, range: &mut Range, waker: Option<&Waker>) -> IoResult<()> {
        let file = self.file(fd)?;
        let key = lock_key(&file)?;
        let bytes = absolute(&file, range)?;
        let locks = self.kernel().vfs().locks();
        let mode = match range.kind {
            LockKind::Unlock if command == LockCommand::Test => return Poll::Ready(Err(Errno::EINVAL.into())),
            LockKind::Unlock => return Poll::Ready(locks.unlock_record(key, self.pid(), bytes)),
            LockKind::Read => LockMode::Shared,
            LockKind::Write => LockMode::Exclusive,
        };
        if command == LockCommand::Test {
            self.test_lock(&file, key, (bytes, mode), range);
            return Poll::Ready(Ok(()));
        }
        let needed = if mode == LockMode::Shared {
            AccessMode::READ
        } else {
            AccessMode::WRITE
        };
        if !file.access().contains(needed) {
            return Poll::Ready(Err(Errno::EBADF.into()));
        }
        // Locks of a process are its own, whichever descriptor they were taken by; so they are opened with all that the mount allows.
        let open = || {
            file.location()
                .map_or(Ok(None), |location| on_host(location, most_of(location)))
        };
        if command == LockCommand::Set {
            return match locks.lock_record(key, self.pid(), (bytes, mode), &open, None) {
                Poll::Pending => Poll::Ready(Err(Errno::EAGAIN.into())),
                ready => ready,
            };
        }
        let result = self.waiting(waker, |waker| {
            locks.lock_record(key, self.pid(), (bytes, mode), &open, waker)
        });
        if matches!(&result, Poll::Ready(Err(error)) if *error == Errno::EINTR) {
            locks.cancel(self.pid());
        }
        result
    }

    fn test_lock(&self, file: &OpenFile, key: FileKey, wanted: (LockRange, LockMode), range: &mut Range) {
        let open = || {
            file.location()
                .map_or(Ok(None), |location| on_host(location, AccessMode::READ))
        };
        match self.kernel().vfs().locks().test_record(key, self.pid(), wanted, &open) {
            None => range.kind = LockKind::Unlock,
            Some(lock) => {
                range.kind = if lock.mode == LockMode::Shared {
                    LockKind::Read
                } else {
                    LockKind::Write
                };
                range.whence = 0;
                range.start = i64::try_from(lock.range.start()).unwrap_or(i64::MAX);
                range.len = i64::try_from(lock.range.len()).unwrap_or(0);
                range.pid = lock.process;
            }
        }
    }
}

impl Kernel {
    /// Has the lock of a description go with it.
    fn keep_lock(self: &Arc<Self>, file: &OpenFile, key: FileKey) {
        let kernel = Arc::downgrade(self);
        file.keep(|| {
            Box::new(Held {
                kernel,
                key,
                description: file.id(),
            })
        });
    }

    /// Native programs have a description of the kernel's, which is `real` on the host: it has one lock for both kinds of programs.
    pub fn share_lock(self: &Arc<Self>, file: &OpenFile, real: OwnedFd) {
        if let Ok(key) = lock_key(file) {
            self.keep_lock(file, key);
            self.vfs().locks().share(key, description(file), real);
        }
    }

    /// Native programs do not have it any more.
    pub fn unshare_lock(&self, file: &OpenFile) {
        if let Ok(key) = lock_key(file) {
            self.vfs().locks().unshare(key, description(file));
        }
    }

    /// The host's description of one that has locked its file.
    pub fn lock_twin(&self, file: &OpenFile) -> Option<OwnedFd> {
        self.vfs().locks().twin(lock_key(file).ok()?, file.id())
    }
}

fn description(file: &OpenFile) -> Description {
    Description {
        id: file.id(),
        access: file.access(),
    }
}

/// A file as natives may have it.
fn on_host(location: &Location, access: AccessMode) -> Result<Option<OwnedFd>> {
    location
        .filesystem()
        .native_in_use(location.ino(), access.contains(AccessMode::WRITE))
}

fn most_of(location: &Location) -> AccessMode {
    match location.mount().is_read_only() {
        true => AccessMode::READ,
        false => AccessMode::READ_WRITE,
    }
}

fn lock_key(file: &OpenFile) -> Result<FileKey> {
    if file.access().is_empty() {
        return Err(Errno::EBADF.into());
    }
    file.location().map(FileKey::from).ok_or_else(|| Errno::EINVAL.into())
}

fn absolute(file: &OpenFile, range: &Range) -> Result<LockRange> {
    let from = match range.whence {
        0 => 0,
        1 => file.seek(SeekFrom::Current(0))?,
        2 => file.stat()?.attr.size,
        _ => return Err(Errno::EINVAL.into()),
    };
    let from = i64::try_from(from).map_err(|_| Errno::EOVERFLOW)?;
    LockRange::new(from.checked_add(range.start).ok_or(Errno::EOVERFLOW)?, range.len)
}
