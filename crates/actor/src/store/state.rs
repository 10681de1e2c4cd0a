//! The state of an actor: one value in memory, saved behind it.
//!
//! A change is seen at once by all who look. Saving is asynchronous and coalesced: while one save waits in the database's
//! queue, further changes ride along with it, because it encodes the value only when it is applied. So a busy actor has at
//! most one save waiting, whatever it does. [`State::settle`] waits for the saves, and an action is acknowledged only after
//! it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    database: Database,
    table: ActorTable,
    held: Arc<Mutex<Held>>,
    /// Whether a save waits that has not looked at the value yet. Saves clear it without a lock, before they look.
    queued: Arc<AtomicBool>,
    saves: Mutex<Saves>,
    /// The save that is being waited for; one at a time, in order. It stays here when the one who waits gives up.
    settling: tokio::sync::Mutex<Option<(u64, Ticket)>>,
}

#[derive(Debug)]
struct Held {
    value: Value,
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
            database: database.clone(),
            table,
            held: Arc::new(Mutex::new(Held { value, closed: false })),
            queued: Arc::default(),
            saves: Mutex::default(),
            settling: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn get(&self) -> Value {
        self.held.lock().value.clone()
    }

    /// Changes the value and saves it. A change that makes it too large does not happen.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut Value) -> R) -> Result<R, Failure> {
        // A disk that is nearly full refuses the change, not only its save.
        self.database.check_headroom()?;
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
        if self.queued.swap(true, Ordering::AcqRel) {
            return Ok(result);
        }
        // Still under the lock of the value, so that numbers and queue have one order.
        let mut saves = self.saves.lock();
        saves.queued += 1;
        let number = saves.queued;
        drop(held);
        let save = Save {
            held: Arc::clone(&self.held),
            queued: Arc::clone(&self.queued),
        };
        let ticket = self.table.set_state_with(size, move || save.encode());
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

/// A save that waits in the queue. One that is dropped without having been applied waits no longer either: the next change
/// queues another.
struct Save {
    held: Arc<Mutex<Held>>,
    queued: Arc<AtomicBool>,
}

impl Save {
    fn encode(&self) -> Result<Vec<u8>, Error> {
        // In this order: a change that is not in the value below queues a save of its own.
        self.queued.store(false, Ordering::Release);
        encode(&self.held.lock().value).map_err(|error| Error::invalid("state", error.to_string()))
    }
}

impl Drop for Save {
    fn drop(&mut self) {
        // Needless after `encode`, and then costs at most one save that could have ridden along.
        self.queued.store(false, Ordering::Release);
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

#[cfg(test)]
mod tests {
    use agentos_store::tables::{ActorRecord, VM_SCHEMA};

    use super::*;

    async fn state() -> (Database, State) {
        let database = Database::in_memory(&VM_SCHEMA).unwrap();
        ActorTable::new(&database).create(ActorRecord::default()).await.unwrap();
        let state = State::open(&database).unwrap();
        (database, state)
    }

    #[tokio::test]
    async fn changes_are_kept_and_ride_along_with_a_save_that_waits() {
        let (database, state) = state().await;
        let before = database.commits();
        for number in 0..10_000 {
            state.update(|value| *value = Value::from(number)).unwrap();
        }
        state.settle(0).await.unwrap();
        assert_eq!(State::open(&database).unwrap().get(), Value::from(9_999));
        assert!(database.commits() - before < 10_000);
    }

    #[tokio::test]
    async fn a_change_that_makes_it_too_large_does_not_happen() {
        let (_, state) = state().await;
        state.update(|value| *value = Value::from(1)).unwrap();
        let large = "x".repeat(MAX_STATE_BYTES);
        assert!(state.update(|value| *value = Value::from(large)).is_err());
        assert_eq!(state.get(), Value::from(1));
    }

    #[tokio::test]
    async fn a_save_that_is_never_applied_does_not_hide_the_next_one() {
        let (database, state) = state().await;
        state.queued.store(true, Ordering::Release);
        drop(Save {
            held: Arc::clone(&state.held),
            queued: Arc::clone(&state.queued),
        });
        state.update(|value| *value = Value::from(2)).unwrap();
        state.settle(0).await.unwrap();
        assert_eq!(State::open(&database).unwrap().get(), Value::from(2));
    }

    #[tokio::test]
    async fn a_failed_save_is_told_to_all_who_changed_the_value_and_to_nobody_later() {
        // Without the record that is written when an actor is accepted, saves fail.
        let database = Database::in_memory(&VM_SCHEMA).unwrap();
        let state = State::open(&database).unwrap();
        let since = state.mark();
        state.update(|value| *value = Value::from(1)).unwrap();
        assert!(state.settle(since).await.is_err());
        assert!(state.settle(since).await.is_err());
        ActorTable::new(&database).create(ActorRecord::default()).await.unwrap();
        let since = state.mark();
        state.update(|value| *value = Value::from(2)).unwrap();
        state.settle(since).await.unwrap();
        assert_eq!(State::open(&database).unwrap().get(), Value::from(2));
    }

    #[tokio::test]
    async fn a_closed_state_takes_no_change() {
        let (_, state) = state().await;
        state.close();
        assert!(state.update(|value| *value = Value::from(1)).is_err());
        assert_eq!(state.get(), Value::Null);
    }
}
