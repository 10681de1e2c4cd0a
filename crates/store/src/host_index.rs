//! The index of all actors of a data directory: `host.sqlite`.
//!
//! It answers what must be known of a sleeping actor without opening its own files: which id a name and key have, when it
//! is due next, which preview tokens lead to it. Nothing is held in memory beyond SQLite's page cache, so a sleeping actor
//! costs a row on disk and no memory.
//!
//! Two files cannot be committed as one. The rule that keeps them together: **the due time here is never later than the
//! true one.** Whoever schedules writes the earlier due time here first, then the actor's own table; whoever finishes
//! writes the actor's table first, then the later due time here. A crash in between costs one needless wake, never a
//! missed one.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::database::{Database, Migration, Options, Schema, Ticket};
use crate::{Error, Result};

/// The schema of `host.sqlite`.
pub const HOST_SCHEMA: Schema = Schema {
    application_id: 0x616f_5348, // "aoSH"
    migrations: &[Migration::Sql(&[V1])],
};

const V1: &str = "
    CREATE TABLE agent_os_actors (
        actor_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        accepted_at INTEGER,
        destroyed_at INTEGER,
        due_at INTEGER,
        last_use INTEGER,
        pool TEXT NOT NULL DEFAULT '',
        crash_policy TEXT NOT NULL DEFAULT '',
        input BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX agent_os_actors_key ON agent_os_actors (name, key) WHERE destroyed_at IS NULL;
    CREATE INDEX agent_os_actors_due ON agent_os_actors (due_at) WHERE due_at IS NOT NULL AND destroyed_at IS NULL;
    CREATE INDEX agent_os_actors_destroyed ON agent_os_actors (destroyed_at) WHERE destroyed_at IS NOT NULL;
    CREATE TABLE agent_os_preview_routes (
        token_hash BLOB PRIMARY KEY,
        actor_id TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX agent_os_preview_routes_actor ON agent_os_preview_routes (actor_id);
    CREATE INDEX agent_os_preview_routes_expiry ON agent_os_preview_routes (expires_at);
";

const COLUMNS: &str =
    "actor_id, name, key, created_at, accepted_at, destroyed_at, due_at, last_use, pool, crash_policy";

/// Bytes of an input that a reservation may have while the disk is nearly full.
const SMALL_INPUT: usize = 1024;

/// An actor to be entered. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Default)]
pub struct NewActor {
    /// Its id: 1 to 64 of `a-z` and `0-9`.
    pub actor_id: String,
    /// The name of its definition.
    pub name: String,
    /// Its key in serialized form.
    pub key: String,
    /// When it was created.
    pub created_at: i64,
    /// The pool that the client named; stored, not used.
    pub pool: String,
    /// The crash policy that the client named; stored, not used.
    pub crash_policy: String,
    /// The encoded input, kept here until the actor has storage of its own.
    pub input: Option<Vec<u8>>,
}

/// What the index knows of an actor. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorEntry {
    /// Its id.
    pub actor_id: String,
    /// The name of its definition.
    pub name: String,
    /// Its key in serialized form.
    pub key: String,
    /// When it was created (its id reserved).
    pub created_at: i64,
    /// When its hooks first accepted somebody; `None` for a mere reservation, which has no storage.
    pub accepted_at: Option<i64>,
    /// When it was marked as destroyed.
    pub destroyed_at: Option<i64>,
    /// When it must be awake next.
    pub due_at: Option<i64>,
    /// When it was used last.
    pub last_use: Option<i64>,
    /// The pool that the client named.
    pub pool: String,
    /// The crash policy that the client named.
    pub crash_policy: String,
}

/// The result of [`HostIndex::get_or_create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The actor with the name and key.
    pub entry: ActorEntry,
    /// Whether this call made it.
    pub created: bool,
}

/// The index; see the module.
#[derive(Debug, Clone)]
pub struct HostIndex {
    database: Database,
}

