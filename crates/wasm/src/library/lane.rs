//! A thread that works off jobs in order.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;

type Job = Box<dyn FnOnce() + Send>;

/// A queue with one thread, which starts with the first job and sleeps when there is none. The callers bound the queue.
pub(super) struct Lane {
    shared: Arc<Shared>,
    name: &'static str,
    nice: i32,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    started: bool,
    closed: bool,
}

/// Stack of a lane. Compilers recurse, over structures whose depth validation bounds.
const STACK: usize = 64 << 20;

impl Lane {
    /// A lane whose thread has this name and `nice` value.
    pub(super) fn new(name: &'static str, nice: i32) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
            name,
            nice,
        }
    }

    /// Queues a job. It must not panic.
    ///
    /// # Errors
    /// The thread could not be started; the job is gone.
    pub(super) fn push(&self, job: Job) -> std::io::Result<()> {
        let mut state = self.shared.state.lock();
        if !state.started {
            let (shared, nice) = (Arc::clone(&self.shared), self.nice);
            let thread = std::thread::Builder::new().name(self.name.into()).stack_size(STACK);
            thread.spawn(move || shared.work(nice))?;
            state.started = true;
        }
        state.jobs.push_back(job);
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn work(&self, nice: i32) {
        if nice != 0 {
            // A hint only. On Linux the caller's priority is that of its thread.
            let _ = rustix::process::setpriority_process(None, nice);
        }
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            match state.jobs.pop_front() {
                Some(job) => return Some(job),
                None => self.changed.wait(&mut state),
            }
        }
    }
}
