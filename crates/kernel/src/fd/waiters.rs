//! Tasks that wait for an object, kept under the object's own lock.
//!
//! A [`WaitQueue`](crate::wait::WaitQueue) is the same with a lock of its own. Nobody tells the object when a waiting
//! task has ended, so the set would grow with every task that came, waited and died while nothing happened; it is therefore
//! cleared from time to time by waking everybody. Whoever still waits comes back.

use core::task::Waker;
use smallvec::SmallVec;

/// The waiting tasks.
#[derive(Debug)]
pub(crate) struct Waiters {
    tasks: SmallVec<[Waker; 2]>,
    most: usize,
}

/// Tasks to wake, once no lock is held.
#[derive(Debug, Default)]
#[must_use = "wake the tasks after unlocking"]
pub struct Woken(SmallVec<[Waker; 2]>);

/// Tasks of a set that was never cleared.
const FEWEST: usize = 64;
/// Tasks of a set that is cleared before one more comes, in any case: as many as a VM can have processes.
const MOST: usize = 1 << 16;

impl Default for Waiters {
    fn default() -> Self {
        Self {
            tasks: SmallVec::new(),
            most: FEWEST,
        }
    }
}

impl Waiters {
    /// Adds the task, unless there is none or it is known. What comes back is empty but when the set was cleared.
    pub(crate) fn register(&mut self, waker: Option<&Waker>) -> Woken {
        let Some(waker) = waker else { return Woken::default() };
        if self.tasks.iter().any(|known| known.will_wake(waker)) {
            return Woken::default();
        }
        let mut cleared = Woken::default();
        if self.tasks.len() >= self.most {
            cleared = Woken(core::mem::take(&mut self.tasks));
            // Were they all alive they would be back at once; more room for them keeps that from going on for ever.
            self.most = self.most.saturating_mul(2).min(MOST);
        }
        self.tasks.push(waker.clone());
        cleared
    }

    /// Takes every task out.
    pub(crate) fn take(&mut self) -> Woken {
        if self.tasks.is_empty() {
            return Woken::default();
        }
        self.most = FEWEST;
        Woken(core::mem::take(&mut self.tasks))
    }
}

impl Woken {
    /// Wakes them. Call without holding a lock that a woken task may take.
    pub fn wake(self) {
        for waker in self.0 {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;
    use std::task::Wake;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    const TASKS: usize = 50_000;

    #[test]
    fn abandoned_tasks_do_not_pile_up() {
        let mut waiters = Waiters::default();
        let mut woken = 0;
        for _ in 0..TASKS {
            let task = Arc::new(Count(AtomicUsize::new(0)));
            waiters.register(Some(&Waker::from(Arc::clone(&task)))).wake();
            woken += task.0.load(Ordering::Relaxed);
        }
        assert_eq!(woken, 0, "a task that was just added must not be among the cleared");
        assert!(waiters.tasks.len() < TASKS / 2);
    }

    #[test]
    fn a_task_is_kept_once() {
        let mut waiters = Waiters::default();
        let task = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&task));
        for _ in 0..3 {
            waiters.register(Some(&waker)).wake();
        }
        waiters.take().wake();
        waiters.take().wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
    }
}
