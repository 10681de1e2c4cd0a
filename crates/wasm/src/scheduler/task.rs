//! One process as the scheduler sees it.

use super::vm::Vm;
use agentos_kernel::process::Process;
use parking_lot::Mutex;
use std::future::Future;
#[cfg(test)]
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future with a place in its VM's queue. Its wakers keep it alive.
pub(crate) struct Task {
    vm: Arc<Vm>,
    /// Whose it is; the process holds wakers, and they the task.
    process: Weak<Process>,
    state: AtomicU8,
    work: Mutex<Option<Work>>,
}

/// Waits for a waker.
const WAITING: u8 = 0;
/// In the queue.
const READY: u8 = 1;
/// Being polled.
const RUNNING: u8 = 2;
/// Being polled, and woken meanwhile.
const WOKEN: u8 = 3;
/// Over.
const ENDED: u8 = 4;

impl Task {
    /// Queues `work` of a process for the first time. It must not panic: what can, is to be caught inside.
    pub(crate) fn start(vm: &Arc<Vm>, process: Weak<Process>, work: Work) {
        let task = Self {
            vm: Arc::clone(vm),
            process,
            state: AtomicU8::new(READY),
            work: Mutex::new(Some(work)),
        };
        vm.scheduler().enqueue(Arc::new(task));
    }

    pub(super) fn vm(&self) -> &Arc<Vm> {
        &self.vm
    }

    /// Ready once the process has to end; `waker` is woken then.
    pub(super) fn poll_doomed(&self, waker: &Waker) -> Poll<()> {
        match self.process.upgrade() {
            Some(process) => process.poll_doomed(waker),
            None => Poll::Pending,
        }
    }

    /// Runs until it waits or ends; `true` if it is ready again already.
    pub(super) fn poll(self: &Arc<Self>) -> bool {
        self.state.store(RUNNING, Ordering::Release);
        let waker = Waker::from(Arc::clone(self));
        let mut slot = self.work.lock();
        let Some(work) = slot.as_mut() else { return false };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            work.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        if matches!(polled, Ok(Poll::Pending)) {
            drop(slot);
            let waits = self
                .state
                .compare_exchange(RUNNING, WAITING, Ordering::AcqRel, Ordering::Acquire);
            if waits.is_err() {
                self.state.store(READY, Ordering::Release);
            }
            return waits.is_err();
        }
        self.state.store(ENDED, Ordering::Release);
        let ended = slot.take();
        drop(slot);
        // A second panic, while dropping what panicked, must not end the worker either.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(ended)));
        false
    }

    fn make_ready(&self) -> bool {
        loop {
            let (from, to) = match self.state.load(Ordering::Acquire) {
                WAITING => (WAITING, READY),
                RUNNING => (RUNNING, WOKEN),
                _ => return false,
            };
            if self
                .state
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return to == READY;
            }
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.make_ready() {
            let scheduler = Arc::clone(self.vm.scheduler());
            scheduler.enqueue(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.make_ready() {
            self.vm.scheduler().enqueue(Arc::clone(self));
        }
    }
}

/// Lets everybody else who is ready run first.
#[cfg(test)]
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
