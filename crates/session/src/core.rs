//! What all sessions of a VM share.

use crate::agent::Agents;
use crate::approvals::Pending;
use crate::clock::Clock;
use crate::computer::Computer;
use crate::error::{Error, Result};
use crate::limits::SessionLimits;
use crate::limits::named::HISTORY;
use crate::notice::Notice;
use crate::session::Session;
use crate::stocks::Stocks;
use crate::storage::Storage;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Called for each notice.
pub(crate) type OnNotice = Arc<dyn Fn(Notice) + Send + Sync>;

pub(crate) struct Core {
    pub(crate) computer: Arc<dyn Computer>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) limits: SessionLimits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) agents: parking_lot::RwLock<Agents>,
    pub(crate) instructions: Option<String>,
    pub(crate) on_notice: OnNotice,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) sessions: Mutex<HashMap<String, Arc<Session>>>,
    pub(crate) pending: Mutex<Pending>,
    pub(crate) live: AtomicU64,
    pub(crate) prompts: AtomicU64,
    pub(crate) stocks: Stocks,
    pub(crate) ending: AtomicBool,
}

impl Core {
    /// The agents as they are now.
    pub(crate) fn agents(&self) -> Agents {
        self.agents.read().clone()
    }

    /// Runs a task of the layer.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    pub(crate) fn notify(&self, notice: Notice) {
        (self.on_notice)(notice);
    }

    /// Refuses what begins something new once the VM is about to end.
    pub(crate) fn check_ending(&self) -> Result<()> {
        match self.ending.load(Ordering::Acquire) {
            true => Err(Error::ShuttingDown),
            false => Ok(()),
        }
    }

    /// Refuses when the history is full.
    pub(crate) fn check_history(&self, operation: &'static str) -> Result<()> {
        let (observed, capacity) = (self.storage.history_bytes()?, self.limits.max_history_bytes_per_vm);
        match observed >= capacity {
            true => Err(self.refused(Error::limit(HISTORY, observed, capacity, operation))),
            false => Ok(()),
        }
    }
}
