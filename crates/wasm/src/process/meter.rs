//! CPU time of guests: what passes between the beginning and the end of each poll, on the thread that polls.

use agentos_kernel::process::Process;
use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Begins to count on this thread.
pub(super) fn start() {
    SINCE.set(Some(Instant::now()));
}

/// Charges what has passed since the last call, and goes on counting.
pub(crate) fn charge(process: &Process) {
    let now = Instant::now();
    if let Some(since) = SINCE.replace(Some(now)) {
        let passed = now.saturating_duration_since(since).as_nanos();
        process.charge(u64::try_from(passed).unwrap_or(u64::MAX));
    }
}
