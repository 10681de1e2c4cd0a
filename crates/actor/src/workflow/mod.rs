//! Workflows: work in durable steps that goes on after a crash where it was.
//!
//! ```text
//!   ctx.workflow("order-7").run(&input, async |flow, input| {
//!       let paid = flow.step("pay", async { .. }).await?;      a finished step is stored, and never repeated
//!       flow.sleep("wait for stock", DAY).await?;              the time to wait until is stored as well
//!       flow.step("ship", async { .. }).await                  a step that was cut short is done again
//!   }).await
//! ```
//!
//! * A workflow has a name, which is its identity within the actor: whoever runs a finished one gets its outcome again.
//! * The result of a step is durable before the workflow goes on. A step that a crash cut short is repeated: at least once,
//!   so its effects should bear repetition (carry the step's name as an idempotency key).
//! * The code between steps runs again on every resume and must do the same each time.
//! * An unfinished workflow keeps its actor awake, and is due since its start: after a crash of the host the actor is woken
//!   at once, and its `boot` runs [`Workflows::unfinished`] again.

mod run;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use agentos_store::tables::WorkflowTable;
use agentos_value::Value;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::run::Flow;
use crate::store::{decode_value, encode_value};
use crate::{ActorContext, Failure};

/// Steps of one workflow.
pub(crate) const MAX_STEPS: u64 = 10_000;
/// Largest input, result of a step, or outcome, in bytes of its stored form.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Longest name of a workflow or step, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// Names of the workflows that run in an open store, so that none runs twice at one time.
pub(crate) type Running = Arc<Mutex<std::collections::HashSet<String>>>;

/// The workflows of an actor.
#[derive(Clone, Debug)]
pub struct Workflows {
    ctx: ActorContext,
}

/// A workflow that was started and not finished.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Its name.
    pub name: String,
    /// What it was started with.
    pub input: Value,
    /// When it was started, in milliseconds since 1970.
    pub started_at_ms: i64,
}

impl Workflows {
    pub(crate) const fn new(ctx: ActorContext) -> Self {
        Self { ctx }
    }

    /// Workflows that were started and not finished, oldest first: what `boot` runs again.
    ///
    /// # Errors
    /// Those of the store.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, Failure> {
        let rows = WorkflowTable::new(self.ctx.database()).running()?;
        let unfinished = rows.into_iter().map(|row| {
            let input = decode_value(&row.input)?;
            Ok(Unfinished {
                name: row.workflow,
                input,
                started_at_ms: row.started_at,
            })
        });
        unfinished.collect()
    }

    /// Runs a workflow to its end, from where it was. A finished one is not run: its outcome is returned again.
    ///
    /// The input counts only for the first start; later ones get the stored one. An error that `work` returns ends the
    /// workflow; an actor that stops, or a store that fails, does not.
    ///
    /// # Errors
    /// What the workflow ended with; `agentos/workflow_running` if it runs already; `agentos/limit_exceeded`; errors of the
    /// store.
    pub async fn run<I, T, W>(&self, name: &str, input: &I, work: W) -> Result<T, Failure>
    where
        I: Serialize + DeserializeOwned + Sync,
        T: Serialize + DeserializeOwned,
        W: AsyncFnOnce(Flow, I) -> Result<T, Failure>,
    {
        run::run(&self.ctx, name, input, work).await
    }

    /// Forgets a finished workflow, so that its name can be used again; `false` if there is none.
    ///
    /// # Errors
    /// `agentos/workflow_running` if it runs; errors of the store.
    pub async fn forget(&self, name: &str) -> Result<bool, Failure> {
        let (_, store) = self.ctx.parts();
        if store.workflows().lock().contains(name) {
            return Err(run::running(name).into());
        }
        Ok(WorkflowTable::new(self.ctx.database()).remove(name).await?)
    }
}

fn encode<T: Serialize>(value: &T, what: &str) -> Result<Vec<u8>, Failure> {
    let bytes = encode_value(&Value::from_serialize(value)?)?;
    if bytes.len() > MAX_BYTES {
        let (observed, capacity) = (bytes.len() as u64, MAX_BYTES as u64);
        let error = crate::error::limit_exceeded("maxBytes", observed, capacity, "bytes", what, "workflow.maxBytes");
        return Err(error.into());
    }
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    Ok(decode_value(bytes)?.deserialize()?)
}
