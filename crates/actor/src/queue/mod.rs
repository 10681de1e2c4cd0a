//! Queues of an actor: named, durable, in order.
//!
//! ```text
//!   client ─► Connection::send ─┐                          ┌─► next / next_batch / iter ─► Message
//!   actor itself ─► Queues::push ─► table (durable, bounded) ┘        complete(value) ─► the sender that waits
//! ```
//!
//! * A message is durable before its sender is told.
//! * A message that is taken plainly leaves the queue before it is handed over: at most once.
//! * A message that is taken as *completable* leaves it with [`Message::complete`]; one that is dropped without, or that a
//!   crash cut short, is delivered again, and [`Message::attempts`] tells: at least once.
//! * A queue holds 1000 messages of 64 KiB; a sender beyond that gets `agentos/limit_exceeded` and tries again later.

mod hub;
mod message;
mod send;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use agentos_value::Value;

use self::hub::Claim;
pub(crate) use self::hub::Hub;
pub use self::message::Message;
pub use self::send::SendOutcome;
pub(crate) use self::send::send;
use crate::{ActorContext, Failure};

/// Which messages to take, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakeOptions {
    /// The queues to take from; all when empty.
    pub names: Vec<String>,
    /// Whether messages stay until they are completed.
    pub completable: bool,
    /// How long to wait for a message; `None` waits until the actor stops.
    pub timeout: Option<Duration>,
}

impl TakeOptions {
    /// Messages of one queue that stay until they are completed.
    pub fn completable(name: impl Into<String>) -> Self {
        Self {
            names: vec![name.into()],
            completable: true,
            timeout: None,
        }
    }
}

/// The queues of an actor, for its own code.
#[derive(Clone, Debug)]
pub struct Queues {
    hub: Arc<Hub>,
    ctx: ActorContext,
}

impl Queues {
    pub(crate) fn new(hub: Arc<Hub>, ctx: ActorContext) -> Self {
        Self { hub, ctx }
    }

    /// Puts a message into a queue of this actor; it is durable then.
    ///
    /// # Errors
    /// `agentos/limit_exceeded` for a full queue or a message that is too large; errors of the store.
    pub async fn push(&self, name: &str, body: &Value) -> Result<(), Failure> {
        self.hub.push(name, body, self.ctx.clock().now_ms()).await.map(drop)
    }

    /// Takes the next message; `None` if none came in time, or if the actor stops.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next(&self, options: &TakeOptions) -> Result<Option<Message>, Failure> {
        Ok(self.next_batch(options, 1).await?.pop())
    }

    /// Takes the messages that are there, at most `most`; waits for the first one. Empty if none came in time, or if the
    /// actor stops.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next_batch(&self, options: &TakeOptions, most: usize) -> Result<Vec<Message>, Failure> {
        let stopped = self.ctx.abort_signal();
        let timeout = async {
            match options.timeout {
                Some(timeout) => self.ctx.clock().sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let mut timeout = std::pin::pin!(timeout);
        // The store of an actor that has stopped is closed.
        while !stopped.is_cancelled() {
            let arrived = self.hub.arrivals.notified();
            let mut arrived = std::pin::pin!(arrived);
            arrived.as_mut().enable();
            let claims = Hub::claim(&self.hub, &options.names, most.max(1))?;
            if !claims.is_empty() {
                return self.hand_over(claims, options.completable).await;
            }
            // Only the waiting is cut short: a message on its way to the taker is not lost to a deadline.
            tokio::select! {
                () = arrived => {}
                () = &mut timeout => break,
                () = stopped.cancelled() => break,
            }
        }
        Ok(Vec::new())
    }

    /// Messages one after the other until the actor stops: `while let Some(message) = iter.next().await? { .. }`.
    pub fn iter(&self, options: TakeOptions) -> QueueIter {
        QueueIter {
            queues: self.clone(),
            options,
        }
    }

    /// Makes messages of what was claimed. After an error those before it are handed over, because they may have left their
    /// queue; the error comes again with the next one.
    async fn hand_over(&self, claims: Vec<Claim>, completable: bool) -> Result<Vec<Message>, Failure> {
        let mut messages = Vec::with_capacity(claims.len());
        for claim in claims {
            match Message::new(claim, completable, &self.ctx).await {
                Ok(message) => messages.push(message),
                Err(error) if messages.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(messages)
    }
}

/// See [`Queues::iter`].
#[derive(Debug)]
pub struct QueueIter {
    queues: Queues,
    options: TakeOptions,
}

impl QueueIter {
    /// The next message; `None` when the actor stops, or when none came in time.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next(&mut self) -> Result<Option<Message>, Failure> {
        self.queues.next(&self.options).await
    }
}
