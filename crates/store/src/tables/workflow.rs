//! Workflows of an actor and the results of their finished steps.

use rusqlite::{OptionalExtension as _, Row, params};

use super::count;
use crate::{Database, Error, Result, Ticket};

/// How a workflow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowStatus {
    /// Started and not finished; resumed after a crash.
    Running,
    /// Finished with a value.
    Complete,
    /// Finished with an error.
    Error,
}

impl WorkflowStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Error => "error",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "complete" => Self::Complete,
            "error" => Self::Error,
            _ => Self::Running,
        }
    }
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRow {
    /// Its name, unique within the actor.
    pub workflow: String,
    /// How it stands.
    pub status: WorkflowStatus,
    /// The encoded input.
    pub input: Vec<u8>,
    /// The encoded value or error it finished with.
    pub outcome: Option<Vec<u8>>,
    /// When it was started.
    pub started_at: i64,
}

/// A finished step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// Its name, unique within the workflow.
    pub step: String,
    /// The encoded result.
    pub result: Vec<u8>,
}

/// Workflows and steps.
#[derive(Debug, Clone)]
pub struct WorkflowTable {
    database: Database,
}

impl WorkflowTable {
    /// The tables in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Starts a workflow, or finds it if it was started before; true if this call started it.
    pub fn begin(&self, workflow: &str, input: Vec<u8>, now: i64) -> Ticket<(WorkflowRow, bool)> {
        let workflow = workflow.to_owned();
        self.database
            .submission()
            .bytes(input.len())
            .submit(move |transaction| {
                let sql = "INSERT OR IGNORE INTO agent_os_workflows (workflow, status, input, started_at)
                       VALUES (?1, 'running', ?2, ?3)";
                let started = transaction
                    .prepare_cached(sql)?
                    .execute(params![workflow, input, now])?
                    > 0;
                let sql =
                    "SELECT workflow, status, input, outcome, started_at FROM agent_os_workflows WHERE workflow = ?1";
                Ok((transaction.prepare_cached(sql)?.query_row([&workflow], row)?, started))
            })
    }

    /// Finishes a workflow; the results of its steps are dropped.
    pub fn finish(&self, workflow: &str, status: WorkflowStatus, outcome: Vec<u8>, now: i64) -> Ticket {
        let workflow = workflow.to_owned();
        self.database
            .submission()
            .essential()
            .bytes(outcome.len())
            .submit(move |transaction| {
                let sql =
                    "UPDATE agent_os_workflows SET status = ?2, outcome = ?3, finished_at = ?4 WHERE workflow = ?1";
                transaction
                    .prepare_cached(sql)?
                    .execute(params![workflow, status.name(), outcome, now])?;
                transaction
                    .prepare_cached("DELETE FROM agent_os_workflow_steps WHERE workflow = ?1")?
                    .execute([&workflow])?;
                Ok(())
            })
    }

    /// Forgets a workflow and its steps; true if it was there.
    pub fn remove(&self, workflow: &str) -> Ticket<bool> {
        let workflow = workflow.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            transaction
                .prepare_cached("DELETE FROM agent_os_workflow_steps WHERE workflow = ?1")?
                .execute([&workflow])?;
            Ok(transaction
                .prepare_cached("DELETE FROM agent_os_workflows WHERE workflow = ?1")?
                .execute([&workflow])?
                > 0)
        })
    }

    /// The workflow with this name.
    pub fn get(&self, workflow: &str) -> Result<Option<WorkflowRow>> {
        self.database.read(|connection| {
            let sql = "SELECT workflow, status, input, outcome, started_at FROM agent_os_workflows WHERE workflow = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([workflow], row).optional()?)
        })
    }

    /// Workflows that are not finished, oldest first.
    pub fn running(&self) -> Result<Vec<WorkflowRow>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT workflow, status, input, outcome, started_at FROM agent_os_workflows
                 WHERE status = 'running' ORDER BY started_at, workflow",
            )?;
            Ok(statement.query_map([], row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Steps of a workflow that are finished, in the order in which they finished.
    pub fn steps(&self, workflow: &str) -> Result<Vec<StepRow>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT step, result FROM agent_os_workflow_steps WHERE workflow = ?1 ORDER BY ordinal",
            )?;
            let rows = statement.query_map([workflow], |row| {
                Ok(StepRow {
                    step: row.get(0)?,
                    result: row.get(1)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Stores the result of a step; [`Error::Exists`] if it has one, [`Error::Limit`] beyond `capacity` steps.
    pub fn finish_step(&self, workflow: &str, step: StepRow, now: i64, capacity: u64) -> Ticket {
        let workflow = workflow.to_owned();
        self.database
            .submission()
            .bytes(step.result.len())
            .submit(move |transaction| {
                let held: i64 = transaction
                    .prepare_cached("SELECT count(*) FROM agent_os_workflow_steps WHERE workflow = ?1")?
                    .query_row([&workflow], |row| row.get(0))?;
                if count(held) >= capacity {
                    return Err(Error::Limit {
                        limit: "workflow.maxSteps",
                        observed: count(held) + 1,
                        capacity,
                    });
                }
                let sql = "INSERT OR IGNORE INTO agent_os_workflow_steps (workflow, step, ordinal, result, finished_at)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
                let values = params![workflow, step.step, held, step.result, now];
                match transaction.prepare_cached(sql)?.execute(values)? {
                    0 => Err(Error::Exists {
                        what: "workflow step",
                        id: step.step.into(),
                    }),
                    _ => Ok(()),
                }
            })
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<WorkflowRow> {
    Ok(WorkflowRow {
        workflow: row.get(0)?,
        status: WorkflowStatus::parse(&row.get::<_, String>(1)?),
        input: row.get(2)?,
        outcome: row.get(3)?,
        started_at: row.get(4)?,
    })
}
