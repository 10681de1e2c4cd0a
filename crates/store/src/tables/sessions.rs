//! Sessions of agents, their events, grants and the outcomes of permission requests.
//!
//! Events get their numbers inside of the transaction that inserts them: from 0 for each session, without gaps, never reused.
//! What is JSON for the layer above is text here, and so are the words of its enumerations; the schema checks those it knows.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{count, limit};
use crate::{Database, Error, Result, Ticket};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub session_id: String,
    /// Name of its agent.
    pub agent_type: String,
    /// The agent's own id of the conversation.
    pub agent_session_id: Option<String>,
    /// What the agent can do, as JSON.
    pub capabilities: String,
    /// What the agent says of itself, as JSON.
    pub agent_info: Option<String>,
    /// `live`, `suspended` or `closed`.
    pub status: String,
    /// Its working directory.
    pub cwd: String,
    /// Its settings without secrets, as JSON.
    pub options: String,
    /// Its environment and servers, sealed.
    pub sealed_env: Option<Vec<u8>>,
    /// When it was created.
    pub created_at: i64,
    /// When it was closed.
    pub closed_at: Option<i64>,
}

/// What changes in a session; what is not given stays.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "as in SessionRow")]
pub struct SessionUpdate {
    pub agent_session_id: Option<String>,
    pub capabilities: Option<String>,
    pub agent_info: Option<Option<String>>,
    pub status: Option<String>,
    pub options: Option<String>,
    pub closed_at: Option<i64>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEventRow {
    /// Its number.
    pub seq: u64,
    /// A JSON-RPC notification.
    pub event: String,
    /// When it was stored.
    pub created_at: i64,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct GrantRow {
    pub grant_id: String,
    pub session_id: String,
    /// JSON.
    pub scope: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub uses: u64,
}

/// How a permission request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct OutcomeRow {
    pub permission_id: String,
    pub session_id: String,
    pub outcome: String,
    pub via: String,
    pub resolved_at: i64,
}

/// Sessions and what belongs to them.
#[derive(Debug, Clone)]
pub struct SessionTable {
    database: Database,
}

impl SessionTable {
    /// The tables in `database`.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Adds a session; [`Error::Limit`] beyond `capacity` of them.
    pub fn add(&self, row: SessionRow, capacity: u64) -> Ticket {
        self.database.submission().submit(move |transaction| {
            let held = number(transaction, "SELECT count(*) FROM agent_os_sessions")?;
            if held >= capacity {
                return Err(Error::Limit {
                    limit: "limits.acp.maxSessionsPerVm",
                    observed: held + 1,
                    capacity,
                });
            }
            transaction
                .prepare_cached(
                    "INSERT INTO agent_os_sessions (session_id, agent_type, agent_session_id, capabilities, agent_info,
                     status, cwd, options, sealed_env, created_at, closed_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    row.session_id,
                    row.agent_type,
                    row.agent_session_id,
                    row.capabilities,
                    row.agent_info,
                    row.status,
                    row.cwd,
                    row.options,
                    row.sealed_env,
                    row.created_at,
                    row.closed_at,
                ])?;
            Ok(())
        })
    }

