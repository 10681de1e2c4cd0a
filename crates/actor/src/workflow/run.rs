//! One run of a workflow: what is stored when.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use agentos_store::tables::{StepRow, WorkflowRow, WorkflowStatus, WorkflowTable};
use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{MAX_NAME_BYTES, MAX_STEPS, Running, decode, encode};
use crate::{ActorContext, Failure, KeepAwake};

/// A workflow in progress, for the code of its steps.
#[derive(Clone)]
pub struct Flow {
    inner: Arc<Inner>,
}

struct Inner {
    ctx: ActorContext,
    name: String,
    table: WorkflowTable,
    /// Results that were stored before this run.
    finished: HashMap<String, Vec<u8>>,
    /// Steps that this run has come to.
    seen: Mutex<HashSet<String>>,
    _awake: KeepAwake,
    _place: Place,
}

impl Flow {
    /// The workflow's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The actor.
    pub fn ctx(&self) -> &ActorContext {
        &self.inner.ctx
    }

    /// Does a step once: if it was finished before, `work` is dropped and the stored result returned; else its result is
    /// durable when this returns. The name identifies the step within the workflow; in a loop it holds the turn
    /// (`format!("page {n}")`).
    ///
    /// # Errors
    /// Those of `work`, after which the step may be tried again; a name that was used before in this run; results that
    /// cannot be stored; errors of the store.
    pub async fn step<T, W>(&self, name: &str, work: W) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned,
        W: Future<Output = Result<T, Failure>>,
    {
        let place = self.enter(name)?;
        if let Some(result) = self.inner.finished.get(name) {
            place.keep();
            return decode(result);
        }
        let value = work.await?;
        let step = StepRow {
            step: name.to_owned(),
            result: encode(&value, "step")?,
        };
        let now = self.inner.ctx.clock().now_ms();
        self.inner
            .table
            .finish_step(&self.inner.name, step, now, MAX_STEPS)
            .await?;
        place.keep();
        Ok(value)
    }

    /// Waits until a time has passed since this step was first come to, however often the host was restarted meanwhile. The
    /// actor stays awake.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub async fn sleep(&self, name: &str, time: Duration) -> Result<(), Failure> {
        let clock = Arc::clone(self.inner.ctx.clock());
        let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let until = self
            .step(name, async { Ok(clock.now_ms().saturating_add(time)) })
            .await?;
        loop {
            let left = until.saturating_sub(clock.now_ms());
            if left <= 0 {
                return Ok(());
            }
            clock.sleep(Duration::from_millis(left.unsigned_abs())).await;
        }
    }

    /// Takes the name of a step for this run, until it fails.
    fn enter<'a>(&'a self, name: &'a str) -> Result<Entered<'a>, Failure> {
        check_name("step", name)?;
        if self.inner.seen.lock().insert(name.to_owned()) {
            return Ok(Entered {
                seen: &self.inner.seen,
                name: Some(name),
            });
        }
        let text = format!(
            "workflow {:?} comes to step {name:?} twice; give each turn of a loop its own name",
            self.name()
        );
        Err(Failure::internal(text))
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}

/// A step that was come to; it may be come to again if it fails or is cut short.
struct Entered<'a> {
    seen: &'a Mutex<HashSet<String>>,
    name: Option<&'a str>,
}

impl Entered<'_> {
    fn keep(mut self) {
        self.name = None;
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            self.seen.lock().remove(name);
        }
    }
}

