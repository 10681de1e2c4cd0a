//! A thread that polls tasks.

use super::watch::{Slot, Watch};
use super::{Shared, Task};
use agentos_kernel::outside;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

thread_local! {
    /// Address of the scheduler whose worker this thread is.
    static SCHEDULER: Cell<usize> = const { Cell::new(0) };
    /// Tick at which the present slice began.
    static SLICE: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("agentos-worker".into());
    thread.spawn(move || work(&shared)).map(drop)
}

/// Whether the calling thread will look for ready tasks soon by itself.
pub(super) fn is_current(shared: &Arc<Shared>) -> bool {
    SCHEDULER.get() == Arc::as_ptr(shared).addr()
}

/// Whether the slice of the task that this thread runs is over.
pub(super) fn slice_is_over(shared: &Shared) -> bool {
    shared.ticks.load(Ordering::Relaxed) != SLICE.get()
}

fn work(shared: &Arc<Shared>) {
    SCHEDULER.set(Arc::as_ptr(shared).addr());
    wasmtime::Engine::tls_eager_initialize();
    if shared.busy.fetch_add(1, Ordering::SeqCst) == 0 {
        shared.ticker.wake();
    }
    let slot = Arc::new(Slot::default());
    shared.queues.lock().watched.push(Watch::new(&slot));
    let lender = Rc::new(Lender {
        shared: Arc::clone(shared),
        slot: Arc::clone(&slot),
        task: RefCell::default(),
    });
    outside::watch(Rc::clone(&lender) as Rc<dyn outside::Watcher>);
    let mut previous = None;
    while let Some(task) = shared.next(&slot, previous.take()) {
        SLICE.set(shared.ticks.load(Ordering::Relaxed));
        let vm = Arc::clone(task.vm());
        lender.task.replace(Some(Arc::clone(&task)));
        slot.turn();
        let again = task.poll();
        slot.turn();
        lender.task.take();
        previous = Some((vm, again.then_some(task)));
    }
    shared.busy.fetch_sub(1, Ordering::SeqCst);
}

/// Lends what a worker has to others while its task waits for something outside.
struct Lender {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    /// The task that is being polled.
    task: RefCell<Option<Arc<Task>>>,
}

impl outside::Watcher for Lender {
    fn begins(&self) {
        if let Some(task) = &*self.task.borrow() {
            self.shared.lend(&self.slot, task.vm());
        }
    }

    fn ends(&self) {
        if let Some(task) = &*self.task.borrow() {
            self.shared.reclaim(&self.slot, task.vm());
        }
    }

    fn poll_doomed(&self, waker: &Waker) -> Poll<()> {
        match &*self.task.borrow() {
            Some(task) => task.poll_doomed(waker),
            None => Poll::Pending,
        }
    }
}
