//! T3: an error between taking a request and replying becomes an errno, and never a hang.
//!
//! A scenario is run once to count the steps in which the host takes part: calls of a filesystem, bytes from a server. Then it is
//! run again for each step and each kind of fault, and this one step fails. Whatever fails, every call gets an answer within a
//! second (more than it takes anyway), nobody else notices, and nothing is left behind.
//!
//! Some of the steps are tried by default; `AGENTOS_FULL=1` tries all.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod faulty;
mod files;
mod network;

use std::time::{Duration, Instant};

/// Of so many steps, the ones to try.
fn steps(count: usize, few: usize) -> impl Iterator<Item = usize> {
    let all = std::env::var_os("AGENTOS_FULL").is_some();
    let stride = if all { 1 } else { count.div_ceil(few).max(1) };
    (0..count).step_by(stride)
}

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The time within which there is an answer.
const SOON: Duration = Duration::from_secs(1);

/// Fails if every one of many attempts takes a second longer than what is usual, where nothing fails. A machine that is busy
/// delays both; a step that waits for something that does not come takes its time in each attempt.
async fn soon(what: &str, usual: impl AsyncFn(), mut attempt: impl AsyncFnMut()) {
    let mut quickest = Duration::MAX;
    for _ in 0..20 {
        let began = Instant::now();
        attempt().await;
        let took = began.elapsed();
        if took < SOON {
            return;
        }
        let began = Instant::now();
        usual().await;
        quickest = quickest.min(took.saturating_sub(began.elapsed()));
        if quickest < SOON {
            return;
        }
    }
    panic!("{what}: no answer within {quickest:?}");
}
