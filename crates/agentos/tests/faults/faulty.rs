//! A filesystem of which one call fails.

use agentos::Errno;
use agentos::vfs::{Blob, Features, Filesystem, FsQuota, MemoryFs, Mode, SetAttr};
use agentos_kernel::Result;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::id::Ino;
use agentos_kernel::limits::Counter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails at once.
    Fails,
    /// It takes its time, and fails.
    Stalls,
    /// The code of the filesystem panics.
    Panics,
}

pub(crate) const FAULTS: [Fault; 3] = [Fault::Fails, Fault::Stalls, Fault::Panics];

/// How long a call stalls.
const STALL: Duration = Duration::from_millis(20);

/// Files in memory, and a fault.
pub(crate) struct FaultyFs {
    inner: Arc<MemoryFs>,
    calls: AtomicUsize,
    plan: Option<(usize, Fault)>,
}

/// It is always now.
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp(1)
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

/// A directory in memory that everybody may write.
fn memory() -> Arc<MemoryFs> {
    let counter = || Counter::new("test", "bytes", u64::MAX, Errno::ENOSPC);
    let quota = FsQuota {
        bytes: counter(),
        inodes: counter(),
    };
    let memory = MemoryFs::new(Arc::new(Now), Arc::new(quota));
    let open = SetAttr {
        mode: Some(Mode::new(0o777)),
        ..SetAttr::default()
    };
    memory.setattr(memory.root(), &open).expect("our directory");
    memory
}

impl FaultyFs {
    /// `plan` is the number of the call that fails, and how.
    pub(crate) fn new(plan: Option<(usize, Fault)>) -> Arc<Self> {
        Arc::new(Self {
            inner: memory(),
            calls: AtomicUsize::new(0),
            plan,
        })
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    fn step(&self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::AcqRel);
        match self.plan {
            Some((at, fault)) if at == call => match fault {
                Fault::Fails => Err(Errno::EIO.into()),
                Fault::Stalls => {
                    std::thread::sleep(STALL);
                    Err(Errno::EIO.into())
                }
                Fault::Panics => std::panic::resume_unwind(Box::new("a mistake of the host")),
            },
            _ => Ok(()),
        }
    }

    /// Passes a call on, unless its turn has come.
    fn counted<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        self.step()?;
        call()
    }
}

impl Filesystem for FaultyFs {
    fn kind(&self) -> &'static str {
        "faulty"
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn release(&self, ino: Ino) {
        self.inner.release(ino);
        // Nobody waits for an answer here, so of the faults only a panic can be seen.
        if self.plan.is_some_and(|(_, fault)| fault == Fault::Panics) {
            let _ = self.step();
        }
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        self.inner.blob(ino)
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    agentos_kernel::pass_filesystem_calls!(counted);
}
