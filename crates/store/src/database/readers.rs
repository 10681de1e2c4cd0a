//! Reading connections of a database: opened when needed, at most a few, kept while the database is open.
//!
//! A read usually takes less time than opening a connection, which parses the schema. So who finds none idle first waits for
//! about as long as that would take.

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::connection;
use crate::Result;

/// At most this many reads of one database run at once; further ones wait.
const MAX_READERS: usize = 4;
/// How long a read waits for a connection that another one uses before it opens its own.
const PATIENCE: Duration = Duration::from_millis(1);

pub(crate) struct Readers {
    path: PathBuf,
    vfs: Option<String>,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    open: usize,
}

impl Readers {
    /// Connections to the file at `path`, of which one may be open already.
    pub(crate) fn new(path: PathBuf, vfs: Option<String>, first: Option<Connection>) -> Self {
        let idle: Vec<_> = first.into_iter().collect();
        let open = idle.len();
        Self {
            path,
            vfs,
            state: Mutex::new(State { idle, open }),
            returned: Condvar::new(),
        }
    }

    /// Lends a connection.
    pub(crate) fn lend(&self) -> Result<Lent<'_>> {
        let mut state = self.state.lock();
        let mut waited = false;
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok(Lent {
                    readers: self,
                    connection: Some(connection),
                });
            }
            if state.open >= MAX_READERS {
                self.returned.wait(&mut state);
            } else if state.open > 0 && !waited {
                waited = true;
                self.returned.wait_for(&mut state, PATIENCE);
            } else {
                state.open += 1;
                break;
            }
        }
        drop(state);
        let mut lent = Lent {
            readers: self,
            connection: None,
        };
        lent.connection = Some(connection::open_reader(&self.path, self.vfs.as_deref())?);
        Ok(lent)
    }

    /// Closes the connections that nobody uses.
    pub(crate) fn close_idle(&self) {
        let idle = {
            let mut state = self.state.lock();
            state.open -= state.idle.len();
            std::mem::take(&mut state.idle)
        };
        drop(idle);
    }
}

/// A lent connection; goes back when dropped.
pub(crate) struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Lent<'_> {
    pub(crate) fn connection(&mut self) -> Result<&mut Connection> {
        self.connection.as_mut().ok_or(crate::Error::Closed)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.state.lock();
        match self.connection.take() {
            // A connection inside of a transaction (its reader panicked) is not reused.
            Some(connection) if connection.is_autocommit() => state.idle.push(connection),
            _ => state.open -= 1,
        }
        drop(state);
        self.readers.returned.notify_one();
    }
}
