//! The database of the user (`db`): a file of its own, `user.sqlite`, for SQL that the application or a guest wrote.
//!
//! Its statements are hostile: they may be endless, enormous, or look for other files. So
//!
//! * no statement reaches beyond the file: no `ATTACH`, no `VACUUM`, no extension, no pragma but a few that only look;
//! * the file cannot grow beyond `sqlite.maxDatabaseBytes` (SQLite then says that the database is full), and neither can its
//!   temporary tables. A transaction writes each page to the journal once, however often it changes it, so the journal is
//!   about as large at most;
//! * a result cannot exceed `sqlite.maxResultBytes`; a statement is interrupted after `sqlite.queryTimeoutMs`, and a
//!   transaction that stays open for longer is taken back;
//! * it never shares a connection with `vm.sqlite`.
//!
//! A call blocks the thread while its statement runs. A transaction that a call began and that the same call fails to end is
//! taken back with it; one that a call leaves open belongs to whoever calls next, so that others' statements do not get lost
//! in it unnoticed for longer than its time.

mod guard;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection, ErrorCode, Statement};

pub use self::guard::Stop;
use self::guard::{Deadline, Why};
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

impl UserLimits {
    /// The built-in values.
    pub const DEFAULT: Self = Self {
        database_bytes: 1 << 30,
        result_bytes: 8 << 20,
        query_timeout: Duration::from_millis(30_000),
    };
}

impl Default for UserLimits {
    fn default() -> Self {
        Self::DEFAULT
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
    open: Mutex<Option<Open>>,
}

/// The connection, and since when a transaction is open on it.
struct Open {
    connection: Connection,
    began: Option<Instant>,
}

impl UserDatabase {
    /// Opens or creates the file at `path`.
    pub fn open(path: &Path, limits: UserLimits, headroom: Option<Arc<Headroom>>) -> Result<Self> {
        let deadline = Deadline::default();
        let connection = guard::open(path, limits, &deadline)?;
        Ok(Self::new(path, limits, headroom, deadline, connection))
    }

    /// A database that lives in memory only, as long as somebody holds it.
    pub fn in_memory(limits: UserLimits) -> Result<Self> {
        let deadline = Deadline::default();
        let connection = guard::open_in_memory(limits, &deadline)?;
        Ok(Self::new(Path::new(":memory:"), limits, None, deadline, connection))
    }

