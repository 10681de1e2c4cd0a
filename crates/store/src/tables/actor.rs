//! Who the actor is, the input it was created with, and its state.

use rusqlite::{OptionalExtension as _, params};

use crate::{Database, Result, Ticket};

/// What was fixed when the actor was created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActorRecord {
    /// Its id.
    pub actor_id: String,
    /// The name of its definition.
    pub name: String,
    /// Its key in serialized form.
    pub key: String,
    /// When it was created.
    pub created_at: i64,
    /// The encoded input; `None` if none was given.
    pub input: Option<Vec<u8>>,
}

/// The one row of the actor itself.
#[derive(Debug, Clone)]
pub struct ActorTable {
    database: Database,
}

impl ActorTable {
    /// The table in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Writes the record unless there is one; true if it was written.
    pub fn create(&self, record: ActorRecord) -> Ticket<bool> {
        let bytes = record.input.as_ref().map_or(0, Vec::len);
        self.database.submission().bytes(bytes).submit(move |transaction| {
            let sql = "INSERT OR IGNORE INTO agent_os_actor (only, actor_id, name, key, created_at, input)
                       VALUES (0, ?1, ?2, ?3, ?4, ?5)";
            let values = params![
                record.actor_id,
                record.name,
                record.key,
                record.created_at,
                record.input
            ];
            Ok(transaction.prepare_cached(sql)?.execute(values)? > 0)
        })
    }

    /// The record, if the actor was created.
    pub fn record(&self) -> Result<Option<ActorRecord>> {
        self.database.read(|connection| {
            let sql = "SELECT actor_id, name, key, created_at, input FROM agent_os_actor";
            let record = connection.prepare_cached(sql)?.query_row([], |row| {
                Ok(ActorRecord {
                    actor_id: row.get(0)?,
                    name: row.get(1)?,
                    key: row.get(2)?,
                    created_at: row.get(3)?,
                    input: row.get(4)?,
                })
            });
            Ok(record.optional()?)
        })
    }

    /// The encoded state, if one was ever saved.
    pub fn state(&self) -> Result<Option<Vec<u8>>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT state FROM agent_os_actor")?;
            Ok(statement.query_row([], |row| row.get(0)).optional()?.flatten())
        })
    }

    /// Saves the encoded state. The record must exist.
    pub fn set_state(&self, state: Vec<u8>) -> Ticket {
        self.set_state_with(state.len(), move || Ok(state))
    }

    /// Saves the state that `encode` makes when the mutation is applied, which may be of later changes than its submission.
    /// `bytes` is about what it takes in memory. The record must exist.
    pub fn set_state_with(&self, bytes: usize, encode: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Ticket {
        self.database.submission().bytes(bytes).submit(move |transaction| {
            let state = encode()?;
            let changed = transaction
                .prepare_cached("UPDATE agent_os_actor SET state = ?1")?
                .execute([state])?;
            match changed {
                0 => Err(crate::Error::invalid("state", "the actor has no record yet")),
                _ => Ok(()),
            }
        })
    }
}
