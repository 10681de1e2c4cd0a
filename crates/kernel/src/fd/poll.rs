//! Waiting for many descriptions at once (`poll(2)`).

use super::file::PollEvents;
use super::open::OpenFile;
use core::task::Waker;
use std::sync::Arc;

/// One description to watch.
#[derive(Debug)]
pub struct PollTarget {
    /// The description; `None` for a number that is not open, which is reported as `NVAL`.
    pub file: Option<Arc<OpenFile>>,
    /// Wanted conditions.
    pub interest: PollEvents,
    /// Conditions that held at the last call, with `ERR`, `HUP` and `NVAL` even if not wanted.
    pub ready: PollEvents,
}

impl PollTarget {
    /// Watches `file` for `interest`.
    pub fn new(file: Option<Arc<OpenFile>>, interest: PollEvents) -> Self {
        Self {
            file,
            interest,
            ready: PollEvents::empty(),
        }
    }
}

/// Asks every target and returns how many are ready. If none is, `waker` is registered with all of them; once one is found
/// ready, the rest is only asked.
pub fn poll_all(targets: &mut [PollTarget], waker: Option<&Waker>) -> usize {
    let mut ready = 0;
    for target in targets {
        let waker = waker.filter(|_| ready == 0);
        target.ready = match &target.file {
            Some(file) => file.poll(target.interest, waker),
            None => PollEvents::NVAL,
        };
        ready += usize::from(!target.ready.is_empty());
    }
    ready
}
