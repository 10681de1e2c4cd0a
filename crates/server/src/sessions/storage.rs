//! The storage of sessions: the actor's database, with secrets sealed by the key of the data directory.

use agentos::session::{
    BoxFuture, Error, OutcomeBounds, OutcomeRow, Result, Secrets, SessionChange, SessionRow, Storage, StoredEvent,
};
use agentos::{ApprovalOutcome, Grant, SessionStatus, Via};
use agentos_store::tables::{self, SessionTable, SessionUpdate};
use agentos_store::{Database, SealKey};
use parking_lot::Mutex;
use serde_json::Value;

/// Sessions in a database.
pub(crate) struct SqlStorage {
    table: SessionTable,
    key: Option<SealKey>,
    /// Who owns the sealed values.
    owner: String,
    /// Bytes of all events; counted at the first question and kept from there on.
    history: Mutex<Option<u64>>,
}

impl SqlStorage {
    pub(crate) fn new(database: &Database, key: Option<SealKey>, owner: &str) -> Self {
        Self {
            table: SessionTable::new(database),
            key,
            owner: owner.to_owned(),
            history: Mutex::default(),
        }
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> Result<u64> {
        self.table.total().map_err(failed)
    }

    fn context(&self, session_id: &str) -> String {
        format!("session:{}:{session_id}", self.owner)
    }

    fn seal(&self, row: &SessionRow) -> Result<Option<Vec<u8>>> {
        let Secrets::Open(text) = &row.secrets else {
            return Ok(None);
        };
        let key = self.key.as_ref().ok_or_else(|| Error::Storage {
            code: "sealed",
            reason: "there is no key to seal an environment with".to_owned(),
        })?;
        key.seal(&self.context(&row.session_id), text.as_bytes())
            .map(Some)
            .map_err(failed)
    }

    fn open(&self, session_id: &str, sealed: Option<&[u8]>) -> Secrets {
        let Some(sealed) = sealed else { return Secrets::None };
        let Some(key) = &self.key else {
            return Secrets::Closed("there is no key to open it with".to_owned());
        };
        let opened = key
            .open(&self.context(session_id), sealed)
            .map_err(|error| error.to_string());
        match opened.map(|text| String::from_utf8(text.to_vec())) {
            Ok(Ok(text)) => Secrets::Open(text),
            Ok(Err(_)) => Secrets::Closed("it is not text".to_owned()),
            Err(reason) => Secrets::Closed(reason),
        }
    }

    fn row(&self, row: tables::SessionRow) -> SessionRow {
        SessionRow {
            secrets: self.open(&row.session_id, row.sealed_env.as_deref()),
            session_id: row.session_id,
            agent_type: row.agent_type,
            agent_session_id: row.agent_session_id,
            capabilities: json(&row.capabilities),
            agent_info: row.agent_info.as_deref().map(json),
            // The schema holds no other words.
            status: SessionStatus::parse(&row.status).unwrap_or(SessionStatus::Suspended),
            cwd: row.cwd,
            options: json(&row.options),
            created_at: row.created_at,
            closed_at: row.closed_at,
        }
    }
}

/// What we stored ourselves is JSON.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// The error of the store; its full text names files of the host and goes to the log.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn failed(error: agentos_store::Error) -> Error {
    match error {
        agentos_store::Error::Limit {
            limit: "limits.acp.maxGrantsPerSession",
            observed,
            capacity,
        } => agentos::session::too_many_grants(observed, capacity),
        agentos_store::Error::Limit { observed, capacity, .. } => {
            agentos::session::too_many_sessions(observed, capacity)
        }
        error => {
            tracing::error!(%error, "the storage of sessions failed");
            match error.code() {
                "storage_corrupt" => Error::Storage {
                    code: "storage_corrupt",
                    reason: "the storage of this VM is damaged".to_owned(),
                },
                _ => Error::Storage {
                    code: error.errno().name(),
                    reason: error.errno().to_string(),
                },
            }
        }
    }
}