/// See [`super::Workflows::run`].
pub(super) async fn run<I, T, W>(ctx: &ActorContext, name: &str, input: &I, work: W) -> Result<T, Failure>
where
    I: Serialize + DeserializeOwned + Sync,
    T: Serialize + DeserializeOwned,
    W: AsyncFnOnce(Flow, I) -> Result<T, Failure>,
{
    check_name("workflow", name)?;
    let (_, store) = ctx.parts();
    let place = Place::take(store.workflows(), name).ok_or_else(|| running(name))?;
    let table = WorkflowTable::new(ctx.database());
    let row = begin(ctx, &table, name, encode(input, "workflow")?).await?;
    if row.status != WorkflowStatus::Running {
        return outcome(&row);
    }
    let finished = table
        .steps(name)?
        .into_iter()
        .map(|step| (step.step, step.result))
        .collect();
    let flow = Flow {
        inner: Arc::new(Inner {
            ctx: ctx.clone(),
            name: name.to_owned(),
            table: table.clone(),
            finished,
            seen: Mutex::default(),
            _awake: ctx.keep_awake(format!("workflow:{name}")),
            _place: place,
        }),
    };
    let ended = work(flow.clone(), decode(&row.input)?).await;
    finish(ctx, &table, name, ended).await
}

/// Starts the workflow, or finds it. The index knows of it before it is there, so that it is never forgotten.
async fn begin(ctx: &ActorContext, table: &WorkflowTable, name: &str, input: Vec<u8>) -> Result<WorkflowRow, Failure> {
    let now = ctx.clock().now_ms();
    let announced = ctx.due_times().announce(now).await?;
    let (row, _) = table.begin(name, input, now).await?;
    drop(announced);
    if row.status != WorkflowStatus::Running {
        ctx.due_times().settle().await?;
    }
    Ok(row)
}

/// Stores how the workflow ended. One whose actor stops has not ended.
async fn finish<T: Serialize>(
    ctx: &ActorContext,
    table: &WorkflowTable,
    name: &str,
    ended: Result<T, Failure>,
) -> Result<T, Failure> {
    if ctx.abort_signal().is_cancelled() && ended.is_err() {
        return ended;
    }
    let (status, stored) = match &ended {
        Ok(value) => (WorkflowStatus::Complete, encode(value, "workflow")?),
        Err(Failure::Public(error)) => (WorkflowStatus::Error, encode(&error_value(error), "workflow")?),
        // A defect or a failure of the host: somebody has to look at it, and the next boot tries again.
        Err(Failure::Internal(_)) => return ended,
    };
    table.finish(name, status, stored, ctx.clock().now_ms()).await?;
    ctx.due_times().settle().await?;
    ended
}

/// The outcome of a workflow that has ended.
fn outcome<T: DeserializeOwned>(row: &WorkflowRow) -> Result<T, Failure> {
    let stored = row.outcome.as_deref().unwrap_or_default();
    if row.status == WorkflowStatus::Complete {
        return decode(stored);
    }
    let value: Value = decode(stored)?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut error = ActorError::new(text("group"), text("code"), text("message"));
    error.metadata = value.get("metadata").cloned().filter(|metadata| !metadata.is_nullish());
    Err(error.into())
}

fn error_value(error: &ActorError) -> Value {
    Value::object([
        ("group", Value::from(error.group.as_ref())),
        ("code", Value::from(error.code.as_ref())),
        ("message", Value::from(error.message.as_str())),
        ("metadata", error.metadata.clone().unwrap_or(Value::Null)),
    ])
}

fn check_name(what: &'static str, name: &str) -> Result<(), ActorError> {
    if (1..=MAX_NAME_BYTES).contains(&name.len()) {
        return Ok(());
    }
    let text = format!("the name of a {what} must be 1 to {MAX_NAME_BYTES} bytes long");
    Err(ActorError::agentos("invalid_argument", text))
}

pub(super) fn running(name: &str) -> ActorError {
    ActorError::agentos("workflow_running", format!("workflow runs already: {name}"))
        .with_metadata(Value::object([("workflow", name)]))
}

/// The right to run a workflow.
struct Place {
    running: Running,
    name: String,
}

impl Place {
    fn take(running: &Running, name: &str) -> Option<Self> {
        let taken = running.lock().insert(name.to_owned());
        taken.then(|| Self {
            running: Arc::clone(running),
            name: name.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().remove(&self.name);
    }
}
