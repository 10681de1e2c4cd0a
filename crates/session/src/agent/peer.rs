//! The other end of the line: requests to an agent, the one task that writes to it, and its end.

use super::message::{self, Answer};
use crate::computer::{ChildInput, Exit};
use crate::error::Error;
use crate::limits::OUTGOING_LINES;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// How an agent's process ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// Why the layer ended it, if it did.
    pub(crate) failure: Option<Error>,
    pub(crate) stderr_tail: String,
}

/// An agent at the other end.
#[derive(Debug)]
pub(crate) struct Peer {
    outgoing: mpsc::Sender<Vec<u8>>,
    pending: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    next: AtomicU64,
    ended: watch::Sender<Option<Arc<Ended>>>,
    activity: Mutex<VecDeque<String>>,
}

/// The receiving end of what is to be written.
pub(crate) type Outgoing = mpsc::Receiver<Vec<u8>>;

/// Entries of recent activity, and the characters of each (lifecycle.md section 7.3).
const ACTIVITY: usize = 20;
const ACTIVITY_CHARS: usize = 240;

impl Peer {
    pub(crate) fn new() -> (Self, Outgoing) {
        let (outgoing, lines) = mpsc::channel(OUTGOING_LINES);
        let peer = Self {
            outgoing,
            pending: Mutex::default(),
            next: AtomicU64::new(1),
            ended: watch::Sender::new(None),
            activity: Mutex::default(),
        };
        (peer, lines)
    }

    /// Asks and waits for the answer or for the end of the agent. The caller brings the deadline. `asked` learns the number of
    /// the request before it is sent.
    pub(crate) async fn request(
        &self,
        method: &str,
        params: Value,
        asked: impl FnOnce(u64),
    ) -> Result<Answer, Arc<Ended>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.pending.lock().insert(id, sender);
        let _forget = Forget { peer: self, id };
        asked(id);
        let line = message::line(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.note(&format!("-> {method} #{id} ({} bytes)", line.len()));
        let mut ended = self.ended.subscribe();
        let exchange = async {
            if self.outgoing.send(line).await.is_err() {
                std::future::pending::<()>().await;
            }
            match answer.await {
                Ok(answer) => answer,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = exchange => Ok(answer),
            ended = wait(&mut ended) => Err(ended),
        }
    }

    /// Tells, or answers. A line to an agent that has ended goes nowhere.
    pub(crate) async fn send(&self, message: &Value) {
        if let Some(method) = message.get("method").and_then(Value::as_str) {
            self.note(&format!("-> {method}"));
        }
        let mut ended = self.ended.subscribe();
        tokio::select! {
            biased;
            _ = self.outgoing.send(message::line(message)) => {}
            _ = wait(&mut ended) => {}
        }
    }

    /// Answers if the agent takes it now: whoever reads the agent's output must not wait for its input.
    pub(crate) fn offer(&self, message: &Value) {
        if self.outgoing.try_send(message::line(message)).is_err() {
            tracing::debug!("an agent that does not read misses an answer");
        }
    }

    /// Gives an answer to whoever waits for it; false if nobody does.
    pub(crate) fn answered(&self, id: u64, answer: Answer) -> bool {
        let waiting = self.pending.lock().remove(&id);
        waiting.is_some_and(|waiting| waiting.send(answer).is_ok())
    }

    /// Whether somebody waits for the answer of that number.
    pub(crate) fn is_asked(&self, id: u64) -> bool {
        self.pending.lock().contains_key(&id)
    }

    /// The agent has ended.
    pub(crate) fn end(&self, ended: Ended) {
        self.ended.send_replace(Some(Arc::new(ended)));
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<Arc<Ended>> {
        self.ended.borrow().clone()
    }

    /// Waits for its end.
    pub(crate) async fn end_of(&self) -> Arc<Ended> {
        wait(&mut self.ended.subscribe()).await
    }

    /// Remembers what went by, by name and size.
    pub(crate) fn note(&self, entry: &str) {
        let mut activity = self.activity.lock();
        if activity.len() == ACTIVITY {
            activity.pop_front();
        }
        activity.push_back(crate::text::shown(entry, ACTIVITY_CHARS));
    }

    /// What went by lately.
    pub(crate) fn activity(&self) -> Vec<String> {
        self.activity.lock().iter().cloned().collect()
    }
}

async fn wait(ended: &mut watch::Receiver<Option<Arc<Ended>>>) -> Arc<Ended> {
    loop {
        if let Some(ended) = ended.borrow_and_update().clone() {
            return ended;
        }
        if ended.changed().await.is_err() {
            // The sender is in the peer, which is borrowed by whoever waits.
            std::future::pending::<()>().await;
        }
    }
}

/// Takes a question back that nobody waits for any more.
struct Forget<'a> {
    peer: &'a Peer,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.peer.pending.lock().remove(&self.id);
    }
}

/// Writes what is to be written until the peer is gone; whole lines, whoever gives up waiting meanwhile. False if the agent
/// does not take any more.
pub(crate) async fn write(mut stdin: Box<dyn ChildInput>, mut lines: Outgoing) -> bool {
    while let Some(line) = lines.recv().await {
        if stdin.write(&line).await.is_err() {
            return false;
        }
    }
    true
}