impl Storage for SqlStorage {
    fn add(&self, row: SessionRow, capacity: u64) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let sealed_env = self.seal(&row)?;
            let row = tables::SessionRow {
                session_id: row.session_id,
                agent_type: row.agent_type,
                agent_session_id: row.agent_session_id,
                capabilities: row.capabilities.to_string(),
                agent_info: row.agent_info.map(|info| info.to_string()),
                status: row.status.name().to_owned(),
                cwd: row.cwd,
                options: row.options.to_string(),
                sealed_env,
                created_at: row.created_at,
                closed_at: row.closed_at,
            };
            self.table.add(row, capacity).await.map_err(failed)
        })
    }

    fn change<'a>(&'a self, session_id: &'a str, change: SessionChange) -> BoxFuture<'a, Result<()>> {
        let update = SessionUpdate {
            agent_session_id: change.agent_session_id,
            capabilities: change.capabilities.map(|value| value.to_string()),
            agent_info: change.agent_info.map(|info| info.map(|info| info.to_string())),
            status: change.status.map(|status| status.name().to_owned()),
            options: change.options.map(|value| value.to_string()),
            closed_at: change.closed_at,
        };
        Box::pin(async move { self.table.update(session_id, update).await.map_err(failed) })
    }

    fn remove<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.table.remove(session_id).await.map_err(failed)?;
            // Counted anew at the next question.
            *self.history.lock() = None;
            Ok(())
        })
    }

    fn session(&self, session_id: &str) -> Result<Option<SessionRow>> {
        Ok(self.table.get(session_id).map_err(failed)?.map(|row| self.row(row)))
    }

    fn sessions(&self) -> Result<Vec<SessionRow>> {
        let rows = self.table.list().map_err(failed)?;
        Ok(rows.into_iter().map(|row| self.row(row)).collect())
    }

    fn append<'a>(&'a self, session_id: &'a str, events: Vec<String>, at: i64) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let bytes: u64 = events.iter().map(|event| event.len() as u64).sum();
            let first = self.table.append(session_id, events, at).await.map_err(failed)?;
            if let Some(history) = &mut *self.history.lock() {
                *history += bytes;
            }
            first.ok_or_else(|| Error::SessionNotFound {
                session_id: session_id.to_owned(),
                status: None,
            })
        })
    }

    fn events(&self, session_id: &str, range: std::ops::Range<u64>, limit: usize) -> Result<Vec<StoredEvent>> {
        let rows = self
            .table
            .events(session_id, range.start, range.end, limit)
            .map_err(failed)?;
        let event = |row: tables::SessionEventRow| StoredEvent {
            seq: row.seq,
            event: row.event,
            created_at: row.created_at,
        };
        Ok(rows.into_iter().map(event).collect())
    }

    fn next_seq(&self, session_id: &str) -> Result<u64> {
        self.table.next_seq(session_id).map_err(failed)
    }

    fn history_bytes(&self) -> Result<u64> {
        let mut history = self.history.lock();
        match *history {
            Some(bytes) => Ok(bytes),
            None => {
                let bytes = self.table.history_bytes(None).map_err(failed)?;
                *history = Some(bytes);
                Ok(bytes)
            }
        }
    }

    fn add_grant(&self, grant: Grant, capacity: u64) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let row = tables::GrantRow {
                scope: serde_json::to_string(&grant.scope).unwrap_or_default(),
                grant_id: grant.grant_id,
                session_id: grant.session_id,
                created_at: grant.created_at,
                expires_at: grant.expires_at,
                uses: grant.uses,
            };
            self.table.add_grant(row, capacity).await.map_err(failed)
        })
    }

    fn grants(&self, session_id: Option<&str>) -> Result<Vec<Grant>> {
        let rows = self.table.grants(session_id).map_err(failed)?;
        let grant = |row: tables::GrantRow| {
            let scope = serde_json::from_str(&row.scope).unwrap_or_default();
            Grant::new(
                row.grant_id,
                row.session_id,
                scope,
                row.created_at,
                row.expires_at,
                row.uses,
            )
        };
        Ok(rows.into_iter().map(grant).collect())
    }

    fn use_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { self.table.use_grant(grant_id).await.map_err(failed) })
    }

    fn remove_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { self.table.remove_grant(grant_id).await.map_err(failed) })
    }

    fn remove_grants<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.table.remove_grants(session_id).await.map(drop).map_err(failed) })
    }

    fn add_outcome(&self, outcome: OutcomeRow, bounds: OutcomeBounds) -> BoxFuture<'_, Result<()>> {
        let row = tables::OutcomeRow {
            permission_id: outcome.permission_id,
            session_id: outcome.session_id,
            outcome: outcome.outcome.name().to_owned(),
            via: outcome.via.name().to_owned(),
            resolved_at: outcome.resolved_at,
        };
        Box::pin(async move {
            self.table
                .add_outcome(row, bounds.per_session, bounds.per_vm)
                .await
                .map_err(failed)
        })
    }

    fn outcome(&self, permission_id: &str) -> Result<Option<OutcomeRow>> {
        let row = self.table.outcome(permission_id).map_err(failed)?;
        Ok(row.map(|row| OutcomeRow {
            permission_id: row.permission_id,
            session_id: row.session_id,
            outcome: ApprovalOutcome::parse(&row.outcome).unwrap_or(ApprovalOutcome::Cancelled),
            via: Via::parse(&row.via).unwrap_or(Via::Cancelled),
            resolved_at: row.resolved_at,
        }))
    }
}
