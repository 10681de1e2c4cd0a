//! Preview tokens: their hashes only. The token itself is never stored.

use rusqlite::{OptionalExtension as _, Row, params};

use super::count;
use crate::{Database, Error, Result, Ticket};

/// What is known of a preview token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewRow {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// The port in the VM that it leads to.
    pub port: u16,
    /// When it was made.
    pub created_at: i64,
    /// It is valid while this is later than now.
    pub expires_at: i64,
}

impl PreviewRow {
    /// The public id: the first 8 hexadecimal digits of the hash.
    pub fn id(&self) -> String {
        self.token_hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The tokens.
#[derive(Debug, Clone)]
pub struct PreviewTable {
    database: Database,
}

impl PreviewTable {
    /// The table in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Adds a token; [`Error::Limit`] when `capacity` of them are valid at its creation. Expired ones are swept on the way.
    pub fn add(&self, row: PreviewRow, capacity: u64) -> Ticket {
        self.database.submit(move |transaction| {
            transaction
                .prepare_cached("DELETE FROM agent_os_preview_tokens WHERE expires_at <= ?1")?
                .execute([row.created_at])?;
            let held: i64 = transaction
                .prepare_cached("SELECT count(*) FROM agent_os_preview_tokens")?
                .query_row([], |found| found.get(0))?;
            if count(held) >= capacity {
                return Err(Error::Limit { limit: "limits.preview.maxActive", observed: count(held) + 1, capacity });
            }
            transaction
                .prepare_cached(
                    "INSERT INTO agent_os_preview_tokens (token_hash, port, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![row.token_hash, row.port, row.created_at, row.expires_at])?;
            Ok(())
        })
    }

    /// The token with this hash, while it is valid.
    pub fn find(&self, token_hash: &[u8; 32], now: i64) -> Result<Option<PreviewRow>> {
        self.database.read(|connection| {
            let sql = "SELECT token_hash, port, created_at, expires_at FROM agent_os_preview_tokens
                       WHERE token_hash = ?1 AND expires_at > ?2";
            Ok(connection
                .prepare_cached(sql)?
                .query_row(params![token_hash, now], row)
                .optional()?)
        })
    }

    /// Valid tokens, oldest first.
    pub fn list(&self, now: i64) -> Result<Vec<PreviewRow>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT token_hash, port, created_at, expires_at FROM agent_os_preview_tokens
                 WHERE expires_at > ?1 ORDER BY created_at, token_hash",
            )?;
            Ok(statement.query_map([now], row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Revokes a token; true if it was there.
    pub fn remove(&self, token_hash: [u8; 32]) -> Ticket<bool> {
        self.database.submission().essential().submit(move |transaction| {
            let sql = "DELETE FROM agent_os_preview_tokens WHERE token_hash = ?1";
            Ok(transaction.prepare_cached(sql)?.execute([token_hash])? > 0)
        })
    }

    /// Deletes expired tokens; resolves to their hashes.
    pub fn sweep(&self, now: i64) -> Ticket<Vec<[u8; 32]>> {
        self.database.submission().essential().submit(move |transaction| {
            let sql = "DELETE FROM agent_os_preview_tokens WHERE expires_at <= ?1 RETURNING token_hash";
            let mut statement = transaction.prepare_cached(sql)?;
            Ok(statement
                .query_map([now], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// When the next token expires.
    pub fn next_expiry(&self) -> Result<Option<i64>> {
        self.database.read(|connection| {
            let sql = "SELECT min(expires_at) FROM agent_os_preview_tokens";
            Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<PreviewRow> {
    Ok(PreviewRow {
        token_hash: row.get(0)?,
        port: row.get(1)?,
        created_at: row.get(2)?,
        expires_at: row.get(3)?,
    })
}
