//! The descriptors of one process.
//!
//! A plain value without a lock of its own; the process keeps it under one. Whatever leaves the table is returned, so that
//! the caller drops it after unlocking: closing a description may wake others.

use super::open::OpenFile;
use super::pipe::Pipe;
use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use crate::id::Fd;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A descriptor.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The description.
    pub file: Arc<OpenFile>,
    /// Closed by a successful exec.
    pub cloexec: bool,
}

/// Numbered descriptors. Memory is proportional to how many are open, not to the largest number. Cloning is what `fork(2)`
/// does: same numbers, shared descriptions.
#[derive(Debug, Clone)]
pub struct FdTable {
    entries: BTreeMap<u32, Entry>,
    cap: u32,
    /// No number below is free.
    full_below: u32,
}

impl FdTable {
    /// An empty table for numbers below `cap` (`RLIMIT_NOFILE`).
    pub fn new(cap: u32) -> Self {
        Self {
            entries: BTreeMap::new(),
            cap,
            full_below: 0,
        }
    }

    /// The cap in force.
    pub fn cap(&self) -> u32 {
        self.cap
    }

    /// Changes the cap; descriptors above it stay open.
    pub fn set_cap(&mut self, cap: u32) {
        self.cap = cap;
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The description of `fd`; `EBADF` if it is not open.
    pub fn get(&self, fd: Fd) -> Result<&Arc<OpenFile>> {
        Ok(&self.entry(fd)?.file)
    }

    /// The descriptor; `EBADF` if it is not open.
    pub fn entry(&self, fd: Fd) -> Result<&Entry> {
        self.entries.get(&fd.0).ok_or_else(|| Errno::EBADF.into())
    }

    /// Sets or clears close-on-exec (`F_SETFD`).
    pub fn set_cloexec(&mut self, fd: Fd, cloexec: bool) -> Result<()> {
        self.entries.get_mut(&fd.0).ok_or(Errno::EBADF)?.cloexec = cloexec;
        Ok(())
    }

    /// Gives a description the lowest free number.
    ///
    /// # Errors
    /// `EMFILE` at the cap. The description is then dropped, so a caller under a lock keeps a clone until it unlocked.
    pub fn insert(&mut self, file: Arc<OpenFile>, cloexec: bool) -> Result<Fd> {
        self.insert_from(Fd(0), file, cloexec)
    }

    /// Gives a description the lowest free number that is at least `min` (`F_DUPFD`).
    ///
    /// # Errors
    /// `EINVAL` if `min` is not below the cap, `EMFILE` at the cap.
    pub fn insert_from(&mut self, min: Fd, file: Arc<OpenFile>, cloexec: bool) -> Result<Fd> {
        let number = self.lowest_free(min)?;
        self.put(number, Entry { file, cloexec });
        Ok(Fd(number))
    }

    /// Gives two descriptions numbers, both or none (`pipe(2)`, `socketpair(2)`).
    ///
    /// # Errors
    /// `EMFILE` at the cap.
    pub fn insert_pair(&mut self, pair: (Arc<OpenFile>, Arc<OpenFile>), cloexec: bool) -> Result<(Fd, Fd)> {
        let first = self.lowest_free(Fd(0))?;
        let second = self
            .lowest_free(Fd(first.saturating_add(1)))
            .map_err(|_| self.exhausted())?;
        let entry = |file| Entry { file, cloexec };
        self.put(first, entry(pair.0));
        self.put(second, entry(pair.1));
        Ok((Fd(first), Fd(second)))
    }

    /// A further number, at least `min`, for the description of `fd` (`dup(2)`, `F_DUPFD`).
    ///
    /// # Errors
    /// `EBADF`, `EINVAL` if `min` is not below the cap, `EMFILE`.
    pub fn dup(&mut self, fd: Fd, min: Fd, cloexec: bool) -> Result<Fd> {
        let file = Arc::clone(self.get(fd)?);
        self.insert_from(min, file, cloexec)
    }

    /// Makes `to` a descriptor of `fd`'s description (`dup3(2)`, with equal numbers `dup2(2)`) and returns the description
    /// that `to` had before.
    ///
    /// # Errors
    /// `EBADF` if `fd` is not open or `to` is not below the cap.
    #[must_use = "drop the old description after unlocking the table"]
    pub fn dup_to(&mut self, fd: Fd, to: Fd, cloexec: bool) -> Result<Option<Arc<OpenFile>>> {
        let file = Arc::clone(self.get(fd)?);
        if fd == to {
            return Ok(None);
        }
        self.set(to, file, cloexec)
    }

    /// Puts a description at a given number, as the file actions of a spawn do, and returns what was there.
    ///
    /// # Errors
    /// `EBADF` if `to` is not below the cap.
    #[must_use = "drop the old description after unlocking the table"]
    pub fn set(&mut self, to: Fd, file: Arc<OpenFile>, cloexec: bool) -> Result<Option<Arc<OpenFile>>> {
        if to.0 >= self.cap {
            return Err(Errno::EBADF.into());
        }
        Ok(self.put(to.0, Entry { file, cloexec }).map(|old| old.file))
    }

    /// Moves `from` to the number `to` and frees `from` (`fd_renumber` of WASI); returns the description that `to` had.
    ///
    /// # Errors
    /// `EBADF` if either is not open.
    #[must_use = "drop the old description after unlocking the table"]
    pub fn renumber(&mut self, from: Fd, to: Fd) -> Result<Option<Arc<OpenFile>>> {
        self.entry(to)?;
        let cloexec = self.entry(from)?.cloexec;
        if from == to {
            return Ok(None);
        }
        let file = self.close(from)?;
        Ok(self.put(to.0, Entry { file, cloexec }).map(|old| old.file))
    }

    /// Frees a number and returns the description, which is closed once nobody has it.
    ///
    /// # Errors
    /// `EBADF`.
    #[must_use = "drop the description after unlocking the table"]
    pub fn close(&mut self, fd: Fd) -> Result<Arc<OpenFile>> {
        let entry = self.entries.remove(&fd.0).ok_or(Errno::EBADF)?;
        self.full_below = self.full_below.min(fd.0);
        Ok(entry.file)
    }

    /// Frees all that are close-on-exec and returns their descriptions.
    #[must_use = "drop the descriptions after unlocking the table"]
    pub fn close_cloexec(&mut self) -> Vec<Arc<OpenFile>> {
        let doomed: Vec<u32> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.cloexec)
            .map(|(fd, _)| *fd)
            .collect();
        doomed.into_iter().filter_map(|fd| self.close(Fd(fd)).ok()).collect()
    }

