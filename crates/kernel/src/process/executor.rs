//! What runs programs: the kernel's side of an executor.

use super::kernel::Kernel;
use super::process::Process;
use crate::fd::IoResult;
use crate::vfs::InodeHandle;
use core::task::Waker;
use std::sync::Arc;

/// Something that can run programs of one format. One executor serves many VMs.
///
/// A process's life, as its executor sees it: [`Program::start`] queues the first run. Before it runs guest code, and
/// whenever a blocked system call was woken, it asks [`Process::gate`]; between runs it reports CPU time with
/// [`Process::charge`]. A guest that ends says so with [`Process::exit`] or [`Process::exit_by`]; then, and when the gate
/// says [`Gate::Die`], the executor unwinds the guest, frees its memory, and calls [`Process::finish`] as the last thing.
pub trait Executor: Send + Sync + 'static {
    /// Name for messages.
    fn name(&self) -> &'static str;

    /// Whether a file that begins with `head` (up to 256 bytes) is a program of this format.
    fn accepts(&self, head: &[u8]) -> bool;

    /// Makes a program ready: validates it and finds or makes its compiled form. `Pending` while that happens elsewhere; the
    /// kernel then asks again, with the same file.
    ///
    /// # Errors
    /// [`Error::NotExecutable`](crate::Error::NotExecutable) with a message that says why.
    fn load(&self, kernel: &Kernel, file: &InodeHandle, waker: Option<&Waker>) -> IoResult<Box<dyn Program>>;
}

/// A program that is ready to run.
pub trait Program: Send {
    /// Bytes of memory that it begins with: a spawn that the VM has not so much for fails.
    fn memory(&self) -> u64 {
        0
    }

    /// Name of the executor that runs it, for executors whose processes become other programs themselves.
    fn executor(&self) -> &'static str {
        ""
    }

    /// Runs it as `process`: queues the first run and returns.
    fn start(self: Box<Self>, process: Arc<Process>);
}

/// Whether a process may run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Gate {
    /// It may.
    Run,
    /// It has to end: unwind, then [`Process::finish`].
    Die,
}