impl HostIndex {
    /// Opens or creates the index at `path`.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        Ok(Self {
            database: Database::open(path, &HOST_SCHEMA, options)?,
        })
    }

    /// An index in memory, for tests.
    pub fn in_memory() -> Result<Self> {
        Ok(Self {
            database: Database::in_memory(&HOST_SCHEMA)?,
        })
    }

    /// The file below.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The actor with this id; destroyed ones are absent.
    pub fn get(&self, actor_id: &str) -> Result<Option<ActorEntry>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM agent_os_actors WHERE actor_id = ?1 AND destroyed_at IS NULL");
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([actor_id], entry)
                .optional()?)
        })
    }

    /// The actor with this name and key; destroyed ones are absent.
    pub fn find(&self, name: &str, key: &str) -> Result<Option<ActorEntry>> {
        self.database.read(|connection| find(connection, name, key))
    }

    /// The actor with this name and key, made if it is missing; one atomic step.
    pub fn get_or_create(&self, new: NewActor) -> Ticket<Created> {
        // A nearly full disk must not make existing actors unreachable, and whoever asks for a new one shall get an answer from
        // its first call. A reservation is a row that is swept again; it becomes an actor only when there is space.
        let database = self.database.clone();
        self.database.submission().essential().submit(move |transaction| {
            if let Some(entry) = find(transaction, &new.name, &new.key)? {
                return Ok(Created { entry, created: false });
            }
            if new.input.as_ref().is_some_and(|input| input.len() > SMALL_INPUT) {
                database.check_headroom()?;
            }
            Ok(Created {
                entry: insert(transaction, &new)?,
                created: true,
            })
        })
    }

    /// Enters a new actor; [`Error::Exists`] with the other's id if name and key are taken.
    pub fn create(&self, new: NewActor) -> Ticket<ActorEntry> {
        self.database
            .submit(move |transaction| match find(transaction, &new.name, &new.key)? {
                Some(other) => Err(Error::Exists {
                    what: "actor",
                    id: other.actor_id.into(),
                }),
                None => insert(transaction, &new),
            })
    }

    /// Notes that the actor was accepted and has storage of its own, and gives up its input.
    pub fn accept(&self, actor_id: &str, now: i64) -> Ticket<Option<Vec<u8>>> {
        let actor_id = actor_id.to_owned();
        self.database.submit(move |transaction| {
            let input: Option<Option<Vec<u8>>> = transaction
                .prepare_cached("SELECT input FROM agent_os_actors WHERE actor_id = ?1")?
                .query_row([&actor_id], |row| row.get(0))
                .optional()?;
            transaction
                .prepare_cached(
                    "UPDATE agent_os_actors SET accepted_at = coalesce(accepted_at, ?2), input = NULL WHERE actor_id = ?1",
                )?
                .execute(params![actor_id, now])?;
            Ok(input.flatten())
        })
    }

    /// The input of a reservation, which stays.
    pub fn input(&self, actor_id: &str) -> Result<Option<Vec<u8>>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT input FROM agent_os_actors WHERE actor_id = ?1")?;
            Ok(statement.query_row([actor_id], |row| row.get(0)).optional()?.flatten())
        })
    }

    /// Actors in the order of their ids, after `after`, at most `limit`; of one name if given.
    pub fn list(&self, name: Option<&str>, after: &str, limit: usize) -> Result<Vec<ActorEntry>> {
        self.database.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM agent_os_actors
                 WHERE actor_id > ?1 AND destroyed_at IS NULL AND (?2 IS NULL OR name = ?2) ORDER BY actor_id LIMIT ?3"
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![after, name, limit], entry)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// How many actors there are, destroyed ones left out.
    pub fn count(&self) -> Result<u64> {
        self.database.read(|connection| {
            let count: i64 = connection
                .prepare_cached("SELECT count(*) FROM agent_os_actors WHERE destroyed_at IS NULL")?
                .query_row([], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
    }

    /// Sets when the actor must be awake next.
    pub fn set_due(&self, actor_id: &str, due_at: Option<i64>) -> Ticket {
        self.update(
            "UPDATE agent_os_actors SET due_at = ?2 WHERE actor_id = ?1",
            actor_id,
            due_at,
        )
    }

    /// Makes the due time no later than `due_at`.
    pub fn set_due_at_most(&self, actor_id: &str, due_at: i64) -> Ticket {
        self.update(
            "UPDATE agent_os_actors SET due_at = ?2 WHERE actor_id = ?1 AND (due_at IS NULL OR due_at > ?2)",
            actor_id,
            Some(due_at),
        )
    }

    /// Notes that the actor was used. Nobody waits for it.
    pub fn touch(&self, actor_id: &str, now: i64) {
        let actor_id = actor_id.to_owned();
        let submission = self.database.submission().lazy().essential();
        drop(submission.submit(move |transaction| {
            let sql = "UPDATE agent_os_actors SET last_use = ?2 WHERE actor_id = ?1";
            transaction.prepare_cached(sql)?.execute(params![actor_id, now])?;
            Ok(())
        }));
    }

    /// The earliest due time of all.
    pub fn next_due(&self) -> Result<Option<i64>> {
        self.database.read(|connection| {
            let sql = "SELECT min(due_at) FROM agent_os_actors WHERE due_at IS NOT NULL AND destroyed_at IS NULL";
            Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
    }

    /// The earliest due time later than `now`.
    pub fn next_due_after(&self, now: i64) -> Result<Option<i64>> {
        self.database.read(|connection| {
            let sql = "SELECT min(due_at) FROM agent_os_actors
                       WHERE due_at IS NOT NULL AND due_at > ?1 AND destroyed_at IS NULL";
            Ok(connection.prepare_cached(sql)?.query_row([now], |row| row.get(0))?)
        })
    }

    /// Actors that are due at `now`, earliest first, at most `limit`.
    pub fn due(&self, now: i64, limit: usize) -> Result<Vec<(String, i64)>> {
        self.database.read(|connection| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut statement = connection.prepare_cached(
                "SELECT actor_id, due_at FROM agent_os_actors
                 WHERE due_at IS NOT NULL AND due_at <= ?1 AND destroyed_at IS NULL ORDER BY due_at, actor_id LIMIT ?2",
            )?;
            let rows = statement.query_map([now, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Marks the actor as destroyed: from here it is unknown, its previews are invalid, its key is free. True if it was there.
    pub fn mark_destroyed(&self, actor_id: &str, now: i64) -> Ticket<bool> {
        let actor_id = actor_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            transaction
                .prepare_cached("DELETE FROM agent_os_preview_routes WHERE actor_id = ?1")?
                .execute([&actor_id])?;
            let sql = "UPDATE agent_os_actors SET destroyed_at = ?2, due_at = NULL, input = NULL
                       WHERE actor_id = ?1 AND destroyed_at IS NULL";
            Ok(transaction.prepare_cached(sql)?.execute(params![actor_id, now])? > 0)
        })
    }

    /// Actors whose destroy is not complete.
    pub fn destroyed(&self) -> Result<Vec<String>> {
        self.database.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT actor_id FROM agent_os_actors WHERE destroyed_at IS NOT NULL")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Removes the entry; the last step of a destroy, after the storage is gone.
    pub fn remove(&self, actor_id: &str) -> Ticket {
        let actor_id = actor_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            transaction
                .prepare_cached("DELETE FROM agent_os_preview_routes WHERE actor_id = ?1")?
                .execute([&actor_id])?;
            transaction
                .prepare_cached("DELETE FROM agent_os_actors WHERE actor_id = ?1")?
                .execute([&actor_id])?;
            Ok(())
        })
    }

    /// Makes a preview token lead to an actor (for the form whose address holds the token alone). `token_hash` is its SHA-256.
    pub fn add_preview(&self, token_hash: [u8; 32], actor_id: &str, expires_at: i64) -> Ticket {
        let actor_id = actor_id.to_owned();
        self.database.submit(move |transaction| {
            let sql =
                "INSERT OR REPLACE INTO agent_os_preview_routes (token_hash, actor_id, expires_at) VALUES (?1, ?2, ?3)";
            transaction
                .prepare_cached(sql)?
                .execute(params![token_hash, actor_id, expires_at])?;
            Ok(())
        })
    }

    /// The actor that a preview token leads to, while it is valid.
    pub fn find_preview(&self, token_hash: &[u8; 32], now: i64) -> Result<Option<String>> {
        self.database.read(|connection| {
            let sql = "SELECT actor_id FROM agent_os_preview_routes WHERE token_hash = ?1 AND expires_at > ?2";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement
                .query_row(params![token_hash, now], |row| row.get(0))
                .optional()?)
        })
    }

    /// Forgets a preview token.
    pub fn remove_preview(&self, token_hash: [u8; 32]) -> Ticket {
        self.database.submission().essential().submit(move |transaction| {
            let sql = "DELETE FROM agent_os_preview_routes WHERE token_hash = ?1";
            transaction.prepare_cached(sql)?.execute([token_hash])?;
            Ok(())
        })
    }

    /// Forgets expired preview tokens; returns how many.
    pub fn sweep_previews(&self, now: i64) -> Ticket<usize> {
        self.database.submission().essential().submit(move |transaction| {
            let sql = "DELETE FROM agent_os_preview_routes WHERE expires_at <= ?1";
            Ok(transaction.prepare_cached(sql)?.execute([now])?)
        })
    }

    /// Actors with preview tokens that have expired, at most `limit`.
    pub fn expired_previews(&self, now: i64, limit: usize) -> Result<Vec<String>> {
        self.database.read(|connection| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let sql = "SELECT DISTINCT actor_id FROM agent_os_preview_routes WHERE expires_at <= ?1 LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([now, limit], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Reservations made before `before` that nobody was ever accepted for, oldest id first, after `after` and at most `limit`.
    /// One may have storage all the same: it is made before the acceptance is noted here.
    pub fn stale_reservations(&self, before: i64, after: &str, limit: usize) -> Result<Vec<String>> {
        self.database.read(|connection| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut statement = connection.prepare_cached(
                "SELECT actor_id FROM agent_os_actors
                 WHERE actor_id > ?1 AND accepted_at IS NULL AND destroyed_at IS NULL AND created_at < ?2
                 ORDER BY actor_id LIMIT ?3",
            )?;
            let rows = statement.query_map(params![after, before, limit], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Marks a reservation as destroyed, unless somebody was accepted for it; true if it is now marked. As after
    /// [`mark_destroyed`](Self::mark_destroyed), storage goes next and the entry last.
    pub fn give_up(&self, actor_id: &str, now: i64) -> Ticket<bool> {
        let actor_id = actor_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            let sql = "UPDATE agent_os_actors SET destroyed_at = ?2, due_at = NULL, input = NULL
                       WHERE actor_id = ?1 AND accepted_at IS NULL AND destroyed_at IS NULL";
            Ok(transaction.prepare_cached(sql)?.execute(params![actor_id, now])? > 0)
        })
    }

    /// Commits what is queued and closes the file.
    pub fn close(&self) -> Result<()> {
        self.database.close()
    }

    fn update(&self, sql: &'static str, actor_id: &str, value: Option<i64>) -> Ticket {
        let actor_id = actor_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            transaction.prepare_cached(sql)?.execute(params![actor_id, value])?;
            Ok(())
        })
    }
}

fn find(connection: &Connection, name: &str, key: &str) -> Result<Option<ActorEntry>> {
    let sql = format!("SELECT {COLUMNS} FROM agent_os_actors WHERE name = ?1 AND key = ?2 AND destroyed_at IS NULL");
    Ok(connection
        .prepare_cached(&sql)?
        .query_row([name, key], entry)
        .optional()?)
}

fn insert(transaction: &Transaction<'_>, new: &NewActor) -> Result<ActorEntry> {
    transaction
        .prepare_cached(
            "INSERT INTO agent_os_actors (actor_id, name, key, created_at, pool, crash_policy, input)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            new.actor_id,
            new.name,
            new.key,
            new.created_at,
            new.pool,
            new.crash_policy,
            new.input
        ])?;
    Ok(ActorEntry {
        actor_id: new.actor_id.clone(),
        name: new.name.clone(),
        key: new.key.clone(),
        created_at: new.created_at,
        accepted_at: None,
        destroyed_at: None,
        due_at: None,
        last_use: None,
        pool: new.pool.clone(),
        crash_policy: new.crash_policy.clone(),
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<ActorEntry> {
    Ok(ActorEntry {
        actor_id: row.get(0)?,
        name: row.get(1)?,
        key: row.get(2)?,
        created_at: row.get(3)?,
        accepted_at: row.get(4)?,
        destroyed_at: row.get(5)?,
        due_at: row.get(6)?,
        last_use: row.get(7)?,
        pool: row.get(8)?,
        crash_policy: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(id: &str, name: &str, key: &str) -> NewActor {
        NewActor {
            actor_id: id.into(),
            name: name.into(),
            key: key.into(),
            created_at: 1,
            pool: "default".into(),
            crash_policy: "sleep".into(),
            input: Some(vec![1, 2]),
        }
    }

    #[test]
    fn a_key_has_one_actor_at_a_time() {
        let index = HostIndex::in_memory().unwrap();
        let first = index.get_or_create(new("a", "vm", "k")).wait().unwrap();
        assert!(first.created);
        let second = index.get_or_create(new("b", "vm", "k")).wait().unwrap();
        assert_eq!(
            second,
            Created {
                created: false,
                ..first.clone()
            }
        );
        assert_eq!(
            index.create(new("c", "vm", "k")).wait(),
            Err(Error::Exists {
                what: "actor",
                id: "a".into()
            })
        );
        index.create(new("d", "other", "k")).wait().unwrap();
        assert_eq!(index.get("a").unwrap(), Some(first.entry.clone()));
        assert_eq!(index.find("vm", "k").unwrap(), Some(first.entry));
        assert_eq!(index.count(), Ok(2));
        assert_eq!(index.list(None, "", 9).unwrap().len(), 2);
        assert_eq!(index.list(Some("other"), "", 9).unwrap()[0].actor_id, "d");
        assert_eq!(index.list(None, "a", 9).unwrap()[0].actor_id, "d");
    }

    #[test]
    fn the_input_waits_until_the_actor_is_accepted() {
        let index = HostIndex::in_memory().unwrap();
        index.create(new("a", "vm", "k")).wait().unwrap();
        assert_eq!(index.input("a"), Ok(Some(vec![1, 2])));
        assert_eq!(index.accept("a", 7).wait(), Ok(Some(vec![1, 2])));
        assert_eq!(index.accept("a", 8).wait(), Ok(None));
        assert_eq!(index.get("a").unwrap().unwrap().accepted_at, Some(7));
        assert_eq!(index.accept("missing", 8).wait(), Ok(None));
    }

    #[test]
    fn only_reservations_that_nobody_used_are_given_up() {
        let index = HostIndex::in_memory().unwrap();
        for (id, created_at) in [("a", 1), ("b", 1), ("c", 1), ("d", 5)] {
            let new = NewActor {
                created_at,
                ..new(id, "vm", id)
            };
            index.create(new).wait().unwrap();
        }
        index.accept("b", 2).wait().unwrap();
        assert_eq!(index.stale_reservations(5, "", 9).unwrap(), ["a", "c"]);
        assert_eq!(index.stale_reservations(5, "", 1).unwrap(), ["a"]);
        assert_eq!(index.stale_reservations(5, "a", 9).unwrap(), ["c"]);
        assert_eq!(index.give_up("b", 6).wait(), Ok(false));
        assert_eq!(index.give_up("missing", 6).wait(), Ok(false));
        assert_eq!(index.give_up("a", 6).wait(), Ok(true));
        assert_eq!(index.give_up("a", 7).wait(), Ok(false));
        assert_eq!(
            (index.get("a"), index.destroyed().unwrap()),
            (Ok(None), vec!["a".to_owned()])
        );
        // The key is free at once.
        index.create(new("e", "vm", "a")).wait().unwrap();
    }

    #[test]
    fn the_earliest_due_actor_is_known() {
        let index = HostIndex::in_memory().unwrap();
        for (id, due) in [("a", 30), ("b", 10), ("c", 20)] {
            index.create(new(id, "vm", id)).wait().unwrap();
            index.set_due(id, Some(due)).wait().unwrap();
        }
        index.create(new("d", "vm", "d")).wait().unwrap();
        assert_eq!(index.next_due(), Ok(Some(10)));
        assert_eq!(index.next_due_after(10), Ok(Some(20)));
        assert_eq!(index.next_due_after(30), Ok(None));
        assert_eq!(index.due(20, 9).unwrap(), [("b".to_owned(), 10), ("c".to_owned(), 20)]);
        index.set_due_at_most("b", 40).wait().unwrap();
        index.set_due_at_most("d", 5).wait().unwrap();
        assert_eq!(index.due(20, 1).unwrap(), [("d".to_owned(), 5)]);
        index.mark_destroyed("d", 0).wait().unwrap();
        index.set_due("b", None).wait().unwrap();
        assert_eq!(index.next_due(), Ok(Some(20)));
    }

    #[test]
    fn previews_lead_to_their_actor_while_both_live() {
        let index = HostIndex::in_memory().unwrap();
        index.create(new("a", "vm", "k")).wait().unwrap();
        index.add_preview([1; 32], "a", 10).wait().unwrap();
        index.add_preview([2; 32], "a", 20).wait().unwrap();
        assert_eq!(index.find_preview(&[1; 32], 9), Ok(Some("a".into())));
        assert_eq!(index.find_preview(&[1; 32], 10), Ok(None));
        assert_eq!(index.sweep_previews(10).wait(), Ok(1));
        assert_eq!(index.mark_destroyed("a", 11).wait(), Ok(true));
        assert_eq!(index.mark_destroyed("a", 11).wait(), Ok(false));
        assert_eq!(index.find_preview(&[2; 32], 12), Ok(None));
        assert_eq!(index.get("a"), Ok(None));
        assert_eq!(index.destroyed().unwrap(), ["a"]);
        index.remove("a").wait().unwrap();
        assert_eq!(index.destroyed().unwrap(), [] as [String; 0]);
    }
}
