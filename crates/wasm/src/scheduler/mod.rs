//! Threads that run guests, and who runs when.
//!
//! A process is a [`Task`]: a future that a worker polls until it must wait, its time slice is over, or it ends.
//!
//! ```text
//!   queue of VMs ──▶ [VM a] [VM b] [VM c]        a VM stands here once, while it has ready tasks and a free CPU
//!                      │
//!                      ▼ its own queue
//!                    task, task, task            first in, first out
//! ```
//!
//! * **Fair between VMs**: workers take the first VM, run one of its tasks for one slice, and put the VM at the end. However
//!   many processes spin in one VM, the others wait for one slice per VM.
//! * **At most `cpuCount` workers per VM**: a VM whose share is in use stands in no queue.
//! * **No handover between threads where none is needed**: a task that a worker makes ready is usually run by that very
//!   worker, as soon as the present task waits. Other workers are not woken for it at once but by the next tick, if it
//!   still waits then. Work from outside wakes a worker immediately.
//! * **Silence when nothing runs**: workers sleep on a condition, and the ticker stops soon after the last of them.
//!
//! There is one lock over all queues. It is held for tens of nanoseconds per switch, and never while anything is called.

mod task;
mod ticker;
mod vm;
mod worker;

pub(crate) use task::Task;
#[cfg(test)]
pub(crate) use task::yield_now;
pub(crate) use vm::Vm;

use crate::engine::Engines;
use crate::error::{Error, Result};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The threads of one executor. Dropping it ends them; tasks that still wait are dropped with their wakers.
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    queues: Mutex<Queues>,
    work: Condvar,
    /// VMs in the queue, readable without the lock.
    ready: AtomicUsize,
    /// Workers that are polling.
    busy: AtomicUsize,
    ticks: AtomicU64,
    ticker: ticker::Sleeper,
    closed: AtomicBool,
    engines: Arc<Engines>,
    tick: Duration,
    workers: usize,
}

#[derive(Default)]
struct Queues {
    vms: VecDeque<Arc<Vm>>,
    /// Workers that sleep.
    idle: usize,
    started: usize,
}

impl Scheduler {
    /// A scheduler with up to `workers` threads; none runs yet, except the ticker, which sleeps.
    pub(crate) fn new(engines: &Arc<Engines>, workers: usize, tick: Duration) -> Result<Self> {
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            work: Condvar::new(),
            ready: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            ticks: AtomicU64::new(0),
            ticker: ticker::Sleeper::default(),
            closed: AtomicBool::new(false),
            engines: Arc::clone(engines),
            tick,
            workers: workers.max(1),
        });
        ticker::start(&shared).map_err(Error::Thread)?;
        // One worker from the beginning, so that later failures to start more are harmless.
        worker::start(&shared).map_err(Error::Thread)?;
        shared.queues.lock().started = 1;
        Ok(Self { shared })
    }

    /// A VM that may use `cpus` workers at once.
    pub(crate) fn vm(&self, cpus: usize) -> Arc<Vm> {
        Vm::new(&self.shared, cpus)
    }

    /// Workers that poll a task just now.
    #[cfg(test)]
    pub(crate) fn busy(&self) -> usize {
        self.shared.busy.load(Ordering::Acquire)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        drop(self.shared.queues.lock());
        self.shared.work.notify_all();
        self.shared.ticker.wake();
    }
}

impl Shared {
    /// Makes a task ready.
    fn enqueue(self: &Arc<Self>, task: Arc<Task>) {
        let vm = Arc::clone(task.vm());
        let mut queues = self.queues.lock();
        let eligible = vm.push(task);
        if eligible {
            queues.vms.push_back(vm);
            self.ready.store(queues.vms.len(), Ordering::Relaxed);
        }
        if eligible && !worker::is_current(self) {
            self.add_worker(queues);
        }
    }

    /// Adds a worker if there is work that nobody has taken since the last tick.
    fn help(self: &Arc<Self>) {
        let queues = self.queues.lock();
        if !queues.vms.is_empty() {
            self.add_worker(queues);
        }
    }

    /// Wakes a worker, or starts another one.
    fn add_worker(self: &Arc<Self>, mut queues: MutexGuard<'_, Queues>) {
        if queues.idle > 0 {
            // Counted here rather than by the worker when it comes to, so that the next caller wakes another one.
            queues.idle -= 1;
            drop(queues);
            self.work.notify_one();
        } else if queues.started < self.workers {
            queues.started += 1;
            drop(queues);
            if worker::start(self).is_err() {
                self.queues.lock().started -= 1;
            }
        }
    }

    /// Gives the CPU of `previous` back and waits for the next task. `None` when the scheduler was dropped.
    fn next(&self, previous: Option<(Arc<Vm>, Option<Arc<Task>>)>) -> Option<Arc<Task>> {
        let mut queues = self.queues.lock();
        if let Some((vm, again)) = previous
            && vm.release(again)
        {
            queues.vms.push_back(vm);
        }
        loop {
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            if let Some(vm) = queues.vms.pop_front() {
                let (task, more) = vm.take();
                if more {
                    queues.vms.push_back(vm);
                }
                self.ready.store(queues.vms.len(), Ordering::Relaxed);
                if task.is_some() {
                    return task;
                }
                continue;
            }
            self.ready.store(0, Ordering::Relaxed);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            queues.idle += 1;
            // Returns only when notified, which took this worker out of the idle ones.
            self.work.wait(&mut queues);
            if self.busy.fetch_add(1, Ordering::SeqCst) == 0 {
                self.ticker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests;