    fn new(
        path: &Path,
        limits: UserLimits,
        headroom: Option<Arc<Headroom>>,
        deadline: Deadline,
        connection: Connection,
    ) -> Self {
        let open = Open {
            connection,
            began: None,
        };
        Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                limits,
                headroom,
                deadline,
                open: Mutex::new(Some(open)),
            }),
        }
    }

    /// The bounds that it was opened with.
    pub fn limits(&self) -> UserLimits {
        self.shared.limits
    }

    /// Runs the statements in `sql` and returns the rows of the last one. `args` are the values of `?`; only a single
    /// statement takes values.
    ///
    /// # Errors
    ///
    /// [`Error::Sql`] with SQLite's text for a statement that fails, [`Error::Limit`] for a result that is too large,
    /// [`Error::DatabaseFull`] for one that needs more room than there may be, [`Error::Interrupted`] for one that runs too
    /// long, [`Error::NoSpace`] while the disk is nearly full.
    pub fn execute(&self, sql: &str, args: &[SqlValue]) -> Result<Rows> {
        self.execute_until(sql, args, &Stop::default())
    }

    /// As [`execute`](Self::execute), until `stop` is set: then the call ends with [`Error::Cancelled`].
    ///
    /// # Errors
    ///
    /// Those of [`execute`](Self::execute).
    pub fn execute_until(&self, sql: &str, args: &[SqlValue], stop: &Stop) -> Result<Rows> {
        let shared = &*self.shared;
        let mut open = shared.open.lock();
        let open = open.as_mut().ok_or(Error::Closed)?;
        shared.end_overdue(open)?;
        let within = open.began.is_some();
        let done = shared.call(&open.connection, sql, args, stop);
        if done.is_err() && !within {
            shared.take_back(&open.connection);
        }
        open.began = match (open.connection.is_autocommit(), open.began) {
            (true, _) => None,
            (false, began) => began.or_else(|| Some(Instant::now())),
        };
        done
    }

    /// Bytes of the database.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn bytes(&self) -> Result<u64> {
        let open = self.shared.open.lock();
        let open = open.as_ref().ok_or(Error::Closed)?;
        let bytes = self.shared.bytes(&open.connection);
        bytes.map_err(|error| Error::sqlite(&self.shared.path, &error))
    }

    /// Takes back what a transaction left open.
    pub fn rest(&self) {
        if let Some(open) = self.shared.open.lock().as_mut() {
            self.shared.take_back(&open.connection);
            open.began = None;
        }
    }

    /// Looks for damage in the file.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] with what was found first.
    pub fn check(path: &Path) -> Result<()> {
        let limits = UserLimits {
            query_timeout: CHECK_TIME,
            ..UserLimits::default()
        };
        let database = Self::open(path, limits, None)?;
        let found = database.execute("PRAGMA quick_check(1)", &[])?;
        database.close()?;
        match found.rows.first().map(Vec::as_slice) {
            Some([SqlValue::Text(text)]) if text != "ok" => Err(Error::corrupt(path, text.as_str())),
            _ => Ok(()),
        }
    }

    /// Closes the file; what a transaction left open is taken back. Later calls fail with [`Error::Closed`].
    pub fn close(&self) -> Result<()> {
        let Some(open) = self.shared.open.lock().take() else {
            return Ok(());
        };
        open.connection
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

/// A disk with less free space than this is full.
const FULL_DISK: u64 = 1 << 20;
/// Time to check one file.
const CHECK_TIME: Duration = Duration::from_secs(3600);

impl Shared {
    fn call(&self, connection: &Connection, sql: &str, args: &[SqlValue], stop: &Stop) -> Result<Rows> {
        let _running = self.deadline.start(self.limits.query_timeout, stop);
        let mut rows = Rows::default();
        let mut batch = Batch::new(connection, sql);
        let mut statements = 0;
        while let Some(mut statement) = batch.next().map_err(|error| self.failed(&error))? {
            statements += 1;
            if statements > 1 && !args.is_empty() {
                return Err(Error::Sql("values can be given for a single statement only".into()));
            }
            // Many short statements do not reach the point where a long one is interrupted.
            if self.deadline.is_over() {
                return Err(self.interrupted());
            }
            rows = self.run(&mut statement, args)?;
        }
        Ok(rows)
    }

    /// Takes a transaction back that was left open for too long, and says so once: whoever calls may count on it.
    fn end_overdue(&self, open: &mut Open) -> Result<()> {
        match open.began {
            Some(began) if began.elapsed() > self.limits.query_timeout => {
                self.take_back(&open.connection);
                open.began = None;
                Err(self.timed_out())
            }
            _ => Ok(()),
        }
    }

    fn take_back(&self, connection: &Connection) {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(path = %self.path.display(), %error, "a transaction could not be taken back");
        }
    }

    fn bytes(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (pages, page) = (number("page_count")?, number("page_size")?);
        Ok(pages.unsigned_abs().saturating_mul(page.unsigned_abs()))
    }

    fn timed_out(&self) -> Error {
        Error::Interrupted(u64::try_from(self.limits.query_timeout.as_millis()).unwrap_or(u64::MAX))
    }

    fn interrupted(&self) -> Error {
        match self.deadline.why() {
            Why::Time => self.timed_out(),
            Why::Stopped => Error::Cancelled,
        }
    }

    /// SQLite has one code for two reasons: the cap was reached, or there is no space on the disk.
    fn full(&self, error: &rusqlite::Error) -> Error {
        let free = rustix::fs::statvfs(&self.path).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        if free.is_ok_and(|free| free < FULL_DISK) {
            return Error::sqlite(&self.path, error);
        }
        let capacity = self.limits.database_bytes;
        // The statement has given back what it took; all that is known is that it needed more.
        Error::DatabaseFull {
            observed: capacity.saturating_add(1),
            capacity,
        }
    }

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
            Some(ErrorCode::OperationInterrupted) => self.interrupted(),
            Some(ErrorCode::DiskFull) => self.full(error),
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
