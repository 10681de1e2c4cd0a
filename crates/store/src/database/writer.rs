//! The writing connection: opening, one grouped commit, closing.

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
    connection: Connection,
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
        if existing {
            let checking = connection::open_reader(path, options.vfs.as_deref())?;
            schema.check(&checking, path)?;
            recovered = check_after_crash(&checking, path)?;
            reader = Some(checking);
        }
        let mut connection = connection::open_writer(path, options.vfs.as_deref())?;
        let generation = prepare(&mut connection, path, schema, options.generation)?;
        Ok((
            Self {
                connection,
                broken: None,
                recovered,
                reader,
            },
            generation,
        ))
    }

    /// Opens a database in memory.
    pub(crate) fn open_memory(schema: &Schema) -> Result<(Self, u64)> {
        let mut connection = connection::open_memory()?;
        let generation = prepare(&mut connection, Path::new(":memory:"), schema, 0)?;
        Ok((
            Self {
                connection,
                broken: None,
                recovered: false,
                reader: None,
            },
            generation,
        ))
    }

    /// Whether the file was not closed in order before.
    pub(crate) fn recovered(&self) -> bool {
        self.recovered
    }

    /// The connection that checked the file, once.
    pub(crate) fn take_reader(&mut self) -> Option<Connection> {
        self.reader.take()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Applies the mutations of `batch` in one transaction and resolves their tickets. True if it was committed.
    pub(crate) fn commit(&mut self, path: &Path, generation: u64, batch: Vec<Entry>) -> bool {
        if let Some(error) = &self.broken {
            finish(batch, |_| Err(error.clone()));
            return false;
        }
        let mut batch = batch;
        let committed = transact(&mut self.connection, path, generation, &mut batch);
        match committed {
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

    /// Closes the file; SQLite folds the journal into it.
    pub(crate) fn close(self, path: &Path) -> Result<()> {
        self.connection.flush_prepared_statement_cache();
        self.connection
            .close()
            .map_err(|(_, error)| Error::sqlite(path, &error))
    }
}

/// The mutation that closes a file in order.
pub(crate) fn mark_clean(transaction: &Transaction<'_>) -> Result<()> {
    transaction.execute("UPDATE agent_os_store SET clean = 1", [])?;
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
    let before = before.map_or(0, |number| u64::try_from(number).unwrap_or(0));
    let generation = before.saturating_add(1).max(least);
    let number = i64::try_from(generation).map_err(|_| Error::corrupt(path, "the generations are used up"))?;
    transaction
        .execute(
            "INSERT OR REPLACE INTO agent_os_store (only, generation, clean) VALUES (0, ?1, 0)",
            [number],
        )
        .map_err(at)?;
    transaction.commit().map_err(at)?;
    Ok(generation)
}

/// Checks a file that was not closed in order; whether it is one.
fn check_after_crash(connection: &Connection, path: &Path) -> Result<bool> {
    let at = |error: rusqlite::Error| Error::sqlite(path, &error);
    let known: bool = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'agent_os_store'",
            [],
            |row| row.get(0),
        )
        .map_err(at)?;
    if !known {
        return Ok(false);
    }
    let clean: Option<bool> = connection
        .query_row("SELECT clean FROM agent_os_store", [], |row| row.get(0))
        .optional()
        .map_err(at)?;
    if clean == Some(true) {
        return Ok(false);
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(at)?;
    match verdict.as_str() {
        "ok" => Ok(true),
        _ => Err(Error::corrupt(path, verdict)),
    }
}

/// One transaction: the generation, then each mutation in its savepoint. `Err` means that nothing was committed.
fn transact(connection: &mut Connection, path: &Path, generation: u64, batch: &mut [Entry]) -> Result<Vec<Result<()>>> {
    let at = |error: rusqlite::Error| Error::sqlite(path, &error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(at)?;
    check_generation(&transaction, path, generation)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for entry in batch {
        outcomes.push(apply(&transaction, path, entry)?);
    }
    transaction.commit().map_err(at)?;
    Ok(outcomes)
}

fn check_generation(transaction: &Transaction<'_>, path: &Path, held: u64) -> Result<()> {
    let at = |error: rusqlite::Error| Error::sqlite(path, &error);
    let found: i64 = transaction
        .prepare_cached("SELECT generation FROM agent_os_store")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(at)?;
    let found = u64::try_from(found).unwrap_or(u64::MAX);
    if found == held {
        return Ok(());
    }
    Err(Error::Superseded {
        path: path.to_owned(),
        held,
        found,
    })
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
