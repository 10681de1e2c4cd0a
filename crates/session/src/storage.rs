//! Where sessions are kept.
//!
//! The layer writes rows and events through [`Storage`] and believes what it reads back. [`MemoryStorage`] keeps everything
//! for as long as it lives; a server has one over its database. What a writing call has changed is durable, where the storage
//! can be durable at all, before its future ends.

use crate::computer::BoxFuture;
use crate::error::{Error, Result};
use crate::limits::named::{GRANTS, SESSIONS};
use crate::model::{Grant, Outcome, SessionRecord, Status, Via};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the columns of lifecycle.md section 2.1")]
pub struct SessionRow {
    pub session_id: String,
    pub agent_type: String,
    /// The agent's own id of the conversation.
    pub agent_session_id: Option<String>,
    pub capabilities: Value,
    pub agent_info: Option<Value>,
    pub status: Status,
    pub cwd: String,
    /// Settings without secrets.
    pub options: Value,
    /// Environment and servers: must be sealed wherever it outlives the process.
    pub secrets: Secrets,
    pub created_at: i64,
    pub closed_at: Option<i64>,
}

/// What a session was given that may be secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Secrets {
    /// Nothing.
    #[default]
    None,
    /// Readable.
    Open(String),
    /// Sealed, and the key is not there: why.
    Closed(String),
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl SessionRow {
    /// What clients see.
    pub fn record(&self) -> SessionRecord {
        SessionRecord {
            session_id: self.session_id.clone(),
            agent_type: self.agent_type.clone(),
            capabilities: self.capabilities.clone(),
            agent_info: self.agent_info.clone(),
            status: self.status,
            created_at: self.created_at,
        }
    }
}

/// What changes in a row; what is not given stays.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "as in SessionRow")]
pub struct SessionChange {
    pub agent_session_id: Option<String>,
    pub capabilities: Option<Value>,
    pub agent_info: Option<Option<Value>>,
    pub status: Option<Status>,
    pub options: Option<Value>,
    pub closed_at: Option<i64>,
}

impl SessionChange {
    /// A change of the status alone.
    pub fn status(status: Status) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number.
    pub seq: u64,
    /// A JSON-RPC notification as text.
    pub event: String,
    /// When it was stored.
    pub created_at: i64,
}

/// How a permission request ended, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns of lifecycle.md section 2.1")]
pub struct OutcomeRow {
    pub permission_id: String,
    pub session_id: String,
    pub outcome: Outcome,
    pub via: Via,
    pub resolved_at: i64,
}

/// Most outcomes that are kept, of a session and of a VM; the oldest go first.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names say it")]
pub struct OutcomeBounds {
    pub per_session: u64,
    pub per_vm: u64,
}

/// Where sessions are kept.
pub trait Storage: Send + Sync + 'static {
    /// Adds a session; [`Error::Limit`] beyond `capacity` of them.
    fn add(&self, row: SessionRow, capacity: u64) -> BoxFuture<'_, Result<()>>;
    /// Changes a session, if it is there.
    fn change<'a>(&'a self, session_id: &'a str, change: SessionChange) -> BoxFuture<'a, Result<()>>;
    /// Removes a session with its events, grants and outcomes.
    fn remove<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<()>>;
    /// One session.
    fn session(&self, session_id: &str) -> Result<Option<SessionRow>>;
    /// All sessions, oldest first.
    fn sessions(&self) -> Result<Vec<SessionRow>>;
    /// Adds events to a session that is there and gives the number of the first; the others follow without gaps.
    fn append<'a>(&'a self, session_id: &'a str, events: Vec<String>, at: i64) -> BoxFuture<'a, Result<u64>>;
    /// Events with numbers in `range`, in order, at most `limit`.
    fn events(&self, session_id: &str, range: std::ops::Range<u64>, limit: usize) -> Result<Vec<StoredEvent>>;
    /// The number that the next event gets.
    fn next_seq(&self, session_id: &str) -> Result<u64>;
    /// Bytes of all events.
    fn history_bytes(&self) -> Result<u64>;
    /// Adds a grant; [`Error::Limit`] beyond `capacity` of its session.
    fn add_grant(&self, grant: Grant, capacity: u64) -> BoxFuture<'_, Result<()>>;
    /// Grants of one session or of all, oldest first.
    fn grants(&self, session_id: Option<&str>) -> Result<Vec<Grant>>;
    /// Counts one more use of a grant; false if it is gone, and then nothing was decided by it.
    fn use_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, Result<bool>>;
    /// Removes a grant; true if it was there.
    fn remove_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, Result<bool>>;
    /// Removes all grants of a session.
    fn remove_grants<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Records how a request ended; what was recorded of it before is replaced.
    fn add_outcome(&self, outcome: OutcomeRow, bounds: OutcomeBounds) -> BoxFuture<'_, Result<()>>;
    /// How a request ended, if that is still known.
    fn outcome(&self, permission_id: &str) -> Result<Option<OutcomeRow>>;
}

