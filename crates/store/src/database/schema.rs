//! Schema versions and forward migration.
//!
//! A [`Schema`] is a list of steps; step *n* takes a file from version *n* - 1 to *n* (`PRAGMA user_version`). A released
//! step is never edited: a change is a new step. All missing steps run in the transaction that opens the file, so a crash
//! leaves the old version or the new one. A file of a newer version, or of another application, is refused untouched.

use std::path::Path;

use rusqlite::{Connection, Transaction};

use crate::{Error, Result};

/// One step forward.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Migration {
    /// Statements of SQL.
    Sql(&'static [&'static str]),
    /// Code, where statements do not suffice.
    Code(fn(&Transaction<'_>) -> Result<()>),
}

/// A kind of database: who it belongs to, and its versions.
#[derive(Clone, Copy)]
pub struct Schema {
    /// `PRAGMA application_id`: tells one kind of file from another.
    pub application_id: u32,
    /// The steps; the newest version is their number.
    pub migrations: &'static [Migration],
}

impl Schema {
    /// The newest version.
    pub fn version(&self) -> u32 {
        u32::try_from(self.migrations.len()).unwrap_or(u32::MAX)
    }

    /// Refuses a file that is of another kind or too new; `None` for one that is still empty.
    pub fn check(&self, connection: &Connection, path: &Path) -> Result<Option<u32>> {
        let at = |error: rusqlite::Error| Error::sqlite(path, &error);
        let id: i64 = connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .map_err(at)?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(at)?;
        let found = u32::try_from(found).map_err(|_| Error::corrupt(path, format!("schema version {found}")))?;
        if id == 0 && found == 0 {
            let tables: i64 = connection
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
                .map_err(at)?;
            return match tables {
                0 => Ok(None),
                _ => Err(Error::corrupt(path, "a database of another application")),
            };
        }
        if id != i64::from(self.application_id) {
            return Err(Error::corrupt(path, "a database of another application"));
        }
        if found > self.version() {
            return Err(Error::TooNew {
                path: path.to_owned(),
                found,
                known: self.version(),
            });
        }
        Ok(Some(found))
    }

    /// Brings the file to the newest version, inside of `transaction`.
    pub fn migrate(&self, transaction: &Transaction<'_>, path: &Path) -> Result<()> {
        let from = self.check(transaction, path)?.unwrap_or(0);
        if from == self.version() {
            return Ok(());
        }
        for migration in self.migrations.iter().skip(from as usize) {
            match migration {
                Migration::Sql(batches) => {
                    for batch in *batches {
                        transaction
                            .execute_batch(batch)
                            .map_err(|error| Error::sqlite(path, &error))?;
                    }
                }
                Migration::Code(step) => step(transaction)?,
            }
        }
        let set = |name, value: u32| transaction.pragma_update(None, name, value);
        set("application_id", self.application_id).map_err(|error| Error::sqlite(path, &error))?;
        set("user_version", self.version()).map_err(|error| Error::sqlite(path, &error))
    }
}
