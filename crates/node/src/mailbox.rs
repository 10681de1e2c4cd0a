//! The way from any thread to the JavaScript of one environment (the main thread, or a worker thread of Node.js).
//!
//! Every letter goes into one queue, so what is posted in an order arrives in that order. The first letter of an empty queue
//! rings: the environment's `drain` function is called on its thread and takes letters until none is left. Nothing else ever
//! calls into JavaScript.
//!
//! The bell does not keep the process alive; the TypeScript side does that while it waits for something. When the environment
//! ends the mailbox closes: letters are dropped, [`Mailbox::post`] says so, and functions that were waited for have failed.
//!
//! The queue is bounded by those who post: results and calls are as many as there are calls under way; whoever posts
//! unasked-for output waits for [`Mailbox::room`] first.

use crate::abi::Bell;
use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// Bytes of unread events at which those who post output wait.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Something for the thread of the environment.
pub(crate) enum Letter {
    /// A future that is polled there was woken.
    Poll(u32),
    /// A call has ended.
    Done(u32, Result<Value, ActorError>),
    /// Something happened: to whom, its name, what.
    Event(u32, &'static str, Value),
    /// Call this function and answer under this number.
    Call {
        /// Number of the call.
        call: u32,
        /// Number of the function, as the TypeScript side registered it.
        function: u32,
        /// Arguments.
        args: Vec<Value>,
    },
    /// Nobody waits for this call any more.
    Abandoned(u32),
}

/// The way into one environment.
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    emptied: Notify,
    bell: Bell,
}

#[derive(Default)]
struct Queue {
    letters: VecDeque<Letter>,
    event_bytes: usize,
    rung: bool,
    closed: bool,
}

impl Mailbox {
    /// A mailbox whose letters are taken when `bell` rings.
    pub(crate) fn new(bell: Bell) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            emptied: Notify::new(),
            bell,
        })
    }

    /// Posts a letter; false once the environment has ended.
    pub(crate) fn post(&self, letter: Letter) -> bool {
        let mut queue = self.queue.lock();
        if queue.closed {
            return false;
        }
        if let Letter::Event(_, _, payload) = &letter {
            queue.event_bytes += payload.size();
        }
        queue.letters.push_back(letter);
        let rung = std::mem::replace(&mut queue.rung, true);
        drop(queue);
        if !rung {
            self.bell.ring();
        }
        true
    }

    /// Takes up to `most` letters. Until it has given none, nobody else rings: whoever takes letters takes all, or calls
    /// [`ring_again`](Self::ring_again).
    pub(crate) fn take(&self, most: usize) -> Vec<Letter> {
        let mut queue = self.queue.lock();
        let count = queue.letters.len().min(most);
        let taken: Vec<Letter> = queue.letters.drain(..count).collect();
        for letter in &taken {
            if let Letter::Event(_, _, payload) = letter {
                queue.event_bytes = queue.event_bytes.saturating_sub(payload.size());
            }
        }
        queue.rung = count > 0;
        drop(queue);
        self.emptied.notify_waiters();
        taken
    }

    /// Rings for letters that were left.
    pub(crate) fn ring_again(&self) {
        self.bell.ring();
    }

    /// Waits until a further event fits.
    pub(crate) async fn room(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.has_room() {
                return;
            }
            emptied.await;
        }
    }

    /// Whether a further event fits.
    pub(crate) fn has_room(&self) -> bool {
        let queue = self.queue.lock();
        queue.closed || queue.event_bytes < EVENT_BYTES_MAX
    }

    /// Whether the environment has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// Ends the way: nothing is delivered any more.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let letters = std::mem::take(&mut queue.letters);
        drop(queue);
        drop(letters);
        self.bell.silence();
        self.emptied.notify_waiters();
    }
}
