//! Messages that wait in the named queues of an actor.
//!
//! A message leaves its queue when it is taken, or, if it is taken as completable, when it is completed; until then a
//! crash brings it back. Messages of one queue keep their order.

use rusqlite::{Row, params};

use super::{check_size, count, limit};
use crate::{Database, Error, Result, Ticket};

/// Bounds of the queues of one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages in one queue.
    pub messages: u64,
    /// Bytes of one message.
    pub bytes: usize,
    /// Queues with messages in them.
    pub queues: u64,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages: 1000,
            bytes: 64 << 10,
            queues: 64,
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number, which grows with every message of the actor.
    pub message_id: i64,
    /// The queue it is in.
    pub queue: String,
    /// The encoded body.
    pub body: Vec<u8>,
    /// When it was sent.
    pub created_at: i64,
    /// How often it was delivered already without being completed.
    pub attempts: u32,
}

/// The messages.
#[derive(Debug, Clone)]
pub struct QueueTable {
    database: Database,
}

impl QueueTable {
    /// The table in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Appends a message; resolves to its number.
    pub fn push(&self, queue: &str, body: Vec<u8>, now: i64, limits: QueueLimits) -> Ticket<i64> {
        if let Err(error) = check_size("queue.maxMessageBytes", body.len(), limits.bytes) {
            return Ticket::resolved(Err(error));
        }
        let queue = queue.to_owned();
        self.database.submission().bytes(body.len()).submit(move |transaction| {
            let held: i64 = transaction
                .prepare_cached("SELECT count(*) FROM agent_os_queue_messages WHERE queue = ?1")?
                .query_row([&queue], |row| row.get(0))?;
            let full = |limit, observed, capacity| {
                Err(Error::Limit {
                    limit,
                    observed,
                    capacity,
                })
            };
            if count(held) >= limits.messages {
                return full("queue.maxMessages", count(held) + 1, limits.messages);
            }
            if held == 0 {
                let queues: i64 = transaction
                    .prepare_cached("SELECT count(DISTINCT queue) FROM agent_os_queue_messages")?
                    .query_row([], |row| row.get(0))?;
                if count(queues) >= limits.queues {
                    return full("queue.maxQueues", count(queues) + 1, limits.queues);
                }
            }
            transaction
                .prepare_cached("INSERT INTO agent_os_queue_messages (queue, body, created_at) VALUES (?1, ?2, ?3)")?
                .execute(params![queue, body, now])?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// The next messages of any of `queues` (of all when empty) after number `after`, in order, at most `most`.
    pub fn peek(&self, queues: &[&str], after: i64, most: usize) -> Result<Vec<MessageRow>> {
        let names = serde_json::to_string(queues).map_err(|error| Error::invalid("queues", error.to_string()))?;
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT message_id, queue, body, created_at, attempts FROM agent_os_queue_messages
                 WHERE message_id > ?2 AND (?1 = '[]' OR queue IN (SELECT value FROM json_each(?1)))
                 ORDER BY message_id LIMIT ?3",
            )?;
            let rows = statement.query_map(params![names, after, limit(most)], row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Notes a delivery of a message that stays until it is completed.
    pub fn deliver(&self, message_id: i64) -> Ticket {
        self.database.submission().essential().submit(move |transaction| {
            let sql = "UPDATE agent_os_queue_messages SET attempts = attempts + 1 WHERE message_id = ?1";
            transaction.prepare_cached(sql)?.execute([message_id])?;
            Ok(())
        })
    }

    /// Removes a message that was taken or completed; true if it was there.
    pub fn remove(&self, message_id: i64) -> Ticket<bool> {
        self.database.submission().essential().submit(move |transaction| {
            let sql = "DELETE FROM agent_os_queue_messages WHERE message_id = ?1";
            Ok(transaction.prepare_cached(sql)?.execute([message_id])? > 0)
        })
    }

    /// How many messages wait in `queue`.
    pub fn len(&self, queue: &str) -> Result<u64> {
        self.database.read(|connection| {
            let sql = "SELECT count(*) FROM agent_os_queue_messages WHERE queue = ?1";
            Ok(count(
                connection.prepare_cached(sql)?.query_row([queue], |row| row.get(0))?,
            ))
        })
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        message_id: row.get(0)?,
        queue: row.get(1)?,
        body: row.get(2)?,
        created_at: row.get(3)?,
        attempts: row.get(4)?,
    })
}
