//! Running statements and dot commands.

use crate::io::{is_closed_pipe, stdout};
use crate::modes::{Printer, Settings};
use crate::options::Options;
use crate::split::{complete, first_end, is_blank};
use crate::{commands, io as tool_io};
use rusqlite::types::Value;
use rusqlite::{Connection, Error, OpenFlags};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};

/// Deepest nesting of `.read`.
const READ_LIMIT: usize = 25;

/// A session with a database.
pub struct Shell {
    /// The database, opened at its first use.
    pub connection: Option<Connection>,
    /// Its name.
    pub database: String,
    pub settings: Settings,
    pub out: Box<dyn Write>,
    /// Settings and output that come back after one statement (`.once`).
    pub once: bool,
    pub bail: bool,
    pub echo: bool,
    pub changes: bool,
    pub read_only: bool,
    pub depth: usize,
    /// The status to leave with, when a command said so.
    pub leave: Option<i32>,
    failed: bool,
}

/// Where statements come from, for messages.
#[derive(Clone, Copy)]
pub enum Origin {
    /// The command line.
    Argument,
    /// A file or standard input, at this line.
    Line(usize),
}

/// Runs what the command line asks for.
pub fn run(o: Options) -> i32 {
    let mut shell = Shell {
        connection: None,
        database: o.database.unwrap_or_else(|| ":memory:".to_owned()),
        settings: o.settings,
        out: Box::new(stdout()),
        once: false,
        bail: o.bail,
        echo: o.echo,
        changes: false,
        read_only: o.read_only,
        depth: 0,
        leave: None,
        failed: false,
    };
    if let Some(init) = &o.init {
        shell.read_file(init);
    }
    let status = shell.main(&o.before, &o.statements, o.interactive);
    match shell.out.flush() {
        Err(error) if !is_closed_pipe(&error) => 1,
        _ => status,
    }
}

impl Shell {
    fn main(&mut self, before: &[String], statements: &[String], interactive: Option<bool>) -> i32 {
        for text in before {
            self.argument(text);
            if let Some(status) = self.leave {
                return status;
            }
        }
        if !statements.is_empty() {
            for text in statements {
                let status = self.argument(text);
                if let Some(status) = self.leave {
                    return status;
                }
                if status != 0 {
                    return status;
                }
            }
            return 0;
        }
        let terminal = interactive.unwrap_or_else(|| io::stdin().is_terminal());
        self.lines(&mut io::stdin().lock(), terminal);
        self.leave.unwrap_or(i32::from(self.failed))
    }

    /// One operand of the command line; its status.
    fn argument(&mut self, text: &str) -> i32 {
        if text.starts_with('.') {
            let good = commands::run(self, text);
            return i32::from(!good);
        }
        self.statements(text, Origin::Argument)
    }

    /// Reads and runs lines until the end, `.quit`, or an error with `.bail on`.
    pub fn lines(&mut self, input: &mut dyn BufRead, terminal: bool) {
        let mut pending = String::new();
        let mut line_number = 0;
        let mut start = 1;
        loop {
            if terminal {
                let prompt = if pending.is_empty() { "sqlite> " } else { "   ...> " };
                let _ = self.out.write_all(prompt.as_bytes());
                let _ = self.out.flush();
            }
            let mut bytes = Vec::new();
            match input.read_until(b'\n', &mut bytes) {
                Ok(count) if count > 0 => {}
                _ => break,
            }
            line_number += 1;
            let line = String::from_utf8_lossy(&bytes).into_owned();
            let line = line.trim_end_matches(['\n', '\r']);
            if pending.is_empty() && is_blank(line) {
                continue;
            }
            if pending.is_empty() {
                start = line_number;
                if line.trim_start().starts_with('.') || line.starts_with('#') {
                    if self.echo {
                        let _ = writeln!(self.out, "{line}");
                    }
                    if !line.starts_with('#') && !commands::run(self, line.trim_start()) {
                        self.failed = true;
                        if self.bail {
                            return;
                        }
                    }
                    if self.leave.is_some() {
                        return;
                    }
                    continue;
                }
            }
            if !pending.is_empty() {
                pending.push('\n');
            }
            pending.push_str(line);
            if complete(&pending) {
                let sql = std::mem::take(&mut pending);
                let failed = self.statements(&sql, Origin::Line(start)) != 0;
                self.failed |= failed;
                if (failed && self.bail) || self.leave.is_some() {
                    return;
                }
            }
        }
        if terminal {
            let _ = writeln!(self.out);
        }
        if !is_blank(&pending) {
            self.failed |= self.statements(&pending, Origin::Line(start)) != 0;
        }
    }

    /// Runs a file of statements; false when it cannot be read.
    pub fn read_file(&mut self, name: &str) -> bool {
        if self.depth >= READ_LIMIT {
            self.complain(&format!(
                "Input nesting limit ({READ_LIMIT}) reached at line 1. Check recursion."
            ));
            return false;
        }
        match File::open(name) {
            Ok(file) => {
                self.depth += 1;
                self.lines(&mut io::BufReader::with_capacity(tool_io::BLOCK, file), false);
                self.depth -= 1;
                true
            }
            Err(_) => {
                self.complain(&format!("Error: cannot open \"{name}\""));
                false
            }
        }
    }

