//! The promise of a commit: resolved once the mutation is durable, or has failed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

use crate::{Error, Result};

/// Resolves once a submitted mutation is durable. Dropping it does not take the mutation back.
#[must_use = "a mutation is durable only once its ticket says so; drop it explicitly if nobody waits"]
pub struct Ticket<T = ()> {
    slot: Arc<Slot<T>>,
}

impl<T> Ticket<T> {
    /// An open ticket and the end that resolves it.
    pub(crate) fn open() -> (Self, Resolver<T>) {
        let slot = Arc::new(Slot {
            state: Mutex::new(State::Pending(None)),
            done: Condvar::new(),
        });
        (Self { slot: slot.clone() }, Resolver { slot: Some(slot) })
    }

    /// A ticket that is resolved already.
    pub fn resolved(outcome: Result<T>) -> Self {
        let (ticket, resolver) = Self::open();
        resolver.resolve(outcome);
        ticket
    }

    /// Whether the outcome is known.
    pub fn is_resolved(&self) -> bool {
        matches!(*self.slot.state.lock(), State::Done(_))
    }

    /// Blocks the thread until the outcome is known. Not for threads that run an async runtime.
    pub fn wait(self) -> Result<T> {
        let mut state = self.slot.state.lock();
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(outcome) => return outcome,
                State::Taken => return Err(Error::Closed),
                pending @ State::Pending(_) => *state = pending,
            }
            self.slot.done.wait(&mut state);
        }
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.state.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Poll::Ready(outcome),
            State::Taken => Poll::Ready(Err(Error::Closed)),
            State::Pending(_) => {
                *state = State::Pending(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<T> std::fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("resolved", &self.is_resolved()).finish()
    }
}

/// Resolves a [`Ticket`]; dropped without an outcome it resolves as [`Error::Closed`], so that no wait is for ever.
pub(crate) struct Resolver<T> {
    slot: Option<Arc<Slot<T>>>,
}

impl<T> Resolver<T> {
    pub(crate) fn resolve(mut self, outcome: Result<T>) {
        if let Some(slot) = self.slot.take() {
            slot.resolve(outcome);
        }
    }
}

impl<T> Drop for Resolver<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.resolve(Err(Error::Closed));
        }
    }
}

struct Slot<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

impl<T> Slot<T> {
    fn resolve(&self, outcome: Result<T>) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Done(outcome));
        self.done.notify_all();
        if let State::Pending(Some(waker)) = before {
            waker.wake();
        }
    }
}

enum State<T> {
    Pending(Option<Waker>),
    Done(Result<T>),
    Taken,
}
