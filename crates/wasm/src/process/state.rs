//! What the host keeps for one instance.

use crate::executor::Core;
use crate::library::Code;
use crate::scheduler::Vm;
use agentos_kernel::process::{Process, Program};
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
    /// What `proc_exec` found, to run when this instance has unwound.
    pub(crate) next: Option<Box<dyn Program>>,
    /// Most bytes of all linear memories together, what they have, and what the last growth added, which may yet fail.
    pub(super) linear_max: u64,
    pub(super) linear: u64,
    pub(super) growth: u64,
}

impl State {
    pub(super) fn new(core: &Arc<Core>, vm: &Arc<Vm>, code: &Arc<Code>, process: &Arc<Process>) -> Self {
        Self {
            linear_max: process.kernel().limits().max_wasm_memory_bytes,
            linear: 0,
            growth: 0,
            process: Arc::clone(process),
            core: Arc::clone(core),
            vm: Arc::clone(vm),
            code: Arc::clone(code),
            instance: None,
            memory: None,
            preopen: None,
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
    pub(super) fn charge_memory(&self, bytes: usize) -> bool {
        bytes == 0 || self.process.grow_memory(bytes as u64)
    }
}
