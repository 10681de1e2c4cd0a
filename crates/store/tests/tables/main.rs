//! The tables of actors and the index of a host: power losses at every step, errors at every step, files of old versions.
//!
//! `AGENTOS_CRASH_CUTS` says at how many steps the power is lost (0: at all).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod crash;
mod migration;
mod script;

use rusqlite::Connection;
use rusqlite::types::Value;

/// Everything that is in a database, as text; what tells one opening from another is left out.
pub(crate) fn dump(connection: &Connection) -> String {
    let tables: Vec<String> = rows(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
    )
    .into_iter()
    .map(|row| row.trim_matches('|').to_owned())
    .filter(|name| name != "agent_os_store" && !name.starts_with("sqlite_"))
    .collect();
    let mut out = String::new();
    for table in tables {
        for row in rows(connection, &format!("SELECT * FROM {table} ORDER BY 1, 2")) {
            out += &format!("{table}{row}\n");
        }
    }
    out
}

/// The rows of a query, one text each.
pub(crate) fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let mut text = "|".to_owned();
        for index in 0..columns {
            text += &match row.get::<_, Value>(index)? {
                Value::Null => "null".to_owned(),
                Value::Integer(number) => number.to_string(),
                Value::Real(number) => number.to_string(),
                Value::Text(text) => text,
                Value::Blob(bytes) => format!(
                    "{} bytes of {}",
                    bytes.len(),
                    bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()
                ),
            };
            text += "|";
        }
        Ok(text)
    });
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}
