//! The writing connection: opening, one grouped commit, closing.
//!
//! Opening a file that was closed in order writes nothing. The generation is noted, with the mark that the file is in use, by
//! the first transaction that changes something, and only if the file still has the generation that it was opened with: of
//! two openings that nothing else keeps apart, the first to write wins, and the other never commits. Until then there is
//! nothing that a crash could leave half done. The connection itself is opened for that transaction, too, so that who only
//! reads waits for neither. A file that is new, old or was not closed in order is written to at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::queue::Entry;
use super::{Options, Schema, connection};
use crate::{Error, Result};

/// Bookkeeping of the file itself, present in every kind of database.
const STORE_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS agent_os_store (
        only INTEGER PRIMARY KEY CHECK (only = 0),
        generation INTEGER NOT NULL,
        clean INTEGER NOT NULL
    ) STRICT";

pub(crate) struct Writer {
    /// `None` until something is written to a file that was closed in order.
    connection: Option<Connection>,
    vfs: Option<String>,
    /// The generation that the file had, until this opening has noted its own.
    unclaimed: Option<i64>,
    /// Set once the file is known to be of no use: every later commit fails with it.
    broken: Option<Error>,
    /// The file was not closed in order before.
    recovered: bool,
    /// The connection that checked the file; the first one to read with.
    reader: Option<Connection>,
}

impl Writer {
    /// Opens the file; returns the generation taken.
    pub(crate) fn open(path: &Path, schema: &Schema, options: &Options) -> Result<(Self, u64)> {
        let existing = path.metadata().is_ok_and(|metadata| metadata.len() > 0);
        let mut recovered = false;
        // It stays open: closed before the writer is there, it would be the last one, and SQLite would remove the journal
        // only to make it anew.
        let mut reader = None;
        let mut before = None;
        if existing {
            let checking = connection::open_reader(path, options.vfs.as_deref())?;
            let version = schema.check(&checking, path)?;
            let closed = check_after_crash(&checking, path)?;
            recovered = closed == Closed::No;
            if let (Closed::InOrder { generation }, true) = (closed, version == Some(schema.version())) {
                before = Some(generation);
            }
            reader = Some(checking);
        }
        let (connection, generation) = match before {
            Some(before) => (None, next_generation(path, Some(before), options.generation)?),
            None => {
                let mut connection = connection::open_writer(path, options.vfs.as_deref())?;
                let generation = prepare(&mut connection, path, schema, options.generation)?;
                (Some(connection), generation)
            }
        };
        let writer = Self {
            connection,
            vfs: options.vfs.clone(),
            unclaimed: before,
            broken: None,
            recovered,
            reader,
        };
        Ok((writer, generation))
    }

    /// Opens a database in memory.
    pub(crate) fn open_memory(schema: &Schema) -> Result<(Self, u64)> {
        let mut connection = connection::open_memory()?;
        let generation = prepare(&mut connection, Path::new(":memory:"), schema, 0)?;
        let writer = Self {
            connection: Some(connection),
            vfs: None,
            unclaimed: None,
            broken: None,
            recovered: false,
            reader: None,
        };
        Ok((writer, generation))
    }

    /// Whether the file was not closed in order before.
    pub(crate) fn recovered(&self) -> bool {
        self.recovered
    }

    /// The connection that checked the file, once.
    pub(crate) fn take_reader(&mut self) -> Option<Connection> {
        self.reader.take()
    }

    /// The connection of a database in memory.
    pub(crate) fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or(Error::Closed)
    }

    /// Applies the mutations of `batch` in one transaction and resolves their tickets. True if it was committed.
    pub(crate) fn commit(&mut self, path: &Path, generation: u64, batch: Vec<Entry>) -> bool {
        if let Some(error) = &self.broken {
            finish(batch, |_| Err(error.clone()));
            return false;
        }
        let mut batch = batch;
        match self.transact(path, generation, &mut batch) {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                finish(batch, |_| outcomes.next().unwrap_or(Err(Error::Closed)));
                true
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, mutations = batch.len(), "a commit failed");
                if matches!(error, Error::Corrupt { .. } | Error::Superseded { .. }) {
                    self.broken = Some(error.clone());
                }
                finish(batch, |_| Err(error.clone()));
                false
            }
        }
    }

    /// One transaction: the generation, then each mutation in its savepoint. `Err` means that nothing was committed.
    fn transact(&mut self, path: &Path, generation: u64, batch: &mut [Entry]) -> Result<Vec<Result<()>>> {
        let at = |error: rusqlite::Error| Error::sqlite(path, &error);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            closed => closed.insert(connection::open_writer(path, self.vfs.as_deref())?),
        };
        let changes = connection.total_changes();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(at)?;
        check_generation(&transaction, path, generation, self.unclaimed)?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for entry in batch.iter_mut() {
            outcomes.push(apply(&transaction, path, entry)?);
        }
        // A transaction that changes nothing leaves the file as it was closed.
        let claims = self.unclaimed.is_some() && transaction.total_changes() != changes;
        if claims {
            // What closes the file is the last mutation, if it is there.
            let closed = batch.last().is_some_and(|entry| entry.closes);
            note_generation(&transaction, path, generation, closed)?;
        }
        transaction.commit().map_err(at)?;
        if claims {
            self.unclaimed = None;
        }
        Ok(outcomes)
    }

    /// Closes the file; SQLite folds the journal into it.
    pub(crate) fn close(self, path: &Path) -> Result<()> {
        let Some(connection) = self.connection else {
            return Ok(());
        };
        connection.flush_prepared_statement_cache();
        connection.close().map_err(|(_, error)| Error::sqlite(path, &error))
    }
}

