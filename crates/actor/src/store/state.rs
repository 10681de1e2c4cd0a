//! The state of an actor: one value in memory, saved behind it.
//!
//! A change is seen at once by all who look. Saving is asynchronous and coalesced: while one save waits in the database's
//! queue, further changes ride along with it, because it encodes the value only when it is applied. So a busy actor has at
//! most one save waiting, whatever it does. [`State::settle`] waits for the saves, and an action is acknowledged only after
//! it.

use std::collections::VecDeque;
use std::sync::Arc;

use agentos_store::tables::ActorTable;
use agentos_store::{Database, Error, Ticket};
use agentos_value::cbor::{self, Limits, MAX_ENCODE_DEPTH as MAX_DEPTH, Style};
use agentos_value::{Value, ValueError};
use bytes::Bytes;
use parking_lot::Mutex;

use crate::Failure;
use crate::error::limit_exceeded;

/// Largest state, in bytes as [`Value::size`] counts them.
pub(crate) const MAX_STATE_BYTES: usize = 16 << 20;
/// Failed saves that are remembered for those who still have to settle.
const REMEMBERED: usize = 16;

/// The state.
#[derive(Debug)]
pub(crate) struct State {
    table: ActorTable,
    held: Arc<Mutex<Held>>,
    saves: Mutex<Saves>,
    /// The save that is being waited for; one at a time, in order. It stays here when the one who waits gives up.
    settling: tokio::sync::Mutex<Option<(u64, Ticket)>>,
}

#[derive(Debug)]
struct Held {
    value: Value,
    /// Whether a save waits that has not looked at the value yet.
    queued: bool,
    /// Whether the store is closed.
    closed: bool,
}

#[derive(Debug, Default)]
struct Saves {
    /// Number of the last save that was queued.
    queued: u64,
    /// Number of the last save whose outcome is known.
    settled: u64,
    waiting: VecDeque<(u64, Ticket)>,
    failed: VecDeque<(u64, Error)>,
}

impl State {
    /// Reads the state that was kept. Blocks.
    pub(crate) fn open(database: &Database) -> Result<Self, Error> {
        let table = ActorTable::new(database);
        let value = match table.state()? {
            Some(bytes) => decode(&bytes).map_err(|error| Error::corrupt(database.path(), error.to_string()))?,
            None => Value::Null,
        };
        Ok(Self {
            table,
            held: Arc::new(Mutex::new(Held {
                value,
                queued: false,
                closed: false,
            })),
            saves: Mutex::default(),
            settling: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn get(&self) -> Value {
        self.held.lock().value.clone()
    }

    /// Changes the value and saves it. A change that makes it too large does not happen.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut Value) -> R) -> Result<R, Failure> {
        let mut held = self.held.lock();
        if held.closed {
            return Err(Error::Closed.into());
        }
        let mut value = held.value.clone();
        let result = change(&mut value);
        let size = value.size();
        if size > MAX_STATE_BYTES {
            let (size, max) = (size as u64, MAX_STATE_BYTES as u64);
            return Err(limit_exceeded("stateBytes", size, max, "bytes", "setState", "fixed").into());
        }
        held.value = value;
        if std::mem::replace(&mut held.queued, true) {
            return Ok(result);
        }
        // Still under the lock of the value, so that numbers and queue have one order.
        let mut saves = self.saves.lock();
        saves.queued += 1;
        let number = saves.queued;
        drop(held);
        let held = Arc::clone(&self.held);
        let ticket = self.table.set_state_with(size, move || {
            let mut held = held.lock();
            held.queued = false;
            encode(&held.value).map_err(|error| Error::invalid("state", error.to_string()))
        });
        saves.waiting.push_back((number, ticket));
        Ok(result)
    }

    /// Refuses changes from here on.
    pub(crate) fn close(&self) {
        self.held.lock().closed = true;
    }

    /// The number of the last save so far, for [`State::settle`].
    pub(crate) fn mark(&self) -> u64 {
        self.saves.lock().settled
    }

    /// Waits until every change so far is durable.
    ///
    /// # Errors
    /// The error of a save after the one with number `since`.
    pub(crate) async fn settle(&self, since: u64) -> Result<(), Failure> {
        let until = self.saves.lock().queued;
        if self.saves.lock().settled < until {
            self.wait_until(until).await;
        }
        let saves = self.saves.lock();
        let failed = saves
            .failed
            .iter()
            .find(|(number, _)| (since + 1..=until).contains(number));
        failed.map_or(Ok(()), |(_, error)| Err(error.clone().into()))
    }

    async fn wait_until(&self, until: u64) {
        let mut current = self.settling.lock().await;
        loop {
            if current.is_none() {
                let mut saves = self.saves.lock();
                if saves.settled >= until {
                    return;
                }
                *current = saves.waiting.pop_front();
            }
            let Some((number, ticket)) = current.as_mut() else {
                return;
            };
            let (number, outcome) = (*number, ticket.await);
            *current = None;
            let mut saves = self.saves.lock();
            saves.settled = number;
            if let Err(error) = outcome {
                if saves.failed.len() == REMEMBERED {
                    saves.failed.pop_front();
                }
                saves.failed.push_back((number, error));
            }
        }
    }
}

/// The form in which values are kept.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>, ValueError> {
    cbor::encode(value, Style::Native)
}

/// The value that was kept.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, ValueError> {
    let limits = Limits {
        depth: MAX_DEPTH,
        values: MAX_STATE_BYTES,
    };
    cbor::decode(&Bytes::copy_from_slice(bytes), limits)
}
