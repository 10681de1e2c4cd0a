//! The end of time slices.

use super::Shared;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

/// Ticks without any running guest after which the ticker goes to sleep. Waking it costs a system call, so short pauses are
/// not worth it.
const QUIET_TICKS: u32 = 20;

/// The ticker's bed.
#[derive(Default)]
pub(super) struct Sleeper {
    sleeping: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Sleeper {
    #[cfg(test)]
    pub(super) fn is_sleeping(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst)
    }

    /// Wakes the ticker if it sleeps.
    pub(super) fn wake(&self) {
        if self.sleeping.swap(false, Ordering::SeqCst)
            && let Some(thread) = &*self.thread.lock()
        {
            thread.unpark();
        }
    }
}

pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let owner = Arc::downgrade(shared);
    let tick = shared.tick;
    let thread = std::thread::Builder::new().name("agentos-ticker".into());
    let handle = thread.spawn(move || {
        let mut quiet = 0;
        while let Some(shared) = owner.upgrade() {
            if shared.closed.load(Ordering::Acquire) {
                return;
            }
            quiet = if shared.busy.load(Ordering::Acquire) == 0 {
                quiet + 1
            } else {
                0
            };
            if quiet > QUIET_TICKS {
                sleep(&shared);
                quiet = 0;
                continue;
            }
            shared.ticks.fetch_add(1, Ordering::Relaxed);
            shared.engines.tick();
            if shared.ready.load(Ordering::Relaxed) > 0 {
                shared.help();
            }
            drop(shared);
            std::thread::sleep(tick);
        }
    })?;
    *shared.ticker.thread.lock() = Some(handle.thread().clone());
    Ok(())
}

fn sleep(shared: &Shared) {
    shared.ticker.sleeping.store(true, Ordering::SeqCst);
    // A worker that became busy before it could see the flag is seen here.
    while shared.ticker.sleeping.load(Ordering::SeqCst)
        && shared.busy.load(Ordering::SeqCst) == 0
        && !shared.closed.load(Ordering::Acquire)
    {
        std::thread::park();
    }
    shared.ticker.sleeping.store(false, Ordering::SeqCst);
}
