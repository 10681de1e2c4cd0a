//! What the kernel sees.

use crate::call;
use crate::context::Caller;
use crate::kits::{Command, Kits};
use crate::stub::MAGIC;
use agentos_kernel::Error;
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::{Executor, Kernel, Process, Program, Signal};
use agentos_kernel::vfs::InodeHandle;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// One process of a tool.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the host lets tools run: an async runtime.
pub trait Spawner: Send + Sync + 'static {
    /// Polls a task to its end, on any thread. A task that is dropped earlier is a process that was killed.
    fn spawn(&self, task: Task);
}

/// A failure that was hidden from the guest.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ToolFailure {
    /// What the guest was told to name it by: 32 hexadecimal digits.
    pub correlation_id: String,
    /// Name of the kit.
    pub kit: Arc<str>,
    /// Name of the tool.
    pub tool: Arc<str>,
    /// The process that called.
    pub pid: u32,
    /// The error, in full.
    pub error: String,
}

/// Called for every failure that was hidden.
pub(crate) type OnFailure = Arc<dyn Fn(&ToolFailure) + Send + Sync>;

/// Runs the tools of one VM.
pub struct ToolExecutor {
    shared: Arc<Shared>,
    spawner: Arc<dyn Spawner>,
}

/// What the processes of one VM's tools share.
pub(crate) struct Shared {
    pub(crate) kits: Arc<Kits>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) slots: call::Slots,
    pub(crate) on_failure: Option<OnFailure>,
}

impl ToolExecutor {
    /// An executor for the stubs of `kits` in the VM of `caller`.
    pub fn new(kits: Arc<Kits>, caller: Caller, spawner: Arc<dyn Spawner>) -> Self {
        let shared = Shared {
            kits,
            caller: Arc::new(caller),
            slots: call::Slots::default(),
            on_failure: None,
        };
        Self {
            shared: Arc::new(shared),
            spawner,
        }
    }

    /// Calls `report` for every failure that guests are not shown. It is logged in any case.
    #[must_use]
    pub fn on_failure(mut self, report: impl Fn(&ToolFailure) + Send + Sync + 'static) -> Self {
        // Nobody shares it before the executor runs.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.on_failure = Some(Arc::new(report));
        }
        self
    }
}

impl Executor for ToolExecutor {
    fn name(&self) -> &'static str {
        "tool"
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    fn load(&self, _: &Kernel, file: &InodeHandle, _: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        let command = file.blob().and_then(|blob| self.shared.kits.command(&blob));
        Poll::Ready(match command {
            Some(command) => Ok(Box::new(ToolProgram {
                command,
                shared: Arc::clone(&self.shared),
                spawner: Arc::clone(&self.spawner),
            })),
            None => Err(Error::not_executable(
                "is a copy of a file that stands for host tools; only the file of the host itself calls them",
            )),
        })
    }
}

impl fmt::Debug for ToolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolExecutor")
            .field("kits", &self.shared.kits)
            .finish_non_exhaustive()
    }
}

/// A stub that is about to run.
struct ToolProgram {
    command: Command,
    shared: Arc<Shared>,
    spawner: Arc<dyn Spawner>,
}

impl Program for ToolProgram {
    fn start(self: Box<Self>, process: Arc<Process>) {
        let Self {
            command,
            shared,
            spawner,
        } = *self;
        let finishing = Finishes(process);
        spawner.spawn(Box::pin(async move {
            let process = &finishing.0;
            if let Some(code) = guarded(process, call::run(&shared, command, process)).await {
                process.exit(code.into());
            }
        }));
    }
}

/// Polls a process. A panic, which can only be a mistake of the host, ends this process alone.
async fn guarded(process: &Process, work: impl Future<Output = Option<u8>>) -> Option<u8> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            process.exit_by(Signal::ABRT);
            Poll::Ready(None)
        })
    })
    .await
}

/// Ends the process, whatever becomes of its task: a runtime that stops drops it.
struct Finishes(Arc<Process>);

impl Drop for Finishes {
    fn drop(&mut self) {
        self.0.finish();
    }
}
