//! A set of tasks that wait for one condition.

pub use crate::fd::Woken;

use crate::fd::Waiters;
use core::task::Waker;
use parking_lot::Mutex;

/// Wakers of the tasks that wait for something to change.
///
/// The pattern is: lock the state, find that the operation would block, [`register`](Self::register) while the lock is
/// still held, return `Pending`. Whoever changes the state releases its lock and then calls [`wake`](Self::wake). A task
/// that registered twice is kept once. Tasks that ended while they waited are still in the set, so it is cleared before it
/// gets too large: `register` then returns everybody, to be woken once the lock is released, and those who still wait come
/// back.
#[derive(Debug, Default)]
pub struct WaitQueue {
    waiting: Mutex<Waiters>,
}

impl WaitQueue {
    /// Remembers the task, unless there is none (a non-blocking caller) or it is known already. What comes back is empty but
    /// when the set was cleared.
    pub fn register(&self, waker: Option<&Waker>) -> Woken {
        self.waiting.lock().register(waker)
    }

    /// Wakes and forgets every task. Call without holding a lock that a woken task may take.
    pub fn wake(&self) {
        let woken = self.waiting.lock().take();
        woken.wake();
    }
}

/// The one task that waits for something. A task whose waker changes from poll to poll (as those of combined futures do) is
/// still one task here, where a [`WaitQueue`] would keep every waker until something happens.
#[derive(Debug, Default)]
pub struct WaitSlot {
    waiting: Mutex<Option<Waker>>,
}

impl WaitSlot {
    /// Remembers the task in place of the one before, unless there is none.
    pub fn register(&self, waker: Option<&Waker>) {
        let Some(waker) = waker else { return };
        let mut waiting = self.waiting.lock();
        let old = match &*waiting {
            Some(known) if known.will_wake(waker) => return,
            _ => waiting.replace(waker.clone()),
        };
        drop(waiting);
        drop(old);
    }

    /// Wakes and forgets the task. Call without holding a lock that it may take.
    pub fn wake(&self) {
        let woken = self.waiting.lock().take();
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}
