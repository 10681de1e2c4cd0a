//! Following the events of a session.
//!
//! A follower holds a number, not a queue: it reads what it has not read yet from the storage, and waits when there is
//! nothing. So a follower may be as slow as it likes, start anywhere, and there may be any number of them.

use crate::error::Result;
use crate::model::SessionEvent;
use crate::storage::Storage;
use crate::stored;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Events that are read at once.
const PAGE: usize = 128;

/// The events of a session from a number on; made by [`Sessions::follow`](crate::Sessions::follow).
pub struct EventStream {
    storage: Arc<dyn Storage>,
    session_id: String,
    next: u64,
    read: VecDeque<SessionEvent>,
    stored: watch::Receiver<u64>,
}

impl EventStream {
    pub(crate) fn new(storage: Arc<dyn Storage>, session_id: &str, from: u64, stored: watch::Receiver<u64>) -> Self {
        Self {
            storage,
            session_id: session_id.to_owned(),
            next: from,
            read: VecDeque::new(),
            stored,
        }
    }

    /// The next event; none once the session is gone. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn next(&mut self) -> Result<Option<SessionEvent>> {
        loop {
            if let Some(event) = self.ready()? {
                return Ok(Some(event));
            }
            if self.stored.changed().await.is_err() {
                return self.ready();
            }
        }
    }

    /// The next event if it is there already.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn ready(&mut self) -> Result<Option<SessionEvent>> {
        if self.read.is_empty() {
            // Marked as seen before reading, so that what comes meanwhile wakes us again.
            let _ = *self.stored.borrow_and_update();
            let page = self.storage.events(&self.session_id, self.next..u64::MAX, PAGE)?;
            self.read
                .extend(page.into_iter().map(|event| stored::event(&self.session_id, &event)));
        }
        let event = self.read.pop_front();
        if let Some(event) = &event {
            self.next = event.seq + 1;
        }
        Ok(event)
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("session_id", &self.session_id)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
