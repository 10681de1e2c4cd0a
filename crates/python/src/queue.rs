//! Outcomes on their way to an event loop.
//!
//! Threads of ours never enter Python: one that did while the interpreter ends would be torn down in the middle. They put
//! outcomes into a queue and make a socket readable; the loop, which watches that socket, takes what is there.

use crate::failure::Failure;
use crate::reply::Reply;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::{IntoRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// What a call came to.
pub(crate) type Outcome = Result<Reply, Failure>;

/// The outcomes for one loop.
pub(crate) struct Queue {
    state: Mutex<State>,
    bell: UnixStream,
}

#[derive(Default)]
struct State {
    /// Calls that are not over, by their numbers.
    running: HashMap<u64, Option<AbortHandle>>,
    /// Outcomes that nobody has taken.
    over: Vec<(u64, Outcome)>,
}

impl Queue {
    /// A queue, and the socket that is readable while there is something in it; the caller owns that.
    pub(crate) fn open() -> std::io::Result<(Arc<Self>, RawFd)> {
        let (bell, watched) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        watched.set_nonblocking(true)?;
        let state = Mutex::default();
        Ok((Arc::new(Self { state, bell }), watched.into_raw_fd()))
    }

    /// Expects the outcome of a call. To be told before the call is begun.
    pub(crate) fn expect(&self, number: u64) {
        self.state.lock().running.insert(number, None);
    }

    /// How to cancel a call that was begun, unless it is over already.
    pub(crate) fn begun(&self, number: u64, task: AbortHandle) {
        if let Some(entry) = self.state.lock().running.get_mut(&number) {
            *entry = Some(task);
        }
    }

    /// The outcome of a call. One that was cancelled is for nobody.
    pub(crate) fn tell(&self, number: u64, outcome: Outcome) {
        let mut state = self.state.lock();
        if state.running.remove(&number).is_none() {
            return;
        }
        state.over.push((number, outcome));
        // Once for all that is in the queue; a socket that is full is readable as it is, and one that nobody reads any more
        // belongs to a loop that was closed.
        if state.over.len() == 1 {
            let _ = (&self.bell).write(&[0]);
        }
    }

    /// Takes what is there.
    pub(crate) fn take(&self) -> Vec<(u64, Outcome)> {
        std::mem::take(&mut self.state.lock().over)
    }

    /// Cancels a call.
    pub(crate) fn cancel(&self, number: u64) {
        if let Some(Some(task)) = self.state.lock().running.remove(&number) {
            task.abort();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        for task in self.state.get_mut().running.values().flatten() {
            task.abort();
        }
    }
}
