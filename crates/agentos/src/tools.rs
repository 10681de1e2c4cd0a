//! Host tools of a VM: checked kits, their command files, and the runtime that their functions run on.

use crate::error::{Error, Result};
use crate::host;
use crate::vm::{AgentOs, quota};
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::limits::Limits;
use agentos_kernel::process::Executor;
use agentos_kernel::vfs::{FileType, Filesystem, MemoryFs, Mode, NewNode};
use agentos_kernel::{Errno, Error as KernelError};
use agentos_tools::{Caller, Kits, Spawner, Task, ToolExecutor, ToolFailure, ToolKit};
use core::fmt;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};

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
    /// directory of the VM's own is more likely mounted at `/usr/local` than over all programs.
    pub(crate) fn install(&self, root: &MemoryFs) -> Result<()> {
        self.place(root).map_err(Error::file("install", "/usr/bin"))
    }

    /// The same as a layer, for a root of several.
    pub(crate) fn layer(&self) -> Result<Option<Arc<dyn Filesystem>>> {
        if self.kits.is_empty() {
            return Ok(None);
        }
        // What the host puts there is not the VM's to pay for.
        let layer = MemoryFs::new(host::system_clock(), quota(&Limits::default()));
        let made = DIRECTORIES.iter().try_for_each(|(dir, name)| {
            let node = node(FileType::Directory, 0o755);
            layer.mkdir(find(&layer, dir)?, name.as_bytes(), &node).map(drop)
        });
        made.map_err(Error::file("install", "/usr/bin"))?;
        self.install(&layer)?;
        Ok(Some(layer))
    }

    fn place(&self, root: &MemoryFs) -> Result<(), KernelError> {
        for stub in self.kits.stubs() {
            let (bin, local) = (find(root, "/usr/bin")?, find(root, "/usr/local/bin")?);
            let name = stub.name.as_bytes();
            for dir in [bin, local] {
                // A file that was restored with others has no identity.
                match root.unlink(dir, name) {
                    Err(error) if error.errno() != Errno::ENOENT => return Err(error),
                    _ => {}
                }
            }
            root.insert_blob(bin, name, stub.blob, Mode::new(0o755), Uid::ROOT, Gid::ROOT)?;
            let target = format!("../../bin/{}", stub.name);
            root.symlink(local, name, target.as_bytes(), &node(FileType::Symlink, 0o777))?;
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

/// Where the commands are, parents before children.
const DIRECTORIES: [(&str, &str); 4] = [("/", "usr"), ("/usr", "bin"), ("/usr", "local"), ("/usr/local", "bin")];

fn node(kind: FileType, mode: u32) -> NewNode {
    NewNode {
        kind,
        mode: Mode::new(mode),
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
    }
}

fn find(fs: &MemoryFs, path: &str) -> Result<Ino, KernelError> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    parts.try_fold(fs.root(), |dir, part| {
        fs.lookup(dir, part.as_bytes()).map(|attr| attr.ino)
    })
}

/// The one runtime of the process for tools and sessions of all VMs: the functions of tools may use everything that tokio has, whatever
/// runtime the VM's owner has, and none but their own calls wait when one of them blocks.
struct Threads;

impl Spawner for Threads {
    fn spawn(&self, task: Task) {
        // Without a thread the task is dropped, and with it the process killed.
        if let Some(handle) = runtime() {
            handle.spawn(task);
        }
    }
}

/// The runtime, which is made when it is first needed; none if the host has no thread for it.
pub(crate) fn runtime() -> Option<Handle> {
    static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
    let mut runtime = RUNTIME.lock();
    if runtime.is_none() {
        let built = Builder::new_multi_thread()
            .thread_name("agentos-tool")
            .enable_all()
            .build();
        *runtime = built.ok();
    }
    runtime.as_ref().map(|runtime| runtime.handle().clone())
}
