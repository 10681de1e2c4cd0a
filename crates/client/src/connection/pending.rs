//! Calls without an answer.

use crate::error::{Error, Result};
use agentos_value::Value;
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Who waits for which answer. Ids are never used twice in the life of a connection, so that a late answer cannot be
/// taken for another's.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Value>>>,
}

impl Pending {
    /// A new call's id.
    pub(super) fn add(&self, reply: oneshot::Sender<Result<Value>>) -> u64 {
        let mut calls = self.0.lock();
        let id = calls.next;
        calls.next += 1;
        calls.waiting.insert(id, reply);
        id
    }

    /// Answers a call; an answer that nobody waits for is dropped.
    pub(super) fn answer(&self, id: u64, outcome: Result<Value>) {
        if let Some(reply) = self.0.lock().waiting.remove(&id) {
            let _ = reply.send(outcome);
        }
    }

    /// Answers all calls with the loss of the connection.
    pub(super) fn fail(&self, reason: &str) {
        for (_, reply) in self.0.lock().waiting.drain() {
            let _ = reply.send(Err(Error::Closed {
                reason: reason.to_owned(),
            }));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().waiting.len()
    }
}
