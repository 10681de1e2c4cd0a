//! The user's database (`db`) of one opening of an actor's store.
//!
//! It is a file of its own beside the actor's, opened when it is first asked for and closed with the store. Its statements
//! run one after the other on threads that may block, one such thread for an actor at most: whoever comes next waits for
//! its turn without a thread. A statement that nobody waits for any more is interrupted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use agentos_store::{Error, Headroom, Rows, SqlValue, Stop, UserDatabase, UserLimits};
use parking_lot::Mutex;

use crate::Failure;

/// Databases that live as long as a registry without a data directory, by actor.
pub(crate) type InMemory = Arc<Mutex<HashMap<String, UserDatabase>>>;

/// Where the database of one actor is.
#[derive(Clone, Debug)]
pub(crate) enum UserPlace {
    Disk { path: PathBuf, headroom: Arc<Headroom> },
    Memory { all: InMemory, id: String },
}

/// The place of the database in an open store.
#[derive(Debug)]
pub(crate) struct UserSlot {
    place: UserPlace,
    state: Mutex<State>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<UserDatabase>,
    closed: bool,
    /// Ends the statement that runs.
    running: Stop,
}

/// Interrupts a statement when whoever waits for it goes away.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl UserSlot {
    pub(crate) fn new(place: UserPlace) -> Self {
        Self {
            place,
            state: Mutex::default(),
            turn: Arc::default(),
        }
    }

    /// Runs statements. `held` is let go when the thread that runs them is done, which may be after this future was dropped.
    pub(crate) async fn execute(
        self: &Arc<Self>,
        limits: UserLimits,
        (sql, args): (String, Vec<SqlValue>),
        held: impl Send + 'static,
    ) -> Result<(Rows, u64), Failure> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (slot, stop) = (Arc::clone(self), Stop::default());
        let given_up = StopOnDrop(Arc::clone(&stop));
        let work = move || {
            let _held = (turn, held);
            let database = slot.begin(limits, &stop)?;
            let rows = database.execute_until(&sql, &args, &stop)?;
            Ok::<_, Error>((rows, database.bytes()?))
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(Failure::internal)?;
        drop(given_up);
        Ok(done?)
    }

    /// The database, opened if it was not; from here on `stop` ends what runs on it. Blocks.
    fn begin(&self, limits: UserLimits, stop: &Stop) -> Result<UserDatabase, Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        state.running = Arc::clone(stop);
        if let Some(database) = &state.open {
            return Ok(database.clone());
        }
        let database = match &self.place {
            UserPlace::Disk { path, headroom } => UserDatabase::open(path, limits, Some(Arc::clone(headroom)))?,
            UserPlace::Memory { all, id } => {
                let mut all = all.lock();
                match all.get(id) {
                    Some(database) => database.clone(),
                    None => {
                        let database = UserDatabase::in_memory(limits)?;
                        all.insert(id.clone(), database.clone());
                        database
                    }
                }
            }
        };
        state.open = Some(database.clone());
        Ok(database)
    }

    /// Bytes of the database; 0 while it has never been used. Blocks for a moment.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.place {
            UserPlace::Disk { path, .. } => std::fs::metadata(path).map_or(0, |file| file.len()),
            UserPlace::Memory { all, id } => {
                let database = all.lock().get(id).cloned();
                database.and_then(|database| database.bytes().ok()).unwrap_or(0)
            }
        }
    }

    /// Ends what runs, takes back what a transaction left open, and closes the file. Blocks.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.closed = true;
        state.running.store(true, Ordering::Relaxed);
        let open = state.open.take();
        drop(state);
        match (open, &self.place) {
            (None, _) => Ok(()),
            (Some(database), UserPlace::Disk { .. }) => database.close(),
            // One in memory stays for the next opening.
            (Some(database), UserPlace::Memory { .. }) => {
                database.rest();
                Ok(())
            }
        }
    }
}
