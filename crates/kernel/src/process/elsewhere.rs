//! What a process has where the kernel does not see it: guests of the executor of native programs hold descriptors of the host.

use super::SigSet;
use super::process::Process;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{OpenFile, SeekFrom, StatusFlags};
use crate::id::Fd;
use std::sync::Arc;

/// A descriptor as `/proc` shows it.
pub struct Shown {
    /// What it leads to.
    pub file: Arc<OpenFile>,
    /// Offset in bytes.
    pub position: u64,
    /// Flags as `open(2)` has them, close-on-exec included.
    pub flags: u32,
}

/// Memory of a process in bytes, measured when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Addresses that mean something.
    pub mapped: u64,
    /// What of it is in memory, shared or not.
    pub resident: u64,
}

/// What an executor knows of a process. Asked by any thread, and not to wait.
pub trait Elsewhere: Send + Sync + 'static {
    /// Open descriptors, ascending.
    fn descriptors(&self) -> Vec<Fd>;

    /// One of them; `EBADF` if it is not open.
    fn descriptor(&self, fd: Fd) -> Result<Shown>;

    /// Numbers of its threads but the first, ascending.
    fn threads(&self) -> Vec<u32>;

    /// The name that the process has given itself.
    fn name(&self) -> Option<Vec<u8>>;

    /// `/proc/<pid>/maps`.
    fn maps(&self) -> Vec<u8>;

    /// What the process takes now; none if that cannot be found out.
    fn footprint(&self) -> Option<Footprint>;

    /// What its first thread blocks, and what the process ignores and catches; none if that cannot be found out.
    fn signals(&self) -> Option<ShownSignals>;
}

/// Signals of a process as `/proc` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownSignals {
    /// Blocked by the first thread.
    pub blocked: SigSet,
    /// Ignored by the process.
    pub ignored: SigSet,
    /// Caught by the process.
    pub caught: SigSet,
}

/// Close-on-exec among the flags of [`Shown`].
const CLOEXEC: u32 = 0o2_000_000;

impl Process {
    /// Says who knows what the process has open, or that it is the kernel again.
    pub fn set_elsewhere(&self, elsewhere: Option<Arc<dyn Elsewhere>>) {
        let old = core::mem::replace(&mut *self.elsewhere.lock(), elsewhere);
        drop(old);
    }

    fn asked(&self) -> Option<Arc<dyn Elsewhere>> {
        self.elsewhere.lock().clone()
    }

    /// Open descriptors, wherever they are.
    pub(crate) fn shown_descriptors(&self) -> Vec<Fd> {
        match self.asked() {
            Some(elsewhere) => elsewhere.descriptors(),
            None => self.descriptors(),
        }
    }

    /// A descriptor, wherever it is.
    pub(crate) fn shown_descriptor(&self, fd: Fd) -> Result<Shown> {
        if let Some(elsewhere) = self.asked() {
            return elsewhere.descriptor(fd).map_err(|_| Errno::ENOENT.into());
        }
        let file = self.file(fd).map_err(|_| Errno::ENOENT)?;
        use crate::fd::AccessMode;
        let mut flags = match (
            file.access().contains(AccessMode::READ),
            file.access().contains(AccessMode::WRITE),
        ) {
            (true, true) => 2,
            (false, true) => 1,
            _ => 0,
        };
        flags |= (file.flags() & StatusFlags::all()).bits();
        if self.cloexec(fd).unwrap_or(false) {
            flags |= CLOEXEC;
        }
        let position = file.seek(SeekFrom::Current(0)).unwrap_or(0);
        Ok(Shown { file, position, flags })
    }

    /// Numbers of its threads, of which the first has the number of the process.
    pub(crate) fn shown_threads(&self) -> Vec<u32> {
        let mut threads = vec![self.pid().0];
        threads.extend(self.asked().map(|elsewhere| elsewhere.threads()).unwrap_or_default());
        threads
    }

    /// Program name as `/proc` shows it.
    pub(crate) fn shown_name(&self) -> Vec<u8> {
        let own = self.asked().and_then(|elsewhere| elsewhere.name());
        own.unwrap_or_else(|| self.name())
    }

    /// What it takes now where somebody measures it, and else what the kernel has been told.
    pub(crate) fn shown_footprint(&self) -> Footprint {
        let measured = self.asked().and_then(|elsewhere| elsewhere.footprint());
        measured.unwrap_or_else(|| Footprint {
            mapped: self.memory(),
            resident: self.memory(),
        })
    }

    /// What is done about signals, by who has the handlers.
    pub(crate) fn shown_signals(&self) -> ShownSignals {
        let own = self.asked().and_then(|elsewhere| elsewhere.signals());
        own.unwrap_or_else(|| {
            let (ignored, caught) = self.dispositions();
            ShownSignals {
                blocked: self.sig_mask(None),
                ignored,
                caught,
            }
        })
    }

    /// Mappings, where somebody knows them.
    pub(crate) fn shown_maps(&self) -> Vec<u8> {
        self.asked().map(|elsewhere| elsewhere.maps()).unwrap_or_default()
    }
}