    /// Changes a session, if it is there.
    pub fn update(&self, session_id: &str, update: SessionUpdate) -> Ticket {
        let session_id = session_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE agent_os_sessions SET agent_session_id = coalesce(?2, agent_session_id),
                     capabilities = coalesce(?3, capabilities), agent_info = iif(?4, ?5, agent_info),
                     status = coalesce(?6, status), options = coalesce(?7, options),
                     closed_at = coalesce(?8, closed_at) WHERE session_id = ?1",
                )?
                .execute(params![
                    session_id,
                    update.agent_session_id,
                    update.capabilities,
                    update.agent_info.is_some(),
                    update.agent_info.flatten(),
                    update.status,
                    update.options,
                    update.closed_at,
                ])?;
            Ok(())
        })
    }

    /// Removes a session with everything that belongs to it.
    pub fn remove(&self, session_id: &str) -> Ticket {
        let session_id = session_id.to_owned();
        self.database.submission().essential().submit(move |transaction| {
            for table in TABLES {
                transaction
                    .prepare_cached(&format!("DELETE FROM {table} WHERE session_id = ?1"))?
                    .execute([&session_id])?;
            }
            Ok(())
        })
    }

    /// One session.
    pub fn get(&self, session_id: &str) -> Result<Option<SessionRow>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM agent_os_sessions WHERE session_id = ?1");
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([session_id], row)
                .optional()?)
        })
    }

    /// All sessions, oldest first.
    pub fn list(&self) -> Result<Vec<SessionRow>> {
        self.database.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM agent_os_sessions ORDER BY created_at, session_id");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([], row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Adds events and gives the number of the first; none without the session.
    pub fn append(&self, session_id: &str, events: Vec<String>, at: i64) -> Ticket<Option<u64>> {
        let session_id = session_id.to_owned();
        let bytes = events.iter().map(String::len).sum();
        self.database.submission().bytes(bytes).submit(move |transaction| {
            let added = i64::try_from(events.len()).unwrap_or(i64::MAX);
            let next: Option<i64> = transaction
                .prepare_cached(
                    "UPDATE agent_os_sessions SET next_seq = next_seq + ?2 WHERE session_id = ?1 RETURNING next_seq",
                )?
                .query_row(params![session_id, added], |found| found.get(0))
                .optional()?;
            let Some(next) = next else {
                return Ok(None);
            };
            let first = next - added;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO agent_os_session_events (session_id, seq, event, created_at) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (seq, event) in (first..).zip(&events) {
                insert.execute(params![session_id, seq, event, at])?;
            }
            Ok(Some(count(first)))
        })
    }

    /// Events with numbers from `from` and below `to`, in order, at most `most`.
    pub fn events(&self, session_id: &str, from: u64, to: u64, most: usize) -> Result<Vec<SessionEventRow>> {
        let (from, to) = (
            i64::try_from(from).unwrap_or(i64::MAX),
            i64::try_from(to).unwrap_or(i64::MAX),
        );
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, event, created_at FROM agent_os_session_events
                 WHERE session_id = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq LIMIT ?4",
            )?;
            let rows = statement.query_map(params![session_id, from, to, limit(most)], |row| {
                Ok(SessionEventRow {
                    seq: count(row.get(0)?),
                    event: row.get(1)?,
                    created_at: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The number that the next event of a session gets; 0 without it.
    pub fn next_seq(&self, session_id: &str) -> Result<u64> {
        self.database.read(|connection| {
            let next: Option<i64> = connection
                .prepare_cached("SELECT next_seq FROM agent_os_sessions WHERE session_id = ?1")?
                .query_row([session_id], |row| row.get(0))
                .optional()?;
            Ok(count(next.unwrap_or(0)))
        })
    }

    /// Bytes of the events of one session, or of all. Looks at each of them.
    pub fn history_bytes(&self, session_id: Option<&str>) -> Result<u64> {
        self.database.read(|connection| {
            let bytes: i64 = connection
                .prepare_cached(
                    "SELECT coalesce(sum(octet_length(event)), 0) FROM agent_os_session_events
                     WHERE ?1 IS NULL OR session_id = ?1",
                )?
                .query_row([session_id], |row| row.get(0))?;
            Ok(count(bytes))
        })
    }

    /// How many sessions there are.
    pub fn total(&self) -> Result<u64> {
        self.database.read(|connection| {
            let sessions: i64 = connection
                .prepare_cached("SELECT count(*) FROM agent_os_sessions")?
                .query_row([], |row| row.get(0))?;
            Ok(count(sessions))
        })
    }

    /// Adds a grant; [`Error::Limit`] beyond `capacity` of its session.
    pub fn add_grant(&self, grant: GrantRow, capacity: u64) -> Ticket {
        self.database.submit(move |transaction| {
            let held: i64 = transaction
                .prepare_cached("SELECT count(*) FROM agent_os_permission_grants WHERE session_id = ?1")?
                .query_row([&grant.session_id], |found| found.get(0))?;
            if count(held) >= capacity {
                return Err(Error::Limit {
                    limit: "limits.acp.maxGrantsPerSession",
                    observed: count(held) + 1,
                    capacity,
                });
            }
            transaction
                .prepare_cached(
                    "INSERT INTO agent_os_permission_grants (grant_id, session_id, scope, created_at, expires_at, uses)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    grant.grant_id,
                    grant.session_id,
                    grant.scope,
                    grant.created_at,
                    grant.expires_at,
                    i64::try_from(grant.uses).unwrap_or(i64::MAX),
                ])?;
            Ok(())
        })
    }

    /// Grants of one session or of all, oldest first.
    pub fn grants(&self, session_id: Option<&str>) -> Result<Vec<GrantRow>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT grant_id, session_id, scope, created_at, expires_at, uses FROM agent_os_permission_grants
                 WHERE ?1 IS NULL OR session_id = ?1 ORDER BY created_at, grant_id",
            )?;
            let rows = statement.query_map([session_id], |row| {
                Ok(GrantRow {
                    grant_id: row.get(0)?,
                    session_id: row.get(1)?,
                    scope: row.get(2)?,
                    created_at: row.get(3)?,
                    expires_at: row.get(4)?,
                    uses: count(row.get(5)?),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Counts one more use of a grant; false if it is gone.
    pub fn use_grant(&self, grant_id: &str) -> Ticket<bool> {
        self.change(
            "UPDATE agent_os_permission_grants SET uses = uses + 1 WHERE grant_id = ?1",
            grant_id,
        )
    }

    /// Removes a grant; true if it was there.
    pub fn remove_grant(&self, grant_id: &str) -> Ticket<bool> {
        self.change("DELETE FROM agent_os_permission_grants WHERE grant_id = ?1", grant_id)
    }

    /// Removes the grants of a session; true if there was one.
    pub fn remove_grants(&self, session_id: &str) -> Ticket<bool> {
        self.change(
            "DELETE FROM agent_os_permission_grants WHERE session_id = ?1",
            session_id,
        )
    }

    fn change(&self, sql: &'static str, id: &str) -> Ticket<bool> {
        let id = id.to_owned();
        self.database
            .submission()
            .essential()
            .submit(move |transaction| Ok(transaction.prepare_cached(sql)?.execute([&id])? > 0))
    }

    /// Records how a request ended, in the place of what was recorded before. The oldest beyond the bounds are forgotten.
    pub fn add_outcome(&self, outcome: OutcomeRow, per_session: u64, per_vm: u64) -> Ticket {
        self.database.submission().essential().submit(move |transaction| {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO agent_os_permission_outcomes
                     (permission_id, session_id, outcome, via, resolved_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    outcome.permission_id,
                    outcome.session_id,
                    outcome.outcome,
                    outcome.via,
                    outcome.resolved_at,
                ])?;
            forget(transaction, Some(&outcome.session_id), per_session)?;
            forget(transaction, None, per_vm)
        })
    }

    /// How a request ended, if that is still known.
    pub fn outcome(&self, permission_id: &str) -> Result<Option<OutcomeRow>> {
        self.database.read(|connection| {
            let sql = "SELECT permission_id, session_id, outcome, via, resolved_at FROM agent_os_permission_outcomes
                       WHERE permission_id = ?1";
            Ok(connection
                .prepare_cached(sql)?
                .query_row([permission_id], |row| {
                    Ok(OutcomeRow {
                        permission_id: row.get(0)?,
                        session_id: row.get(1)?,
                        outcome: row.get(2)?,
                        via: row.get(3)?,
                        resolved_at: row.get(4)?,
                    })
                })
                .optional()?)
        })
    }
}

/// Where something of a session is.
const TABLES: [&str; 4] = [
    "agent_os_session_events",
    "agent_os_permission_grants",
    "agent_os_permission_outcomes",
    "agent_os_sessions",
];

const COLUMNS: &str =
    "session_id, agent_type, agent_session_id, capabilities, agent_info, status, cwd, options, sealed_env,
    created_at, closed_at";

fn row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        session_id: row.get(0)?,
        agent_type: row.get(1)?,
        agent_session_id: row.get(2)?,
        capabilities: row.get(3)?,
        agent_info: row.get(4)?,
        status: row.get(5)?,
        cwd: row.get(6)?,
        options: row.get(7)?,
        sealed_env: row.get(8)?,
        created_at: row.get(9)?,
        closed_at: row.get(10)?,
    })
}

fn number(connection: &Connection, sql: &str) -> Result<u64> {
    Ok(count(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}

/// Forgets the oldest outcomes beyond `most`, of one session or of all.
fn forget(transaction: &Transaction<'_>, session_id: Option<&str>, most: u64) -> Result<()> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "DELETE FROM agent_os_permission_outcomes WHERE permission_id IN (
                 SELECT permission_id FROM agent_os_permission_outcomes WHERE ?1 IS NULL OR session_id = ?1
                 ORDER BY resolved_at DESC, permission_id DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![session_id, most])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::VM_SCHEMA;

    fn table() -> SessionTable {
        SessionTable::new(&Database::in_memory(&VM_SCHEMA).unwrap())
    }

    fn session(id: &str) -> SessionRow {
        SessionRow {
            session_id: id.to_owned(),
            agent_type: "pi".to_owned(),
            agent_session_id: None,
            capabilities: "{}".to_owned(),
            agent_info: None,
            status: "live".to_owned(),
            cwd: "/home/user".to_owned(),
            options: "{}".to_owned(),
            sealed_env: Some(vec![1]),
            created_at: 5,
            closed_at: None,
        }
    }

    #[test]
    fn events_have_numbers_without_gaps() {
        let table = table();
        table.add(session("a"), 2).wait().unwrap();
        table.add(session("b"), 2).wait().unwrap();
        assert!(matches!(
            table.add(session("c"), 2).wait(),
            Err(Error::Limit { observed: 3, .. })
        ));
        let events = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(table.append("a", events(&["x", "é"]), 7).wait().unwrap(), Some(0));
        assert_eq!(table.append("b", events(&["y"]), 7).wait().unwrap(), Some(0));
        assert_eq!(table.append("a", events(&["z"]), 8).wait().unwrap(), Some(2));
        assert_eq!(table.append("c", events(&["z"]), 8).wait().unwrap(), None);
        let seqs = |from, to, most| -> Vec<u64> {
            table
                .events("a", from, to, most)
                .unwrap()
                .iter()
                .map(|event| event.seq)
                .collect()
        };
        assert_eq!(
            (seqs(0, u64::MAX, 9), seqs(1, 2, 9), seqs(0, 9, 2)),
            (vec![0, 1, 2], vec![1], vec![0, 1])
        );
        assert_eq!((table.next_seq("a").unwrap(), table.next_seq("c").unwrap()), (3, 0));
        assert_eq!(
            (
                table.history_bytes(None).unwrap(),
                table.history_bytes(Some("a")).unwrap()
            ),
            (5, 4)
        );
        table.remove("a").wait().unwrap();
        assert_eq!(
            (table.history_bytes(None).unwrap(), table.list().unwrap().len()),
            (1, 1)
        );
    }

    #[test]
    fn changes_leave_the_rest() {
        let table = table();
        table.add(session("a"), 9).wait().unwrap();
        let update = SessionUpdate {
            status: Some("closed".to_owned()),
            agent_info: Some(Some("{}".to_owned())),
            ..SessionUpdate::default()
        };
        table.update("a", update).wait().unwrap();
        table.update("a", SessionUpdate::default()).wait().unwrap();
        let row = table.get("a").unwrap().unwrap();
        assert_eq!(
            (row.status.as_str(), row.agent_info.as_deref(), row.sealed_env),
            ("closed", Some("{}"), Some(vec![1]))
        );
    }

    #[test]
    fn grants_and_outcomes_are_bounded() {
        let table = table();
        let grant = |id: &str| GrantRow {
            grant_id: id.to_owned(),
            session_id: "a".to_owned(),
            scope: "{}".to_owned(),
            created_at: 1,
            expires_at: None,
            uses: 0,
        };
        table.add_grant(grant("g1"), 1).wait().unwrap();
        assert!(matches!(
            table.add_grant(grant("g2"), 1).wait(),
            Err(Error::Limit { .. })
        ));
        assert!(table.use_grant("g1").wait().unwrap() && !table.use_grant("g2").wait().unwrap());
        assert_eq!(table.grants(Some("a")).unwrap()[0].uses, 1);
        assert!(table.remove_grant("g1").wait().unwrap() && !table.remove_grants("a").wait().unwrap());
        for at in 0..5 {
            let outcome = OutcomeRow {
                permission_id: format!("p{at}"),
                session_id: "a".to_owned(),
                outcome: "once".to_owned(),
                via: "client".to_owned(),
                resolved_at: at,
            };
            table.add_outcome(outcome, 2, 9).wait().unwrap();
        }
        assert!(table.outcome("p2").unwrap().is_none() && table.outcome("p4").unwrap().is_some());
    }
}
