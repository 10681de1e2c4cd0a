//! What keeps statements of a user inside of their file and their time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use super::UserLimits;
use crate::database::{open_memory, open_writer};
use crate::{Error, Result};

/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1000;

/// Pragmas that only look, and those that concern this connection's rules for its own tables.
const PRAGMAS: &[&str] = &[
    "collation_list",
    "compile_options",
    "data_version",
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "optimize",
    "page_count",
    "page_size",
    "quick_check",
    "recursive_triggers",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// When the statement that runs must end.
#[derive(Clone, Default)]
pub(super) struct Deadline {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    at: Option<Instant>,
    /// Set when nobody waits for the call any more.
    stop: Option<Stop>,
    why: Option<Why>,
}

/// Ends a call that nobody waits for any more.
pub type Stop = Arc<AtomicBool>;

/// Why a statement was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its time is over.
    Time,
    /// Nobody waits for it.
    Stopped,
}

impl Deadline {
    /// Starts the time of one call; it stops when the result is dropped.
    pub(super) fn start(&self, time: Duration, stop: &Stop) -> Running<'_> {
        let mut state = self.shared.lock();
        state.at = Instant::now().checked_add(time);
        (state.stop, state.why) = (Some(Arc::clone(stop)), None);
        drop(state);
        Running { deadline: self }
    }

    /// Whether the statement must end now.
    pub(super) fn is_over(&self) -> bool {
        self.shared.lock().check()
    }

    /// Why the statement was interrupted.
    pub(super) fn why(&self) -> Why {
        self.shared.lock().why.unwrap_or(Why::Time)
    }
}

impl State {
    fn check(&mut self) -> bool {
        if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            self.why = Some(Why::Stopped);
        } else if self.at.is_some_and(|at| Instant::now() >= at) {
            self.why = Some(Why::Time);
        }
        self.why.is_some()
    }
}

/// A call whose time runs.
pub(super) struct Running<'a> {
    deadline: &'a Deadline,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.deadline.shared.lock();
        (state.at, state.stop, state.why) = (None, None, None);
    }
}

/// Opens the file with every guard in place.
pub(super) fn open(path: &Path, limits: UserLimits, deadline: &Deadline) -> Result<Connection> {
    let mut connection = open_writer(path, None)?;
    let guarded = guard(&mut connection, limits, deadline.clone());
    guarded.map_err(|error| Error::sqlite(path, &error))?;
    Ok(connection)
}

/// The same for a database that lives in memory only.
pub(super) fn open_in_memory(limits: UserLimits, deadline: &Deadline) -> Result<Connection> {
    let mut connection = open_memory()?;
    let guarded = guard(&mut connection, limits, deadline.clone());
    guarded.map_err(|error| Error::sqlite(Path::new(":memory:"), &error))?;
    Ok(connection)
}

fn guard(connection: &mut Connection, limits: UserLimits, deadline: Deadline) -> rusqlite::Result<()> {
    let page: u64 = connection
        .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?
        .unsigned_abs()
        .max(1);
    let pages = i64::try_from(limits.database_bytes / page)
        .unwrap_or(i64::MAX)
        .clamp(1, 0xffff_fffe);
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    // Sorting and temporary tables spill to files of the host that have no name, rather than fill its memory.
    connection.pragma_update(None, "temp_store", "FILE")?;
    connection.pragma_update_and_check(Some("temp"), "max_page_count", pages, |_| Ok(()))?;
    let length = i32::try_from(limits.result_bytes.saturating_add(1 << 16)).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, length)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20)?;
    connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 500)?;
    connection.set_limit(Limit::SQLITE_LIMIT_VDBE_OP, 1 << 20)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)?;
    connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.progress_handler(STEPS, Some(move || deadline.is_over()))?;
    connection.authorizer(Some(authorize))?;
    Ok(())
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::Unknown { .. } => Authorization::Deny,
        AuthAction::Pragma { pragma_name, .. } => {
            let known = PRAGMAS.iter().any(|known| known.eq_ignore_ascii_case(pragma_name));
            if known {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }
}