    /// Frees every number and returns the descriptions.
    #[must_use = "drop the descriptions after unlocking the table"]
    pub fn close_all(&mut self) -> Vec<Arc<OpenFile>> {
        self.full_below = 0;
        core::mem::take(&mut self.entries)
            .into_values()
            .map(|entry| entry.file)
            .collect()
    }

    /// Whether one of them reads from `pipe`: a process that waits to write there would wait for itself.
    pub fn reads_from(&self, pipe: &Pipe) -> bool {
        let ends = self.entries.values().filter_map(|entry| entry.file.pipe_end());
        ends.into_iter()
            .any(|end| end.reads() && core::ptr::eq(&**end.pipe(), pipe))
    }

    /// Every descriptor, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Fd, &Entry)> {
        self.entries.iter().map(|(fd, entry)| (Fd(*fd), entry))
    }

    fn put(&mut self, number: u32, entry: Entry) -> Option<Entry> {
        if number == self.full_below {
            self.full_below = number.saturating_add(1);
        }
        self.entries.insert(number, entry)
    }

    fn lowest_free(&mut self, min: Fd) -> Result<u32> {
        if min.0 >= self.cap && min.0 > 0 {
            return Err(Errno::EINVAL.into());
        }
        let from = min.0.max(self.full_below);
        let mut free = from;
        for used in self.entries.range(from..).map(|(fd, _)| *fd) {
            if used != free {
                break;
            }
            free = free.saturating_add(1);
        }
        if from == self.full_below {
            self.full_below = free;
        }
        if free < self.cap {
            Ok(free)
        } else {
            Err(self.exhausted())
        }
    }

    fn exhausted(&self) -> crate::error::Error {
        let cap = u64::from(self.cap);
        let path = "limits.resources.maxOpenFdsPerProcess";
        LimitExceeded::new(path, "descriptors", cap.saturating_add(1), cap, "open", Errno::EMFILE).into()
    }
}
