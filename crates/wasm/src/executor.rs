//! What the kernel sees, and what all processes of one executor share.

use crate::config::WasmConfig;
use crate::engine::Engines;
use crate::error::Result;
use crate::imports::Linkers;
use crate::library::{CompileHook, Failure, Library};
use crate::process::Program;
use crate::scheduler::{Scheduler, Vm};
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::{Executor, Kernel};
use agentos_kernel::vfs::InodeHandle;
use agentos_kernel::{Errno, LimitExceeded, process};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker, ready};
use wasmtime::Engine;

/// Runs WebAssembly programs for any number of VMs.
///
/// One per host process is enough, and better than several: compiled programs, the instance pool and the threads are shared.
/// Threads sleep while no guest runs.
pub struct WasmExecutor {
    core: Arc<Core>,
}

/// What all processes of one executor share.
pub(crate) struct Core {
    engines: Arc<Engines>,
    library: Library,
    scheduler: Scheduler,
    vms: Mutex<HashMap<usize, Share>>,
    live: AtomicU32,
    max_live: u32,
}

/// A VM's place in the scheduler. The weak reference keeps the kernel's address from being used again.
struct Share {
    kernel: Weak<Kernel>,
    vm: Arc<Vm>,
}

impl WasmExecutor {
    /// Makes the engines and starts the threads. A cache directory that cannot be used is no error: programs are then
    /// compiled in each process.
    ///
    /// # Errors
    /// The host supports no engine, or starts no threads.
    #[allow(clippy::needless_pass_by_value)]
    pub fn new(config: WasmConfig) -> Result<Arc<Self>> {
        let engines = Arc::new(Engines::new(&config)?);
        let linkers = Arc::new(Linkers::new(&engines)?);
        let workers = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let core = Core {
            library: Library::new(&config, &engines, &linkers)?,
            scheduler: Scheduler::new(&engines, workers, config.tick)?,
            engines,
            vms: Mutex::default(),
            live: AtomicU32::new(0),
            max_live: config.max_live_processes,
        };
        Ok(Arc::new(Self { core: Arc::new(core) }))
    }

    /// Sets who is told when a program has to be compiled, which may take seconds. Called from the executor's threads.
    pub fn set_compile_hook(&self, hook: Option<CompileHook>) {
        self.core.library.set_hook(hook);
    }

    /// Whether the program with this SHA-256 was compiled before, by this process or by one that left it in the cache. A
    /// cached form that turns out to be damaged is compiled again after all.
    pub fn has_compiled(&self, program: &[u8; 32]) -> bool {
        self.core.library.holds(program)
    }

    /// Processes that live now, in all VMs.
    pub fn live_processes(&self) -> u32 {
        self.core.live.load(Ordering::Acquire)
    }
}

impl Executor for WasmExecutor {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(b"\0asm")
    }

    fn load(&self, kernel: &Kernel, file: &InodeHandle, waker: Option<&Waker>) -> IoResult<Box<dyn process::Program>> {
        let limits = kernel.limits();
        let found = ready!(self.core.library.find(file, limits.max_module_file_bytes, waker));
        let loaded = found.map_err(Failure::into_error).and_then(|code| {
            code.check_memory(limits.max_wasm_memory_bytes)?;
            Ok(Box::new(Program {
                slot: self.core.slot()?,
                core: Arc::clone(&self.core),
                code,
            }) as Box<dyn process::Program>)
        });
        Poll::Ready(loaded)
    }
}

impl std::fmt::Debug for WasmExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmExecutor")
            .field("live", &self.live_processes())
            .finish_non_exhaustive()
    }
}

impl Core {
    /// A place for one more process.
    ///
    /// # Errors
    /// `EAGAIN` at the limit.
    pub(crate) fn slot(self: &Arc<Self>) -> agentos_kernel::Result<Slot> {
        let taken = self.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
            (live < self.max_live).then(|| live + 1)
        });
        match taken {
            Ok(_) => Ok(Slot {
                core: Arc::clone(self),
                pool: None,
            }),
            Err(live) => {
                let (observed, capacity) = (u64::from(live) + 1, u64::from(self.max_live));
                let path = "wasm.max_live_processes";
                Err(LimitExceeded::new(path, "processes", observed, capacity, "spawn", Errno::EAGAIN).into())
            }
        }
    }

    /// Whether instructions are counted.
    pub(crate) fn counts_fuel(&self) -> bool {
        self.engines.counts_fuel()
    }

    /// The share of a VM, made at its first process.
    pub(crate) fn vm(&self, kernel: &Arc<Kernel>) -> Arc<Vm> {
        let key = Arc::as_ptr(kernel).addr();
        let mut vms = self.vms.lock();
        if let Some(share) = vms.get(&key) {
            return Arc::clone(&share.vm);
        }
        // Doubling keeps the cost of looking for VMs that are gone proportional to making new ones.
        if vms.len() == vms.capacity() {
            vms.retain(|_, share| share.kernel.strong_count() > 0);
        }
        let cpus = usize::try_from(kernel.limits().cpu_count).unwrap_or(1);
        let vm = self.scheduler.vm(cpus);
        vms.insert(
            key,
            Share {
                kernel: Arc::downgrade(kernel),
                vm: Arc::clone(&vm),
            },
        );
        vm
    }
}

/// A process's claim to resources of the host.
pub(crate) struct Slot {
    core: Arc<Core>,
    /// Engine of the pool in which it holds a slot.
    pool: Option<Engine>,
}

impl Slot {
    /// Claims an instance of a pool, and says on which engine; none if all are taken.
    pub(crate) fn enter_pool(&mut self) -> Option<Engine> {
        self.leave_pool();
        self.pool = self.core.engines.claim().map(|pool| pool.engine.clone());
        self.pool.clone()
    }

    /// Gives the claim to the pool up.
    pub(crate) fn leave_pool(&mut self) {
        if let Some(engine) = self.pool.take() {
            self.core.engines.give_back(&engine);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave_pool();
        self.core.live.fetch_sub(1, Ordering::AcqRel);
    }
}