/// Keeps sessions in memory.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// In the order of their creation.
    sessions: Vec<SessionRow>,
    events: BTreeMap<String, Vec<StoredEvent>>,
    bytes: u64,
    grants: Vec<Grant>,
    outcomes: Vec<OutcomeRow>,
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Storage for MemoryStorage {
    fn add(&self, row: SessionRow, capacity: u64) -> BoxFuture<'_, Result<()>> {
        let mut kept = self.kept.lock();
        let observed = kept.sessions.len() as u64 + 1;
        if observed > capacity {
            return ready(Err(too_many_sessions(observed, capacity)));
        }
        kept.sessions.push(row);
        ready(Ok(()))
    }

    fn change<'a>(&'a self, session_id: &'a str, change: SessionChange) -> BoxFuture<'a, Result<()>> {
        let mut kept = self.kept.lock();
        if let Some(row) = kept.sessions.iter_mut().find(|row| row.session_id == session_id) {
            row.status = change.status.unwrap_or(row.status);
            row.closed_at = change.closed_at.or(row.closed_at);
            row.agent_session_id = change.agent_session_id.or(row.agent_session_id.take());
            if let Some(capabilities) = change.capabilities {
                row.capabilities = capabilities;
            }
            if let Some(info) = change.agent_info {
                row.agent_info = info;
            }
            if let Some(options) = change.options {
                row.options = options;
            }
        }
        ready(Ok(()))
    }

    fn remove<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<()>> {
        let mut kept = self.kept.lock();
        kept.sessions.retain(|row| row.session_id != session_id);
        let gone = kept.events.remove(session_id).unwrap_or_default();
        kept.bytes -= gone.iter().map(|event| event.event.len() as u64).sum::<u64>();
        kept.grants.retain(|grant| grant.session_id != session_id);
        kept.outcomes.retain(|outcome| outcome.session_id != session_id);
        ready(Ok(()))
    }

    fn session(&self, session_id: &str) -> Result<Option<SessionRow>> {
        let kept = self.kept.lock();
        Ok(kept.sessions.iter().find(|row| row.session_id == session_id).cloned())
    }

    fn sessions(&self) -> Result<Vec<SessionRow>> {
        Ok(self.kept.lock().sessions.clone())
    }

    fn append<'a>(&'a self, session_id: &'a str, events: Vec<String>, at: i64) -> BoxFuture<'a, Result<u64>> {
        let mut kept = self.kept.lock();
        if !kept.sessions.iter().any(|row| row.session_id == session_id) {
            return ready(Err(Error::not_found(session_id)));
        }
        kept.bytes += events.iter().map(|event| event.len() as u64).sum::<u64>();
        let stored = kept.events.entry(session_id.to_owned()).or_default();
        let first = stored.len() as u64;
        stored.extend(events.into_iter().zip(first..).map(|(event, seq)| StoredEvent {
            seq,
            event,
            created_at: at,
        }));
        ready(Ok(first))
    }

    fn events(&self, session_id: &str, range: std::ops::Range<u64>, limit: usize) -> Result<Vec<StoredEvent>> {
        let kept = self.kept.lock();
        let Some(stored) = kept.events.get(session_id) else {
            return Ok(Vec::new());
        };
        let clamp = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX).min(stored.len());
        let asked = stored.get(clamp(range.start)..clamp(range.end)).unwrap_or_default();
        Ok(asked.iter().take(limit).cloned().collect())
    }

    fn next_seq(&self, session_id: &str) -> Result<u64> {
        Ok(self
            .kept
            .lock()
            .events
            .get(session_id)
            .map_or(0, |events| events.len() as u64))
    }

    fn history_bytes(&self) -> Result<u64> {
        Ok(self.kept.lock().bytes)
    }

    fn add_grant(&self, grant: Grant, capacity: u64) -> BoxFuture<'_, Result<()>> {
        let mut kept = self.kept.lock();
        let held = kept
            .grants
            .iter()
            .filter(|held| held.session_id == grant.session_id)
            .count() as u64;
        if held >= capacity {
            return ready(Err(too_many_grants(held + 1, capacity)));
        }
        kept.grants.push(grant);
        ready(Ok(()))
    }

    fn grants(&self, session_id: Option<&str>) -> Result<Vec<Grant>> {
        let kept = self.kept.lock();
        let asked = |grant: &&Grant| session_id.is_none_or(|id| grant.session_id == id);
        Ok(kept.grants.iter().filter(asked).cloned().collect())
    }

    fn use_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, Result<bool>> {
        let mut kept = self.kept.lock();
        let found = kept.grants.iter_mut().find(|grant| grant.grant_id == grant_id);
        ready(Ok(found.map(|grant| grant.uses += 1).is_some()))
    }

    fn remove_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, Result<bool>> {
        let mut kept = self.kept.lock();
        let before = kept.grants.len();
        kept.grants.retain(|grant| grant.grant_id != grant_id);
        ready(Ok(kept.grants.len() < before))
    }

    fn remove_grants<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.kept.lock().grants.retain(|grant| grant.session_id != session_id);
        ready(Ok(()))
    }

    fn add_outcome(&self, outcome: OutcomeRow, bounds: OutcomeBounds) -> BoxFuture<'_, Result<()>> {
        let mut kept = self.kept.lock();
        let session_id = outcome.session_id.clone();
        kept.outcomes.retain(|held| held.permission_id != outcome.permission_id);
        kept.outcomes.push(outcome);
        let of_session = kept
            .outcomes
            .iter()
            .filter(|held| held.session_id == session_id)
            .count() as u64;
        if of_session > bounds.per_session
            && let Some(oldest) = kept.outcomes.iter().position(|held| held.session_id == session_id)
        {
            kept.outcomes.remove(oldest);
        }
        if kept.outcomes.len() as u64 > bounds.per_vm {
            kept.outcomes.remove(0);
        }
        ready(Ok(()))
    }

    fn outcome(&self, permission_id: &str) -> Result<Option<OutcomeRow>> {
        let kept = self.kept.lock();
        Ok(kept
            .outcomes
            .iter()
            .find(|held| held.permission_id == permission_id)
            .cloned())
    }
}

/// The error of a storage that is full of sessions.
pub fn too_many_sessions(observed: u64, capacity: u64) -> Error {
    Error::limit(SESSIONS, observed, capacity, "createSession")
}

/// The error of a session that is full of grants.
pub fn too_many_grants(observed: u64, capacity: u64) -> Error {
    Error::limit(GRANTS, observed, capacity, "respondPermission")
}
