//! How full the stocks are that are warned about: sessions, agents, requests, grants, history (limits.md section 2).
//!
//! Usage is told as [`Notice::Usage`] whenever it has changed; who is told decides what is worth a warning. Limits of one
//! session are told with the fullest of all.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::limits::named::{GRANTS, HISTORY, LIVE, Named, PENDING, PENDING_OF_VM, SESSIONS};
use crate::notice::Notice;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted here, because asking the storage would be slow.
#[derive(Debug, Default)]
pub(crate) struct Stocks {
    pub(crate) sessions: AtomicU64,
    /// Grants of each session that has some.
    grants: Mutex<HashMap<String, u64>>,
}

impl Core {
    /// Counts what is kept, at the beginning.
    pub(crate) fn count_stocks(&self) -> Result<()> {
        let rows = self.storage.sessions()?;
        self.stocks.sessions.store(rows.len() as u64, Ordering::Release);
        let prompts = rows.iter().map(|row| crate::session::prompts_of(&row.options)).sum();
        self.prompts.store(prompts, Ordering::Release);
        for grant in self.storage.grants(None)? {
            *self.stocks.grants.lock().entry(grant.session_id).or_default() += 1;
        }
        self.tell_sessions();
        self.tell_grants();
        self.tell_history();
        self.tell_pending();
        self.used(
            LIVE,
            self.live.load(Ordering::Acquire),
            self.limits.max_live_sessions_per_vm,
        );
        Ok(())
    }

    /// A session was added.
    pub(crate) fn added_session(&self) {
        self.stocks.sessions.fetch_add(1, Ordering::AcqRel);
        self.tell_sessions();
    }

    /// A session was removed, with its grants and its history.
    pub(crate) fn removed_session(&self, session_id: &str) {
        // What is not there any more is not counted twice: whoever removes asks for the session first.
        let _ = self
            .stocks
            .sessions
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
        self.tell_sessions();
        self.count_grants(session_id);
        self.tell_history();
    }

    /// Grants of a session have changed.
    pub(crate) fn count_grants(&self, session_id: &str) {
        // A storage that cannot be read has no grants to count; whoever needs them hears of it.
        let count = self
            .storage
            .grants(Some(session_id))
            .map_or(0, |grants| grants.len() as u64);
        {
            let mut grants = self.stocks.grants.lock();
            match count {
                0 => grants.remove(session_id),
                count => grants.insert(session_id.to_owned(), count),
            };
        }
        self.tell_grants();
    }

    fn tell_sessions(&self) {
        let sessions = self.stocks.sessions.load(Ordering::Acquire);
        self.used(SESSIONS, sessions, self.limits.max_sessions_per_vm);
    }

    fn tell_grants(&self) {
        let most = self.stocks.grants.lock().values().copied().max().unwrap_or_default();
        self.used(GRANTS, most, self.limits.max_grants_per_session);
    }

    /// The history has changed.
    pub(crate) fn tell_history(&self) {
        if let Ok(bytes) = self.storage.history_bytes() {
            self.used(HISTORY, bytes, self.limits.max_history_bytes_per_vm);
        }
    }

    /// Requests that wait have changed.
    pub(crate) fn tell_pending(&self) {
        let (all, most) = self.pending.lock().counts();
        self.used(PENDING_OF_VM, all, self.limits.max_pending_permissions_per_vm);
        self.used(PENDING, most, self.limits.max_pending_permissions_per_session);
    }

    pub(crate) fn used(&self, (path, _): Named, observed: u64, capacity: u64) {
        self.notify(Notice::Usage {
            path,
            observed,
            capacity,
        });
    }

    /// Tells of a refusal for a limit, and gives it back.
    pub(crate) fn refused(&self, error: Error) -> Error {
        if let Error::Limit {
            path,
            noun,
            observed,
            capacity,
            operation,
        } = &error
        {
            self.notify(Notice::LimitExceeded {
                path,
                noun,
                observed: *observed,
                capacity: *capacity,
                operation,
            });
        }
        error
    }
}
