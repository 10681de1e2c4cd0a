//! The database of the user (`db`): a file of its own, `user.sqlite`, for SQL that the application or a guest wrote.
//!
//! Its statements are hostile: they may be endless, enormous, or look for other files. So
//!
//! * no statement reaches beyond the file: no `ATTACH`, no `VACUUM`, no extension, no pragma but a few that only look;
//! * the file cannot grow beyond `sqlite.maxDatabaseBytes` (SQLite then says that the database is full);
//! * a result cannot exceed `sqlite.maxResultBytes`; a statement is interrupted after `sqlite.queryTimeoutMs`;
//! * it never shares a connection with `vm.sqlite`.
//!
//! A call blocks the thread while its statement runs.

mod guard;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection, ErrorCode, Statement};

use self::guard::Deadline;
pub use self::value::{Rows, SqlValue};
use crate::{Error, Headroom, Result};

/// Bounds of a user database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLimits {
    /// `sqlite.maxDatabaseBytes`: size of the file.
    pub database_bytes: u64,
    /// `sqlite.maxResultBytes`: size of one result.
    pub result_bytes: usize,
    /// `sqlite.queryTimeoutMs`: time of one call.
    pub query_timeout: Duration,
}

impl Default for UserLimits {
    fn default() -> Self {
        Self {
            database_bytes: 1 << 30,
            result_bytes: 8 << 20,
            query_timeout: Duration::from_millis(30_000),
        }
    }
}

/// An open user database. Cheap to clone; statements of all clones run one at a time.
#[derive(Clone)]
pub struct UserDatabase {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    limits: UserLimits,
    headroom: Option<Arc<Headroom>>,
    deadline: Deadline,
    connection: Mutex<Option<Connection>>,
}

impl UserDatabase {
    /// Opens or creates the file at `path`.
    pub fn open(path: &Path, limits: UserLimits, headroom: Option<Arc<Headroom>>) -> Result<Self> {
        let deadline = Deadline::default();
        let connection = guard::open(path, limits, &deadline)?;
        let connection = Mutex::new(Some(connection));
        Ok(Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                limits,
                headroom,
                deadline,
                connection,
            }),
        })
    }

    /// Runs the statements in `sql` and returns the rows of the last one. `args` are the values of `?`; only a single
    /// statement takes values.
    ///
    /// # Errors
    ///
    /// [`Error::Sql`] with SQLite's text for a statement that fails, [`Error::Limit`] for a result that is too large,
    /// [`Error::Interrupted`] for one that runs too long, [`Error::NoSpace`] while the disk is nearly full.
    pub fn execute(&self, sql: &str, args: &[SqlValue]) -> Result<Rows> {
        let shared = &*self.shared;
        let connection = shared.connection.lock();
        let connection = connection.as_ref().ok_or(Error::Closed)?;
        let _running = shared.deadline.start(shared.limits.query_timeout);
        let mut rows = Rows::default();
        let mut batch = Batch::new(connection, sql);
        let mut statements = 0;
        while let Some(mut statement) = batch.next().map_err(|error| shared.failed(&error))? {
            statements += 1;
            if statements > 1 && !args.is_empty() {
                return Err(Error::Sql("values can be given for a single statement only".into()));
            }
            rows = shared.run(&mut statement, args)?;
        }
        Ok(rows)
    }

    /// Closes the file; what a transaction left open is taken back. Later calls fail with [`Error::Closed`].
    pub fn close(&self) -> Result<()> {
        let Some(connection) = self.shared.connection.lock().take() else {
            return Ok(());
        };
        connection
            .close()
            .map_err(|(_, error)| Error::sqlite(&self.shared.path, &error))
    }
}

impl std::fmt::Debug for UserDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserDatabase")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn run(&self, statement: &mut Statement<'_>, args: &[SqlValue]) -> Result<Rows> {
        if let (Some(headroom), false) = (&self.headroom, statement.readonly()) {
            headroom.check()?;
        }
        let expected = statement.parameter_count();
        if expected != args.len() {
            return Err(Error::Sql(
                format!("the statement takes {expected} values, got {}", args.len()).into(),
            ));
        }
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut found = Rows {
            columns,
            rows: Vec::new(),
        };
        let mut size = found.columns.iter().map(String::len).sum::<usize>();
        let mut rows = statement
            .query(rusqlite::params_from_iter(args))
            .map_err(|error| self.failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            let mut values = Vec::with_capacity(found.columns.len());
            for index in 0..found.columns.len() {
                let value = SqlValue::read(row.get_ref(index).map_err(|error| self.failed(&error))?);
                size = size.saturating_add(value.size());
                if size > self.limits.result_bytes {
                    return Err(Error::Limit {
                        limit: "limits.sqlite.maxResultBytes",
                        observed: size as u64,
                        capacity: self.limits.result_bytes as u64,
                    });
                }
                values.push(value);
            }
            found.rows.push(values);
        }
        Ok(found)
    }

    /// Errors of the file are the store's; all others are told to the author of the statement.
    fn failed(&self, error: &rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => {
                Error::Interrupted(u64::try_from(self.limits.query_timeout.as_millis()).unwrap_or(u64::MAX))
            }
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen,
            ) => Error::sqlite(&self.path, error),
            _ => Error::Sql(error.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests;
