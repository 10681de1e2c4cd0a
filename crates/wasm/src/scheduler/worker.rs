//! A thread that polls tasks.

use super::Shared;
use super::watch::{Slot, Watch};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    let mut previous = None;
    while let Some(task) = shared.next(&slot, previous.take()) {
        SLICE.set(shared.ticks.load(Ordering::Relaxed));
        slot.turn();
        let again = task.poll();
        slot.turn();
        let vm = Arc::clone(task.vm());
        previous = Some((vm, again.then_some(task)));
    }
    shared.busy.fetch_sub(1, Ordering::SeqCst);
}
