//! Many waiting tasks behind one waker.
//!
//! The runtime's sockets remember one waker a direction. A [`Fan`] is that waker, always the same one, and wakes every task
//! that waits.

use agentos_kernel::wait::WaitQueue;
use core::task::Waker;
use std::sync::Arc;
use std::task::Wake;

/// Tasks that wait for one direction of a socket.
pub(crate) struct Fan {
    tasks: Arc<Tasks>,
    waker: Waker,
}

#[derive(Default)]
struct Tasks(WaitQueue);

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

impl Fan {
    pub(crate) fn new() -> Self {
        let tasks = Arc::new(Tasks::default());
        Self {
            waker: Waker::from(Arc::clone(&tasks)),
            tasks,
        }
    }

    /// Remembers a task. Call without holding a lock.
    pub(crate) fn register(&self, waker: Option<&Waker>) {
        self.tasks.0.register(waker).wake();
    }

    /// Wakes and forgets every task. Call without holding a lock.
    pub(crate) fn wake(&self) {
        self.tasks.0.wake();
    }

    /// The waker that wakes them all.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}
