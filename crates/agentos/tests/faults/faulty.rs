//! A filesystem of which one call fails.

use agentos::Errno;
use agentos::vfs::{Blob, Features, Filesystem, FsQuota, MemoryFs, Mode, SetAttr, Settling};
use agentos_kernel::Result;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::id::Ino;
use agentos_kernel::limits::Counter;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
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
    /// What everybody waits for who makes something durable.
    disk: Option<Arc<SlowDisk>>,
}

/// A disk that takes its time, until it is told how it ends.
#[derive(Default)]
pub(crate) struct SlowDisk {
    state: Mutex<SlowState>,
}

#[derive(Default)]
struct SlowState {
    outcome: Option<Result<(), Errno>>,
    /// Writers have to wait, too.
    full: bool,
    /// Who waits, by the order of arrival.
    waiting: BTreeMap<u64, Option<Waker>>,
    arrived: u64,
}

impl SlowDisk {
    /// How many wait for it.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting.len()
    }

    /// Has writers wait until it ends.
    pub(crate) fn fill(&self) {
        self.state.lock().unwrap().full = true;
    }

    /// Whether writers have to wait.
    fn is_full(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.full && !matches!(state.outcome, Some(Ok(())))
    }

    /// Lets everybody go on, and whoever comes later.
    pub(crate) fn ends(&self, outcome: Result<(), Errno>) {
        let mut state = self.state.lock().unwrap();
        state.outcome = Some(outcome);
        let wakers: Vec<_> = state.waiting.values_mut().filter_map(Option::take).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn settling(self: &Arc<Self>) -> Settling {
        let mut state = self.state.lock().unwrap();
        state.arrived += 1;
        let number = state.arrived;
        state.waiting.insert(number, None);
        let wait = SlowWait(Arc::clone(self), number);
        Box::pin(poll_fn(move |context| {
            let mut state = wait.0.state.lock().unwrap();
            match state.outcome {
                Some(outcome) => Poll::Ready(outcome.map_err(Into::into)),
                None => {
                    state.waiting.insert(wait.1, Some(context.waker().clone()));
                    Poll::Pending
                }
            }
        }))
    }
}

/// One that waits, until it does not any more.
struct SlowWait(Arc<SlowDisk>, u64);

impl Drop for SlowWait {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().waiting.remove(&self.1);
    }
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
            disk: None,
        })
    }

    /// One that fails in nothing and is as slow as its disk.
    pub(crate) fn on(disk: &Arc<SlowDisk>) -> Arc<Self> {
        Arc::new(Self {
            inner: memory(),
            calls: AtomicUsize::new(0),
            plan: None,
            disk: Some(Arc::clone(disk)),
        })
    }

    fn begin(&self) -> Result<Option<Settling>> {
        Ok(self.disk.as_ref().map(SlowDisk::settling))
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

    fn begin_fsync(&self, ino: Ino, data_only: bool) -> Result<Option<Settling>> {
        self.fsync(ino, data_only)?;
        self.begin()
    }

    fn begin_sync(&self) -> Result<Option<Settling>> {
        self.sync()?;
        self.begin()
    }

    fn begin_room(&self) -> Result<Option<Settling>> {
        let full = self.disk.as_ref().filter(|disk| disk.is_full());
        Ok(full.map(SlowDisk::settling))
    }

    agentos_kernel::pass_filesystem_calls!(counted);
}
