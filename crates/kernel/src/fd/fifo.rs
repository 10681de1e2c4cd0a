//! Named pipes (`fifo(7)`): the pipe behind an inode, and the rendezvous of `open(2)`.
//!
//! All descriptions of one FIFO inode share a pipe while at least one of them exists. An opening counts as an end from its
//! first moment, also while it still waits for the other side: otherwise two sides could wait for each other. It is an object
//! of its own so that a caller that gives up (a signal, the end of the process) takes its end away by dropping it.

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
    pipes: Mutex<HashMap<(DeviceId, Ino), Weak<Pipe>>>,
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

    /// FIFOs that are open.
    pub fn len(&self) -> usize {
        self.pipes
            .lock()
            .values()
            .filter(|pipe| pipe.strong_count() > 0)
            .count()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn pipe(&self, key: (DeviceId, Ino), attr: &Attr, limits: &Arc<FdLimits>) -> Result<Arc<Pipe>> {
        let mut pipes = self.pipes.lock();
        if let Some(pipe) = pipes.get(&key).and_then(Weak::upgrade) {
            return Ok(pipe);
        }
        // Entries of FIFOs that were closed go when a new one comes, so there are never more than have been open at once.
        pipes.retain(|_, pipe| pipe.strong_count() > 0);
        let pipe = Pipe::new(limits, (attr.uid, attr.gid), attr.ctime)?;
        pipes.insert(key, Arc::downgrade(&pipe));
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