    /// Prints a message behind everything printed before.
    pub fn complain(&mut self, message: &str) {
        let _ = self.out.flush();
        eprintln!("{message}");
    }

    /// The database, opened if it is not yet; says why when it cannot be.
    pub fn open(&mut self) -> Option<&Connection> {
        if self.connection.is_none() {
            let flags = if self.read_only {
                OpenFlags::SQLITE_OPEN_READ_ONLY
            } else {
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
            };
            match Connection::open_with_flags(&self.database, flags | OpenFlags::SQLITE_OPEN_URI) {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => {
                    let reason = short(&error);
                    let reason = reason.strip_suffix(&format!(": {}", self.database)).unwrap_or(&reason);
                    let text = format!("Error: unable to open database \"{}\": {reason}", self.database);
                    self.complain(&text);
                    return None;
                }
            }
        }
        self.connection.as_ref()
    }

    /// Runs statements one after another; the status of the first that fails.
    pub fn statements(&mut self, sql: &str, origin: Origin) -> i32 {
        if self.echo {
            let _ = writeln!(self.out, "{sql}");
        }
        if self.open().is_none() {
            return 1;
        }
        let Some(connection) = self.connection.take() else {
            return 1;
        };
        let outcome = run_all(&connection, sql, &self.settings, &mut self.out);
        if self.changes && outcome.is_ok() {
            let _ = writeln!(
                self.out,
                "changes: {}   total_changes: {}",
                connection.changes(),
                connection.total_changes()
            );
        }
        self.connection = Some(connection);
        if std::mem::take(&mut self.once) {
            let _ = self.out.flush();
            self.out = Box::new(stdout());
        }
        match outcome {
            Ok(()) => 0,
            Err(Failure::Output(error)) if is_closed_pipe(&error) => {
                self.leave = Some(0);
                0
            }
            Err(Failure::Output(error)) => {
                self.complain(&format!("Error: {}", tool_io::reason(&error)));
                1
            }
            Err(Failure::Prepare(error, rest)) => {
                let context = context(&error, &rest);
                let text = short(&error);
                self.complain(&match origin {
                    Origin::Argument => format!("Error: in prepare, {text}{context}"),
                    Origin::Line(line) => format!("Parse error near line {line}: {text}{context}"),
                });
                1
            }
            Err(Failure::Step(error)) => {
                let code = code(&error);
                let text = short(&error);
                self.complain(&match origin {
                    Origin::Argument => format!("Error: stepping, {text} ({code})"),
                    Origin::Line(line) => format!("Runtime error near line {line}: {text} ({code})"),
                });
                code
            }
        }
    }
}

enum Failure {
    /// With the text from the statement on.
    Prepare(Error, String),
    Step(Error),
    Output(io::Error),
}

/// The message alone.
pub fn short(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        Error::SqliteFailure(code, None) => code.to_string(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

fn code(error: &Error) -> i32 {
    match error {
        Error::SqliteFailure(code, _) => code.extended_code & 0xff,
        _ => 1,
    }
}

/// The statement with a mark under the place of the error.
fn context(error: &Error, sql: &str) -> String {
    let Error::SqlInputError { offset, .. } = error else {
        return String::new();
    };
    let Ok(mut offset) = usize::try_from(*offset) else {
        return String::new();
    };
    let mut text: Vec<char> = sql.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    offset = sql
        .get(..offset)
        .map_or(offset, |before| before.chars().count())
        .min(text.len());
    if offset > 50 {
        text.drain(..offset - 50);
        offset = 50;
    }
    text.truncate(78);
    let shown: String = text.into_iter().collect();
    if offset < 25 {
        format!("\n  {shown}\n  {}^--- error here", " ".repeat(offset))
    } else {
        format!("\n  {shown}\n  {}error here ---^", " ".repeat(offset - 14))
    }
}

fn run_all(connection: &Connection, sql: &str, settings: &Settings, out: &mut dyn Write) -> Result<(), Failure> {
    let mut rest = sql;
    loop {
        rest = rest.trim_start();
        if is_blank(rest) {
            return Ok(());
        }
        let length = first_end(rest);
        let mut statement = connection
            .prepare(&rest[..length])
            .map_err(|error| Failure::Prepare(error, rest.to_owned()))?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let count = names.len();
        let mut printer = Printer::new(settings, names);
        let mut rows = statement.raw_query();
        loop {
            match rows.next() {
                Err(error) => return Err(Failure::Step(error)),
                Ok(None) => break,
                Ok(Some(row)) => {
                    let values: Vec<Value> = (0..count)
                        .map(|column| row.get_ref(column).map(own).unwrap_or(Value::Null))
                        .collect();
                    printer.row(&values, out).map_err(Failure::Output)?;
                }
            }
        }
        printer.finish(out).map_err(Failure::Output)?;
        rest = &rest[length..];
    }
}

/// Text that is not UTF-8 keeps what can be kept.
pub fn own(value: rusqlite::types::ValueRef<'_>) -> Value {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}
