//! A listening socket's queue, and the connections on their way to it.
//!
//! A connection is established when it enters the queue, before anybody accepts it. While the queue is full, TCP connectors
//! leave an [`Attempt`] that is completed from the accepting side; unix connectors just wait and come again.

use super::PeerCredentials;
use super::address::Name;
use super::stack::Incoming;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{IoResult, PollEvents, Waiters, Woken};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Largest backlog.
pub(super) const BACKLOG_MAX: usize = 4096;

pub(super) struct Listener {
    /// Who called `listen`.
    pub(super) credentials: PeerCredentials,
    /// What connectors learn as their peer's name.
    pub(super) name: Name,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Incoming>,
    backlog: usize,
    closed: bool,
    /// Nobody new may come, and nobody will write: a unix listener that was shut down.
    shut: (bool, bool),
    waiting: VecDeque<Weak<Attempt>>,
    acceptors: Waiters,
    connectors: Waiters,
}

/// What became of a connection that was brought to a listener.
pub(super) enum Arrival {
    /// Tasks that wait to accept, to be woken.
    Queued(Woken),
    /// The queue is full.
    Full(Incoming),
    /// Nobody listens any more.
    Refused,
}

impl Listener {
    pub(super) fn new(credentials: PeerCredentials, name: Name, backlog: usize) -> Arc<Self> {
        let state = State {
            backlog: backlog.min(BACKLOG_MAX),
            ..State::default()
        };
        Arc::new(Self {
            credentials,
            name,
            state: Mutex::new(state),
        })
    }

    pub(super) fn set_backlog(&self, backlog: usize) {
        let mut state = self.state.lock();
        state.backlog = backlog.min(BACKLOG_MAX);
        let woken = state.admit();
        drop(state);
        woken.into_iter().for_each(Woken::wake);
    }

    /// Queues a connection, unless the queue is full; then a given `waker` waits for room.
    pub(super) fn arrive(&self, incoming: Incoming, waker: Option<&Waker>) -> Arrival {
        let mut state = self.state.lock();
        if state.closed || state.shut.0 {
            return Arrival::Refused;
        }
        if state.is_full() {
            let cleared = state.connectors.register(waker);
            drop(state);
            cleared.wake();
            return Arrival::Full(incoming);
        }
        state.queue.push_back(incoming);
        Arrival::Queued(state.acceptors.take())
    }

    /// Whether a connection would find room; else `waker` waits for some. `ECONNREFUSED` if none is taken any more.
    pub(super) fn has_room(&self, waker: Option<&Waker>) -> Result<bool> {
        let mut state = self.state.lock();
        if state.closed || state.shut.0 {
            return Err(Errno::ECONNREFUSED.into());
        }
        if !state.is_full() {
            return Ok(true);
        }
        let cleared = state.connectors.register(waker);
        drop(state);
        cleared.wake();
        Ok(false)
    }

