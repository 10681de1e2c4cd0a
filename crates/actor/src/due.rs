//! When an actor must be awake next: kept in the index of the host, so that a sleeping actor is woken in time.
//!
//! Two files cannot be committed as one. What holds instead: **the due time in the index is never later than the true one.**
//! Whoever adds a due time announces it in the index first and keeps the [`Announced`] guard until its own row is durable;
//! whoever removes one does so in its own table first and settles afterwards. A crash in between costs a needless wake, never
//! a missed one. The guard also keeps settling from overtaking an announcement whose row is not there yet.

use std::sync::Arc;

use agentos_store::tables::{CronTable, ScheduleTable, WorkflowTable};
use agentos_store::{Database, HostIndex, Result};
use tokio::sync::Notify;

/// The due times of one actor.
#[derive(Clone, Debug)]
pub struct DueTimes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    index: Option<HostIndex>,
    /// Notified when the index has an earlier due time.
    alarm: Option<Arc<Notify>>,
    actor_id: String,
    cron: CronTable,
    schedules: ScheduleTable,
    workflows: WorkflowTable,
    /// Held from an announcement until its row is durable, and while settling.
    order: Arc<tokio::sync::Mutex<()>>,
}

/// An announced due time whose row is on its way; dropped once the row is durable or has failed.
#[must_use]
#[derive(Debug)]
pub struct Announced {
    _order: tokio::sync::OwnedMutexGuard<()>,
}

impl DueTimes {
    /// The due times of the actor with the given database. Without an index nothing is announced, and nobody is woken.
    pub fn new(index: Option<HostIndex>, actor_id: &str, database: &Database) -> Self {
        Self {
            shared: Arc::new(Shared {
                index,
                alarm: None,
                actor_id: actor_id.to_owned(),
                cron: CronTable::new(database),
                schedules: ScheduleTable::new(database),
                workflows: WorkflowTable::new(database),
                order: Arc::default(),
            }),
        }
    }

    /// As [`new`](Self::new), for an actor of a registry: `alarm` is notified of earlier due times.
    pub(crate) fn of_registry(index: HostIndex, alarm: Arc<Notify>, actor_id: &str, database: &Database) -> Self {
        let mut due = Self::new(Some(index), actor_id, database);
        if let Some(shared) = Arc::get_mut(&mut due.shared) {
            shared.alarm = Some(alarm);
        }
        due
    }

    /// Makes sure that the actor is woken at `at`, before the row that says why is written.
    ///
    /// # Errors
    /// Those of the index.
    pub async fn announce(&self, at: i64) -> Result<Announced> {
        let order = self.shared.order.clone().lock_owned().await;
        if let Some(index) = &self.shared.index {
            index.set_due_at_most(&self.shared.actor_id, at).await?;
        }
        if let Some(alarm) = &self.shared.alarm {
            alarm.notify_one();
        }
        Ok(Announced { _order: order })
    }

    /// Brings the index to the earliest due time in the tables.
    ///
    /// # Errors
    /// Those of the index and the tables.
    pub async fn settle(&self) -> Result<()> {
        let _order = self.shared.order.lock().await;
        let next = self.next()?;
        if let Some(index) = &self.shared.index {
            index.set_due(&self.shared.actor_id, next).await?;
        }
        Ok(())
    }

    /// The earliest due time in the tables. A workflow that is not finished is due since its start, so that the actor is
    /// woken at once when a host comes back.
    ///
    /// # Errors
    /// Those of the tables.
    pub fn next(&self) -> Result<Option<i64>> {
        let shared = &*self.shared;
        let workflow = shared.workflows.running()?.first().map(|workflow| workflow.started_at);
        let times = [shared.cron.next_due()?, shared.schedules.next_due()?, workflow];
        Ok(times.into_iter().flatten().min())
    }
}
