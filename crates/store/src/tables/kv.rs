//! The key-value store of an actor: byte strings, ordered by key.

use rusqlite::{OptionalExtension as _, params};

use super::{check_size, limit};
use crate::{Database, Result, Ticket};

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 2048;
/// Largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// The pairs.
#[derive(Debug, Clone)]
pub struct KvTable {
    database: Database,
}

impl KvTable {
    /// The table in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM agent_os_kv WHERE key = ?1")?;
            Ok(statement.query_row([key], |row| row.get(0)).optional()?)
        })
    }

    /// Pairs whose key begins with `prefix`, in the order of the keys, after `after`, at most `most`.
    pub fn list(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let end = successor(prefix);
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, value FROM agent_os_kv
                 WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) AND (?3 IS NULL OR key > ?3) ORDER BY key LIMIT ?4",
            )?;
            let rows = statement.query_map(params![prefix, end, after, limit(most)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Sets one pair.
    pub fn set(&self, key: Vec<u8>, value: Vec<u8>) -> Ticket {
        self.apply(vec![(key, Some(value))])
    }

    /// Removes one pair.
    pub fn delete(&self, key: Vec<u8>) -> Ticket {
        self.apply(vec![(key, None)])
    }

    /// Sets (`Some`) and removes (`None`) several pairs in one atomic step.
    pub fn apply(&self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Ticket {
        let mut bytes = 0;
        for (key, value) in &changes {
            let size = value.as_ref().map_or(0, Vec::len);
            let checked = check_size("kv.keyBytes", key.len(), MAX_KEY_BYTES)
                .and_then(|()| check_size("kv.valueBytes", size, MAX_VALUE_BYTES));
            if let Err(error) = checked {
                return Ticket::resolved(Err(error));
            }
            bytes += key.len() + size;
        }
        self.database.submission().bytes(bytes).submit(move |transaction| {
            let mut set =
                transaction.prepare_cached("INSERT OR REPLACE INTO agent_os_kv (key, value) VALUES (?1, ?2)")?;
            let mut delete = transaction.prepare_cached("DELETE FROM agent_os_kv WHERE key = ?1")?;
            for (key, value) in changes {
                match value {
                    Some(value) => set.execute(params![key, value])?,
                    None => delete.execute([key])?,
                };
            }
            Ok(())
        })
    }
}

/// The first key after all that begin with `prefix`; `None` if there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}