    /// Lets a connector wait for its turn. `None` if nobody listens any more, else tasks to wake.
    pub(super) fn enlist(&self, attempt: &Arc<Attempt>) -> Option<Vec<Woken>> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        state.waiting.retain(|known| known.strong_count() > 0);
        state.waiting.push_back(Arc::downgrade(attempt));
        // Room may have come up since the queue was found full.
        Some(state.admit())
    }

    /// The oldest connection, given to `keep`, which may refuse to take it; then it stays.
    pub(super) fn accept<T>(&self, waker: Option<&Waker>, keep: impl FnOnce() -> Result<T>) -> IoResult<(Incoming, T)> {
        let mut state = self.state.lock();
        if state.closed {
            return Poll::Ready(Err(Errno::EINVAL.into()));
        }
        if state.queue.is_empty() {
            if state.shut.0 && waker.is_some() {
                return Poll::Ready(Err(Errno::EINVAL.into()));
            }
            let cleared = state.acceptors.register(waker);
            drop(state);
            cleared.wake();
            return Poll::Pending;
        }
        let kept = keep()?;
        let Some(incoming) = state.queue.pop_front() else {
            return Poll::Pending;
        };
        let mut woken = state.admit();
        woken.push(state.connectors.take());
        drop(state);
        woken.into_iter().for_each(Woken::wake);
        Poll::Ready(Ok((incoming, kept)))
    }

    /// Shuts a unix listener down: what has arrived may still be accepted.
    pub(super) fn shutdown(&self, read: bool, write: bool) {
        let mut state = self.state.lock();
        state.shut = (state.shut.0 || read, state.shut.1 || write);
        let woken = [state.acceptors.take(), state.connectors.take()];
        drop(state);
        woken.into_iter().for_each(Woken::wake);
    }

    /// Ends it: what was not accepted is reset, what waits is refused.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let queue = core::mem::take(&mut state.queue);
        let waiting = core::mem::take(&mut state.waiting);
        let woken = [state.acceptors.take(), state.connectors.take()];
        drop(state);
        queue.into_iter().for_each(|incoming| incoming.channel.close(true));
        let attempts = waiting.iter().filter_map(Weak::upgrade);
        attempts.for_each(|attempt| attempt.fail(Errno::ECONNREFUSED).wake());
        woken.into_iter().for_each(Woken::wake);
    }

    /// Conditions; always registers.
    pub(super) fn poll(&self, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.state.lock();
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::IN, !state.queue.is_empty() || state.shut.0);
        ready.set(PollEvents::RDHUP, state.shut.0);
        ready.set(PollEvents::HUP, state.shut == (true, true));
        let cleared = state.acceptors.register(waker);
        drop(state);
        cleared.wake();
        ready
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.queue.len() > self.backlog
    }

    /// Moves waiting connectors into the queue while there is room.
    fn admit(&mut self) -> Vec<Woken> {
        let mut woken = Vec::new();
        while !self.is_full() {
            let Some(next) = self.waiting.pop_front() else { break };
            let Some(attempt) = next.upgrade() else { continue };
            let Some((incoming, tasks)) = attempt.establish() else {
                continue;
            };
            self.queue.push_back(incoming);
            woken.push(tasks);
        }
        if !woken.is_empty() {
            woken.push(self.acceptors.take());
        }
        woken
    }
}

/// A TCP connection that is being made in the background.
pub(super) struct Attempt {
    state: Mutex<Progress>,
}

struct Progress {
    outcome: Outcome,
    waiting: Waiters,
}

/// How far an attempt got.
enum Outcome {
    Waiting(Incoming),
    Established,
    Failed(Errno),
}

impl Attempt {
    fn with(outcome: Outcome) -> Arc<Self> {
        let progress = Progress {
            outcome,
            waiting: Waiters::default(),
        };
        Arc::new(Self {
            state: Mutex::new(progress),
        })
    }

    pub(super) fn waiting(incoming: Incoming) -> Arc<Self> {
        Self::with(Outcome::Waiting(incoming))
    }

    pub(super) fn established() -> Arc<Self> {
        Self::with(Outcome::Established)
    }

    pub(super) fn failed(errno: Errno) -> Arc<Self> {
        Self::with(Outcome::Failed(errno))
    }

    /// The result once there is one; else `waker` waits for it.
    pub(super) fn poll(&self, waker: Option<&Waker>) -> Poll<core::result::Result<(), Errno>> {
        let mut state = self.state.lock();
        let result = match &state.outcome {
            Outcome::Established => Ok(()),
            Outcome::Failed(errno) => Err(*errno),
            Outcome::Waiting(_) => {
                let cleared = state.waiting.register(waker);
                drop(state);
                cleared.wake();
                return Poll::Pending;
            }
        };
        Poll::Ready(result)
    }

    fn establish(&self) -> Option<(Incoming, Woken)> {
        let mut state = self.state.lock();
        match core::mem::replace(&mut state.outcome, Outcome::Established) {
            Outcome::Waiting(incoming) => Some((incoming, state.waiting.take())),
            other => {
                state.outcome = other;
                None
            }
        }
    }

    fn fail(&self, errno: Errno) -> Woken {
        let mut state = self.state.lock();
        if matches!(state.outcome, Outcome::Waiting(_)) {
            state.outcome = Outcome::Failed(errno);
        }
        state.waiting.take()
    }
}
