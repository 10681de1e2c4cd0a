//! The share of one VM.

use super::{Shared, Task};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The tasks of one VM that are ready, and how many of its CPUs are in use. Changed only under the scheduler's lock, which
/// the inner one therefore never contends for.
pub(crate) struct Vm {
    state: Mutex<State>,
    waiting: AtomicUsize,
    cpus: usize,
    scheduler: Arc<Shared>,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Arc<Task>>,
    running: usize,
    queued: bool,
}

impl Vm {
    pub(super) fn new(scheduler: &Arc<Shared>, cpus: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            waiting: AtomicUsize::new(0),
            cpus: cpus.max(1),
            scheduler: Arc::clone(scheduler),
        })
    }

    pub(super) fn scheduler(&self) -> &Arc<Shared> {
        &self.scheduler
    }

    /// Whether somebody could use the CPU that the caller occupies.
    pub(crate) fn contended(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.scheduler.ready.load(Ordering::Relaxed) > 0
    }

    /// Whether the slice of the task that runs on this thread is over.
    pub(crate) fn slice_is_over(&self) -> bool {
        super::worker::slice_is_over(&self.scheduler)
    }

    /// Adds a task; `true` if the VM is to be queued for it.
    pub(super) fn push(&self, task: Arc<Task>) -> bool {
        let mut state = self.state.lock();
        state.tasks.push_back(task);
        self.settle(&mut state)
    }

    /// Takes the next task and a CPU; the flag says whether the VM is to be queued again.
    pub(super) fn take(&self) -> (Option<Arc<Task>>, bool) {
        let mut state = self.state.lock();
        state.queued = false;
        let task = state.tasks.pop_front();
        state.running += usize::from(task.is_some());
        let more = self.settle(&mut state);
        (task, more)
    }

    /// Gives a CPU back, and the task that used it if it is still ready; `true` if the VM is to be queued.
    pub(super) fn release(&self, again: Option<Arc<Task>>) -> bool {
        let mut state = self.state.lock();
        state.running = state.running.saturating_sub(1);
        state.tasks.extend(again);
        self.settle(&mut state)
    }

    /// Lends the CPU of a task that waits; `true` if the VM is to be queued.
    pub(super) fn lend(&self) -> bool {
        let mut state = self.state.lock();
        state.running = state.running.saturating_sub(1);
        self.settle(&mut state)
    }

    /// Takes it back.
    pub(super) fn reclaim(&self) {
        self.state.lock().running += 1;
    }

    fn settle(&self, state: &mut State) -> bool {
        self.waiting.store(state.tasks.len(), Ordering::Relaxed);
        let queue = !state.queued && !state.tasks.is_empty() && state.running < self.cpus;
        state.queued |= queue;
        queue
    }
}
