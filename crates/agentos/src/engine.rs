//! What runs programs, shared by all VMs: the WebAssembly engine, one per process and cache directory, and the executor of Linux
//! programs, one per process.

use crate::builder::Options;
use crate::error::{Error, Result};
use crate::parked;
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::{Executor, Kernel, Program};
use agentos_kernel::vfs::InodeHandle;
use agentos_linux::{Cgroup, CgroupError, LinuxExecutor};
use agentos_wasm::{WasmConfig, WasmExecutor};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

/// Where compiled programs are kept, and whether instructions are counted.
type Key = (Option<PathBuf>, bool);

/// The executor whose compiled programs are kept in `cache_dir`; one that counts instructions is another one.
pub(crate) fn shared(cache_dir: Option<&Path>, fuel: bool) -> Result<Arc<WasmExecutor>> {
    static ENGINES: Mutex<Option<HashMap<Key, Arc<WasmExecutor>>>> = Mutex::new(None);
    let mut engines = ENGINES.lock();
    let engines = engines.get_or_insert_with(HashMap::new);
    let key = (cache_dir.map(Path::to_owned), fuel);
    if let Some(engine) = engines.get(&key) {
        return Ok(engine.clone());
    }
    let config = WasmConfig {
        cache_dir: key.0.clone(),
        fuel,
        ..WasmConfig::default()
    };
    let engine = WasmExecutor::new(config).map_err(|error| Error::Engine(error.to_string()))?;
    engines.insert(key, engine.clone());
    Ok(engine)
}

/// What runs Linux programs, for all VMs.
pub(crate) fn linux() -> &'static Arc<LinuxExecutor> {
    static LINUX: OnceLock<Arc<LinuxExecutor>> = OnceLock::new();
    LINUX.get_or_init(LinuxExecutor::new)
}

/// Says where the control groups of VMs with Linux programs are made, for all VMs of this process; [`Cgroup::Auto`] unless this is called.
///
/// With [`Cgroup::Own`], and with `Auto` where the group of this process was delegated to it, a process that is alone in its group
/// moves into a child of that when its first Linux program starts, as a group with processes cannot be divided.
///
/// # Errors
/// Linux programs were probed or have run already, with something else.
pub fn set_cgroup(cgroup: Cgroup) -> std::result::Result<(), CgroupError> {
    linux().set_cgroup(cgroup)
}

/// The executor of Linux programs as one VM has it: it knows none until they are wanted.
#[derive(Debug)]
pub(crate) struct LinuxGate {
    opened: AtomicBool,
    executor: Arc<LinuxExecutor>,
}

impl LinuxGate {
    pub(crate) fn new(options: &Options) -> Arc<Self> {
        let executor = match linux().parked_node().most {
            0 => Arc::clone(linux()),
            _ => linux().on(parked::base(options), parked::preloads(options)),
        };
        Arc::new(Self {
            opened: AtomicBool::new(options.runs_linux_programs()),
            executor,
        })
    }

    /// From now on they run.
    pub(crate) fn open(&self) {
        self.opened.store(true, Ordering::Release);
    }
}

impl Executor for LinuxGate {
    fn name(&self) -> &'static str {
        self.executor.name()
    }

    fn accepts(&self, head: &[u8]) -> bool {
        self.opened.load(Ordering::Acquire) && self.executor.accepts(head)
    }

    fn load(&self, kernel: &Kernel, file: &InodeHandle, waker: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        self.executor.load(kernel, file, waker)
    }
}

/// `agentos` in the user's cache directory (XDG base directory specification); `None` where there is no home.
pub(crate) fn default_cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("agentos"))
}
