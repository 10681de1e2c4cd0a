//! What the senders and takers of one open store share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use agentos_store::Database;
use agentos_store::tables::{MessageRow, QueueLimits, QueueTable};
use agentos_value::Value;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::Failure;
use crate::store::encode_value;

/// The queues of an open store.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) table: QueueTable,
    /// Notified when a message can be taken.
    pub(super) arrivals: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Messages that are in somebody's hands.
    taken: HashSet<i64>,
    /// Senders that wait for the end of their message.
    waiting: HashMap<i64, oneshot::Sender<Value>>,
    /// Senders whose message is on its way into the table, and ends that came before their sender could wait.
    sending: usize,
    early: HashMap<i64, Value>,
}

impl Hub {
    pub(crate) fn new(database: &Database) -> Arc<Self> {
        Arc::new(Self {
            table: QueueTable::new(database),
            arrivals: Notify::new(),
            state: Mutex::default(),
        })
    }

    /// Appends a message.
    pub(super) async fn push(&self, name: &str, body: &Value, now: i64) -> Result<i64, Failure> {
        let id = self
            .table
            .push(name, encode_value(body)?, now, QueueLimits::default())
            .await?;
        self.arrivals.notify_waiters();
        Ok(id)
    }

    /// Appends a message; what is returned resolves with the value that it is completed with.
    pub(super) async fn push_and_wait(self: &Arc<Self>, name: &str, body: &Value, now: i64) -> Result<Reply, Failure> {
        let sending = Sending::begin(self);
        let id = self
            .table
            .push(name, encode_value(body)?, now, QueueLimits::default())
            .await?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state.lock();
            match state.early.remove(&id) {
                Some(value) => drop(sender.send(value)),
                None => drop(state.waiting.insert(id, sender)),
            }
        }
        drop(sending);
        self.arrivals.notify_waiters();
        Ok(Reply {
            hub: Arc::clone(self),
            id,
            receiver,
        })
    }

    /// Takes up to `most` messages that nobody has, in order.
    pub(super) fn claim(hub: &Arc<Self>, names: &[String], most: usize) -> Result<Vec<Claim>, Failure> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut state = hub.state.lock();
        let rows = hub.table.peek(&names, 0, most.saturating_add(state.taken.len()))?;
        let free = rows.into_iter().filter(|row| state.taken.insert(row.message_id));
        Ok(free
            .take(most)
            .map(|row| Claim {
                hub: Arc::clone(hub),
                row,
            })
            .collect())
    }

    /// The message has ended: whoever waits for that is told.
    pub(super) fn ended(&self, id: i64, value: Value) {
        let mut state = self.state.lock();
        match state.waiting.remove(&id) {
            // A sender that has given up does not need it.
            Some(sender) => drop(sender.send(value)),
            None if state.sending > 0 => drop(state.early.insert(id, value)),
            None => {}
        }
    }
}

/// A message in somebody's hands; back in its queue when dropped, unless it was removed.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) hub: Arc<Hub>,
    pub(super) row: MessageRow,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.hub.state.lock().taken.remove(&self.row.message_id);
        self.hub.arrivals.notify_waiters();
    }
}

/// The end of a message that a sender waits for.
#[derive(Debug)]
pub(super) struct Reply {
    hub: Arc<Hub>,
    id: i64,
    receiver: oneshot::Receiver<Value>,
}

impl Reply {
    /// The value that the message is completed with; `None` if the store is closed first.
    pub(super) async fn value(&mut self) -> Option<Value> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.hub.state.lock().waiting.remove(&self.id);
    }
}

struct Sending<'a>(&'a Hub);

impl<'a> Sending<'a> {
    fn begin(hub: &'a Hub) -> Self {
        hub.state.lock().sending += 1;
        Self(hub)
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.sending -= 1;
        if state.sending == 0 {
            state.early.clear();
        }
    }
}
