//! `.dump`: a database as SQL.

use crate::modes::{identifier, literal};
use crate::shell::{own, short};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::io::Write;

/// Writes the objects that match the patterns, or everything.
///
/// # Errors
///
/// What the database or the output says.
pub fn dump(connection: &Connection, patterns: &[&str], out: &mut dyn Write) -> Result<(), String> {
    let patterns: Vec<&str> = patterns
        .iter()
        .copied()
        .filter(|pattern| !pattern.starts_with("--"))
        .collect();
    let patterns = if patterns.is_empty() { vec!["%"] } else { patterns };
    let put = |out: &mut dyn Write, text: &str| out.write_all(text.as_bytes()).map_err(|error| error.to_string());
    put(out, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")?;
    for pattern in &patterns {
        let tables = "SELECT name, type, sql FROM sqlite_schema WHERE type='table' AND sql NOT NULL AND tbl_name LIKE ?1 ORDER BY \
                      tbl_name='sqlite_sequence', rowid";
        let others = "SELECT name, type, sql FROM sqlite_schema WHERE type IN ('index','trigger','view') AND sql NOT NULL \
                      AND tbl_name LIKE ?1 ORDER BY type COLLATE NOCASE, rowid";
        for (name, _, sql) in objects(connection, tables, pattern)? {
            table(connection, &name, &sql, out).map_err(|error| match error {
                Trouble::Database(error) => format!("Error: {}", short(&error)),
                Trouble::Output(error) => error.to_string(),
            })?;
        }
        for (_, _, sql) in objects(connection, others, pattern)? {
            put(out, &format!("{sql};\n"))?;
        }
    }
    put(out, "COMMIT;\n")
}

/// A definition as it is printed: one with a quoted name may exist already.
pub fn shown(sql: &str) -> String {
    match sql
        .strip_prefix("CREATE TABLE ")
        .filter(|rest| rest.starts_with(['\'', '"']))
    {
        Some(rest) => format!("CREATE TABLE IF NOT EXISTS {rest}"),
        None => sql.to_owned(),
    }
}

enum Trouble {
    Database(rusqlite::Error),
    Output(std::io::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

type Object = (String, String, String);

fn objects(connection: &Connection, sql: &str, pattern: &str) -> Result<Vec<Object>, String> {
    let read = || -> rusqlite::Result<Vec<Object>> {
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([pattern], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect()
    };
    read().map_err(|error| format!("Error: {}", short(&error)))
}

fn table(connection: &Connection, name: &str, sql: &str, out: &mut dyn Write) -> Result<(), Trouble> {
    match name {
        "sqlite_sequence" => out.write_all(b"DELETE FROM sqlite_sequence;\n")?,
        _ if name.starts_with("sqlite_stat") => out.write_all(b"ANALYZE sqlite_schema;\n")?,
        _ if name.starts_with("sqlite_") => return Ok(()),
        _ if sql.to_ascii_uppercase().starts_with("CREATE VIRTUAL TABLE") => {
            let quoted = |text: &str| text.replace('\'', "''");
            writeln!(
                out,
                "PRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','{0}','{0}',0,'{1}');\n\
                 PRAGMA writable_schema=OFF;",
                quoted(name),
                quoted(sql)
            )?;
            return Ok(());
        }
        _ => writeln!(out, "{};", shown(sql))?,
    }
    // Columns that are computed cannot be inserted.
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0")?;
    let columns: Vec<String> = statement
        .query_map([name], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let list: Vec<String> = columns
        .iter()
        .map(|column| format!("\"{}\"", column.replace('"', "\"\"")))
        .collect();
    if list.is_empty() {
        return Ok(());
    }
    let query = format!("SELECT {} FROM \"{}\"", list.join(","), name.replace('"', "\"\""));
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut cells = Vec::with_capacity(columns.len());
        for column in 0..columns.len() {
            cells.push(cell(&own(row.get_ref(column)?)));
        }
        writeln!(out, "INSERT INTO {} VALUES({});", identifier(name), cells.join(","))?;
    }
    Ok(())
}

/// A value as SQL on one line.
fn cell(value: &Value) -> String {
    let Value::Text(text) = value else {
        return literal(value);
    };
    let mut body = literal(value);
    for (c, escape, code) in [('\n', "\\n", 10), ('\r', "\\r", 13)] {
        if text.contains(c) {
            // A spelling that the text does not hold already.
            let mut mark = escape.to_owned();
            let mut number = 0;
            while text.contains(&mark) {
                number += 1;
                mark = format!("({escape}{number})");
            }
            body = format!("replace({},'{mark}',char({code}))", body.replace(c, &mark));
        }
    }
    body
}
