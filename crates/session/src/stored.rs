//! What can be said and done of sessions without a VM: they are rows and events.

use crate::error::{Error, Result};
use crate::model::{EventQuery, Grant, SessionEvent, SessionRecord, Status};
use crate::session::end_event;
use crate::storage::{SessionChange, SessionRow, Storage, StoredEvent};
use serde_json::Value;

/// Events that are read at once.
const PAGE: usize = 512;

/// The sessions in a storage.
#[derive(Clone, Copy)]
pub struct Stored<'a>(&'a dyn Storage);

impl std::fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored")
    }
}

impl<'a> Stored<'a> {
    /// Those of this storage.
    pub fn new(storage: &'a dyn Storage) -> Self {
        Self(storage)
    }

    /// Sessions that are not closed, oldest first.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn list(self) -> Result<Vec<SessionRecord>> {
        let rows = self.0.sessions()?;
        Ok(rows
            .iter()
            .filter(|row| row.status != Status::Closed)
            .map(SessionRow::record)
            .collect())
    }

    /// All sessions.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn persisted(self, oldest_first: bool) -> Result<Vec<SessionRecord>> {
        let mut records: Vec<SessionRecord> = self.0.sessions()?.iter().map(SessionRow::record).collect();
        if !oldest_first {
            records.reverse();
        }
        Ok(records)
    }

    /// One session.
    ///
    /// # Errors
    /// `session_not_found`.
    pub fn get(self, id: &str) -> Result<SessionRecord> {
        Ok(self.0.session(id)?.ok_or_else(|| Error::not_found(id))?.record())
    }

    /// Events of a session.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument`.
    pub fn events(self, id: &str, query: &EventQuery) -> Result<Vec<SessionEvent>> {
        query.check()?;
        self.get(id)?;
        let (mut range, most) = (query.range(), query.limit.unwrap_or(u64::MAX));
        let mut found = Vec::new();
        while (found.len() as u64) < most {
            let left = usize::try_from(most - found.len() as u64).unwrap_or(usize::MAX);
            // With a filter, whole pages are looked through.
            let page = if query.method.is_some() { PAGE } else { PAGE.min(left) };
            let page = self.0.events(id, range.clone(), page)?;
            let Some(last) = page.last() else { break };
            range.start = last.seq + 1;
            let events = page.into_iter().map(|stored| event(id, &stored));
            let asked = |event: &SessionEvent| match &query.method {
                Some(method) => event.event.get("method").and_then(Value::as_str) == Some(method),
                None => true,
            };
            found.extend(events.filter(asked).take(left));
        }
        Ok(found)
    }

    /// Grants that have not ended, of one session or of all.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn grants(self, id: Option<&str>, now_ms: i64) -> Result<Vec<Grant>> {
        let mut grants = self.0.grants(id)?;
        grants.retain(|grant| grant.expires_at.is_none_or(|end| end > now_ms));
        Ok(grants)
    }

    /// Closes a session whose VM sleeps.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn close(self, id: &str, now_ms: i64) -> Result<()> {
        if self.get(id)?.status != Status::Closed {
            let change = SessionChange {
                closed_at: Some(now_ms),
                ..SessionChange::status(Status::Closed)
            };
            self.0.change(id, change).await?;
        }
        self.0.remove_grants(id).await
    }

    /// Removes a session whose VM sleeps.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn destroy(self, id: &str) -> Result<()> {
        self.0.remove(id).await
    }
}

pub(crate) fn event(session_id: &str, stored: &StoredEvent) -> SessionEvent {
    SessionEvent {
        session_id: session_id.to_owned(),
        seq: stored.seq,
        // What was stored is JSON.
        event: serde_json::from_str(&stored.event).unwrap_or_default(),
        created_at: stored.created_at,
    }
}

/// Puts in order what an unclean end has left: sessions are suspended, prompts without an end get one.
pub(crate) async fn recover(storage: &dyn Storage, now_ms: i64) -> Result<()> {
    for row in storage.sessions()? {
        if row.status != Status::Live {
            continue;
        }
        if let Some(prompt_id) = unended(storage, &row.session_id)? {
            let interrupted = Err(Error::Vm {
                code: "interrupted".to_owned(),
                message: "the VM ended while the prompt ran".to_owned(),
            });
            let end = end_event(&row.session_id, &prompt_id, 0, &interrupted);
            storage.append(&row.session_id, vec![end.to_string()], now_ms).await?;
        }
        storage
            .change(&row.session_id, SessionChange::status(Status::Suspended))
            .await?;
    }
    Ok(())
}

/// The last prompt, if it has no end.
fn unended(storage: &dyn Storage, session_id: &str) -> Result<Option<String>> {
    let mut end = storage.next_seq(session_id)?;
    while end > 0 {
        let start = end.saturating_sub(PAGE as u64);
        for stored in storage.events(session_id, start..end, PAGE)?.iter().rev() {
            let event: Value = serde_json::from_str(&stored.event).unwrap_or_default();
            if event.get("method").and_then(Value::as_str) == Some("agentos/prompt_end") {
                return Ok(None);
            }
            let meta = event
                .get("params")
                .and_then(|params| params.get("_meta"))
                .and_then(|meta| meta.get("agentos"));
            if let Some(id) = meta.and_then(|meta| meta.get("promptId")).and_then(Value::as_str) {
                return Ok(Some(id.to_owned()));
            }
        }
        end = start;
    }
    Ok(None)
}
