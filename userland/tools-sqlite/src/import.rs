//! `.import`: rows of a file into a table.

use crate::modes::{Mode, Settings, identifier};
use crate::shell::short;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::fs::File;
use std::io::{BufReader, Read};

/// Imports a file.
///
/// # Errors
///
/// A message about the arguments, the file or the database.
pub fn import(connection: &Connection, settings: &Settings, args: &[&str]) -> Result<(), String> {
    let mut quoted = settings.mode == Mode::Csv;
    let (mut column, mut row) = (first(&settings.separator, b'|'), first(&settings.newline, b'\n'));
    let mut skip = 0;
    let mut operands = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.trim_start_matches('-') {
            _ if !word.starts_with('-') => operands.push(*word),
            "csv" => (quoted, column, row) = (true, b',', b'\n'),
            "ascii" => (quoted, column, row) = (false, 0x1f, 0x1e),
            "skip" => skip = words.next().and_then(|count| count.parse().ok()).unwrap_or(0),
            "v" | "schema" => {}
            _ => {
                return Err(format!(
                    "ERROR: unknown option: \"{word}\".  Usage:\n.import FILE TABLE"
                ));
            }
        }
    }
    let [file, table] = operands[..] else {
        return Err("ERROR: missing FILE argument. Usage:\n.import FILE TABLE".to_owned());
    };
    let source = File::open(file).map_err(|_| format!("Error: cannot open \"{file}\""))?;
    let mut reader = Reader {
        source: BufReader::with_capacity(crate::io::BLOCK, source),
        peeked: None,
        column,
        row,
        quoted,
        line: 1,
    };
    for _ in 0..skip {
        reader.record();
    }
    let database = |error: rusqlite::Error| format!("Error: {}", short(&error));
    let mut count = columns(connection, table).map_err(database)?;
    if count == 0 {
        let Some(names) = reader.record() else {
            return Err(format!("{file}: empty file"));
        };
        create(connection, table, &names).map_err(database)?;
        count = names.len();
    }
    let marks = vec!["?"; count].join(",");
    let insert = format!("INSERT INTO {} VALUES({marks})", identifier(table));
    connection.execute_batch("SAVEPOINT import").map_err(database)?;
    let mut statement = connection.prepare(&insert).map_err(database)?;
    loop {
        let line = reader.line;
        let Some(record) = reader.record() else { break };
        let found = record.len();
        if found < count {
            eprintln!("{file}:{line}: expected {count} columns but found {found} - filling the rest with NULL");
        } else if found > count {
            eprintln!("{file}:{line}: expected {count} columns but found {found} - extras ignored");
        }
        let mut values: Vec<Value> = record.into_iter().take(count).map(Value::Text).collect();
        values.resize(count, Value::Null);
        if let Err(error) = statement.execute(rusqlite::params_from_iter(values)) {
            eprintln!("{file}:{line}: INSERT failed: {}", short(&error));
        }
    }
    drop(statement);
    connection.execute_batch("RELEASE import").map_err(database)
}

fn first(text: &str, default: u8) -> u8 {
    text.bytes().next().unwrap_or(default)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<usize> {
    let count: i64 = connection.query_row("SELECT count(*) FROM pragma_table_info(?1)", [table], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

fn create(connection: &Connection, table: &str, names: &[String]) -> rusqlite::Result<()> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = names.iter().map(|name| format!("{} TEXT", quoted(name))).collect();
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {}(\n{})",
        quoted(table),
        columns.join(", ")
    ))
}

struct Reader {
    source: BufReader<File>,
    peeked: Option<u8>,
    column: u8,
    row: u8,
    quoted: bool,
    line: usize,
}

impl Reader {
    fn byte(&mut self) -> Option<u8> {
        if let Some(byte) = self.peeked.take() {
            return Some(byte);
        }
        let mut one = [0];
        match self.source.read(&mut one) {
            Ok(1) => Some(one[0]),
            _ => None,
        }
    }

    /// The next record; `None` at the end.
    fn record(&mut self) -> Option<Vec<String>> {
        let first = self.byte()?;
        self.peeked = Some(first);
        let mut out = Vec::new();
        loop {
            let (cell, more) = self.cell();
            out.push(String::from_utf8_lossy(&cell).into_owned());
            if !more {
                return Some(out);
            }
        }
    }

    /// A cell, and whether another one follows in its record.
    fn cell(&mut self) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut first = true;
        while let Some(byte) = self.byte() {
            if byte == b'\n' {
                self.line += 1;
            }
            if first && self.quoted && byte == b'"' {
                self.quoted_part(&mut out);
                first = false;
                continue;
            }
            first = false;
            if byte == self.column {
                return (out, true);
            }
            if byte == self.row {
                if self.row == b'\n' && out.last() == Some(&b'\r') {
                    out.pop();
                }
                return (out, false);
            }
            out.push(byte);
        }
        (out, false)
    }

    fn quoted_part(&mut self, out: &mut Vec<u8>) {
        while let Some(byte) = self.byte() {
            if byte == b'\n' {
                self.line += 1;
            }
            if byte != b'"' {
                out.push(byte);
                continue;
            }
            match self.byte() {
                Some(b'"') => out.push(b'"'),
                other => {
                    self.peeked = other;
                    return;
                }
            }
        }
    }
}
