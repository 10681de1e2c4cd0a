//! The committers: a few threads of the process that commit for every database.
//!
//! A database asks for one with [`ready`] (at once) or [`later`] (after a delay). Each turn commits one batch and sends a
//! database that has more to the end of the line, so that a busy database does not starve another. While a commit waits for
//! the disk, further mutations of that database gather in its queue and share the next flush: that is the group commit, and
//! it costs a lone mutation no delay.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// What a committer serves.
pub(crate) trait Work: Send + Sync {
    /// Commits one batch, if there is one that nobody else is at; true if there is more to commit at once.
    fn turn(self: Arc<Self>) -> bool;
}

/// Asks for a turn as soon as a committer is free.
pub(crate) fn ready(work: Arc<dyn Work>) {
    let pool = pool();
    pool.state.lock().ready.push_back(work);
    pool.wake.notify_one();
}

/// Asks for a turn after `delay`. One that is not wanted any more by then does no harm.
pub(crate) fn later(work: Arc<dyn Work>, delay: Duration) {
    let pool = pool();
    let mut state = pool.state.lock();
    state.serial += 1;
    let key = (Instant::now() + delay, state.serial);
    state.later.insert(key, work);
    drop(state);
    pool.wake.notify_one();
}

struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<dyn Work>>,
    later: BTreeMap<(Instant, u64), Arc<dyn Work>>,
    serial: u64,
}

/// The pool, whose threads start with its first use and live as long as the process.
fn pool() -> &'static Pool {
    static POOL: OnceLock<&'static Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let pool: &'static Pool = Box::leak(Box::new(Pool {
            state: Mutex::new(State::default()),
            wake: Condvar::new(),
        }));
        for number in 0..threads() {
            let name = format!("agentos-commit-{number}");
            if let Err(error) = std::thread::Builder::new().name(name).spawn(move || pool.serve()) {
                tracing::error!(%error, "a committer thread does not start");
            }
        }
        pool
    })
}

/// Commits wait for the disk more than they compute, so a small machine gets a few as well.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(4, |n| n.get().clamp(3, 8))
}

impl Pool {
    fn serve(&self) -> ! {
        loop {
            let work = self.next();
            if work.clone().turn() {
                self.state.lock().ready.push_back(work);
                self.wake.notify_one();
            }
        }
    }

    /// Waits for the next database that wants a turn.
    fn next(&self) -> Arc<dyn Work> {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            while let Some(entry) = state.later.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                let work = entry.remove();
                state.ready.push_back(work);
            }
            if let Some(work) = state.ready.pop_front() {
                if !state.ready.is_empty() {
                    self.wake.notify_one();
                }
                return work;
            }
            match state.later.first_key_value().map(|(key, _)| key.0) {
                Some(instant) => {
                    let _ = self.wake.wait_until(&mut state, instant);
                }
                None => self.wake.wait(&mut state),
            }
        }
    }
}
