//! A message in the hands of the actor.

use agentos_value::Value;

use super::hub::Claim;
use crate::store::decode_value;
use crate::{ActorContext, Failure, KeepAwake};

/// A message that was taken. It keeps the actor awake until it is dropped.
#[derive(Debug)]
pub struct Message {
    claim: Claim,
    body: Value,
    completable: bool,
    _awake: KeepAwake,
}

impl Message {
    /// Hands a claimed message over: one that is not completable leaves its queue first.
    pub(super) async fn new(claim: Claim, completable: bool, ctx: &ActorContext) -> Result<Self, Failure> {
        let body = decode_value(&claim.row.body)?;
        let id = claim.row.message_id;
        if completable {
            // Nobody waits for this count; a crash that loses it loses the delivery as well.
            drop(claim.hub.table.deliver(id));
        } else {
            claim.hub.table.remove(id).await?;
            claim.hub.ended(id, Value::Undefined);
        }
        let awake = ctx.keep_awake(format!("queue:{}", claim.row.queue));
        Ok(Self {
            claim,
            body,
            completable,
            _awake: awake,
        })
    }

    /// Its number; it grows with every message of the actor.
    pub fn id(&self) -> i64 {
        self.claim.row.message_id
    }

    /// The queue that it was in.
    pub fn queue(&self) -> &str {
        &self.claim.row.queue
    }

    /// What was sent.
    pub const fn body(&self) -> &Value {
        &self.body
    }

    /// When it was sent, in milliseconds since 1970.
    pub fn sent_at_ms(&self) -> i64 {
        self.claim.row.created_at
    }

    /// How often it was delivered before without being completed.
    pub fn attempts(&self) -> u32 {
        self.claim.row.attempts
    }

    /// Ends the message: it leaves its queue, durably, and a sender that waits gets `value`. For a message that left its
    /// queue when it was taken this does nothing.
    ///
    /// # Errors
    /// Those of the store; the message is then delivered again.
    pub async fn complete(self, value: Value) -> Result<(), Failure> {
        if self.completable {
            self.claim.hub.table.remove(self.id()).await?;
            self.claim.hub.ended(self.id(), value);
        }
        Ok(())
    }
}