/// The mutation that closes a file: in order, or so that the next opening looks at it.
pub(crate) fn mark_closed(transaction: &Transaction<'_>, clean: bool) -> Result<()> {
    transaction.execute("UPDATE agent_os_store SET clean = ?1", [clean])?;
    Ok(())
}

/// Migrates the file, takes the next generation and notes that the file is in use, in one transaction.
fn prepare(connection: &mut Connection, path: &Path, schema: &Schema, least: u64) -> Result<u64> {
    let at = |error: rusqlite::Error| Error::sqlite(path, &error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(at)?;
    schema.migrate(&transaction, path)?;
    transaction.execute_batch(STORE_TABLE).map_err(at)?;
    let before: Option<i64> = transaction
        .query_row("SELECT generation FROM agent_os_store", [], |row| row.get(0))
        .optional()
        .map_err(at)?;
    let generation = next_generation(path, before, least)?;
    let number = number(path, generation)?;
    transaction
        .execute(
            "INSERT OR REPLACE INTO agent_os_store (only, generation, clean) VALUES (0, ?1, 0)",
            [number],
        )
        .map_err(at)?;
    transaction.commit().map_err(at)?;
    Ok(generation)
}

/// The generation of an opening of a file that had `before`; at least `least`.
fn next_generation(path: &Path, before: Option<i64>, least: u64) -> Result<u64> {
    let before = before.map_or(0, |number| u64::try_from(number).unwrap_or(0));
    let generation = before.saturating_add(1).max(least);
    number(path, generation).map(|_| generation)
}

/// A generation as it is stored.
fn number(path: &Path, generation: u64) -> Result<i64> {
    i64::try_from(generation).map_err(|_| Error::corrupt(path, "the generations are used up"))
}

/// How a file was left by those who opened it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    InOrder {
        generation: i64,
    },
    No,
    /// It has never been opened.
    New,
}

/// Looks how a file was closed, and checks one that was not.
fn check_after_crash(connection: &Connection, path: &Path) -> Result<Closed> {
    let at = |error: rusqlite::Error| Error::sqlite(path, &error);
    let known: bool = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'agent_os_store'",
            [],
            |row| row.get(0),
        )
        .map_err(at)?;
    if !known {
        return Ok(Closed::New);
    }
    let found: Option<(i64, bool)> = connection
        .query_row("SELECT generation, clean FROM agent_os_store", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(at)?;
    if let Some((generation, true)) = found {
        return Ok(Closed::InOrder { generation });
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(at)?;
    match verdict.as_str() {
        "ok" => Ok(Closed::No),
        _ => Err(Error::corrupt(path, verdict)),
    }
}

/// Refuses a file that another opening has claimed: its generation must be the one held, or that with which it was opened
/// where this opening has not noted its own yet.
fn check_generation(transaction: &Transaction<'_>, path: &Path, held: u64, unclaimed: Option<i64>) -> Result<()> {
    let at = |error: rusqlite::Error| Error::sqlite(path, &error);
    let found: i64 = transaction
        .prepare_cached("SELECT generation FROM agent_os_store")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(at)?;
    let is_ours = match unclaimed {
        Some(before) => found == before,
        None => u64::try_from(found).is_ok_and(|found| found == held),
    };
    if is_ours {
        return Ok(());
    }
    Err(Error::Superseded {
        path: path.to_owned(),
        held,
        found: u64::try_from(found).unwrap_or(u64::MAX),
    })
}

/// Notes the generation, and that the file is in use unless the same transaction has closed it.
fn note_generation(transaction: &Transaction<'_>, path: &Path, generation: u64, closed: bool) -> Result<()> {
    let number = number(path, generation)?;
    transaction
        .prepare_cached("UPDATE agent_os_store SET generation = ?1, clean = ?2")
        .and_then(|mut statement| statement.execute((number, closed)))
        .map(drop)
        .map_err(|error| Error::sqlite(path, &error))
}

/// Applies one mutation. The outer error means that the transaction is lost, the inner one that this mutation is.
fn apply(transaction: &Transaction<'_>, path: &Path, entry: &mut Entry) -> Result<Result<()>> {
    let step = |sql: &str| -> Result<()> {
        let run = transaction
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]));
        run.map(drop).map_err(|error| Error::sqlite(path, &error))
    };
    step("SAVEPOINT mutation")?;
    let outcome = catch_unwind(AssertUnwindSafe(|| entry.job.run(transaction)))
        .unwrap_or_else(|_| Err(Error::Internal("a mutation panicked".into())))
        .map_err(|error| error.at(path));
    // SQLite takes the whole transaction back by itself on some errors (disk full, I/O): then nothing of the batch stands.
    if transaction.is_autocommit() {
        return Err(outcome
            .err()
            .unwrap_or_else(|| Error::Io("the transaction was rolled back".into())));
    }
    if outcome.is_err() {
        step("ROLLBACK TO mutation")?;
    }
    step("RELEASE mutation")?;
    Ok(outcome)
}

/// Resolves the tickets. Wakers are other people's code; one that panics harms nobody else.
fn finish(batch: Vec<Entry>, mut outcome: impl FnMut(usize) -> Result<()>) {
    for (index, entry) in batch.into_iter().enumerate() {
        let outcome = outcome(index);
        if catch_unwind(AssertUnwindSafe(|| entry.job.finish(outcome))).is_err() {
            tracing::error!("whoever waited for a commit panicked");
        }
    }
}
