//! A WebSocket to one actor: events, and calls that cost less than HTTP.
//!
//! One task owns the socket. It reconnects by itself after a loss, with growing delays, and subscribes again; calls that
//! were under way fail with the reason, because nobody can know whether they ran. Only a reason that asks not to come back
//! (the actor is gone, or access was refused) ends the connection.
//!
//! What waits is bounded: calls wait for room in the task's queue, and a reader of events that is more than
//! [`EVENT_CAPACITY`] behind is told how many it missed.

mod open;
mod pending;
mod run;

use crate::error::{Error, Result};
use crate::handle::Handle;
use agentos_value::Value;
use pending::Pending;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Commands that wait for the task.
const COMMAND_CAPACITY: usize = 256;
/// Events that wait for one reader.
const EVENT_CAPACITY: usize = 1024;

/// An open connection. Cheap to clone; dropping the last clone closes it.
#[derive(Debug, Clone)]
pub struct Connection {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    pending: Arc<Pending>,
    closing: CancellationToken,
}

/// What the task is asked to do.
#[derive(Debug)]
enum Command {
    Call {
        action: String,
        args: Vec<Value>,
        reply: oneshot::Sender<Result<Value>>,
    },
    Subscribe {
        event: String,
        receiver: oneshot::Sender<broadcast::Receiver<Arc<[Value]>>>,
    },
}

/// State of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Accepted by the actor.
    Open {
        /// The id that the server gave it.
        connection_id: String,
        /// How many times it was lost before: what happened in a gap was missed.
        losses: u64,
    },
    /// Lost; the next attempt is under way.
    Reconnecting {
        /// Why it was lost, or why the last attempt failed.
        reason: String,
    },
    /// Closed for good.
    Closed {
        /// Why.
        reason: String,
    },
}

/// Payloads of one event, in order.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Arc<[Value]>>,
    /// Keeps the connection open while somebody listens.
    _connection: Connection,
}

/// A reader was too slow: this many events of its kind were lost to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed: the reader is too slow")]
pub struct Lagged(pub u64);

impl Connection {
    pub(crate) async fn open(handle: Handle) -> Result<Self> {
        let first = open::open(&handle).await?;
        let (commands, receiver) = mpsc::channel(COMMAND_CAPACITY);
        let (state, status) = watch::channel(Status::Open {
            connection_id: first.connection_id.clone(),
            losses: 0,
        });
        let pending = Arc::new(Pending::default());
        let closing = CancellationToken::new();
        let task = run::Task::new(handle, receiver, state, Arc::clone(&pending), closing.clone());
        tokio::spawn(task.run(first.socket));
        Ok(Self {
            commands,
            status,
            pending,
            closing,
        })
    }

    /// Runs an action. Calls of one connection run at the same time; while the connection is lost they wait for the next.
    ///
    /// # Errors
    /// What the action or the hooks answered; [`Error::Closed`] when the connection was lost before the answer came.
    pub async fn call(&self, action: impl Into<String>, args: impl Into<Vec<Value>>) -> Result<Value> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Call {
            action: action.into(),
            args: args.into(),
            reply,
        };
        self.commands.send(command).await.map_err(|_| self.closed_error())?;
        answer.await.unwrap_or_else(|_| Err(self.closed_error()))
    }

    /// Runs an action whose result is a `T`.
    ///
    /// # Errors
    /// Those of [`call`](Self::call); [`Error::Shape`].
    pub async fn call_as<T: DeserializeOwned>(&self, action: &str, args: impl Into<Vec<Value>>) -> Result<T> {
        let value = self.call(action, args).await?;
        value.deserialize().map_err(|source| Error::Shape {
            action: action.to_owned(),
            source: Arc::new(source),
        })
    }

    /// Receives an event from now on.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn on(&self, event: impl Into<String>) -> Result<Events> {
        let (receiver, answer) = oneshot::channel();
        let command = Command::Subscribe {
            event: event.into(),
            receiver,
        };
        self.commands.send(command).await.map_err(|_| self.closed_error())?;
        Ok(Events {
            receiver: answer.await.map_err(|_| self.closed_error())?,
            _connection: self.clone(),
        })
    }

    /// The state now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until the state is another than the last one seen through this method, and gives it.
    pub async fn changed(&mut self) -> Status {
        // The sender lives until the state is Closed, which is then seen once more.
        let _ = self.status.changed().await;
        self.status.borrow_and_update().clone()
    }

    /// Calls without an answer yet.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Closes the connection for all clones.
    pub async fn close(&self) {
        self.closing.cancel();
        let mut status = self.status.clone();
        let _ = status.wait_for(|status| matches!(status, Status::Closed { .. })).await;
    }

    fn closed_error(&self) -> Error {
        let reason = match &*self.status.borrow() {
            Status::Closed { reason } => reason.clone(),
            _ => "the client's task ended".to_owned(),
        };
        Error::Closed { reason }
    }
}

impl Events {
    /// The next payload; none when the connection is closed for good.
    ///
    /// # Errors
    /// [`Lagged`] when this reader missed events; the next call goes on with the oldest that is kept.
    pub async fn next(&mut self) -> Option<Result<Arc<[Value]>, Lagged>> {
        match self.receiver.recv().await {
            Ok(args) => Some(Ok(args)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
