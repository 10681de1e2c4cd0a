//! Host tools of a VM: checked kits, their command files, and the runtime that their functions run on.

use crate::error::{Error, Result};
use crate::vm::AgentOs;
use agentos_kernel::Error as KernelError;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::limits::Limits;
use agentos_kernel::process::Executor;
use agentos_kernel::vfs::{FileType, Filesystem, MemoryFs, Mode, NewNode};
use agentos_software::base::TOOLS;
use agentos_tools::{Caller, Kits, Spawner, Task, ToolExecutor, ToolFailure, ToolKit};
use core::fmt;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Called for failures that guests are not shown.
type OnFailure = Arc<dyn Fn(&ToolFailure) + Send + Sync>;

/// The options as they are collected.
#[derive(Clone, Default)]
pub(crate) struct ToolDraft {
    pub(crate) kits: Vec<ToolKit>,
    pub(crate) caller: Caller,
    pub(crate) on_failure: Option<OnFailure>,
}

impl fmt::Debug for ToolDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kits.iter().map(ToolKit::name)).finish()
    }
}

/// Options that were checked. Snapshots and forks share them: their files hold the stubs.
#[derive(Default)]
pub(crate) struct ToolPlan {
    kits: Arc<Kits>,
    caller: Caller,
    on_failure: Option<OnFailure>,
}

impl fmt::Debug for ToolPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kits.fmt(f)
    }
}

impl AgentOs {
    /// What a system prompt can say of the VM's host tools: the text of `agentos list-tools`. None without any.
    pub fn tool_list(&self) -> Option<String> {
        let kits = &self.vm.options.host_tools.kits;
        (!kits.is_empty()).then(|| kits.list())
    }
}

impl ToolPlan {
    /// Checks the options.
    pub(crate) fn new(draft: ToolDraft, limits: &Limits) -> Result<Self> {
        let kits = Kits::new(draft.kits, limits).map_err(|invalid| Error::InvalidConfig(invalid.to_string()))?;
        Ok(Self {
            kits: Arc::new(kits),
            caller: draft.caller,
            on_failure: draft.on_failure,
        })
    }

    /// Gives a new VM the commands: files in `/usr/bin`, which is `/bin` as well, and links to them in `/usr/local/bin`. A
    /// directory of the VM's own is more likely mounted at `/usr/local` than over all programs. Where images lie below the root
    /// and may have other programs there, the commands are with the bundled ones in `/opt/agentos/bin`.
    pub(crate) fn install(&self, root: &MemoryFs) -> Result<()> {
        if self.kits.is_empty() {
            return Ok(());
        }
        let placed = match find(root, "/usr/bin") {
            Ok(bin) => self.place(root, bin).and_then(|()| self.link(root)),
            Err(_) => find(root, TOOLS).and_then(|bin| self.place(root, bin)),
        };
        placed.map_err(Error::file("install", "/usr/bin"))
    }

    fn place(&self, root: &MemoryFs, bin: Ino) -> Result<(), KernelError> {
        for stub in self.kits.stubs() {
            let name = stub.name.as_bytes();
            root.insert_blob(bin, name, stub.blob, Mode::new(0o755), Uid::ROOT, Gid::ROOT)?;
        }
        Ok(())
    }

    fn link(&self, root: &MemoryFs) -> Result<(), KernelError> {
        let local = find(root, "/usr/local/bin")?;
        let node = NewNode {
            kind: FileType::Symlink,
            mode: Mode::new(0o777),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
        };
        for stub in self.kits.stubs() {
            let target = format!("../../bin/{}", stub.name);
            root.symlink(local, stub.name.as_bytes(), target.as_bytes(), &node)?;
        }
        Ok(())
    }

    /// What runs the commands in one VM, if there are any.
    pub(crate) fn executor(&self) -> Option<Arc<dyn Executor>> {
        if self.kits.is_empty() {
            return None;
        }
        let executor = ToolExecutor::new(Arc::clone(&self.kits), self.caller.clone(), Arc::new(Threads));
        Some(match self.on_failure.clone() {
            Some(report) => Arc::new(executor.on_failure(move |failure| report(failure))),
            None => Arc::new(executor),
        })
    }
}

fn find(fs: &MemoryFs, path: &str) -> Result<Ino, KernelError> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.fold(Ok(fs.root()), |dir, part| {
        fs.lookup(dir?, part.as_bytes()).map(|attr| attr.ino)
    })
}

/// The one runtime of the process for tools of all VMs: the functions of tools may use everything that tokio has, whatever
/// runtime the VM's owner has, and none but their own calls wait when one of them blocks.
struct Threads;

impl Spawner for Threads {
    fn spawn(&self, task: Task) {
        static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
        let mut runtime = RUNTIME.lock();
        if runtime.is_none() {
            let built = Builder::new_multi_thread()
                .thread_name("agentos-tool")
                .enable_all()
                .build();
            *runtime = built.ok();
        }
        // Without a thread the task is dropped, and with it the process killed.
        if let Some(runtime) = &*runtime {
            let handle = runtime.handle().clone();
            handle.spawn(task);
        }
    }
}
