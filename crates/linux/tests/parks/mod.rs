//! An executor that parks processes of Node.js for the VMs of these tests.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use crate::common::{self, Vm, has};
use agentos_kernel::limits::Limits;
use agentos_kernel::process::{Executor, Kernel};
use agentos_linux::{LinuxExecutor, ParkedNode, Preload};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub const NODE: &str = "/usr/bin/node";

/// An executor of its own, that parks.
pub struct Parks {
    pub executor: Arc<LinuxExecutor>,
    limits: Limits,
    files: &'static [(&'static str, &'static str)],
    /// These tests look at all processes that this one has started: one test at a time.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Parks {
    pub fn new(most: usize) -> Option<Self> {
        Self::with(most, &[], Vec::new())
    }

    /// With these files in the read-only part, and modules that may be loaded.
    pub fn with(most: usize, files: &'static [(&'static str, &'static str)], preloads: Vec<Preload>) -> Option<Self> {
        let shared = common::executor().filter(|_| has(NODE))?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let executor = LinuxExecutor::with_probe(shared.probe().clone());
        let limits = Limits::default();
        let given = limits.clone();
        let base = move |executor: Arc<dyn Executor>| Some(base(executor, given.clone(), files));
        let executor = executor.on(Arc::new(base), preloads);
        executor.park_node(most);
        Some(Self {
            executor,
            limits,
            files,
            _alone: alone,
        })
    }

    pub fn vm(&self) -> Vm {
        let executor = Arc::clone(&self.executor) as Arc<dyn Executor>;
        let vm = Vm::with(vec![executor], self.limits.clone());
        fill(&vm, self.files);
        vm
    }

    pub fn stand(&self) -> ParkedNode {
        self.executor.parked_node()
    }

    /// Waits until this many wait for a VM.
    pub fn wait_for(&self, what: &str, done: impl Fn(ParkedNode) -> bool) {
        let start = Instant::now();
        while !done(self.stand()) {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}: {:?}", self.stand());
            std::thread::yield_now();
        }
    }

    /// Has a process be parked for VMs that have none.
    pub fn warm(&self) {
        let vm = self.vm();
        vm.put("/tmp/warm.js", b"", 0o644);
        vm.run(&[NODE, "/tmp/warm.js"]).ok();
        self.wait_for("warm", |stand| stand.waiting > 0 && stand.booting == 0);
    }
}

impl Drop for Parks {
    fn drop(&mut self) {
        self.executor.park_node(0);
    }
}

/// The read-only part: what every VM of these tests has.
fn base(executor: Arc<dyn Executor>, limits: Limits, files: &[(&str, &str)]) -> Arc<Kernel> {
    let vm = Vm::with(vec![executor], limits);
    fill(&vm, files);
    vm.into_kernel()
}

fn fill(vm: &Vm, files: &[(&str, &str)]) {
    for (path, text) in files {
        vm.put(path, text.as_bytes(), 0o644);
    }
}
