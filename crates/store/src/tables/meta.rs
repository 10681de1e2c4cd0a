//! Small named values of the runtime itself.

use rusqlite::{OptionalExtension as _, params};

use crate::{Database, Result, Ticket};

/// Named values.
#[derive(Debug, Clone)]
pub struct MetaTable {
    database: Database,
}

impl MetaTable {
    /// The table in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM agent_os_meta WHERE name = ?1")?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    /// Sets the value of `name`; `None` removes it.
    pub fn set(&self, name: &str, value: Option<Vec<u8>>) -> Ticket {
        let name = name.to_owned();
        self.database
            .submission()
            .bytes(value.as_ref().map_or(0, Vec::len))
            .submit(move |transaction| {
                match value {
                    Some(value) => transaction
                        .prepare_cached("INSERT OR REPLACE INTO agent_os_meta (name, value) VALUES (?1, ?2)")?
                        .execute(params![name, value])?,
                    None => transaction
                        .prepare_cached("DELETE FROM agent_os_meta WHERE name = ?1")?
                        .execute([name])?,
                };
                Ok(())
            })
    }
}
