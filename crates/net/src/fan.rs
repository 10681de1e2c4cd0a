//! Many waiting tasks.

use agentos_kernel::wait::WaitQueue;
use core::task::Waker;

/// Tasks that wait for one thing.
#[derive(Default)]
pub(crate) struct Fan(WaitQueue);

impl Fan {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Remembers a task. Call without holding a lock.
    pub(crate) fn register(&self, waker: Option<&Waker>) {
        self.0.register(waker).wake();
    }

    /// Wakes and forgets every task. Call without holding a lock.
    pub(crate) fn wake(&self) {
        self.0.wake();
    }
}
