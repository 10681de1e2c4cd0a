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
//! * **No hostage**: a worker that stays in one poll for [`STUCK_TICKS`] while others wait is inside the host (a disk that
//!   does not answer), for guests give way at every tick. Another worker takes its place until it returns. A poll that waits for
//!   something [outside](agentos_kernel::outside) says so: it also lends the CPU of its VM, because the answer may come from there.
//! * **Silence when nothing runs**: workers sleep on a condition, and the ticker stops soon after the last of them.
//!
//! There is one lock over all queues. It is held for tens of nanoseconds per switch, and never while anything is called.

mod task;
mod ticker;
mod vm;
mod watch;
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
use watch::{Slot, Watch};

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
    /// Workers that are stuck in the host, of those started.
    stuck: usize,
    /// Workers that have lent their places, which are among the stuck ones.
    lent: usize,
    watched: Vec<Watch>,
}

/// Ticks that one poll may last while others wait, before its worker counts as stuck. Generous, because on a busy host a
/// worker may simply not have been given a CPU; the price of a wrong guess is a thread.
const STUCK_TICKS: u32 = 10;

/// Most workers that are replaced at a time without having said that they wait.
const STUCK_MAX: usize = 256;

impl Queues {
    /// Workers that run or look for tasks.
    fn active(&self) -> usize {
        self.started.saturating_sub(self.idle + self.stuck)
    }

    /// Counts workers that have not returned for too long.
    fn look_for_stuck(&mut self) {
        for watch in &mut self.watched {
            if watch.is_stuck_now() && self.stuck.saturating_sub(self.lent) < STUCK_MAX {
                self.stuck += usize::from(!watch.slot.mark(true));
            }
        }
    }

    /// Counts a worker that says that it will not return for a while. How many may do so is bounded where they wait.
    fn waits_outside(&mut self, slot: &Slot) {
        self.stuck += usize::from(!slot.mark(true));
        self.lent += 1;
    }

    /// Takes note that a worker is back; `false` if there are enough without it.
    fn is_back(&mut self, slot: &Arc<Slot>, workers: usize) -> bool {
        self.stuck -= usize::from(slot.mark(false));
        let enough = self.started.saturating_sub(self.stuck) > workers;
        if enough {
            self.started -= 1;
            self.watched.retain(|watch| !Arc::ptr_eq(&watch.slot, slot));
        }
        !enough
    }
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
        shared.queues.lock().started = 1;
        worker::start(&shared).map_err(Error::Thread)?;
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

    /// Lends the place of a worker whose task waits for something outside, and its CPU, to others.
    fn lend(self: &Arc<Self>, slot: &Slot, vm: &Arc<Vm>) {
        let mut queues = self.queues.lock();
        queues.waits_outside(slot);
        if vm.lend() {
            queues.vms.push_back(Arc::clone(vm));
        }
        self.ready.store(queues.vms.len(), Ordering::Relaxed);
        if !queues.vms.is_empty() {
            self.add_worker(queues);
        }
    }

    /// Takes them back. For a slice at most there may be one guest more than there are places.
    fn reclaim(&self, slot: &Slot, vm: &Vm) {
        let mut queues = self.queues.lock();
        queues.stuck -= usize::from(slot.mark(false));
        queues.lent -= 1;
        vm.reclaim();
    }

    /// Adds a worker if there is work that nobody has taken since the last tick.
    fn help(self: &Arc<Self>) {
        let mut queues = self.queues.lock();
        if !queues.vms.is_empty() {
            queues.look_for_stuck();
            self.add_worker(queues);
        }
    }

    /// Wakes a worker, or starts another one.
    fn add_worker(self: &Arc<Self>, mut queues: MutexGuard<'_, Queues>) {
        if queues.active() >= self.workers {
            return;
        }
        if queues.idle > 0 {
            // Counted here rather than by the worker when it comes to, so that the next caller wakes another one.
            queues.idle -= 1;
            drop(queues);
            self.work.notify_one();
        } else {
            queues.started += 1;
            drop(queues);
            if worker::start(self).is_err() {
                self.queues.lock().started -= 1;
            }
        }
    }

    /// Gives the CPU of `previous` back and waits for the next task. `None` when the worker is to end: the scheduler was
    /// dropped, or others do its work.
    fn next(&self, slot: &Arc<Slot>, previous: Option<(Arc<Vm>, Option<Arc<Task>>)>) -> Option<Arc<Task>> {
        let mut queues = self.queues.lock();
        if let Some((vm, again)) = previous
            && vm.release(again)
        {
            queues.vms.push_back(vm);
        }
        if !queues.is_back(slot, self.workers) {
            // Whoever is active finds what it left; if nobody is, the ticker does.
            self.ready.store(queues.vms.len(), Ordering::Relaxed);
            return None;
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
