//! What the host keeps for one instance.

use crate::executor::Core;
use crate::library::Code;
use crate::scheduler::Vm;
use agentos_kernel::process::{Process, Program};
use smallvec::SmallVec;
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
    /// Descriptors of a pure preview-1 program that stand for directories, with their names.
    pub(crate) preopens: SmallVec<[(u32, &'static [u8]); 2]>,
    /// What `proc_exec` found, to run when this instance has unwound.
    pub(crate) next: Option<Box<dyn Program>>,
    pub(super) memory_max: u64,
}

impl State {
    pub(super) fn new(core: &Arc<Core>, vm: &Arc<Vm>, code: &Arc<Code>, process: &Arc<Process>) -> Self {
        Self {
            memory_max: process.kernel().limits().max_wasm_memory_bytes,
            process: Arc::clone(process),
            core: Arc::clone(core),
            vm: Arc::clone(vm),
            code: Arc::clone(code),
            instance: None,
            memory: None,
            preopens: SmallVec::new(),
            next: None,
        }
    }

    /// A descriptor now means something else.
    pub(crate) fn forget_preopen(&mut self, fd: u32) {
        self.preopens.retain(|(preopened, _)| *preopened != fd);
    }

    /// Takes memory of the VM; it is given back when the process ends.
    pub(super) fn charge_memory(&self, bytes: usize) -> bool {
        bytes == 0 || self.process.grow_memory(bytes as u64)
    }
}
