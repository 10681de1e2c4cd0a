//! Named pipes (`fifo(7)`): the pipe behind an inode, and the rendezvous of `open(2)`.
//!
//! All descriptions of one FIFO inode share a pipe while at least one of them exists. An opening counts as an end from its
//! first moment, also while it still waits for the other side: otherwise two sides could wait for each other. It is an object
//! of its own so that a caller that gives up (a signal, the end of the process) takes its end away by dropping it.
//!
//! Native programs close their ends without telling anybody. A pipe that they have is therefore kept here, and looked at when
//! that matters: when the FIFO is opened, and when pipes run out.

use super::flags::{AccessMode, StatusFlags};
use super::limits::FdLimits;
use super::open::OpenFile;
use super::pipe::{Pipe, PipeEnd};
use super::{File, IoResult};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{DeviceId, Ino};
use crate::vfs::{Attr, Location};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// The open FIFOs of a VM.
#[derive(Default)]
pub struct Fifos {
    pipes: Mutex<HashMap<(DeviceId, Ino), Entry>>,
}

/// The pipe of a FIFO.
struct Entry {
    pipe: Weak<Pipe>,
    /// The same once native programs may have ends of it.
    kept: Option<Arc<Pipe>>,
}

impl Entry {
    /// Whether anybody has an end, as far as that can be told at once.
    fn is_there(&self) -> bool {
        self.kept.is_some() || self.pipe.strong_count() > 0
    }

    fn is_open(&self) -> bool {
        self.pipe.upgrade().is_some_and(|pipe| pipe.is_open())
    }
}

impl Fifos {
    /// Begins to open the FIFO at `location` (permissions were checked). With [`StatusFlags::NONBLOCK`] the result is ready
    /// at once.
    ///
    /// # Errors
    /// `ENXIO` for a non-blocking writer without a reader, `EINVAL` without access, `EAGAIN` and `ENFILE` at limits.
    pub fn open(
        &self,
        location: Location,
        attr: &Attr,
        access: AccessMode,
        status: StatusFlags,
        limits: &Arc<FdLimits>,
    ) -> Result<FifoOpening> {
        if access.is_empty() {
            return Err(Errno::EINVAL.into());
        }
        let key = (location.dev(), location.ino());
        let end = Arc::new(PipeEnd::new(&self.pipe(key, attr, limits)?, access));
        let blocks = !status.contains(StatusFlags::NONBLOCK);
        if !blocks && access == AccessMode::WRITE && !end.has_reader() {
            return Err(Errno::ENXIO.into());
        }
        let object: Arc<dyn File> = end.clone();
        let file = OpenFile::from_object(object, Some(location), access, status, limits)?;
        Ok(FifoOpening { file, end, blocks })
    }

    /// Native programs get ends of the pipe behind the FIFO at `location`, of which nobody here is told when they close them.
    pub fn keep(&self, location: &Location) {
        if let Some(entry) = self.pipes.lock().get_mut(&(location.dev(), location.ino())) {
            entry.kept = entry.pipe.upgrade();
        }
    }

    /// Gives up the pipes that native programs had and nobody has any more.
    pub fn tidy(&self) {
        let mut pipes = self.pipes.lock();
        let gone: Vec<Entry> = pipes
            .extract_if(|_, entry| !entry.is_open())
            .map(|(_, entry)| entry)
            .collect();
        drop(pipes);
        drop(gone);
    }

    /// FIFOs that are open.
    pub fn len(&self) -> usize {
        self.pipes.lock().values().filter(|entry| entry.is_open()).count()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn pipe(&self, key: (DeviceId, Ino), attr: &Attr, limits: &Arc<FdLimits>) -> Result<Arc<Pipe>> {
        let mut pipes = self.pipes.lock();
        let known = pipes.get(&key).and_then(|entry| entry.pipe.upgrade());
        // One that native programs have closed is as good as none: what nobody has read is gone.
        if let Some(pipe) = known.filter(|pipe| !pipe.is_on_host() || pipe.is_open()) {
            return Ok(pipe);
        }
        let old = pipes.remove(&key);
        // Entries of FIFOs that were closed go when a new one comes, so there are never more than have been open at once.
        pipes.retain(|_, entry| entry.is_there());
        let pipe = Pipe::new(limits, (attr.uid, attr.gid), attr.ctime)?;
        let (entry, kept) = (Arc::downgrade(&pipe), None);
        pipes.insert(key, Entry { pipe: entry, kept });
        drop(pipes);
        drop(old);
        Ok(pipe)
    }
}

/// A FIFO that is being opened. Dropping it takes the end away again.
#[derive(Debug)]
pub struct FifoOpening {
    file: Arc<OpenFile>,
    end: Arc<PipeEnd>,
    blocks: bool,
}

impl FifoOpening {
    /// The description, once the other side is there or was there; `waker` waits for it.
    pub fn poll(&self, waker: Option<&Waker>) -> IoResult<Arc<OpenFile>> {
        if self.blocks && self.end.met(waker).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Arc::clone(&self.file)))
    }
}
