//! What the host keeps for one instance.

use crate::compat::Foreign;
use crate::executor::Core;
use crate::library::Code;
use crate::scheduler::Vm;
use agentos_kernel::process::{Process, Program, Signal};
use agentos_kernel::{Errno, LimitExceeded};
use std::sync::Arc;
use wasmtime::{Instance, Memory};

/// Data of a store.
pub(crate) struct State {
    pub(crate) process: Arc<Process>,
    pub(crate) core: Arc<Core>,
    pub(crate) vm: Arc<Vm>,
    pub(crate) code: Arc<Code>,
    /// The instance and its memory, once it exists.
    pub(crate) instance: Option<Instance>,
    pub(crate) memory: Option<Memory>,
    /// Descriptor of a pure preview-1 program at which it found the root directory, until it is closed.
    pub(crate) preopen: Option<u32>,
    /// What calls of another system keep.
    pub(crate) foreign: Foreign,
    /// What `proc_exec` found, to run when this instance has unwound.
    pub(crate) next: Option<Box<dyn Program>>,
    /// Most bytes of all linear memories together, what they have, and what the last growth added, which may yet fail.
    pub(super) linear_max: u64,
    pub(super) linear: u64,
    pub(super) growth: u64,
    /// Memory that the VM did not have, since the last look.
    pub(super) refused: Option<u64>,
}

impl State {
    pub(super) fn new(core: &Arc<Core>, vm: &Arc<Vm>, code: &Arc<Code>, process: &Arc<Process>) -> Self {
        Self {
            linear_max: process.kernel().limits().max_wasm_memory_bytes,
            linear: 0,
            growth: 0,
            refused: None,
            process: Arc::clone(process),
            core: Arc::clone(core),
            vm: Arc::clone(vm),
            code: Arc::clone(code),
            instance: None,
            memory: None,
            preopen: None,
            foreign: Foreign::default(),
            next: None,
        }
    }

    /// A descriptor now means something else.
    pub(crate) fn forget_preopen(&mut self, fd: u32) {
        self.preopen = self.preopen.filter(|preopen| *preopen != fd);
    }

    /// Gives back what an instance took that was not made after all.
    pub(super) fn uncharge(&mut self) {
        (self.linear, self.growth) = (0, 0);
        self.process.shrink_memory(self.process.memory());
    }

    /// Takes memory of the VM; it is given back when the process ends.
    pub(super) fn charge_memory(&mut self, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let bytes = bytes as u64;
        if self.is_too_large(bytes) {
            return false;
        }
        let grown = self.process.grow_memory(bytes);
        if !grown {
            self.refused = Some(bytes);
        }
        grown
    }

    /// Ends the process if `bytes` more would be more than a process may have of everything (`runnerHeapLimitMb`).
    fn is_too_large(&self, bytes: u64) -> bool {
        let cap = self.process.kernel().limits().wasm_runner_heap_limit_mb;
        let total = self.process.memory().saturating_add(bytes);
        let too_large = total > cap << 20;
        if too_large {
            let path = "limits.wasm.runnerHeapLimitMb";
            let breach = LimitExceeded::new(path, "MiB", total.div_ceil(1 << 20), cap, "grow", Errno::ENOMEM);
            self.process.exit_for(breach, Signal::KILL);
        }
        too_large
    }
}
