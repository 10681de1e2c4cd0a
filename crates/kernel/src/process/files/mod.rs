//! System calls on files and descriptors.
//!
//! Paths are relative to a [`Dir`]. Calls that may wait go through [`Process::waiting`], which is where stopping, dying and
//! `EINTR` are decided, once for all of them.

mod attributes;
mod descriptors;
mod io;
mod locks;
mod open;
mod paths;
mod poll;
mod resolve;
mod sockets;
mod terminal;
mod xattr;

pub use locks::{LockCommand, LockKind, Range};
pub(super) use open::{Opening, WaitingFifo};
pub use poll::{PollEntry, PollSource};
pub use resolve::Resolving;

use super::process::{Attention, Process};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{FdTable, IoResult, OpenFile};
use crate::id::Fd;
use crate::vfs::locks::FileKey;
use crate::vfs::{FileType, Location};
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker};
use std::sync::Arc;

/// What a relative path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dir {
    /// The working directory.
    Cwd,
    /// An open directory.
    Fd(Fd),
}

bitflags::bitflags! {
    /// How a path is taken, with the numbers of the guest ABI.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct AtFlags: u32 {
        /// Follow a symbolic link at the end.
        const FOLLOW = 1;
        /// An empty path means the descriptor itself.
        const EMPTY_PATH = 2;
        /// Check access with the effective ids.
        const EACCESS = 4;
    }
}

impl Process {
    /// The description of a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn file(&self, fd: Fd) -> Result<Arc<OpenFile>> {
        self.fds.lock().get(fd).cloned()
    }

    /// Runs a call that may wait. A stopped process does not get that far; one that is to die, or for which a caught signal
    /// waits when it would have to wait, gets `EINTR`.
    pub(super) fn waiting<T>(
        &self,
        waker: Option<&Waker>,
        call: impl FnOnce(Option<&Waker>) -> IoResult<T>,
    ) -> IoResult<T> {
        let held = self.attention();
        if held.intersects(Attention::DIE | Attention::STOPPED) && waker.is_some() {
            match self.gate(waker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(super::Gate::Die) => return Poll::Ready(Err(Errno::EINTR.into())),
                Poll::Ready(super::Gate::Run) => {}
            }
        }
        let result = call(waker);
        if result.is_pending() && waker.is_some() {
            self.noticed.register(waker);
            if self.attention().intersects(Attention::DIE | Attention::CAUGHT) {
                self.waiting_since.store(0, Ordering::Release);
                return Poll::Ready(Err(Errno::EINTR.into()));
            }
        }
        result
    }

    /// Runs a call that waits for a disk: of the signals only one that ends the process ends the wait.
    pub(super) fn waiting_for_disk<T>(&self, waker: &Waker, call: impl FnOnce(&Waker) -> IoResult<T>) -> IoResult<T> {
        let result = call(waker);
        if result.is_pending() {
            self.noticed.register(Some(waker));
            if self.attention().contains(Attention::DIE) {
                return Poll::Ready(Err(Errno::EINTR.into()));
            }
        }
        result
    }

    /// Where a relative `path` starts; none for the working directory. An empty path is an error of its own, which the walk
    /// reports whatever the directory is.
    pub(super) fn base(&self, dir: Dir, path: &[u8]) -> Result<Option<Location>> {
        match dir {
            Dir::Fd(fd) if !path.is_empty() && path.first() != Some(&b'/') => {
                let file = self.file(fd)?;
                let location = file.location().ok_or(Errno::ENOTDIR)?;
                match location.kind() {
                    FileType::Directory => Ok(Some(location.clone())),
                    _ => Err(Errno::ENOTDIR.into()),
                }
            }
            Dir::Fd(_) | Dir::Cwd => Ok(None),
        }
    }

    /// The description meant by an empty path under [`AtFlags::EMPTY_PATH`].
    pub(super) fn itself(&self, dir: Dir, path: &[u8], flags: AtFlags) -> Result<Option<Arc<OpenFile>>> {
        match dir {
            Dir::Fd(fd) if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) => self.file(fd).map(Some),
            _ => Ok(None),
        }
    }

    /// Lets go of a descriptor's description: the process loses its record locks on the file.
    pub(super) fn drop_file(&self, file: Arc<OpenFile>) {
        let locks = self.kernel().vfs().locks();
        if let Some(location) = file.location()
            && !locks.is_empty()
        {
            locks.release_process(FileKey::from(location), self.pid());
        }
        drop(file);
    }

    /// Lets go of a whole table.
    pub(super) fn drop_files(&self, mut fds: FdTable) {
        for file in fds.close_all() {
            self.drop_file(file);
        }
    }

    /// Replaces the table by that of a new program.
    pub(super) fn replace_fds(&self, fds: FdTable) {
        let kept: Vec<u64> = fds.iter().map(|(_, entry)| entry.file.id()).collect();
        let mut old = core::mem::replace(&mut *self.fds.lock(), fds);
        for file in old.close_all() {
            match kept.contains(&file.id()) {
                true => drop(file),
                false => self.drop_file(file),
            }
        }
    }
}
